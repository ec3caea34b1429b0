//! Evidence: all 60,000 garments of Fashion-MNIST, or digits of MNIST, by the strong model, tested on the
//! 10,000 others.
//!
//! ```text
//! scripts/fetch-assets                                    once: fetches the data
//! cargo run --example fashion_mnist -- --epochs 8
//! ```
//!
//! `--digits` takes MNIST, each digit moved and turned a little; `--steps N` stops after N steps
//! (to time one); `--folder DIR` keeps checkpoints and the log there, and the same command started
//! again goes on from the last one; `--quick` takes a few steps on a few images.
//! `scripts/evidence/fashion_mnist.py` is the same run in PyTorch.

use andiron::{
    ClassifierEvaluator, Evaluator, GradientTrainer, Network, Recipe, TrainError, Trainer,
    TrainingConfig,
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
const DIGITS: &str = "0,1,2,3,4,5,6,7,8,9";
const GARMENTS: &str =
    "T-shirt/top,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,ankle boot";

/// What the command line says.
#[derive(Parser)]
struct Options {
    /// A few images, once.
    #[arg(long)]
    quick: bool,
    /// MNIST's digits in place of garments.
    #[arg(long)]
    digits: bool,
    /// Passes over the images.
    #[arg(long, default_value_t = 8)]
    epochs: usize,
    /// Where checkpoints are kept, and a training goes on.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Ends the training after so many steps.
    #[arg(long)]
    steps: Option<usize>,
}

/// Prints how long `steps` steps took; part of a run says nothing about its pace.
fn pace(steps: usize, started: Instant, resumed: bool) {
    let seconds = started.elapsed().as_secs_f64();
    if !resumed {
        println!("steps {steps}, {:.4} s per step, {seconds:.0} s in all", seconds / steps as f64);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { quick, digits, epochs, folder: kept, steps: last } = Options::parse();
    let (name, ending, names) =
        if digits { ("mnist", "", DIGITS) } else { ("fashion-mnist", ".gz", GARMENTS) };
    let names: Vec<&str> = names.split(',').collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets").join(name);
    let read = |part: &str| {
        let file = |kind: &str| folder.join(format!("{part}-{kind}-ubyte{ending}"));
        idx_examples(file("images-idx3"), file("labels-idx1"), &names)
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
    let changes = json!([{ "rotate": { "degrees": 10.0 } }, { "shift": { "pixels": 2 } }]);
    let options = if digits { json!({ "augment": { "steps": changes } }) } else { json!({}) };
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
    let mut resumed = false;
    if let Some(folder) = kept {
        resumed = folder.join("log.jsonl").exists();
        trainer = trainer.with_folder(folder);
    }
    if let Some(last) = last {
        trainer = trainer.with_stop_after(last);
    }
    let started = Instant::now();
    // No validation data: the test images choose nothing, so the last step's weights are taken.
    let fitted = match trainer.fit(task, network, &train, &Vec::new(), &device) {
        Err(TrainError::Interrupted { steps, .. }) if Some(steps) == last => {
            pace(steps, started, resumed);
            return Ok(());
        }
        fitted => fitted?,
    };
    pace(steps, started, resumed);

    let report = ClassifierEvaluator::default().evaluate(&fitted.predictor, &test)?;
    println!("on the test images:\n{report}");
    Ok(())
}
