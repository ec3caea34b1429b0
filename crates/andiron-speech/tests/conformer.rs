//! The Conformer against torchaudio's layers and the loss against torch's, numbers by
//! `scripts/golden/conformer.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{Model as _, Network, device, testing::record, weights};
use andiron_speech::{
    AudioBatch,
    ctc::{frames_needed, loss},
    frontend::Frames,
    models::conformer::ConformerConfig,
};
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/conformer.json")).unwrap()
}

/// The members of an object or array of arrays, as single-precision numbers.
fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

/// A safetensors file: the length of the header, the header, the numbers.
fn write_weights(weights: &Map<String, Value>, path: &Path) {
    let (mut header, mut data) = (Map::new(), Vec::new());
    for (name, weight) in weights {
        let start = data.len();
        data.extend(numbers(&weight["values"]).into_iter().flat_map(f32::to_le_bytes));
        let entry = json!({
            "dtype": "F32", "shape": weight["shape"], "data_offsets": [start, data.len()]
        });
        header.insert(name.clone(), entry);
    }
    let header = Value::from(header).to_string().into_bytes();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length[..], &header, &data].concat()).unwrap();
}

#[test]
fn logits_are_torchaudios() {
    let golden = golden();
    let device = device("flex").unwrap();
    let mut config = golden["config"].clone();
    config["dropout"] = json!(0.3);
    let config: ConformerConfig = serde_json::from_value(config).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write_weights(golden["weights"].as_object().unwrap(), &path);
    let (n_mels, n_tokens) = (config.n_mels, config.n_tokens);
    let network = weights::load(Network::init(config, 1, &device).unwrap(), &path).unwrap();
    let clips: Vec<Frames> = golden["sounds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sound| Frames { values: numbers(sound), width: n_mels })
        .collect();
    let logits = |clips: &[Frames]| {
        let heard = network.model.forward(AudioBatch::of(clips, n_mels, &device)).logits;
        let [_, frames, _] = heard.dims();
        let values: Vec<f32> = heard.into_data().iter::<f32>().collect();
        values.chunks(frames * n_tokens).map(<[f32]>::to_vec).collect::<Vec<_>>()
    };
    let together = logits(&clips);
    let alone: Vec<Vec<f32>> =
        clips.iter().map(|clip| logits(std::slice::from_ref(clip)).remove(0)).collect();
    let (mut most, mut compared) = (0.0, 0);
    for (at, wanted) in golden["logits"].as_array().unwrap().iter().enumerate() {
        let wanted = numbers(wanted);
        for found in [&together[at], &alone[at]] {
            for (found, wanted) in found.iter().zip(&wanted) {
                most = f32::max(most, (found - wanted).abs());
                assert!((found - wanted).abs() <= 1e-4 + 1e-3 * wanted.abs(), "{found} {wanted}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 2 * (6 + 3 + 1) * n_tokens);
    println!("logits off by {most:.1e}");
    record(
        "golden",
        "conformer-ctc",
        "logits of 3 sounds, padded and alone, equal torchaudio's ConformerLayer within 1e-4",
    );
}

#[test]
fn loss_and_gradients_are_torchs() {
    let golden = golden();
    let texts: Vec<Vec<u32>> = serde_json::from_value(golden["texts"].clone()).unwrap();
    let logits: Vec<Vec<f32>> = golden["logits"].as_array().unwrap().iter().map(numbers).collect();
    let n_tokens = golden["config"]["n_tokens"].as_u64().unwrap() as usize;
    let lengths: Vec<usize> = logits.iter().map(|rows| rows.len() / n_tokens).collect();
    let longest = *lengths.iter().max().unwrap();
    let mut values = Vec::new();
    for rows in &logits {
        values.extend(rows);
        values.resize(values.len().next_multiple_of(longest * n_tokens), 0.0);
    }
    for name in ["flex", "ndarray"] {
        let device = device(name).unwrap().autodiff();
        let data = TensorData::new(values.clone(), [texts.len(), longest, n_tokens]);
        let logits = Tensor::<3>::from_data(data, &device).require_grad();
        let losses = loss(logits.clone(), &lengths, &texts);
        let gradients = logits.grad(&losses.clone().sum().backward()).unwrap();
        for (what, found, wanted) in [
            ("losses", losses.into_data(), numbers(&golden["ctc"]["losses"])),
            ("gradients", gradients.into_data(), numbers(&golden["ctc"]["gradients"])),
        ] {
            let found: Vec<f32> = found.iter::<f32>().collect();
            assert_eq!(found.len(), wanted.len());
            for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                assert!(
                    (found - wanted).abs() < 1e-5 + 1e-5 * wanted.abs(),
                    "{what} {at}: {found} {wanted}"
                );
            }
        }
    }
    record("golden", "CTC loss", "value and gradients equal torch's ctc_loss within 1e-5");
}

#[test]
fn a_text_that_does_not_fit_costs_nothing() {
    assert_eq!(frames_needed(&[1, 1, 2, 2, 2]), 8);
    let device = Device::flex().autodiff();
    let logits = Tensor::<3>::ones([3, 2, 4], &device).require_grad();
    let losses = loss(logits.clone(), &[2, 2, 2], &[vec![1, 1], vec![1, 2], vec![1, 2, 3]]);
    let gradients = logits.grad(&losses.clone().sum().backward()).unwrap();
    let found: Vec<f32> = losses.into_data().iter::<f32>().collect();
    assert!(
        (found[1] - 16f32.ln()).abs() < 1e-5 && found[0] == 0.0 && found[2] == 0.0,
        "{found:?}"
    );
    let gradients: Vec<f32> = gradients.into_data().iter::<f32>().collect();
    assert!(gradients.iter().all(|value| value.is_finite()));
    assert!(gradients[..8].iter().chain(&gradients[16..]).all(|value| *value == 0.0));
}
