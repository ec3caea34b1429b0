//! Whisper tiny.en and base with their published weights, against transformers and openai-whisper on
//! the same; numbers by `scripts/golden/whisper_published.py`. Runs whenever the assets
//! `whisper-tiny-en`, `whisper-base` and `librivox` are there (`scripts/fetch-assets`,
//! `scripts/convert-assets`), and must if `ANDIRON_ASSETS` is `required`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_core::{
    Evaluator as _, Example, Model as _, Network, Predictor, device, evaluator::Bootstrap, testing,
};
use andiron_speech::{
    SpeechRecognition, Waveform,
    metrics::{errors::Heard, normalizer::EnglishTextNormalizer},
    models::whisper::{WhisperBatch, WhisperConfig},
    tasks::speech_recognition::{SpeechEvaluator, Transcript},
    whisper::{self, WhisperDecoding, WhisperListener},
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::Value;
use std::{fs, time::Instant};
use support::asset;

fn golden(name: &str) -> Value {
    let all = support::golden("whisper");
    let mut model = all[name].clone();
    model["every"] = all["every"].clone();
    model
}

fn numbers<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

struct Published {
    listener: WhisperListener,
    network: Network<WhisperConfig>,
    device: Device,
}

impl Published {
    fn load(folder: &str) -> Option<Self> {
        let (folder, _) = (asset(folder)?, asset("librivox")?);
        let device = device("flex").unwrap();
        let started = Instant::now();
        let (listener, network) = whisper::from_folder(folder, &device).unwrap();
        eprintln!("loaded in {:.1} s", started.elapsed().as_secs_f64());
        Some(Self { listener, network, device })
    }

    fn transcribe(&self, decoding: WhisperDecoding, waves: &[Waveform]) -> Vec<Transcript> {
        let listener = WhisperListener { decoding, ..self.listener.clone() };
        let started = Instant::now();
        let found = listener.transcribe(&self.network.model, waves, &self.device).unwrap();
        let seconds: f64 = waves.iter().map(Waveform::seconds).sum();
        eprintln!("{seconds:.1} s of sound in {:.1} s", started.elapsed().as_secs_f64());
        found
    }
}

fn wave(name: &str) -> Waveform {
    Waveform::from_file(asset(&format!("librivox/{name}.wav")).unwrap()).unwrap()
}

fn logits(published: &Published, golden: &Value) {
    let Published { listener, network, device } = published;
    let every = golden["every"].as_u64().unwrap() as usize;
    for case in golden["cases"].as_array().unwrap() {
        let frames = listener.frames(&wave(case["name"].as_str().unwrap())).unwrap();
        let audio = listener.windows(&[(&frames, 0)], device);
        let ids: Vec<i32> = numbers(&case["ids"]);
        let shape = [1, ids.len()];
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), device);
        let found = network.model.forward(WhisperBatch { audio, ids });
        let n_tokens = found.dims()[2];
        let found: Vec<f32> = found.into_data().iter::<f32>().collect();
        let picked = found.chunks_exact(n_tokens).flat_map(|row| row.iter().step_by(every));
        let (mut most, mut count) = (0f32, 0);
        for (found, wanted) in picked.zip(numbers::<f32>(&case["logits"])) {
            let off = (found - wanted).abs();
            assert!(off <= 2e-3 + 1e-3 * wanted.abs(), "{found} {wanted}");
            most = most.max(off);
            count += 1;
        }
        let best = |row: &[f32]| {
            let best = |a: usize, b: usize| if row[b] > row[a] { b } else { a };
            (0..row.len()).reduce(best).unwrap()
        };
        let greatest: Vec<usize> = found.chunks_exact(n_tokens).map(best).collect();
        assert_eq!(greatest, numbers::<usize>(&case["greatest"]));
        assert_eq!(count, numbers::<f32>(&case["logits"]).len());
        eprintln!("{}: {count} logits, at most {most} off", case["name"]);
    }
}

/// Tokens, texts and probabilities, decoded in so many of the ways, the cheapest first.
fn texts(published: &Published, golden: &Value, ways: usize) {
    let plain = || WhisperDecoding { language: Some("en".to_owned()), ..WhisperDecoding::greedy() };
    let cases = golden["cases"].as_array().unwrap();
    let waves: Vec<Waveform> =
        cases.iter().map(|case| wave(case["name"].as_str().unwrap())).collect();
    let wide = WhisperDecoding {
        timestamps: true,
        beam: 3,
        patience: 2.0,
        length_penalty: Some(0.5),
        ..plain()
    };
    for (name, decoding) in [
        ("greedy", plain()),
        ("times", WhisperDecoding { timestamps: true, ..plain() }),
        ("beam", WhisperDecoding { timestamps: true, beam: 5, ..plain() }),
        ("beam_times", wide),
    ]
    .into_iter()
    .take(ways)
    {
        let found = published.transcribe(decoding, &waves);
        for (transcript, case) in found.iter().zip(cases) {
            let wanted = &case[name];
            let tokens: Vec<u32> =
                transcript.segments.iter().flat_map(|segment| segment.tokens.clone()).collect();
            assert_eq!(tokens, numbers::<u32>(&wanted["tokens"]), "{name} of {}", case["name"]);
            assert_eq!(transcript.text, wanted["text"].as_str().unwrap().trim());
            let segment = &transcript.segments[0];
            for (found, wanted) in [
                (segment.log_probability, &wanted["log_probability"]),
                (segment.no_speech_probability, &wanted["no_speech"]),
            ] {
                let (found, wanted) = (found.unwrap(), wanted.as_f64().unwrap());
                assert!((found - wanted).abs() < 2e-3 * wanted.abs().max(0.1), "{found} {wanted}");
            }
        }
    }
}

/// A sound of several windows: times, and what stands before each window.
fn long(published: &Published, golden: &Value) {
    let names: Vec<&str> = golden["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| case["name"].as_str().unwrap())
        .collect();
    let mut samples = Vec::new();
    for name in names.iter().cycle().take(3 * names.len()) {
        samples.extend(wave(name).samples);
        samples.extend(vec![0.0; 24_000]);
    }
    let decoding =
        WhisperDecoding { language: Some("en".to_owned()), ..WhisperDecoding::default() };
    let found =
        published.transcribe(decoding, &[Waveform::new(samples, 16_000).unwrap()]).remove(0);
    let wanted = golden["long"].as_array().unwrap();
    let said = |start: f64, end: f64, text: &str| format!("{start:.2} {end:.2}{text}");
    let found: Vec<String> =
        found.segments.iter().map(|one| said(one.start, one.end, &one.text)).collect();
    let wanted: Vec<String> = wanted
        .iter()
        .map(|one| {
            said(one[0].as_f64().unwrap(), one[1].as_f64().unwrap(), one[2].as_str().unwrap())
        })
        .collect();
    assert_eq!(found, wanted);
}

/// Words that are wrong, of all that were said.
fn wrong(published: &Published) -> (usize, usize) {
    let script = fs::read_to_string(asset("librivox/transcription").unwrap()).unwrap();
    let normalizer = EnglishTextNormalizer::new();
    let mut examples = Vec::new();
    for line in script.lines() {
        let (text, name) = line.rsplit_once('(').unwrap();
        let text = text.replace("<s>", "").replace("</s>", "");
        let name = name.trim_end_matches(')').rsplit_once('-').unwrap().1;
        examples.push(Example { input: wave(name), target: text.trim().to_owned() });
    }
    assert_eq!(examples.len(), 5);
    let decoding = WhisperDecoding { language: Some("en".to_owned()), ..WhisperDecoding::greedy() };
    let waves: Vec<Waveform> = examples.iter().map(|example| example.input.clone()).collect();
    let found = published.transcribe(decoding.clone(), &waves);
    let (mut changed, mut words) = (0, 0);
    for (transcript, example) in found.iter().zip(&examples) {
        let heard = Heard::new(
            normalizer.normalize(&example.target),
            normalizer.normalize(&transcript.text),
        );
        changed += heard.words().count();
        words += heard.words().reference_len();
        eprintln!("{:?} for {:?}", transcript.text, example.target);
    }
    // The evaluator says the same.
    let listener = WhisperListener { decoding, ..published.listener.clone() };
    let predictor = Predictor::new(
        SpeechRecognition::from(listener),
        published.network.clone(),
        &published.device,
    );
    let bootstrap = Bootstrap { resamples: 200, ..Bootstrap::default() };
    let evaluator = SpeechEvaluator { bootstrap, ..SpeechEvaluator::default() };
    let report = evaluator.evaluate(&predictor, &examples).unwrap();
    let wer = report.score("wer").unwrap();
    assert!((wer.value - changed as f64 / words as f64).abs() < 1e-9);
    assert!(wer.low <= wer.value && wer.value <= wer.high);
    (changed, words)
}

#[test]
fn tiny_en_is_that_of_the_references() {
    let Some(published) = Published::load("whisper-tiny-en") else { return };
    let golden = golden("whisper_tiny_en");
    assert!(!published.listener.multilingual);
    assert_eq!(
        published.listener.vocabulary.unspoken().unwrap(),
        numbers::<u32>(&golden["suppress"])
    );
    assert_eq!(published.listener.suppress, numbers::<u32>(&golden["suppress"]));
    logits(&published, &golden);
    texts(&published, &golden, 4);
    long(&published, &golden);
    let (changed, words) = wrong(&published);
    assert!(words == 71 && changed <= 4, "{changed} of {words}");
    testing::record(
        "golden",
        "speech-recognition: whisper tiny.en",
        "published weights: logits within rtol 1e-3, atol 2e-3 of transformers on five sentences; tokens of greedy search, beams and times, and segments of a long sound, equal openai-whisper's",
    );
    testing::record(
        "accuracy",
        "speech-recognition: whisper tiny.en",
        &format!("{changed} wrong words of {words} of five LibriVox sentences"),
    );
}

#[test]
fn base_is_that_of_the_references() {
    let Some(published) = Published::load("whisper-base") else { return };
    let golden = golden("whisper_base");
    assert!(published.listener.multilingual);
    assert_eq!(
        published.listener.vocabulary.unspoken().unwrap(),
        numbers::<u32>(&golden["suppress"])
    );
    logits(&published, &golden);
    texts(&published, &golden, 2);
    long(&published, &golden);
    // Which language it is, and what it would be in another.
    let Published { listener, network, device } = &published;
    let cases = golden["languages"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let opening = listener.opening(&wave(case["name"].as_str().unwrap())).unwrap();
        let encoded = network.model.encode(listener.windows(&[(&opening, 0)], device));
        let found = listener.languages(&network.model, encoded, device).remove(0);
        for pair in case["best"].as_array().unwrap() {
            let (code, wanted) = (pair[0].as_str().unwrap(), pair[1].as_f64().unwrap());
            let (_, probability) = found.iter().find(|(known, _)| known == code).unwrap();
            assert!(
                (probability - wanted).abs() < 2e-3 * wanted.max(0.1),
                "{}, {code}: {probability} {wanted}",
                case["name"]
            );
        }
    }
    let heard = published.transcribe(WhisperDecoding::greedy(), &[wave("0880")]).remove(0);
    assert_eq!(heard.language.as_deref(), Some("en"));
    let decoding = WhisperDecoding {
        language: Some("de".to_owned()),
        translate: true,
        timestamps: true,
        ..WhisperDecoding::greedy()
    };
    let translated = published.transcribe(decoding, &[wave("0880")]).remove(0);
    assert_eq!(translated.text, golden["translated"]["text"].as_str().unwrap().trim());
    let (changed, words) = wrong(&published);
    assert!(words == 71 && changed <= 2, "{changed} of {words}");
    testing::record(
        "golden",
        "speech-recognition: whisper base",
        "published weights, 99 languages: logits, tokens of greedy search and times, language and segments as tiny.en's",
    );
    testing::record(
        "accuracy",
        "speech-recognition: whisper base",
        &format!("{changed} wrong words of {words} of five LibriVox sentences"),
    );
}
