//! The encoder against torch's own layers; numbers by `scripts/golden/text_encoder.py`.

use andiron_core::{Model as _, Network, device, testing, weights};
use andiron_nlp::{batch::TextBatch, models::text_encoder::TextEncoderConfig};
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

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
fn the_encoder_is_torchs() {
    let golden: Value = serde_json::from_str(include_str!("../golden/text_encoder.json")).unwrap();
    let device = device("flex").unwrap();
    // Dropout is left at its default: outside training it must do nothing.
    let mut config = golden["config"].clone();
    config["dropout"] = json!(0.3);
    let config: TextEncoderConfig = serde_json::from_value(config).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write_weights(golden["weights"].as_object().unwrap(), &path);
    let network = weights::load(Network::init(config, 1, &device).unwrap(), &path).unwrap();

    let texts: Vec<Vec<i32>> = serde_json::from_value(golden["texts"].clone()).unwrap();
    let wanted = numbers(&golden["logits"]);
    assert_eq!(wanted.len(), texts.len() * 3);
    let together: Vec<f32> =
        network.model.forward(TextBatch::of(&texts, &device)).into_data().iter::<f32>().collect();
    let alone: Vec<f32> = texts
        .iter()
        .flat_map(|text| {
            let batch = TextBatch::of(std::slice::from_ref(text), &device);
            network.model.forward(batch).into_data().iter::<f32>().collect::<Vec<_>>()
        })
        .collect();
    for logits in [together, alone] {
        for (got, wanted) in logits.iter().zip(&wanted) {
            assert!(
                (got - wanted).abs() <= 1e-4 + 1e-3 * wanted.abs(),
                "{logits:?}, not {wanted:?}"
            );
        }
    }
    testing::record(
        "golden",
        "text-encoder",
        "logits of 4 texts, padded and alone, equal torch's TransformerEncoderLayer within 1e-4",
    );
}
