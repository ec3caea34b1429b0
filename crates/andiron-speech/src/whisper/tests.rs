//! What is decided about a window, case by case: that of openai-whisper's `transcribe.py`, which is
//! quoted at each.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::{course::compression_ratio, search::Answer, *};

/// A listener of bytes with the defaults of `transcribe`: 2.4, -1 and 0.6.
fn listener() -> WhisperListener {
    let vocabulary = Vocabulary::of_bytes();
    WhisperListener {
        multilingual: false,
        n_mels: 7,
        n_frames: 100,
        max_length: 40,
        suppress: Vec::new(),
        vocabulary,
        decoding: WhisperDecoding { timestamps: false, ..WhisperDecoding::default() },
    }
}

fn answer(text: &str, log_probability: f64, no_speech: f64) -> Answer {
    Answer { tokens: listener().vocabulary.ids(text).unwrap(), log_probability, no_speech }
}

const PLAIN: &str = " It was the best of times, it was the worst of times.";

fn repeated() -> String {
    " and again".repeat(30)
}

#[test]
fn a_text_is_tried_again_where_openai_whisper_does() {
    let again = |text: &str, log_probability, no_speech| {
        listener().tries_again(&answer(text, log_probability, no_speech)).unwrap()
    };
    assert!(compression_ratio(PLAIN) < 2.4 && compression_ratio(repeated().trim()) > 2.4);
    // if decode_result.compression_ratio > compression_ratio_threshold: needs_fallback = True
    assert!(again(&repeated(), -0.5, 0.1));
    assert!(!again(PLAIN, -0.5, 0.1));
    // if decode_result.avg_logprob < logprob_threshold: needs_fallback = True
    assert!(again(PLAIN, -1.001, 0.1));
    assert!(!again(PLAIN, -1.0, 0.1));
    // if no_speech_prob > no_speech_threshold and avg_logprob < logprob_threshold:
    //     needs_fallback = False  # silence
    assert!(!again(PLAIN, -1.001, 0.61));
    assert!(again(PLAIN, -1.001, 0.6));
    assert!(!again(&repeated(), -1.001, 0.61));
    // A silence whose text is probable is none: it repeats itself.
    assert!(again(&repeated(), -0.5, 0.99));
}

#[test]
fn a_threshold_that_is_none_lets_all_pass() {
    let with = |change: &dyn Fn(&mut WhisperDecoding), text: &str, log_probability, no_speech| {
        let mut listener = listener();
        change(&mut listener.decoding);
        listener.tries_again(&answer(text, log_probability, no_speech)).unwrap()
    };
    assert!(!with(&|decoding| decoding.compression_ratio = None, &repeated(), -0.5, 0.1));
    assert!(!with(&|decoding| decoding.log_probability = None, PLAIN, -9.0, 0.1));
    assert!(with(&|decoding| decoding.no_speech = None, PLAIN, -9.0, 0.99));
    // Without a threshold of the probability nothing is a silence here.
    assert!(with(&|decoding| decoding.log_probability = None, &repeated(), -9.0, 0.99));
}

/// What is left of a window of 200 frames after a decision: its texts, and what stands before the
/// next.
fn taken(
    listener: &WhisperListener,
    answer: Answer,
    temperature: f64,
) -> (Vec<String>, usize, Vec<u32>) {
    let mut course = Course::new(listener).unwrap();
    let segments = course.take(&Decided { answer, temperature }, 200, listener).unwrap();
    let texts = segments.into_iter().map(|segment| segment.text).collect();
    // The marks of the next window's beginning stand behind it.
    let (mut before, start) = course.before(listener, 400);
    before.truncate(start);
    (texts, course.seek, before)
}

#[test]
fn a_window_is_left_out_as_silence_where_openai_whisper_does() {
    let listener = listener();
    let said = |log_probability, no_speech| {
        let (texts, seek, before) =
            taken(&listener, answer(PLAIN, log_probability, no_speech), 0.0);
        assert_eq!(seek, 200);
        assert_eq!(texts.is_empty(), before.is_empty());
        !texts.is_empty()
    };
    // should_skip = result.no_speech_prob > no_speech_threshold
    assert!(!said(-1.5, 0.61));
    assert!(said(-1.5, 0.6));
    // if result.avg_logprob > logprob_threshold: should_skip = False
    assert!(said(-0.999, 0.61));
    assert!(!said(-1.0, 0.61));
    let decoding = WhisperDecoding { log_probability: None, ..listener.decoding.clone() };
    let without = WhisperListener { decoding, ..listener.clone() };
    assert!(taken(&without, answer(PLAIN, -0.1, 0.61), 0.0).0.is_empty());
    let decoding = WhisperDecoding { no_speech: None, ..listener.decoding.clone() };
    let without = WhisperListener { decoding, ..listener.clone() };
    assert_eq!(taken(&without, answer(PLAIN, -9.0, 0.99), 0.0).0, [PLAIN]);
}

#[test]
fn what_was_said_hot_does_not_stand_before_the_next_window() {
    let listener = listener();
    let vocabulary = &listener.vocabulary;
    let before =
        |temperature: f64| taken(&listener, answer(" some words", -0.5, 0.1), temperature).2;
    let mut wanted = vec![vocabulary.marks().previous.unwrap()];
    wanted.extend(vocabulary.ids(" some words").unwrap());
    // if not condition_on_previous_text or result.temperature > 0.5: prompt_reset_since = ...
    for temperature in [0.0, 0.2, 0.5] {
        assert_eq!(before(temperature), wanted, "{temperature}");
    }
    for temperature in [0.500_001, 0.6, 1.0] {
        assert!(before(temperature).is_empty(), "{temperature}");
    }
    let decoding = WhisperDecoding { condition_on_previous: false, ..listener.decoding.clone() };
    let alone = WhisperListener { decoding, ..listener.clone() };
    assert!(taken(&alone, answer(" some words", -0.5, 0.1), 0.0).2.is_empty());
}

#[test]
fn each_temperature_is_tried_until_a_text_passes() {
    use crate::models::whisper::WhisperConfig;
    let device = Device::flex();
    let base = listener();
    let config = WhisperConfig {
        n_frames: base.n_frames,
        max_length: base.max_length,
        ..WhisperConfig::new(7, base.vocabulary.n_tokens(), 8).with_n_heads(2).with_n_layers(1)
    };
    let model = andiron_core::Network::init(config, 5, &device).unwrap().model;
    let samples = (0..24_000).map(|n| (n as f32 * 0.05).sin()).collect();
    let levelled = Levelled::of(&Waveform::new(samples, 16_000).unwrap(), 7).unwrap();
    let at_last = |log_probability: f64| {
        let decoding = WhisperDecoding {
            temperatures: vec![0.0, 0.3, 0.8],
            log_probability: Some(log_probability),
            compression_ratio: None,
            no_speech: None,
            best_of: 1,
            ..base.decoding.clone()
        };
        let listener = WhisperListener { decoding, ..base.clone() };
        let encoded = model.encode(listener.windows(&[(&levelled.frames, 0)], &device));
        let courses = [Course::new(&listener).unwrap()];
        listener.decide(&model, encoded, &courses, &device).unwrap()[0].temperature
    };
    // No text is so probable; every text is.
    assert_eq!(at_last(0.0), 0.8);
    assert_eq!(at_last(-1e9), 0.0);
}
