//! Object detection: digits on photographs, found and named by YOLOX-Nano, trained from nothing.
//!
//! ```text
//! scripts/fetch-assets                                    once: fetches digits and photographs
//! cargo run --example detection -- --steps 14000
//! ```
//!
//! Each scene has one to eight digits of MNIST, 12 to 60 pixels a side, on a cut-out of a photograph.
//! Digits and photographs of the test are in no scene of the training. `--steps N` and `--batch N` set
//! the length; `--folder DIR` keeps checkpoints there; `--quick` takes a few steps. `--picture PATH`, by
//! default `target/detection.png`, gets a scene of shipped digits with the answer drawn into it.

use andiron::{
    Evaluator, GradientTrainer, Network, Recipe, Trainer, TrainingConfig,
    vision::{
        models::yolox::YoloxConfig,
        scenes::{DigitPart, Scenes},
        tasks::object_detection::DetectionEvaluator,
    },
};
use clap::Parser;
use serde_json::json;
use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    slice,
    time::Instant,
};

const SEED: u64 = 1;
/// What the command line says.
#[derive(Parser)]
struct Options {
    /// A few steps.
    #[arg(long)]
    quick: bool,
    #[arg(long, default_value_t = 14_000)]
    steps: usize,
    /// Scenes a step.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// The highest of the training.
    #[arg(long, default_value_t = 5e-3)]
    learning_rate: f64,
    /// Where checkpoints are kept, and a training goes on.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the picture goes.
    #[arg(long, default_value = "target/detection.png")]
    picture: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { quick, mut steps, mut batch, learning_rate, folder, picture } = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if quick {
        (steps, batch) = (3, 4);
        if !["mnist", "photographs"].iter().all(|name| root.join("assets").join(name).is_dir()) {
            println!("left out: digits and photographs are not there; see scripts/fetch-assets");
            return Ok(());
        }
    }
    let scenes = |part, count, seed| Scenes::of_digits(&root, part, count, seed);
    let train = scenes(DigitPart::Train, steps * batch, SEED)?;
    let test = scenes(DigitPart::Test, if quick { 8 } else { 400 }, SEED + 1)?;

    let device = andiron::device("flex")?;
    // Two hundred scenes show all ten digits.
    let (task, config) = YoloxConfig::prepare(&json!({}), &train.with(200, SEED))?;
    let network = Network::init(config, SEED, &device)?;
    println!("{} scenes, {} parameters", steps * batch, network.parameters());

    let training = TrainingConfig::new(steps)
        .with_batch_size(batch)
        .with_learning_rate(learning_rate)
        .with_warmup_steps(steps / 20)
        .with_clip_norm(Some(10.0))
        .with_checkpoint_every(200)
        .with_seed(SEED);
    let mut trainer = GradientTrainer::new(training);
    if let Some(folder) = folder {
        trainer = trainer.with_folder(folder);
    }
    let started = Instant::now();
    let none = train.with(0, SEED);
    let fitted = trainer.fit(task, network, &train, &none, &device)?;
    let seconds = started.elapsed().as_secs_f64();
    println!("steps {steps}, {:.3} s per step, {seconds:.0} s in all", seconds / steps as f64);

    let report = DetectionEvaluator::default().evaluate(&fitted.predictor, &test)?;
    for (name, score) in &report.scores {
        println!("{name} {:.3} ({:.3} to {:.3})", score.value, score.low, score.high);
    }

    let scene = scenes(DigitPart::Shown, 1, SEED)?.scene(0)?;
    let answer = fitted.predictor.predict(slice::from_ref(&scene.image))?.remove(0);
    println!("in {}: {}", picture.display(), serde_json::to_string(&answer)?);
    let drawn = fitted.predictor.task().drawn(&scene.image, &answer);
    fs::create_dir_all(picture.parent().unwrap_or(Path::new("")))?;
    Ok(fs::write(&picture, drawn.to_png())?)
}
