//! Object detection: digits on photographs, found and named by YOLOX-Nano, trained from nothing.
//!
//! ```text
//! scripts/fetch-assets                                    once: fetches digits and photographs
//! cargo run --example detection -- --steps 2000
//! ```
//!
//! Each scene has one to eight digits of MNIST, 12 to 60 pixels a side, on a cut-out of a photograph.
//! Digits and photographs of the test are in no scene of the training. `--steps N` and `--batch N` set
//! the length; `--folder DIR` keeps checkpoints there; `--quick` takes a few steps. The picture of the
//! first test scene with its boxes is written to `target/detection.png`.

use andiron::{
    Evaluator, GradientTrainer, Network, Recipe, Trainer, TrainingConfig,
    vision::{
        draw::{self, DrawnBox},
        models::yolox::YoloxConfig,
        scenes::{SceneOptions, Scenes},
        tasks::object_detection::DetectionEvaluator,
    },
};
use serde_json::json;
use std::{error::Error, path::Path, path::PathBuf, time::Instant};

const SEED: u64 = 1;
const TRAIN: [&str; 9] = [
    "photographs/astronaut.png",
    "photographs/brick.png",
    "photographs/camera.png",
    "photographs/coffee.png",
    "photographs/coins.png",
    "photographs/gravel.png",
    "photographs/hubble_deep_field.jpg",
    "photographs/retina.jpg",
    "photographs-cc-by/china.jpg",
];
const TEST: [&str; 5] = [
    "photographs/chelsea.png",
    "photographs/grass.png",
    "photographs/moon.png",
    "photographs/rocket.jpg",
    "photographs-cc-by/flower.jpg",
];

/// The value behind an option of the command line.
fn option<V: std::str::FromStr>(name: &str, usual: V) -> Result<V, String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    match (std::env::args().any(|argument| argument == name), arguments.next()) {
        (false, _) => Ok(usual),
        (true, Some(value)) => value.parse().map_err(|_| format!("{name} cannot be {value}")),
        (true, None) => Err(format!("{name} needs a value")),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let assets = root.join("assets");
    if quick && !(assets.join("mnist").is_dir() && assets.join("photographs").is_dir()) {
        println!(
            "left out: digits and photographs are not there; scripts/fetch-assets fetches them"
        );
        return Ok(());
    }
    let scenes = |part: &str, photographs: &[&str], count, seed| {
        let file = |kind: &str| assets.join(format!("mnist/{part}-{kind}-ubyte"));
        let photographs: Vec<PathBuf> = photographs.iter().map(|name| assets.join(name)).collect();
        let (images, labels) = (file("images-idx3"), file("labels-idx1"));
        Scenes::open([&images, &labels], &photographs, count, seed, SceneOptions::default())
    };
    let steps: usize = option("--steps", if quick { 3 } else { 2000 })?;
    let batch: usize = option("--batch", if quick { 4 } else { 16 })?;
    let train = scenes("train", &TRAIN, steps * batch, SEED)?;
    let test = scenes("t10k", &TEST, if quick { 8 } else { 400 }, SEED + 1)?;

    let device = andiron::device("flex")?;
    // Two hundred scenes show all ten digits.
    let (task, config) = YoloxConfig::prepare(&json!({}), &train.with(200, SEED))?;
    let network = Network::init(config, SEED, &device)?;
    println!("{} scenes, {} parameters", steps * batch, network.parameters());

    let training = TrainingConfig::new(steps)
        .with_batch_size(batch)
        .with_learning_rate(2e-3)
        .with_warmup_steps(steps / 20)
        .with_clip_norm(Some(10.0))
        .with_checkpoint_every(200)
        .with_seed(SEED);
    let mut trainer = GradientTrainer::new(training);
    let folder = option("--folder", String::new())?;
    if !folder.is_empty() {
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

    let scene = test.scene(0)?;
    let answer = fitted.predictor.predict(std::slice::from_ref(&scene.image))?.remove(0);
    println!("first test scene: {}", serde_json::to_string(&answer)?);
    let number = |label: &str| train.labels().iter().position(|known| known == label).unwrap_or(0);
    let drawn = answer.objects().iter().map(|one| DrawnBox {
        corners: one.corners,
        text: &one.label,
        class: number(&one.label),
    });
    let picture = draw::boxes(&scene.image, &drawn.collect::<Vec<_>>());
    std::fs::create_dir_all(root.join("target"))?;
    std::fs::write(root.join("target/detection.png"), picture.to_png())?;
    Ok(())
}
