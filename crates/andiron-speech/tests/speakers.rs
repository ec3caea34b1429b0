//! The GE2E encoder with Resemblyzer's weights against the package, and its losses against torch:
//! `scripts/golden/ge2e.py` made the numbers. What needs weights runs where `scripts/fetch-assets` has
//! brought them; with `ANDIRON_ASSETS=required` it fails where they are not.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_core::{
    DataError, Evaluator as _, Example, GradientTrainer, Model as _, Predictor, Recipe as _,
    Trainer as _, TrainingConfig, testing::record, trainer::Progress,
};
use andiron_speech::{
    SpeakerEmbedding, Waveform,
    models::ge2e::Ge2eConfig,
    tasks::speaker_embedding::{
        SimilarityLoss, SpeakerEvaluator, SpeakerExample, from_path, ge2e_loss, verify,
    },
};
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::{Value, json};
#[cfg(feature = "codecs")]
use std::path::Path;
use support::{asset, floats, golden};

fn predictor() -> Option<Predictor<SpeakerEmbedding>> {
    let folder = asset("resemblyzer")?;
    Some(from_path(&folder.join("pretrained.pt"), &Device::flex()).unwrap())
}

fn farthest(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// As the golden script makes them.
fn mels(partials: usize, frames: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(partials * frames * 40);
    for p in 0..partials {
        for t in 0..frames {
            for m in 0..40 {
                let share = (7 * t * t + 13 * t * m + 31 * m + 5 * p) % 97;
                let power = ((t + 3 * m + p) % 6) as i32 - 4;
                values.push((share as f64 / 97.0 * 10f64.powi(power)) as f32);
            }
        }
    }
    values
}

fn sound(s: usize, samples: usize) -> Waveform {
    let sample = |n: usize| {
        let (n, s) = (n as f64, s as f64);
        let slow = 0.02 * (n * (s + 2.0) / 17.0).sin();
        (slow + 0.01 * (n * n * (s + 1.0) / 90_000.0).sin()) as f32
    };
    Waveform { samples: (0..samples).map(sample).collect(), rate: 16_000 }
}

#[test]
fn the_same_frames_give_the_vectors_of_the_package() {
    let Some(predictor) = predictor() else { return };
    let network = predictor.network::<Ge2eConfig>().unwrap();
    let golden = golden("ge2e");
    let mut worst = 0.0f32;
    for (name, partials, frames) in [("mels", 3, 160), ("short", 2, 23)] {
        let data = TensorData::new(mels(partials, frames), [partials, frames, 40]);
        let found = network.model.forward(Tensor::from_data(data, &Device::flex()));
        let found: Vec<f32> = found.into_data().iter::<f32>().collect();
        let wanted: Vec<f32> = golden[name].as_array().unwrap().iter().flat_map(floats).collect();
        worst = worst.max(farthest(&found, &wanted));
    }
    println!("components within {worst:.1e} of the package's");
    assert!(worst <= 1e-4, "{worst}");
    record("golden", "ge2e", &format!("components within {worst:.0e} of Resemblyzer's network"));
}

#[test]
fn the_same_sounds_give_the_vectors_of_the_package() {
    let Some(predictor) = predictor() else { return };
    let golden = golden("ge2e");
    let cases = golden["sounds"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    let waves: Vec<Waveform> = cases
        .iter()
        .enumerate()
        .map(|(s, case)| sound(s, case["samples"].as_u64().unwrap() as usize))
        .collect();
    for (answer, case) in predictor.predict(&waves).unwrap().iter().zip(cases) {
        let off = farthest(&answer.embedding, &floats(&case["embedding"]));
        assert!(off < 1e-3, "{} samples: {off}", case["samples"]);
    }
    record("golden", "speaker-embedding", "vectors of whole sounds equal Resemblyzer's");
}

#[test]
fn losses_and_slopes_are_those_of_torch() {
    let golden = golden("ge2e");
    let cases = golden["losses"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    let device = Device::flex().autodiff();
    for case in cases {
        let kind: SimilarityLoss = serde_json::from_value(case["kind"].clone()).unwrap();
        let speakers: Vec<usize> = serde_json::from_value(case["speakers"].clone()).unwrap();
        let rows: Vec<Vec<f32>> = serde_json::from_value(case["vectors"].clone()).unwrap();
        let shape = [rows.len(), rows[0].len()];
        let leaf = Tensor::<2>::from_data(TensorData::new(rows.concat(), shape), &device);
        let leaf = leaf.require_grad();
        let number = |name: &str| case[name].as_f64().unwrap() as f32;
        let one = |name: &str| Tensor::<1>::from_floats([number(name)], &device).require_grad();
        let (scale, offset) = (one("scale"), one("offset"));
        let length = (leaf.clone() * leaf.clone()).sum_dim(1).sqrt();
        let unit = leaf.clone() / length;
        let loss = ge2e_loss(unit, &speakers, scale.clone(), offset.clone(), kind).mean;
        let value: f32 = loss.clone().into_scalar();
        let near = |found: f32, wanted: f32, what: &str| {
            let close = (found - wanted).abs() <= 2e-4 * wanted.abs().max(1.0);
            assert!(close, "{what} of {case}: {found}");
        };
        near(value, number("loss"), "loss");
        let slopes = loss.backward();
        let of = |slope: Tensor<1>| slope.into_scalar::<f32>();
        near(of(scale.grad(&slopes).unwrap()), number("scale_slope"), "slope of the scale");
        near(of(offset.grad(&slopes).unwrap()), number("offset_slope"), "slope of the offset");
        let found: Vec<f32> = leaf.grad(&slopes).unwrap().into_data().iter::<f32>().collect();
        let wanted: Vec<f32> = case["slopes"].as_array().unwrap().iter().flat_map(floats).collect();
        for (found, wanted) in found.iter().zip(&wanted) {
            near(*found, *wanted, "slope");
        }
    }
    record("golden", "GE2E loss", "softmax and contrast with their slopes equal torch's");
}

#[test]
fn speakers_are_verified_searched_and_saved() {
    let Some(predictor) = predictor() else { return };
    let vectors =
        predictor.predict(&[sound(0, 20_000), sound(0, 30_001), sound(3, 20_000)]).unwrap();
    for vector in &vectors {
        let length: f32 = vector.embedding.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5 && vector.embedding.len() == 256);
    }
    let (same, _) = verify(&vectors[0], &vectors[1], 0.5).unwrap();
    let (other, _) = verify(&vectors[0], &vectors[2], 0.5).unwrap();
    assert!(same > other, "{same} {other}");
    // Alone: beside others a sound goes through another product, and may differ in the last bits.
    let alone = predictor.predict(&[sound(0, 20_000)]).unwrap().remove(0);
    assert!(farthest(&alone.embedding, &vectors[0].embedding) < 1e-5);
    let folder = tempfile::tempdir().unwrap();
    predictor.save(folder.path().join("bundle")).unwrap();
    let loaded =
        Predictor::<SpeakerEmbedding>::load(folder.path().join("bundle"), &Device::flex()).unwrap();
    assert_eq!(loaded.predict(&[sound(0, 20_000)]).unwrap()[0], alone);
    let again =
        from_path(&folder.path().join("bundle/model.safetensors"), &Device::flex()).unwrap();
    assert_eq!(again.predict(&[sound(0, 20_000)]).unwrap()[0], alone);
}

// The recordings are Ogg Vorbis.
#[cfg(feature = "codecs")]
#[test]
fn three_hundred_recordings_are_told_apart_as_the_package_does() {
    let (Some(predictor), Some(stamps), Some(prompts)) =
        (predictor(), asset("stamp-voices"), asset("prompts"))
    else {
        return;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/speakers.tsv");
    let list = std::fs::read_to_string(path).unwrap();
    let example = |line: &str| {
        let (speaker, file) = line.split_once('\t').unwrap();
        let path = match file.split_once('/').unwrap() {
            ("stamp-voices", name) => stamps.join(name),
            (_, name) => prompts.join(name),
        };
        let input = Waveform::from_file(&path).unwrap_or_else(|error| panic!("{file}: {error:?}"));
        assert!(input.seconds() >= 0.6, "{file}");
        SpeakerExample { input, target: speaker.to_owned() }
    };
    let examples: Vec<SpeakerExample> = list.lines().map(example).collect();
    assert_eq!(examples.len(), 300);
    let report = SpeakerEvaluator::default().evaluate(&predictor, &examples).unwrap();
    println!("{report}");
    let (found, wanted) = (report.score("eer").unwrap(), golden("ge2e")["scores"]["eer"].clone());
    let wanted = wanted.as_f64().unwrap();
    assert!((found.value - wanted).abs() <= 0.005, "{} and {wanted}", found.value);
    assert!(found.value <= 0.12 && found.low < found.value && found.value < found.high);
    record(
        "accuracy",
        "speaker-embedding: ge2e on 300 recordings of ten voices",
        &format!("EER {:.2} %; the package's {:.2} %", 100.0 * found.value, 100.0 * wanted),
    );
}

/// Buzzes of four speakers: pitch and colour are a speaker's, the melody a sound's.
fn buzzes() -> Vec<SpeakerExample> {
    let mut all = Vec::new();
    for n in 0..40_usize {
        let speaker = n % 4;
        let pitch = [90.0, 140.0, 200.0, 280.0][speaker];
        let samples = (0..4_000 + 97 * n).map(|at| {
            let seconds = at as f64 / 4e3;
            let bend = 1.0 + 0.05 * (seconds * (2.0 + n as f64 * 0.1)).sin();
            let tone = |k: usize| {
                let weight = 1.0 / (1.0 + (k as f64 - 2.0 - speaker as f64).powi(2));
                weight * (std::f64::consts::TAU * pitch * bend * k as f64 * seconds).sin()
            };
            (0.1 * (1..=6).map(tone).sum::<f64>()) as f32
        });
        let input = Waveform { samples: samples.collect(), rate: 4_000 };
        all.push(Example { input, target: format!("speaker {speaker}") });
    }
    all
}

#[test]
fn a_small_encoder_learns_to_tell_speakers_apart() {
    let all = buzzes();
    let (train, test) = (all[..24].to_vec(), all[24..].to_vec());
    let options = json!({"rate": 4_000, "n_mels": 20, "partial_frames": 30, "d_hidden": 16,
        "n_layers": 1, "d_embedding": 12});
    let (task, config) = Ge2eConfig::prepare(&options, &train).unwrap();
    let device = Device::flex();
    let network = config.start(&task, &options, 7, &device).unwrap();
    let training = TrainingConfig::new(60).with_learning_rate(0.01).with_batch_size(24);
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device).unwrap();
    let report = SpeakerEvaluator::default().evaluate(&fitted.predictor, &test).unwrap();
    println!("{report}");
    assert!(report.score("eer").unwrap().value < 0.1);
    assert_eq!(report.score("success@1").unwrap().value, 1.0);
}

#[test]
fn what_cannot_be_used_is_refused() {
    let train = buzzes();
    for wrong in [
        json!({"n_mel": 4}),
        json!({"n_mels": 0}),
        json!({"partial_frames": 0}),
        json!({"base": "somewhere", "d_hidden": 4}),
        json!({"loss": "hinge"}),
    ] {
        assert!(Ge2eConfig::prepare(&wrong, &train).is_err(), "{wrong}");
    }
    for field in ["rate", "n_mels", "partial_frames", "d_hidden", "n_layers", "d_embedding"] {
        let refused = Ge2eConfig::prepare(&json!({"base": "somewhere", field: 160}), &train);
        let Err(DataError::Config(source)) = refused.map(|_| ()) else { panic!("{field}") };
        let text = format!("setting {field:?} cannot be 160: the base decides it");
        assert_eq!(source.to_string(), text);
    }
    let one: Vec<SpeakerExample> = train.iter().step_by(4).cloned().collect();
    let refused = Ge2eConfig::prepare(&json!({}), &one).map(|_| ()).unwrap_err();
    assert!(matches!(refused, DataError::OneClass { .. }), "{refused}");
    let missing: Value = json!({});
    assert!(<SpeakerEmbedding as andiron_core::Registered>::target(&missing).is_err());
}

#[test]
fn a_batch_in_which_nobody_speaks_twice_teaches_nothing() {
    let device = Device::flex();
    let vectors = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 1.0]], &device);
    let one = || Tensor::<1>::from_floats([2.0], &device);
    for speakers in [[0, 1], [4, 4]] {
        for kind in [SimilarityLoss::Softmax, SimilarityLoss::Contrast] {
            let loss = ge2e_loss(vectors.clone(), &speakers, one(), one(), kind);
            assert_eq!(loss.mean.into_scalar::<f32>(), 0.0);
        }
    }
}
