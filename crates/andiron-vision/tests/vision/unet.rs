//! U-Net and the dice loss against PyTorch: the files are made by `scripts/golden/unet_small.py`.

use crate::support::{golden, json, numbers};
use andiron_core::{Model, Network, loss::dice_loss, weights};
use andiron_vision::models::unet::UNetConfig;
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData},
};
use serde_json::Value;

#[track_caller]
fn assert_close(found: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(found.len(), wanted.len());
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!((found - wanted).abs() <= tolerance, "place {at}: {found} for {wanted}");
    }
}

#[track_caller]
fn assert_logits(config: UNetConfig, file: &str, cases: &Value, count: usize) {
    let device = Device::flex();
    let network = Network::init(config, 1, &device).unwrap();
    let model = weights::load(network, &golden(file)).unwrap().model.valid();
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), count);
    for case in cases {
        let size: Vec<usize> = serde_json::from_value(case["size"].clone()).unwrap();
        let data = TensorData::new(numbers(&case["images"]), [size[0], 2, size[1], size[2]]);
        let logits = model.forward(Tensor::from_data(data, &device));
        assert_eq!(logits.dims(), [size[0], 3, size[1], size[2]]);
        let logits: Vec<f32> = logits.into_data().try_to_vec().unwrap();
        assert_close(&logits, &numbers(&case["logits"]), 1e-4);
    }
}

#[test]
fn logits_are_those_of_pytorch_at_odd_sizes() {
    let config = UNetConfig::new(2, 3).with_width(4).with_depth(2);
    let golden = json("unet.json");
    assert_logits(config.clone(), "unet.safetensors", &golden["cases"], 3);
    let squares = config.with_patch(Some(2));
    assert_logits(squares, "unet_squares.safetensors", &golden["squares"], 2);
    let said = "logits equal PyTorch's at odd sizes, on pixels and on squares of them";
    andiron_core::testing::record("golden", "unet", said);
}

#[test]
fn the_dice_loss_and_its_gradient_are_those_of_pytorch() {
    let device = Device::flex().autodiff();
    let golden_file = json("unet.json");
    let cases = golden_file["dice"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let classes = case["classes"].as_u64().unwrap() as usize;
        let truth: Vec<i32> = serde_json::from_value(case["truth"].clone()).unwrap();
        let data = TensorData::new(numbers(&case["logits"]), [truth.len(), classes]);
        let logits = Tensor::<2>::from_data(data, &device).require_grad();
        let truth = Tensor::<1, Int>::from_ints(truth.as_slice(), &device);
        let loss = dice_loss(logits.clone(), truth).mean;
        let value: f32 = loss.clone().into_scalar();
        assert_close(&[value], &[case["loss"].as_f64().unwrap() as f32], 1e-6);
        let gradient = logits.grad(&loss.backward()).unwrap();
        let gradient: Vec<f32> = gradient.into_data().try_to_vec().unwrap();
        assert_close(&gradient, &numbers(&case["gradient"]), 1e-6);
    }
    andiron_core::testing::record("golden", "dice loss", "value and gradient equal PyTorch's");
}
