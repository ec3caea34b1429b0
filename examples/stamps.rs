//! Evidence: does a published network help with few pictures? EfficientNet-Lite0, frozen and with a
//! new head, beside a small residual one from nothing, on the Tux Paint stamps:
//! 324 photographs and drawings of animals, food, plants, vehicles and household things.
//!
//! ```text
//! scripts/fetch-assets --only stamps --only efficientnet-lite0     once: fetches data and weights
//! cargo run --example stamps
//! ```
//!
//! Five seeded splits, three fifths for training; each picture of a test part is answered by both
//! sides, so they are compared in pairs. With `--quick` it makes a few steps on one split.

use andiron::{
    Adaptation, ClassifierEvaluator, Evaluator, Example, GradientTrainer, Network, Recipe, Report,
    TrainingConfig,
    data::{Fractions, split_stratified},
    trainer::Progress,
    vision::{
        Image, ImageClassification,
        data::ImageExample,
        models::{efficientnet_lite::EfficientNetLiteConfig, resnet::ResNetConfig},
    },
};
use serde_json::{Value, json};
use std::{error::Error, fs, path::Path, time::Instant};

const CLASSES: [&str; 5] = ["animals", "food", "plants", "vehicles", "household"];

/// The stamps, each with the part of its name that says what it shows, in the order of the names.
fn stamps(folder: &Path) -> Result<Vec<ImageExample>, Box<dyn Error>> {
    let mut paths: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    let mut stamps = Vec::with_capacity(paths.len());
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let class = name.split('-').next().unwrap_or_default();
        if CLASSES.contains(&class) {
            stamps.push(Example { input: Image::open(&path)?, target: class.to_owned() });
        }
    }
    Ok(stamps)
}

/// Trains on the first part, and measures on the last.
fn run<C: Recipe<ImageClassification>>(
    options: &Value,
    training: TrainingConfig,
    [train, test]: [&Vec<ImageExample>; 2],
) -> Result<Report, Box<dyn Error>>
where
    ImageClassification: andiron::Solve<C::Model>,
{
    let device = andiron::device("flex")?;
    let (task, config) = C::prepare(options, train)?;
    let network: Network<C> = config.start(&task, options, training.seed, &device)?;
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    // Nothing chooses the best step.
    let fitted = C::fit(&trainer, task, network, train, &Vec::new(), &device)?;
    Ok(ClassifierEvaluator::default().evaluate(&fitted.predictor, test)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let (folder, base) = (root.join("stamps"), root.join("efficientnet-lite0"));
    if quick && !(folder.is_dir() && base.is_dir()) {
        println!("left out: {} is not there; scripts/fetch-assets fetches it", folder.display());
        return Ok(());
    }
    let stamps = stamps(&folder)?;
    let labels: Vec<&str> = stamps.iter().map(|stamp| stamp.target.as_str()).collect();
    println!("{} stamps of {} classes", stamps.len(), CLASSES.len());
    let (steps, seeds) = if quick { (2, 1..=1) } else { (200, 1..=5) };
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for seed in seeds {
        let (train, _, test) =
            split_stratified(&labels, Fractions { valid: 0.0, test: 0.4 }, seed)?;
        let every = if quick { 8 } else { 1 };
        let pick = |part: Vec<usize>| -> Vec<ImageExample> {
            part.into_iter().step_by(every).map(|at| stamps[at].clone()).collect()
        };
        let (train, test) = (pick(train), pick(test));
        let training = |rate| TrainingConfig::new(steps).with_learning_rate(rate).with_seed(seed);
        let started = Instant::now();
        let frozen = json!({
            "base": base, "preset": "efficientnet-lite0", "adaptation": Adaptation::Frozen {}
        });
        let frozen = run::<EfficientNetLiteConfig>(&frozen, training(1e-2), [&train, &test])?;
        let seconds = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let fresh = json!({"width": 64, "height": 64, "channels": 3});
        let fresh = run::<ResNetConfig>(&fresh, training(3e-3), [&train, &test])?;
        let accuracy = |report: &Report| report.score("accuracy").map(|score| score.value);
        println!(
            "seed {seed}: {} for training, {} for the test; frozen {:.3} in {seconds:.0} s, from \
             nothing {:.3} in {:.0} s",
            train.len(),
            test.len(),
            accuracy(&frozen)?,
            accuracy(&fresh)?,
            started.elapsed().as_secs_f64()
        );
        println!("{}", fresh.compare(&frozen)?);
        ours.push(accuracy(&frozen)?);
        others.push(accuracy(&fresh)?);
    }
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    println!("mean accuracy: frozen {:.3}, from nothing {:.3}", mean(&ours), mean(&others));
    Ok(())
}
