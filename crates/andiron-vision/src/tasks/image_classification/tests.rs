#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::samples;
use andiron_core::{AnyPredictor, Network};
use serde_json::json;

fn predictor() -> Predictor<ImageClassification> {
    let config = SmallCnnConfig::new(1, 7, 9, 3).with_widths([2, 3]).with_d_hidden(4);
    let device = Device::flex();
    let network = Network::init(config, 1, &device).unwrap();
    Predictor::new(samples::task(9, 7, 1), network, &device)
}

#[test]
fn an_answer_lists_the_best_first_and_five_at_most() {
    let names: Vec<String> = ["a", "b", "c", "d", "e", "f", "g"].map(str::to_owned).to_vec();
    let labels = Labels::of(&names).unwrap();
    let logits = Tensor::from_data([[0.0, 3.0, 1.0, -1.0, 2.0, 0.5, -2.0]], &Device::flex());
    let answer = ImageLabel(labels.choose(logits).remove(0));
    let value = serde_json::to_value(answer).unwrap();
    let fields: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["label", "score", "top"]);
    assert_eq!((&value["label"], &value["score"]), (&json!("b"), &value["top"][0]["score"]));
    let top: Vec<&str> =
        value["top"].as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap()).collect();
    assert_eq!(top, ["b", "e", "c", "f", "a"]);
}

#[test]
fn files_and_arrays_of_one_image_get_one_answer_and_a_bad_one_costs_only_its_place() {
    let image = Image::gray(3, 2, vec![0, 50, 100, 150, 200, 250]).unwrap();
    let png = image.to_png();
    let data = [0.0, 50.0, 100.0, 150.0, 200.0, 250.0];
    let line = json!({"image": "/etc/passwd"});
    let raw = [
        Raw::Bytes(&png),
        Raw::Bytes(&png[..20]),
        Raw::Array { shape: &[2, 3], data: &data },
        Raw::Json(&line),
    ];
    let answers = AnyPredictor::predict(&predictor(), &raw);
    assert_eq!(answers[0].as_ref().unwrap(), answers[2].as_ref().unwrap());
    assert!(matches!(answers[1], Err(DataError::Decode { .. })));
    let refused = answers[3].as_ref().unwrap_err().to_string();
    assert_eq!(refused, "an image was wanted, but the input is JSON");
}

#[test]
fn an_image_of_any_size_and_colour_is_answered() {
    let inputs = [
        Image::gray(1, 1, vec![7]).unwrap(),
        Image::rgb(1, 40, vec![7; 120]).unwrap(),
        Image::gray(300, 2, vec![7; 600]).unwrap(),
    ];
    assert_eq!(predictor().predict(&inputs).unwrap().len(), 3);
    assert!(predictor().predict(&[]).unwrap().is_empty());
}

#[test]
fn an_unknown_label_is_refused_and_smoothing_is_checked() {
    let mut examples = samples::examples(1);
    examples[1].target = "below".to_owned();
    let task = samples::task(9, 7, 1);
    let refused = task.batch(&examples, &Device::flex());
    assert!(matches!(refused, Err(DataError::UnknownLabel { label, .. }) if label == "below"));
    assert!(task.clone().with_label_smoothing(1.1).is_err());
    assert_eq!(task.with_label_smoothing(0.1).unwrap().label_smoothing, 0.1);
}

#[test]
fn smoothing_raises_the_loss_of_a_sure_answer() {
    let device = Device::flex();
    let logits = || Tensor::<2>::from_data([[9.0, 0.0, 0.0]], &device);
    let truth = || Tensor::<1, Int>::from_data([0], &device);
    let loss = |task: &ImageClassification| task.loss(logits(), truth()).mean.into_scalar::<f64>();
    let plain = samples::task(9, 7, 1);
    let smooth = plain.clone().with_label_smoothing(0.3).unwrap();
    // The gap to the other two logits is 9; each carries a third of the smoothing.
    assert!((loss(&smooth) - loss(&plain) - 0.3 * 2.0 / 3.0 * 9.0).abs() < 1e-4);
}

#[test]
fn a_line_says_its_label() {
    assert_eq!(ImageClassification::target(&json!({"label": "x"})).unwrap(), "x");
    assert!(ImageClassification::target(&json!({"label": 3})).is_err());
}
