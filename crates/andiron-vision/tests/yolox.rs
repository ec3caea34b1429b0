//! YOLOX against the `yolox` package: the files are made by `scripts/golden/yolox_small.py`.

#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{Model, Network, weights};
use andiron_vision::models::yolox::YoloxConfig;
use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData, activation::sigmoid},
};
use serde_json::Value;
use std::path::{Path, PathBuf};

const SIZE: [usize; 2] = [64, 96];
const CLASSES: usize = 3;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn json() -> Value {
    serde_json::from_slice(&std::fs::read(golden("yolox.json")).unwrap()).unwrap()
}

/// All numbers in nested lists, in order.
fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

/// The formula of the script.
fn pictures(device: &Device) -> Tensor<4> {
    let [height, width] = SIZE;
    let value = |at: usize| ((at as u64 * 2_654_435_761 % (1 << 32)) >> 27) as f32 / 4.0 - 4.0;
    let values: Vec<f32> = (0..9 * height * width).map(value).collect();
    Tensor::from_data(TensorData::new(values, [3, 3, height, width]), device)
}

fn network(name: &str) -> Network<YoloxConfig> {
    let config = match name {
        "depthwise" => YoloxConfig::nano(CLASSES).with_width(0.046_875),
        _ => YoloxConfig::s(CLASSES).with_width(0.031_25).with_depth(0.67),
    };
    let network = Network::init(config, 1, &Device::flex()).unwrap();
    weights::load(network, &golden(&format!("yolox_{name}.safetensors"))).unwrap()
}

#[track_caller]
fn assert_close(found: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(found.len(), wanted.len());
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let close = (found - wanted).abs() <= tolerance * wanted.abs().max(1.0);
        assert!(close, "place {at}: {found} for {wanted}");
    }
}

#[test]
fn outputs_and_boxes_are_those_of_the_package() {
    let device = Device::flex();
    let golden_file = json();
    for name in ["depthwise", "plain"] {
        let case = &golden_file["networks"][name];
        let model = network(name).model.valid();
        let grid = model.forward(pictures(&device).narrow(0, 0, 2));
        let [batch, cells, width] = grid.numbers.dims();
        assert_eq!([batch, cells, width], [2, 126, 5 + CLASSES]);
        let boxes = grid.numbers.clone().narrow(2, 0, 4);
        let rest = sigmoid(grid.numbers.clone().narrow(2, 4, 1 + CLASSES));
        let outputs = Tensor::cat(vec![boxes.clone(), rest], 2).into_data();
        assert_close(&outputs.try_to_vec().unwrap(), &numbers(&case["outputs"]), 1e-4);
        let boxes: Vec<f32> = boxes.into_data().try_to_vec().unwrap();
        let all = grid.cells();
        let decoded: Vec<f32> = boxes
            .chunks_exact(4)
            .enumerate()
            .flat_map(|(at, b)| all[at % cells].decode([b[0], b[1], b[2], b[3]]))
            .collect();
        assert_close(&decoded, &numbers(&case["decoded"]), 1e-4);
    }
    andiron_core::testing::record("golden", "yolox", "outputs and boxes equal the yolox package's");
}
