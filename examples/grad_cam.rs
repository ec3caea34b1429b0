//! Why an answer: a digit is read, and drawn with what in it spoke for the answer.
//!
//! ```text
//! cargo run --example grad_cam -- picture.png
//! ```
//!
//! It printed:
//!
//! ```text
//! as 7, 0.9986:
//!   0.3 0.2 0.2 0.0
//!   0.0 0.7 0.7 0.5
//!   0.1 0.0 0.5 0.3
//!   0.4 1.0 0.9 0.1
//! as 1, 0.0000:
//!   0.2 0.5 0.0 0.0
//!   0.0 0.0 0.0 1.0
//!   0.0 0.0 0.0 0.6
//!   0.0 0.0 0.0 0.1
//! ```
//!
//! The picture in the chapter about vision was made so: the digit in grey, under it the heat of
//! Grad-CAM, red where little and yellow where most speaks for the label.

use andiron::{
    DataError, GradientTrainer, Network, Recipe, Trainer, TrainingConfig,
    data::{Fractions, split_stratified},
    trainer::Progress,
    vision::{
        data::{ImageExample, idx_examples},
        explain::explain,
        models::small_cnn::SmallCnnConfig,
    },
};
use std::{error::Error, path::Path};

/// Decides the split, the first weights and the order of the examples.
const SEED: u64 = 7;

/// Digits for training and for the test.
fn data() -> Result<(Vec<ImageExample>, Vec<ImageExample>), DataError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/digits");
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let images = folder.join("digits-images-idx3-ubyte.gz");
    let digits = idx_examples(images, folder.join("digits-labels-idx1-ubyte.gz"), &names)?;
    let labels: Vec<&str> = digits.iter().map(|digit| digit.target.as_str()).collect();
    let (train, _, test) = split_stratified(&labels, Fractions { valid: 0.0, test: 0.2 }, SEED)?;
    let take = |part: Vec<usize>| part.into_iter().map(|at| digits[at].clone()).collect();
    Ok((take(train), take(test)))
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let path = std::env::args().skip(1).find(|argument| argument != "--quick");
    let (train, test) = data()?;
    let device = andiron::device("flex")?;
    let (task, config) = SmallCnnConfig::prepare(&Default::default(), &train)?;
    let network = Network::init(config, SEED, &device)?;
    let training = TrainingConfig::new(if quick { 5 } else { 300 })
        .with_learning_rate(5e-3)
        .with_warmup_steps(20)
        .with_seed(SEED);
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device)?;

    // A seven, and what in it spoke for a seven and for a one.
    let seven = test.iter().find(|digit| digit.target == "7").ok_or("there is no seven")?;
    for label in ["7", "1"] {
        let explanation = explain(&fitted.predictor, &seven.input, Some(label))?;
        println!("as {label}, {:.4}:", explanation.score);
        for row in explanation.heat.chunks(explanation.columns) {
            let cells: Vec<String> = row.iter().map(|heat| format!("{heat:.1}")).collect();
            println!("  {}", cells.join(" "));
        }
        if let (Some(path), "7") = (&path, label) {
            std::fs::write(path, explanation.overlay(&seven.input).to_png())?;
        }
    }
    Ok(())
}
