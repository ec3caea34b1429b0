//! Evidence: all 60,000 digits of MNIST by the strong model, each seen moved and turned a little,
//! tested on the 10,000 others.
//!
//! ```text
//! scripts/fetch-assets                             once: fetches the data
//! cargo run --example mnist -- --epochs 8
//! ```
//!
//! `--folder DIR` keeps checkpoints and the log there, and the same command started again goes on
//! from the last one; `--quick` takes a few steps on a few images.

use andiron::{
    ClassifierEvaluator, Evaluator, GradientTrainer, Network, Recipe, Trainer, TrainingConfig,
    vision::{ImageClassification, data::idx_examples, models::resnet::ResNetConfig},
};
use clap::Parser;
use serde_json::json;
use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Instant,
};

const SEED: u64 = 1;
const NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// What the command line says.
#[derive(Parser)]
struct Options {
    /// A few images, once.
    #[arg(long)]
    quick: bool,
    /// Passes over the images.
    #[arg(long, default_value_t = 8)]
    epochs: usize,
    /// Where checkpoints are kept, and a training goes on.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { quick, epochs, folder: kept } = Options::parse();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/mnist");
    let read = |part: &str| {
        let file = |kind: &str| folder.join(format!("{part}-{kind}-ubyte"));
        idx_examples(file("images-idx3"), file("labels-idx1"), &NAMES)
    };
    if quick && !folder.is_dir() {
        println!("left out: {} is not there; scripts/fetch-assets fetches it", folder.display());
        return Ok(());
    }
    let (mut train, mut test) = (read("train")?, read("t10k")?);
    if quick {
        train.truncate(200);
        test.truncate(200);
    }

    let device = andiron::device("flex")?;
    // A digit stays the same when it is moved by two pixels or turned by ten degrees. It would not
    // when mirrored.
    let steps = json!([{ "rotate": { "degrees": 10.0 } }, { "shift": { "pixels": 2 } }]);
    let options = json!({ "augment": { "steps": steps } });
    let (task, config): (ImageClassification, _) = ResNetConfig::prepare(&options, &train)?;
    let network = Network::init(config, SEED, &device)?;
    println!("{} images, {} parameters", train.len(), network.parameters());

    let epochs = if quick { 1 } else { epochs };
    let training = TrainingConfig::new(1).with_batch_size(64);
    let steps = training.steps_for(epochs, train.len());
    let training = TrainingConfig { max_steps: steps, ..training }
        .with_learning_rate(3e-3)
        .with_warmup_steps(steps / 20)
        .with_checkpoint_every(200)
        .with_seed(SEED);
    let mut trainer = GradientTrainer::new(training);
    if let Some(folder) = kept {
        trainer = trainer.with_folder(folder);
    }
    let started = Instant::now();
    // No validation data: the test images choose nothing, so the last step's weights are taken.
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device)?;
    println!("steps {steps}, in {:.0} s", started.elapsed().as_secs_f64());

    let report = ClassifierEvaluator::default().evaluate(&fitted.predictor, &test)?;
    let accuracy = report.score("accuracy")?;
    println!("test accuracy {:.4} ({:.4} to {:.4})", accuracy.value, accuracy.low, accuracy.high);
    Ok(())
}
