//! Voice activity: when does somebody speak? Silero VAD's published weights on the shipped prompts,
//! put one behind the other with pauses between them: as a whole, and as a stream.
//!
//! ```text
//! scripts/fetch-assets --only silero-vad
//! cargo run --example voice_activity
//! ```
//!
//! It prints the segments that were found beside those that are there, and the share of frames that
//! are right, with a 95 % interval.

use andiron::{
    Evaluator, Example,
    data::folder::class_files,
    speech::{
        Waveform,
        tasks::voice_activity::{Span, VoiceActivityEvaluator, VoiceStream, from_path},
    },
};
use std::{error::Error, path::Path};

const RATE: u32 = 16_000;

/// Prompts with a pause before each and at the end, and where they lie.
fn conversation(prompts: &[Waveform], pause: f64) -> Example<Waveform, Vec<Span>> {
    let silence = vec![0.0; (pause * f64::from(RATE)) as usize];
    let (mut samples, mut spans) = (silence.clone(), Vec::new());
    for prompt in prompts {
        let start = samples.len() as f64 / f64::from(RATE);
        samples.extend(&prompt.samples);
        spans.push(Span { start, end: samples.len() as f64 / f64::from(RATE) });
        samples.extend(&silence);
    }
    Example { input: Waveform { samples, rate: RATE }, target: spans }
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let device = andiron::device("flex")?;
    let weights = root.join("assets/silero-vad/silero_vad_16k.safetensors");
    let predictor = from_path(&weights, &device)?;

    let mut talks = Vec::new();
    let files = class_files(root.join("examples/data/prompts"), &["wav"])?;
    let each = if quick { 2 } else { 8 };
    for language in ["en", "es", "fr", "it", "ru"] {
        let own = files.iter().filter(|file| file.label == language).take(each);
        let read = |path: &Path| Waveform::from_file(path)?.resample(RATE);
        let prompts = own.map(|file| read(&file.path)).collect::<Result<Vec<_>, _>>()?;
        talks.push(conversation(&prompts, 1.2));
    }

    let talk = &talks[0];
    let answer = predictor.predict(std::slice::from_ref(&talk.input))?.remove(0);
    println!("there:");
    for span in &talk.target {
        println!("  {:6.2} to {:6.2} s", span.start, span.end);
    }
    println!("found:");
    for segment in &answer.segments {
        let share = 100.0 * segment.probability;
        println!("  {:6.2} to {:6.2} s, {share:.0} %", segment.start, segment.end);
    }

    // The same from pieces of 20 ms, each segment as soon as it is certain.
    let mut stream = VoiceStream::of(&predictor)?.expect("the network is a Silero VAD");
    let mut live = Vec::new();
    for chunk in talk.input.samples.chunks(RATE as usize / 50) {
        live.extend(stream.push(chunk)?);
    }
    live.extend(stream.finish()?);
    assert_eq!(live, answer.segments);
    println!("live: the same {} segments", live.len());

    println!("{}", VoiceActivityEvaluator::default().evaluate(&predictor, &talks)?);
    Ok(())
}
