//! DS-CNN against PyTorch, whose numbers `scripts/golden/ds_cnn.py` made; keywords in streams.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_core::{
    ConfigError, DataError, Example, GradientTrainer, Model as _, Network, Predictor, Raw, Recipe,
    Registered as _, Registry, Trainer as _, TrainingConfig, testing::record, trainer::Progress,
    weights,
};
use andiron_speech::{
    AudioBatch, AudioClassification, KeywordSpotting, TASKS, Waveform,
    frontend::Frames,
    models::ds_cnn::DsCnnConfig,
    tasks::keyword_spotting::{
        Keyword, KeywordConfig, KeywordStream, KeywordTarget, TrueKeyword, measure,
    },
};
use burn::{module::Module as _, tensor::Device};
use serde_json::json;
use std::path::Path;
use support::{floats, golden};

#[test]
fn logits_are_those_of_pytorch_alone_and_side_by_side() {
    let device = Device::flex();
    let config = DsCnnConfig::new(9, 3).with_channels(6).with_n_blocks(2);
    let network = Network::init(config, 1, &device).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ds_cnn.safetensors");
    let model = weights::load(network, &path).unwrap().model.valid();
    let golden = golden("ds_cnn");
    let cases = golden["clips"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    let clip = |case: &serde_json::Value| {
        let (frames, by_band) =
            (case["frames"].as_u64().unwrap() as usize, floats(&case["features"]));
        let value = |at: usize| by_band[(at % 9) * frames + at / 9];
        Frames { values: (0..9 * frames).map(value).collect(), width: 9 }
    };
    let clips: Vec<Frames> = cases.iter().map(clip).collect();
    let together: Vec<f32> =
        model.forward(AudioBatch::of(&clips, 9, &device)).into_data().iter::<f32>().collect();
    for (at, (case, clip)) in cases.iter().zip(&clips).enumerate() {
        let batch = AudioBatch::of(std::slice::from_ref(clip), 9, &device);
        let alone: Vec<f32> = model.forward(batch).into_data().iter::<f32>().collect();
        for (label, wanted) in floats(&case["logits"]).into_iter().enumerate() {
            for found in [alone[label], together[at * 3 + label]] {
                assert!((found - wanted).abs() < 1e-4, "clip {at}: {found} for {wanted}");
            }
        }
    }
    record("golden", "ds-cnn", "logits equal PyTorch's at odd lengths, alone and side by side");
}

/// A tone that swells and moves from one pitch to another, with a little noise.
fn tone([from, to]: [f64; 2], seconds: f64, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..(seconds * 8e3) as usize)
        .map(|n| {
            let noise = (andiron_kernels::split_mix(&mut state) >> 40) as f32 / 16_777_216.0 - 0.5;
            let at = n as f64 / 8e3;
            let swell = (std::f64::consts::PI * at / seconds).sin();
            let turns = from * at + (to - from) * at * at / (2.0 * seconds);
            (0.3 * swell * (std::f64::consts::TAU * turns).sin()) as f32 + 0.01 * noise
        })
        .collect()
}

/// What is said, by its pitches: a word that rises, one that falls, and one that stays.
const WORDS: [(&str, [f64; 2]); 3] =
    [("yes", [500.0, 2_500.0]), ("no", [2_500.0, 500.0]), ("other", [1_200.0, 1_200.0])];

/// Words to learn from.
fn words() -> Vec<Example<Waveform, String>> {
    let mut train = Vec::new();
    for n in 0..8 {
        for (label, pitches) in WORDS {
            let pitches = pitches.map(|hertz| hertz * (1.0 + 0.01 * n as f64));
            let samples = tone(pitches, 0.5 + 0.05 * n as f64, n);
            let input = Waveform { samples, rate: 8_000 };
            // A part of a word is none, as a window that slides meets it.
            let part = input.samples[..input.samples.len() / 3].to_vec();
            let part = Waveform { samples: part, rate: 8_000 };
            train.push(Example { input, target: label.to_owned() });
            train.push(Example { input: part, target: "other".to_owned() });
        }
    }
    train
}

fn trained() -> Predictor<AudioClassification> {
    let train = words();
    let device = Device::flex();
    let options = json!({"channels": 12, "n_blocks": 2, "n_mels": 20, "dropout": 0.0});
    let (task, config) =
        <DsCnnConfig as Recipe<AudioClassification>>::prepare(&options, &train).unwrap();
    let network = Network::init(config, 7, &device).unwrap();
    let training = TrainingConfig::new(120).with_learning_rate(0.01).with_batch_size(32);
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    trainer.fit(task, network, &train, &Vec::new(), &device).unwrap().predictor
}

fn config() -> KeywordConfig {
    KeywordConfig { background: vec!["other".to_owned()], ..KeywordConfig::default() }
}

fn heard(stream: &mut KeywordStream, samples: &[f32], chunk: usize) -> Vec<Keyword> {
    samples.chunks(chunk).flat_map(|chunk| stream.push(chunk).unwrap()).collect()
}

/// A sound of these words at another pitch with quiet between them, and where its keywords are.
fn spoken(words: &[usize]) -> (Vec<f32>, Vec<TrueKeyword>) {
    let (mut sound, mut there) = (Vec::new(), Vec::new());
    for word in words {
        let (label, pitches) = WORDS[*word];
        sound.extend(tone([0.0; 2], 1.5, 3).iter().map(|x| x * 0.02));
        let start = sound.len() as f64 / 8e3;
        sound.extend(tone(pitches.map(|hertz| hertz * 1.035), 0.7, 9));
        if label != "other" {
            let end = sound.len() as f64 / 8e3;
            there.push(TrueKeyword { label: label.to_owned(), start, end });
        }
    }
    (sound, there)
}

#[test]
fn keywords_are_heard_once_and_in_pieces_of_any_length() {
    let predictor = trained();
    let (mut sound, there) = spoken(&[0, 2, 1, 0, 1]);
    sound.extend(vec![0.0; 16_000]);
    let stream = || KeywordStream::new(predictor.clone(), config(), 8_000).unwrap();
    let whole = heard(&mut stream(), &sound, sound.len());
    println!("{whole:?}");
    let seconds = sound.len() as f64 / 8e3;
    let report = measure(&[(&there, &whole, seconds)], 1.0).unwrap();
    assert_eq!((report.hits, report.false_accepts), (4, 0), "{whole:?}");
    for chunk in [160, 801, 12_345] {
        assert_eq!(heard(&mut stream(), &sound, chunk), whole, "chunks of {chunk}");
    }
    record("streaming", "keyword spotting: ds-cnn", "chunks of any length give the whole's answer");
}

#[test]
fn what_cannot_be_used_is_refused() {
    let predictor = trained();
    let refused = |config: KeywordConfig, rate| {
        KeywordStream::new(predictor.clone(), config, rate).map(|_| ()).unwrap_err()
    };
    let unknown = KeywordConfig { background: vec!["what".to_owned()], ..config() };
    assert!(matches!(refused(unknown, 8_000), ConfigError::Unknown { .. }));
    for (bad, field) in [
        (KeywordConfig { window: 0.0, ..config() }, "window"),
        (KeywordConfig { hop: 1.5, ..config() }, "hop"),
        (KeywordConfig { smoothing: 0, ..config() }, "smoothing"),
        (KeywordConfig { threshold: f64::NAN, ..config() }, "threshold"),
        (KeywordConfig { refractory: -1.0, ..config() }, "refractory"),
        (KeywordConfig { silence: 2.0, ..config() }, "silence"),
        (KeywordConfig { hop: 1e-9, ..config() }, "hop, in samples,"),
    ] {
        assert!(refused(bad, 8_000).to_string().starts_with(field), "{field}");
    }
    assert!(refused(config(), 3).to_string().starts_with("rate"));
    let mut stream = KeywordStream::new(predictor.clone(), config(), 8_000).unwrap();
    let refused = stream.push(&[0.0, f32::INFINITY]).unwrap_err();
    assert!(matches!(refused, DataError::NotFinite { at: 1, .. }));
}

#[test]
fn a_window_that_cannot_be_heard_is_passed_over() {
    let (predictor, loud) = (trained(), f32::MAX);
    // At another rate than the model's, so that it is resampled, and overshoots what a number holds.
    let stream = || KeywordStream::new(predictor.clone(), config(), 16_000).unwrap();
    let quiet: Vec<f32> = tone([0.0; 2], 2.0, 3).iter().map(|x| x * 0.02).collect();
    let quiet = Waveform { samples: quiet, rate: 8_000 };
    let (label, pitches) = WORDS[0];
    let word = Waveform { samples: tone(pitches.map(|hertz| hertz * 1.035), 0.7, 9), rate: 8_000 };
    let part = |wave: &Waveform| wave.resample(16_000).unwrap().samples;
    let sound = [part(&quiet), part(&word), part(&quiet)].concat();
    let (mut wanted, mut broken) = (stream(), stream());
    let square: Vec<f32> =
        (0..16_000).map(|n| if n / 40 % 2 == 0 { loud } else { -loud }).collect();
    let mut refusals = 0;
    for piece in square.chunks(1_600) {
        refusals += usize::from(broken.push(piece).is_err());
        wanted.push(&vec![0.0; piece.len()]).unwrap();
    }
    assert!(refusals > 0);
    // What follows is heard, at its time, once the loud part is out of the window.
    let mut found = Vec::new();
    for piece in sound.chunks(1_600) {
        found.extend(broken.push(piece).unwrap_or_default());
    }
    let wanted = heard(&mut wanted, &sound, 1_600);
    assert_eq!(wanted.len(), 1, "{wanted:?}");
    assert_eq!((wanted[0].label.as_str(), &found), (label, &wanted));
}

#[test]
fn the_task_keeps_when_a_keyword_is_reported() {
    let clip = |example: Example<Waveform, String>| Example {
        input: example.input,
        target: KeywordTarget::Clip(example.target),
    };
    let train: Vec<_> = words().into_iter().map(clip).collect();
    let device = Device::flex();
    let options = json!({
        "channels": 12, "n_blocks": 2, "n_mels": 20, "dropout": 0.0,
        "spotting": {"threshold": 0.65, "refractory": 1.25}
    });
    let (task, config) =
        <DsCnnConfig as Recipe<KeywordSpotting>>::prepare(&options, &train).unwrap();
    assert_eq!(task.spotting.background, ["other"]);
    let training = TrainingConfig::new(120).with_learning_rate(0.01).with_batch_size(32);
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    let network = Network::init(config, 7, &device).unwrap();
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device).unwrap();
    // A word, another, one that is none, and a word at the very end.
    let (sound, there) = spoken(&[0, 1, 2, 0]);
    let wave = Waveform { samples: sound, rate: 8_000 };
    let found = fitted.predictor.predict(std::slice::from_ref(&wave)).unwrap().remove(0);
    let labels: Vec<&str> = found.keywords.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["yes", "no", "yes"], "{found:?}");
    assert!(found.keywords.iter().all(|one| one.time <= wave.seconds()));
    let data = vec![Example { input: wave.clone(), target: KeywordTarget::Stream(there) }];
    let report = KeywordSpotting::evaluate(&fitted.predictor, &data).unwrap();
    assert_eq!(report.score("hit_rate").unwrap().value, 1.0);
    assert_eq!(report.score("false_accepts_per_hour").unwrap().value, 0.0);
    assert!(report.outcomes[0].right);
    // Saved with its settings, and asked by a program that knows no more than its name.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    fitted.predictor.save(&path).unwrap();
    let again = Predictor::<KeywordSpotting>::load(&path, &device).unwrap();
    assert_eq!(again.task().spotting.threshold, 0.65);
    assert_eq!(again.task().spotting.refractory, 1.25);
    let hosted = Registry::default().with(TASKS).load(&path, &device).unwrap();
    assert_eq!(hosted.task(), "keyword-spotting");
    let wav = wave.to_wav().unwrap();
    let answer = hosted.predict(&[Raw::Bytes(&wav)]).remove(0).unwrap();
    assert_eq!(answer["keywords"].as_array().unwrap().len(), 3);
    assert_eq!(answer, serde_json::to_value(&found).unwrap());
    record("keyword-spotting", "ds-cnn", "learns, hears, is measured, saved and loaded");
}

#[test]
fn the_task_reads_clips_and_streams_and_refuses_the_rest() {
    let read = |line: serde_json::Value| KeywordSpotting::target(&line);
    assert_eq!(read(json!({"label": "yes"})).unwrap(), KeywordTarget::Clip("yes".to_owned()));
    let stream = read(json!({"keywords": [{"label": "yes", "start": 0.5, "end": 1}]})).unwrap();
    assert!(matches!(stream, KeywordTarget::Stream(all) if all.len() == 1));
    for wrong in [
        json!({}),
        json!({"keywords": 3}),
        json!({"keywords": [{"label": "yes", "start": 2, "end": 1}]}),
    ] {
        assert!(matches!(read(wrong), Err(DataError::Field { .. })));
    }
    let prepare = |options: serde_json::Value, target: &KeywordTarget| {
        let input = Waveform { samples: vec![0.1; 800], rate: 8_000 };
        let one = Example { input, target: target.clone() };
        let no = Example { target: KeywordTarget::Clip("no".to_owned()), ..one.clone() };
        let refused = <DsCnnConfig as Recipe<KeywordSpotting>>::prepare(&options, &vec![one, no]);
        refused.map(|_| ())
    };
    let yes = KeywordTarget::Clip("yes".to_owned());
    prepare(json!({}), &yes).unwrap();
    for wrong in [
        json!({"spotting": {"treshold": 0.5}}),
        json!({"spotting": {"threshold": 2.0}}),
        json!({"spotting": {"background": ["what"]}}),
        json!({"chanels": 4}),
    ] {
        assert!(matches!(prepare(wrong, &yes), Err(DataError::Config(_))));
    }
    assert!(prepare(json!({}), &KeywordTarget::Stream(Vec::new())).is_err());
}
