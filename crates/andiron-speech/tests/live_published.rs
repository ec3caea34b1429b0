//! Live transcription by Whisper tiny.en with its published weights, in pieces of 20 ms, against the
//! transcription of the whole. Runs where the assets `whisper-tiny-en` and `librivox` are.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_core::{Predictor, device, testing::record};
use andiron_speech::{
    SpeechRecognition, Waveform,
    metrics::{errors::Heard, normalizer::EnglishTextNormalizer},
    tasks::speech_recognition::Transcript,
    whisper::{self, Live, RATE, WhisperDecoding, WhisperListener},
};
use std::time::Instant;
use support::asset;

/// The five sentences with half a second between, as often as it takes for so many seconds.
fn reading(seconds: f64) -> Option<Waveform> {
    let folder = asset("librivox")?;
    let mut samples = Vec::new();
    for name in ["0870", "0880", "0890", "0920", "0930"].iter().cycle() {
        samples.extend(Waveform::from_file(folder.join(format!("{name}.wav"))).unwrap().samples);
        samples.extend(vec![0.0; 8_000]);
        if samples.len() as f64 > seconds * f64::from(RATE) {
            break;
        }
    }
    samples.truncate((seconds * f64::from(RATE)) as usize);
    Some(Waveform::new(samples, RATE).unwrap())
}

fn live(predictor: &Predictor<SpeechRecognition>, wave: &Waveform) -> (Transcript, usize) {
    let mut live = Live::new(predictor).unwrap().with_step(Some(14.0)).unwrap();
    let (mut segments, mut partials) = (Vec::new(), 0);
    for piece in wave.samples.chunks(RATE as usize / 50) {
        let heard = live.push(piece).unwrap();
        segments.extend(heard.segments);
        partials += usize::from(heard.partial.is_some_and(|partial| !partial.text.is_empty()));
    }
    let last = live.finish().unwrap();
    let language = last.language;
    segments.extend(last.segments);
    (Transcript { language, ..Transcript::of(segments) }, partials)
}

/// The rule: a sound of one window gives what the whole gives; a longer one may differ where the
/// loudest frame up to a window's end, by which it is levelled, is not that of the whole: in no more than
/// a word of fifty.
#[test]
fn in_pieces_of_twenty_milliseconds_it_hears_what_the_whole_says() {
    let (Some(model), Some(short)) = (asset("whisper-tiny-en"), reading(29.0)) else { return };
    let long = reading(64.0).unwrap();
    let device = device("flex").unwrap();
    let (listener, network) = whisper::from_folder(model, &device).unwrap();
    let decoding = WhisperDecoding { temperatures: vec![0.0], ..listener.decoding.clone() };
    let listener = WhisperListener { decoding, ..listener };
    let predictor = Predictor::new(SpeechRecognition::from(listener), network, &device);
    let started = Instant::now();
    let whole = predictor.predict(std::slice::from_ref(&short)).unwrap().remove(0);
    let (heard, partials) = live(&predictor, &short);
    assert!(partials >= 2 && whole.segments.len() > 2, "{partials} {whole:?}");
    assert_eq!(heard, whole);
    println!("one window: equal, {:.1} s", started.elapsed().as_secs_f64());
    let whole = predictor.predict(std::slice::from_ref(&long)).unwrap().remove(0);
    let (heard, _) = live(&predictor, &long);
    let normal = EnglishTextNormalizer::new();
    let words = Heard::new(normal.normalize(&whole.text), normal.normalize(&heard.text)).words();
    let (changed, all) = (words.count(), words.reference_len());
    println!("{changed} words of {all} differ, {:.1} s", started.elapsed().as_secs_f64());
    assert!(all > 100 && changed * 50 <= all, "{changed} of {all}:\n{whole:?}\n{heard:?}");
    record(
        "streaming",
        "speech-recognition: whisper tiny.en",
        &format!(
            "pieces of 20 ms: 29 s as the whole, to the last token; of 64 s {changed} words of {all} differ"
        ),
    );
}
