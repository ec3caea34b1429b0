//! Losses and their gradients against PyTorch's.

use andiron_core::{
    Loss,
    loss::{
        CrossEntropy, Focal, binary_cross_entropy, binary_focal_loss, cross_entropy, focal_loss,
        mean_squared_error, sequence_cross_entropy, soft_cross_entropy,
    },
    testing::record,
};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use serde_json::Value;

const FILE: &str = include_str!("../golden/losses.json");
const TOLERANCE: f64 = 1e-6;

/// The numbers in nested lists, in order.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(all) => all.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn singles(value: &Value) -> Vec<f32> {
    flat(value).into_iter().map(|v| v as f32).collect()
}

fn shape(case: &Value) -> Vec<usize> {
    flat(&case["shape"]).into_iter().map(|v| v as usize).collect()
}

/// A leaf of which the gradient is asked, on its device.
fn leaf(values: Vec<f32>, rows: usize, device: &Device) -> Tensor<2> {
    let width = values.len() / rows;
    Tensor::<2>::from_data(TensorData::new(values, [rows, width]), device).require_grad()
}

fn close(what: &str, got: f64, wanted: f64) {
    let most = TOLERANCE * wanted.abs().max(1.0);
    assert!((got - wanted).abs() <= most, "{what}: {got}, but PyTorch has {wanted}");
}

/// Value, number of terms and gradient of a case.
fn check(name: &str, case: &Value, leaf: &Tensor<2>, loss: Loss, terms: usize) {
    assert_eq!(loss.count, terms, "{name}");
    let value = loss.mean.clone().into_scalar::<f64>();
    close(name, value, case["value"].as_f64().unwrap());
    let grads = loss.mean.backward();
    let found: Vec<f64> = leaf.grad(&grads).unwrap().to_data().iter::<f64>().collect();
    let wanted = flat(&case["gradient"]);
    assert_eq!(found.len(), wanted.len(), "{name}");
    for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        close(&format!("{name}, gradient {at}"), *found, *wanted);
    }
}

fn cases<'a>(file: &'a Value, kind: &str) -> Vec<(&'a String, &'a Value)> {
    file[kind].as_object().unwrap().iter().collect()
}

/// Class numbers, and the places where they are no padding.
fn truths(case: &Value) -> (Vec<i32>, Vec<usize>) {
    let all: Vec<i32> = flat(&case["targets"]).into_iter().map(|t| t as i32).collect();
    let counted = (0..all.len()).filter(|at| all[*at] != -100).collect();
    (all, counted)
}

#[test]
fn cross_entropy_is_pytorchs() {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let device = Device::flex().autodiff();
    let cases = cases(&file, "cross_entropy");
    assert!(cases.len() >= 18, "only {} cases", cases.len());
    for (name, case) in cases {
        let (truth, counted) = truths(case);
        let logits = leaf(singles(&case["logits"]), truth.len(), &device);
        let options = CrossEntropy {
            class_weights: (!case["class_weights"].is_null())
                .then(|| singles(&case["class_weights"])),
            label_smoothing: case["label_smoothing"].as_f64().unwrap(),
        };
        // Rows of padding are left out, as a caller of a plain classification loss does.
        let rows: Vec<i32> = counted.iter().map(|at| *at as i32).collect();
        let rows = Tensor::<1, Int>::from_ints(rows.as_slice(), &device);
        let kept: Vec<i32> = counted.iter().map(|at| truth[*at]).collect();
        let kept = Tensor::<1, Int>::from_ints(kept.as_slice(), &device);
        let loss = cross_entropy(logits.clone().select(0, rows), kept, &options);
        check(name, case, &logits, loss, counted.len());
    }
    record(
        "golden",
        "cross-entropy",
        "with class weights, smoothing and padding: values and gradients equal PyTorch's within 1e-6",
    );
}

#[test]
fn cross_entropy_with_shares_is_pytorchs() {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let device = Device::flex().autodiff();
    let cases = cases(&file, "soft_cross_entropy");
    assert_eq!(cases.len(), 6);
    for (name, case) in cases {
        let rows = shape(case)[0];
        let logits = leaf(singles(&case["logits"]), rows, &device);
        let truth = leaf(singles(&case["targets"]), rows, &device).detach();
        let options = CrossEntropy {
            class_weights: (!case["class_weights"].is_null())
                .then(|| singles(&case["class_weights"])),
            label_smoothing: case["label_smoothing"].as_f64().unwrap(),
        };
        check(name, case, &logits, soft_cross_entropy(logits.clone(), truth, &options), rows);
    }
    record(
        "golden",
        "cross-entropy with shares of classes",
        "with class weights and smoothing: values and gradients equal PyTorch's within 1e-6",
    );
}

#[test]
fn cross_entropy_of_sequences_is_pytorchs() {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let device = Device::flex().autodiff();
    let mut tried = 0;
    for (name, case) in cases(&file, "cross_entropy") {
        let (plain, shape) = (case["class_weights"].is_null(), shape(case));
        if !plain || case["label_smoothing"].as_f64() != Some(0.0) {
            continue;
        }
        let (truth, counted) = truths(case);
        // Rows of a plain case are the positions of one sequence.
        let (batch, length) = match shape.as_slice() {
            [batch, length, _] => (*batch, *length),
            _ => (1, truth.len()),
        };
        let logits = leaf(singles(&case["logits"]), truth.len(), &device);
        let seen: Vec<bool> = truth.iter().map(|t| *t != -100).collect();
        let seen = Tensor::<2, Bool>::from_data(TensorData::new(seen, [batch, length]), &device);
        let classes = shape[shape.len() - 1];
        let truth = Tensor::<1, Int>::from_ints(truth.as_slice(), &device);
        let loss = sequence_cross_entropy(
            logits.clone().reshape([batch, length, classes]),
            truth.reshape([batch, length]),
            seen,
        );
        check(name, case, &logits, loss, counted.len());
        tried += 1;
    }
    assert!(tried >= 10, "only {tried} cases");
    record(
        "golden",
        "cross-entropy of sequences",
        "values and gradients equal PyTorch's within 1e-6",
    );
}

/// Cases with a mask are tried on the places that it leaves.
fn elementwise(kind: &str, inputs: &str, loss: fn(Tensor<2>, Tensor<2>) -> Loss) {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let device = Device::flex().autodiff();
    let cases = cases(&file, kind);
    assert!(cases.len() >= 6, "only {} cases", cases.len());
    for (name, case) in cases {
        let (given, truth) = (singles(&case[inputs]), singles(&case["targets"]));
        let truth =
            Tensor::<2>::from_data(TensorData::new(truth.clone(), [1, truth.len()]), &device);
        let (rows, width) = match case["mask"].is_null() {
            true => (shape(case)[0], given.len() / shape(case)[0]),
            false => (1, given.len()),
        };
        let all = leaf(given, rows, &device);
        let (output, truth, terms) = match case["mask"].is_null() {
            true => (all.clone(), truth.reshape([rows, width]), rows * width),
            false => {
                let mask = flat(&case["mask"]);
                let places: Vec<i32> =
                    (0..mask.len()).filter(|at| mask[*at] == 1.0).map(|at| at as i32).collect();
                let terms = places.len();
                let places = Tensor::<1, Int>::from_ints(places.as_slice(), &device);
                (all.clone().select(1, places.clone()), truth.select(1, places), terms)
            }
        };
        check(name, case, &all, loss(output, truth), terms);
    }
}

#[test]
fn binary_cross_entropy_is_pytorchs() {
    elementwise("binary_cross_entropy", "logits", binary_cross_entropy);
    record("golden", "binary cross-entropy", "values and gradients equal PyTorch's within 1e-6");
}

#[test]
fn mean_squared_error_is_pytorchs() {
    elementwise("mean_squared_error", "predictions", mean_squared_error);
    record("golden", "mean squared error", "values and gradients equal PyTorch's within 1e-6");
}

fn focal(case: &Value) -> Focal {
    let weights = &case["class_weights"];
    let class_weights = (!weights.is_null()).then(|| singles(weights));
    Focal { focus: case["focus"].as_f64().unwrap(), class_weights }
}

#[test]
fn focal_loss_is_the_papers_formula_in_pytorch() {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let device = Device::flex().autodiff();
    let all = cases(&file, "focal");
    assert!(all.len() >= 7, "only {} cases", all.len());
    for (name, case) in all {
        let (truth, _) = truths(case);
        let logits = leaf(singles(&case["logits"]), truth.len(), &device);
        let terms = truth.len();
        let truth = Tensor::<1, Int>::from_ints(truth.as_slice(), &device);
        check(name, case, &logits, focal_loss(logits.clone(), truth, &focal(case)), terms);
    }
    let all = cases(&file, "binary_focal");
    assert!(all.len() >= 6, "only {} cases", all.len());
    for (name, case) in all {
        let (rows, truth) = (shape(case)[0], singles(&case["targets"]));
        let terms = truth.len();
        let logits = leaf(singles(&case["logits"]), rows, &device);
        let truth = TensorData::new(truth, [rows, terms / rows]);
        let truth = Tensor::<2>::from_data(truth, &device);
        check(name, case, &logits, binary_focal_loss(logits.clone(), truth, &focal(case)), terms);
    }
    record(
        "golden",
        "focal loss",
        "over softmax and sigmoid, with class weights: values and gradients equal the formula's in \
         PyTorch within 1e-6",
    );
}

#[test]
fn a_batch_of_padding_counts_nothing() {
    let device = Device::flex().autodiff();
    let logits = Tensor::<3>::ones([2, 3, 5], &device).require_grad();
    let truth = Tensor::<2, Int>::zeros([2, 3], &device) - 100;
    let none = Tensor::<2, Int>::zeros([2, 3], &device).greater_elem(0);
    let loss = sequence_cross_entropy(logits.clone(), truth, none);
    assert_eq!((loss.count, loss.mean.clone().into_scalar::<f32>()), (0, 0.0));
    let grads = loss.mean.backward();
    assert_eq!(logits.grad(&grads).unwrap().abs().max().into_scalar::<f32>(), 0.0);
}
