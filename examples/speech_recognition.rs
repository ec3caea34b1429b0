//! Speech recognition: what is said in five read sentences, by the published Whisper tiny.en, with
//! times; how many words are wrong; and the same while the sound is heard.
//!
//! ```text
//! scripts/fetch-assets --only whisper-tiny-en --only librivox
//! cargo run --example speech_recognition
//! ```
//!
//! It prints the word error rate with a 95 % interval, subtitles of one sentence, and what is known of
//! it after each second. With `--quick` it takes two sentences.

use andiron::{
    DataError, Evaluator, Example, Predictor,
    speech::{
        SpeechRecognition, Waveform,
        tasks::speech_recognition::SpeechEvaluator,
        whisper::{self, Live, WhisperDecoding, WhisperListener},
    },
};
use std::{error::Error, fs, path::Path};

/// The sentences with their words, as the corpus has them: a line each, the file's name behind it.
fn data(folder: &Path) -> Result<Vec<Example<Waveform, String>>, DataError> {
    let path = folder.join("transcription");
    let lines = fs::read_to_string(&path).map_err(|error| DataError::io(path, error))?;
    let mut examples = Vec::new();
    for line in lines.lines() {
        let Some((text, name)) = line.rsplit_once('(') else { continue };
        let number = name.trim_end_matches(')').rsplit('-').next().unwrap_or_default();
        let input = Waveform::from_file(folder.join(format!("{number}.wav")))?;
        let target = text.replace("<s>", "").replace("</s>", "").trim().to_owned();
        examples.push(Example { input, target });
    }
    Ok(examples)
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let mut examples = data(&assets.join("librivox"))?;
    if quick {
        examples.truncate(2);
    }

    // The settings are part of the task, and saved with it. These are the fastest ones.
    let device = andiron::device("flex")?;
    let (listener, network) = whisper::from_folder(assets.join("whisper-tiny-en"), &device)?;
    let language = listener.decoding.language.clone();
    let decoding = WhisperDecoding { timestamps: true, language, ..WhisperDecoding::greedy() };
    let listener = WhisperListener { decoding, ..listener };
    let predictor = Predictor::new(SpeechRecognition::from(listener), network, &device);

    let report = SpeechEvaluator::default().evaluate(&predictor, &examples)?;
    let wer = report.score("wer")?;
    println!(
        "{} parameters: word error rate {:.3} (95 % interval {:.3} to {:.3}) on {} sentences",
        predictor.parameters(),
        wer.value,
        wer.low,
        wer.high,
        examples.len()
    );

    let sentence = &examples[0].input;
    print!("{}", predictor.predict(std::slice::from_ref(sentence))?[0].to_srt());

    let mut live = Live::new(&predictor)?;
    for piece in sentence.resample(whisper::RATE)?.samples.chunks(320) {
        if let Some(partial) = live.push(piece)?.partial {
            println!("… {}", partial.text);
        }
    }
    println!("{}", live.finish()?.text);
    Ok(())
}
