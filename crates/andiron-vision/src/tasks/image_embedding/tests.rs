#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{backbone::Ends, layers::inverted_residual::Stage, samples};
use andiron_core::{
    AnyPredictor, GradientTrainer, Network, Recipe, Trainer, TrainingConfig, nearest, testing,
    trainer::Progress,
};
use serde_json::json;

fn task(width: usize, height: usize) -> ImageEmbedding {
    ImageEmbedding::new(samples::task(width, height, 1).transform)
}

fn keeps_the_contract<C: Recipe<ImageEmbedding>>(task: ImageEmbedding, config: C)
where
    ImageEmbedding: andiron_core::Solve<C::Model>,
{
    testing::Contract::new(task, config, samples::examples(1))
        .without(testing::Law::Padding, "images are resized to one size")
        .overfits_in(150, 1e-2)
        .check();
}

fn stages() -> Vec<Stage> {
    vec![
        Stage::new(4, 1).with_expansion(1),
        Stage::new(6, 2).with_stride(2).with_kernel(5).with_expansion(2),
    ]
}

#[test]
fn resnet_keeps_the_contract() {
    let config = ResNetConfig::small(1, 0).with_widths(vec![4, 8]).with_blocks(vec![1, 1]);
    keeps_the_contract(task(9, 7), config);
}

#[test]
fn efficientnet_lite_keeps_the_contract() {
    let config = EfficientNetLiteConfig::new(Ends::new(1, 0)).with_stem(4).with_stages(stages());
    keeps_the_contract(task(13, 10), config.with_d_head(12).with_dropout(0.0));
}

#[test]
fn mobilenet_v2_keeps_the_contract() {
    let config = MobileNetV2Config::new(Ends::new(1, 0)).with_stem(4).with_stages(stages());
    keeps_the_contract(task(13, 10), config.with_d_head(12).with_dropout(0.0));
}

#[test]
fn vit_keeps_the_contract() {
    let config =
        ViTConfig::new(Ends::new(1, 0), 6, 9).with_patch(3).with_d_model(12).with_n_heads(3);
    keeps_the_contract(task(9, 6), config.with_n_layers(2).with_d_hidden(14));
}

fn predictor() -> Predictor<ImageEmbedding> {
    let device = Device::flex();
    let config = ResNetConfig::small(1, 0).with_widths(vec![4, 6]).with_blocks(vec![1, 1]);
    Predictor::new(task(9, 7), Network::init(config, 1, &device).unwrap(), &device)
}

#[test]
fn a_vector_has_length_one_and_finds_its_own_image() {
    let images: Vec<Image> =
        samples::examples(1).into_iter().map(|example| example.input).collect();
    let answers = predictor().predict(&images).unwrap();
    let vectors: Vec<&[f32]> = answers.iter().map(|answer| &answer.embedding[..]).collect();
    for vector in &vectors {
        let squares: f32 = vector.iter().map(|x| x * x).sum();
        assert!((squares - 1.0).abs() < 1e-5 && vector.len() == 6);
    }
    let found = nearest(&vectors[2..3], &vectors, 1, andiron_core::Similarity::Cosine).unwrap();
    assert_eq!(found[0][0].index, 2);
    let png = images[0].to_png();
    let answer = AnyPredictor::predict(&predictor(), &[Raw::Bytes(&png), Raw::Bytes(&png[..9])]);
    assert_eq!(answer[0].as_ref().unwrap()["embedding"].as_array().unwrap().len(), 6);
    assert!(answer[1].is_err());
}

/// By hand: two images of one label and one of another, all at right angles.
#[test]
fn the_loss_is_that_of_the_paper() {
    let device = Device::flex();
    let vectors =
        Tensor::<2>::from_data([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]], &device);
    let same = |pairs: [[bool; 3]; 3]| Tensor::<2, Bool>::from_data(pairs, &device);
    let of = |pairs| task(9, 7).loss(vectors.clone(), same(pairs));
    let loss = of([[false, true, false], [true, false, false], [false; 3]]);
    // Each of the two chooses between two equal ones; the third has nothing to choose.
    assert!((loss.mean.into_scalar::<f64>() - 2f64.ln()).abs() < 1e-6);
    assert_eq!(loss.count, 2);
    let none = of([[false; 3]; 3]);
    assert_eq!(none.mean.into_scalar::<f64>(), 0.0);
}

#[test]
fn training_brings_images_of_one_label_together() {
    let device = Device::flex();
    let data = samples::examples(1);
    let options = json!({"width": 9, "height": 7, "scale": 10.0});
    let (task, config) =
        <ResNetConfig as Recipe<ImageEmbedding>>::prepare(&options, &data).unwrap();
    assert_eq!((task.scale, config.ends.n_classes), (10.0, 0));
    let config = config.with_widths(vec![4, 8]).with_blocks(vec![1, 1]);
    let trainer = GradientTrainer::new(TrainingConfig::new(60).with_learning_rate(1e-2));
    let network = Network::init(config, 1, &device).unwrap();
    let trainer = trainer.with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &data, &vec![], &device).unwrap();
    let report = ImageEmbedding::evaluate(&fitted.predictor, &data).unwrap();
    assert_eq!(report.score("success@1").unwrap().value, 1.0);
    let folder = tempfile::tempdir().unwrap();
    fitted.predictor.save(folder.path().join("bundle")).unwrap();
    let again = Predictor::<ImageEmbedding>::load(folder.path().join("bundle"), &device).unwrap();
    let images = [data[3].input.clone()];
    assert_eq!(again.predict(&images).unwrap(), fitted.predictor.predict(&images).unwrap());
}

#[test]
fn settings_are_checked() {
    let data = samples::examples(1);
    let refusal = |options: Value| {
        let refused = <EfficientNetLiteConfig as Recipe<ImageEmbedding>>::prepare(&options, &data);
        let DataError::Config(error) = refused.unwrap_err() else { panic!("it is a setting") };
        error.to_string()
    };
    assert!(refusal(json!({"scale": 0.0})).starts_with("scale must lie in"));
    assert!(refusal(json!({"presett": 1})).starts_with("there is no setting \"presett\""));
    assert!(refusal(json!({"preset": "lite9"})).contains("known are [\"efficientnet-lite0\""));
    let refused = task(9, 7).fits([1, 7, 9], 3).unwrap_err().to_string();
    assert!(refused.contains("the number of labels"), "{refused}");
}
