//! Against PyTorch: the files are made by `scripts/golden/resnet_small.py` and `resize.py`.

#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{Model, Network, weights};
use andiron_vision::{
    models::resnet::{ResNetConfig, Stem},
    transform::resize,
};
use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

/// All numbers in nested lists, in order.
fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

#[test]
fn a_residual_network_gives_the_logits_of_pytorch() {
    let device = Device::flex();
    let golden_file = json("resnet_small.json");
    let mut compared = 0;
    for (stem, name) in [(Stem::Small, "small"), (Stem::Medium, "medium"), (Stem::Large, "large")] {
        let config = ResNetConfig::small(2, 3)
            .with_widths(vec![4, 6, 5])
            .with_blocks(vec![1, 2, 1])
            .with_stem(stem);
        let network = Network::init(config, 1, &device).unwrap();
        let network =
            weights::load(network, &golden(&format!("resnet_{name}.safetensors"))).unwrap();
        let model = network.model.valid();
        for batch in [1, 3] {
            let case = &golden_file["cases"][format!("{name}_{batch}")];
            let data = TensorData::new(numbers(&case["images"]), [batch, 2, 9, 13]);
            let logits = model.forward(Tensor::from_data(data, &device)).into_data();
            for (found, wanted) in logits.iter::<f32>().zip(numbers(&case["logits"])) {
                let close = (found - wanted).abs() <= 1e-4 + 1e-4 * wanted.abs();
                assert!(close, "{name}, batch of {batch}: {found} for {wanted}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 3 * (1 + 3) * 3);
    andiron_core::testing::record("golden", "resnet", "logits equal PyTorch's");
}

#[test]
fn images_are_resized_as_by_pytorch() {
    let golden_file = json("resize.json");
    let cases = golden_file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let side = |of: &str, axis: usize| case[of][axis].as_u64().unwrap() as usize;
        let (from, to) = ((side("from", 1), side("from", 0)), (side("to", 1), side("to", 0)));
        let pixels: Vec<u8> = numbers(&case["pixels"]).into_iter().map(|v| v as u8).collect();
        let channels = case["channels"].as_u64().unwrap() as usize;
        let resized = resize(&pixels, channels, from, to);
        let wanted = numbers(&case["resized"]);
        assert_eq!(resized.len(), wanted.len());
        for (at, (found, wanted)) in resized.iter().zip(wanted).enumerate() {
            assert!(
                (found - wanted).abs() < 1e-3,
                "{from:?} to {to:?}, {at}: {found} for {wanted}"
            );
        }
    }
    andiron_core::testing::record("golden", "resizing", "equals PyTorch's bilinear with antialias");
}
