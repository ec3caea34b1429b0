//! Image embedding: which images are like this one? A residual network learns vectors of the shipped
//! digits, such that those of one digit lie together; then the nearest of some that it has not seen
//! are looked up among all others.
//!
//! ```text
//! cargo run --example image_embedding
//! ```
//!
//! It printed:
//!
//! ```text
//! success@1 0.994 (95 % interval 0.986 to 1.000)
//! precision@10 0.996 (95 % interval 0.989 to 1.000)
//! 4 is like 4 (0.996), 4 (0.996), 4 (0.995), 4 (0.995), 4 (0.994)
//! 6 is like 6 (0.995), 6 (0.993), 6 (0.993), 6 (0.993), 6 (0.993)
//! 9 is like 9 (0.992), 9 (0.991), 9 (0.989), 9 (0.988), 9 (0.987)
//! ```
//!
//! A published network needs no training: `published::from_path` takes its head off.

use andiron::{
    DataError, GradientTrainer, Network, Recipe, Registered, Similarity, Trainer, TrainingConfig,
    data::{Fractions, split_stratified},
    nearest,
    trainer::Progress,
    vision::{
        Image, ImageEmbedding,
        data::{ImageExample, idx_examples},
        models::resnet::ResNetConfig,
    },
};
use serde_json::json;
use std::{error::Error, path::Path};

/// Decides the split, the first weights and the order of the examples.
const SEED: u64 = 7;

/// Digits for training, validation and the test; every digit has the same share in each.
fn data() -> Result<[Vec<ImageExample>; 3], DataError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/digits");
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let images = folder.join("digits-images-idx3-ubyte.gz");
    let digits = idx_examples(images, folder.join("digits-labels-idx1-ubyte.gz"), &names)?;
    let labels: Vec<&str> = digits.iter().map(|digit| digit.target.as_str()).collect();
    let (train, valid, test) =
        split_stratified(&labels, Fractions { valid: 0.1, test: 0.2 }, SEED)?;
    let take = |part: Vec<usize>| part.into_iter().map(|at| digits[at].clone()).collect();
    Ok([take(train), take(valid), take(test)])
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let device = andiron::device("flex")?;
    let [train, valid, test] = data()?;

    let (task, config) = <ResNetConfig as Recipe<ImageEmbedding>>::prepare(&json!({}), &train)?;
    let network = Network::init(config, SEED, &device)?;
    let training = TrainingConfig::new(if quick { 3 } else { 300 }).with_learning_rate(5e-3);
    let training = training.with_warmup_steps(20).with_batch_size(64).with_seed(SEED);
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &train, &valid, &device)?;

    let report = ImageEmbedding::evaluate(&fitted.predictor, &test)?;
    for name in ["success@1", "precision@10"] {
        let score = report.score(name)?;
        println!("{name} {:.3} (95 % interval {:.3} to {:.3})", score.value, score.low, score.high);
    }

    let images: Vec<Image> = test.iter().map(|digit| digit.input.clone()).collect();
    let answers = fitted.predictor.predict(&images)?;
    let vectors: Vec<&[f32]> = answers.iter().map(|answer| &answer.embedding[..]).collect();
    for (at, neighbours) in
        nearest(&vectors[..3], &vectors, 6, Similarity::Cosine)?.iter().enumerate()
    {
        let others = neighbours.iter().filter(|neighbour| neighbour.index != at).take(5);
        let found: Vec<String> = others
            .map(|other| format!("{} ({:.3})", test[other.index].target, other.score))
            .collect();
        println!("{} is like {}", test[at].target, found.join(", "));
    }
    Ok(())
}
