//! What the strong network makes of the digits that are shipped: the project's promise is 0.97.

use andiron_core::{
    GradientTrainer, Network, Recipe, Registered, Trainer, TrainingConfig,
    data::{Fractions, Subset, split_stratified},
    trainer::Progress,
};
use andiron_vision::{ImageClassification, data::idx_examples, models::resnet::ResNetConfig};
use burn::tensor::Device;
use serde_json::json;
use std::path::Path;

#[test]
fn held_out_digits_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/digits");
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let images = folder.join("digits-images-idx3-ubyte.gz");
    let digits = idx_examples(images, folder.join("digits-labels-idx1-ubyte.gz"), &names).unwrap();
    assert_eq!(digits.len(), 1797);
    let labels: Vec<&str> = digits.iter().map(|digit| digit.target.as_str()).collect();
    let fractions = Fractions { valid: 0.0, test: 0.2 };
    let (train, _, test) = split_stratified(&labels, fractions, 1).unwrap();
    let (train, test) = (Subset::new(&digits, train), Subset::new(&digits, test));

    let device = Device::flex();
    let (task, config): (ImageClassification, _) =
        ResNetConfig::prepare(&json!({}), &train).unwrap();
    let settings = TrainingConfig::new(200).with_learning_rate(5e-3).with_warmup_steps(20);
    let trainer = GradientTrainer::new(settings).with_progress(Progress::Silent);
    let network = Network::init(config, 1, &device).unwrap();
    assert!(4 * network.parameters() < 2_000_000, "the bundle stays below two megabytes");
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device).unwrap();
    let report = ImageClassification::evaluate(&fitted.predictor, &test).unwrap();
    let accuracy = report.scores["accuracy"];
    println!("accuracy {:.4} ({:.4} to {:.4})", accuracy.value, accuracy.low, accuracy.high);
    assert!(accuracy.value >= 0.97, "accuracy {}", accuracy.value);
    andiron_core::testing::record(
        "accuracy",
        "image-classification: resnet on digits",
        &format!(
            "accuracy {:.3} [{:.3}, {:.3}] on {} held-out digits",
            accuracy.value, accuracy.low, accuracy.high, report.examples
        ),
    );
}
