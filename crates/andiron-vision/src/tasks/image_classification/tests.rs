#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::samples;
use andiron_core::{AnyPredictor, Network};
use serde_json::json;
use std::collections::BTreeSet;

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
    let loss = |task: &ImageClassification| {
        task.loss(logits(), ImageTruth::Classes(truth())).mean.into_scalar::<f64>()
    };
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

fn loss(task: &ImageClassification, truth: ImageTruth) -> f64 {
    let logits = Tensor::<2>::from_data([[2.0, 0.5, -1.0], [0.0, 1.0, 0.5]], &Device::flex());
    task.loss(logits, truth).mean.into_scalar::<f64>()
}

fn classes() -> ImageTruth {
    ImageTruth::Classes(Tensor::from_data([0, 2], &Device::flex()))
}

#[test]
fn weights_and_focus_change_the_loss_as_their_formulas_say() {
    let plain = samples::task(9, 7, 1);
    // −log softmax of the rows at their classes.
    let terms = [
        (2f64.exp() + 0.5f64.exp() + (-1f64).exp()).ln() - 2.0,
        (1.0 + 1f64.exp() + 0.5f64.exp()).ln() - 0.5,
    ];
    let close =
        |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
    close(loss(&plain, classes()), (terms[0] + terms[1]) / 2.0);
    let weights = Some(vec![1.0, 2.0, 3.0]);
    let weighed = ImageClassification { class_weights: weights, ..plain.clone() };
    close(loss(&weighed, classes()), (terms[0] + 3.0 * terms[1]) / 4.0);
    let focal = ImageClassification { focus: 2.0, ..plain.clone() };
    let missed = terms.map(|term| (1.0 - (-term).exp()).powi(2) * term);
    close(loss(&focal, classes()), (missed[0] + missed[1]) / 2.0);
    let shares = Tensor::from_data([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], &Device::flex());
    close(loss(&plain, ImageTruth::Shares(shares)), loss(&plain, classes()));
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let plain = samples::task(9, 7, 1);
    let refusal = |task: ImageClassification| task.check().unwrap_err().to_string();
    let short = ImageClassification { class_weights: Some(vec![1.0; 2]), ..plain.clone() };
    assert_eq!(
        refusal(short),
        "setting \"class_weights\" cannot be 2: 3 labels need as many weights"
    );
    let below = ImageClassification { class_weights: Some(vec![1.0, -1.0, 1.0]), ..plain.clone() };
    assert_eq!(refusal(below), "class_weights must lie in 0..=1000000, but is -1");
    let focus = ImageClassification { focus: -1.0, ..plain.clone() };
    assert_eq!(refusal(focus), "focus must lie in 0..=100, but is -1");
    let both = ImageClassification { focus: 2.0, label_smoothing: 0.1, ..plain.clone() };
    assert!(refusal(both).contains("focal loss has none"));
    let mix = Some(crate::augment::Mix { mixup: 0.2, cutmix: 0.0 });
    let mixed = Augment::new(None, Vec::new(), mix).unwrap();
    let focal = ImageClassification { focus: 2.0, ..plain.clone() };
    let refused = focal.with_augment(mixed).unwrap_err().to_string();
    assert!(refused.contains("mixed images have no one label"), "{refused}");
    let views = Views { crops: Some(0.1), ..Views::default() };
    assert!(plain.clone().with_views(views).is_err());
    // Asked when a bundle is loaded.
    let edited = ImageClassification { focus: -1.0, ..plain };
    assert!(edited.fits([1, 7, 9], 3).is_err());
}

#[test]
fn what_is_not_set_is_not_written() {
    let plain = samples::task(9, 7, 1);
    let written = serde_json::to_value(&plain).unwrap();
    let fields: BTreeSet<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, BTreeSet::from(["labels", "transform", "label_smoothing"]));
    let views = Views { mirror: true, crops: Some(0.9), ..Views::default() };
    let written = serde_json::to_value(views).unwrap();
    assert_eq!(written, serde_json::json!({"mirror": true, "crops": 0.9}));
    let augment = Augment::new(None, vec![crate::augment::Augmentation::TrivialAugment], None);
    let all = ImageClassification { class_weights: Some(vec![1.0; 3]), ..plain };
    let all = all.with_views(views).unwrap().with_augment(augment.unwrap()).unwrap();
    let text = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<ImageClassification>(&text).unwrap(), all);
    let unknown = text.replace("class_weights", "class_weight");
    assert!(serde_json::from_str::<ImageClassification>(&unknown).is_err());
}

#[test]
fn views_are_averaged() {
    let device = Device::flex();
    let views = Views { mirror: true, crops: Some(0.7), negative: true, shifts: None };
    let single = predictor();
    let network = single.network::<SmallCnnConfig>().unwrap();
    let task = single.task().clone().with_views(views).unwrap();
    let network = Network { config: network.config.clone(), model: network.model.clone() };
    let several = Predictor::new(task, network, &device);
    let images: Vec<Image> = samples::examples(1).into_iter().map(|one| one.input).collect();
    let found = several.predict(&images).unwrap();
    assert_eq!(found.len(), images.len());
    for (image, found) in images.iter().zip(&found) {
        let each = single.predict(&views.of(image)).unwrap();
        for (label, score) in &found.0.scores {
            let sum: f32 = each.iter().map(|one| one.0.scores[label]).sum();
            assert!((sum / each.len() as f32 - score).abs() < 1e-5, "{label}");
        }
    }
    // One by one as together.
    assert_eq!(several.predict(&images[1..2]).unwrap()[0], found[1]);
}

#[test]
fn only_a_training_step_changes_images() {
    let device = Device::flex();
    let steps = vec![crate::augment::Augmentation::Shift { pixels: 3 }];
    let mix = Some(crate::augment::Mix { mixup: 1.0, cutmix: 0.0 });
    let plain = samples::task(9, 7, 1);
    let augment = Augment::new(None, steps, mix).unwrap();
    let task = plain.clone().with_augment(augment).unwrap();
    let examples = samples::examples(1);
    let data = |task: &ImageClassification| task.batch(&examples, &device).unwrap();
    let measured = data(&task);
    measured.features.into_data().assert_eq(&data(&plain).features.into_data(), true);
    assert!(matches!(measured.truth, ImageTruth::Classes(_)));
    let learnt = |seed| andiron_kernels::training(seed, || data(&task));
    let first = learnt(1).features.into_data();
    first.assert_eq(&learnt(1).features.into_data(), true);
    assert_ne!(
        first.as_slice::<f32>().unwrap(),
        learnt(2).features.into_data().as_slice::<f32>().unwrap()
    );
    let ImageTruth::Shares(shares) = learnt(1).truth else { panic!("images are mixed") };
    assert_eq!(shares.dims(), [6, 3]);
    let sums: Vec<f32> = shares.sum_dim(1).into_data().iter::<f32>().collect();
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{sums:?}");
}
