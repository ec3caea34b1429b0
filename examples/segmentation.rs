//! Image segmentation: digits on photographs, each pixel named by a U-Net, trained from nothing.
//!
//! ```text
//! scripts/fetch-assets                                    once: fetches digits and photographs
//! cargo run --example segmentation
//! ```
//!
//! A scene has one to eight digits of MNIST, 12 to 60 pixels a side, on a cut-out of a photograph. Digits
//! and photographs of the test are in no scene of the training. First come scenes of one digit, 32 by 32
//! pixels; then small ones of two or three, full ones of four or more, and last such as the test has, on
//! photographs that are changed and mixed. An image is seen as its negative and moved a little, too.
//! `--folder DIR` keeps checkpoints, and goes on from them. Over two hours: `scripts/evidence/segmentation.txt`.

use andiron::{
    Evaluator, GradientTrainer, Network, Predictor, Recipe, Trainer, TrainingConfig,
    vision::{
        Views, draw,
        models::unet::UNetConfig,
        scenes::{DigitPart, SceneOptions, Scenes},
        tasks::image_segmentation::{ImageSegmentation, SegmentationEvaluator},
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
const ASSETS: [&str; 4] = ["mnist", "photographs", "photographs-cc-by", "photographs-more"];

/// What the grounds of the scenes go through, for there are fifteen photographs.
const CHANGES: &str = r#"{"steps": [{"flip": {"probability": 0.5}}, {"jitter": {"brightness": 0.5,
    "contrast": 0.6, "saturation": 1.0, "hue": 0.5}}, {"tones": {"probability": 0.7}},
    "trivial-augment"], "mix": {"mixup": 0.4}}"#;

/// What the command line says.
#[derive(Parser)]
struct Options {
    /// A few steps.
    #[arg(long)]
    quick: bool,
    /// Steps of scenes of full size.
    #[arg(long, default_value_t = 13_000)]
    steps: usize,
    /// Where checkpoints are kept, and a training goes on.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Where the picture goes.
    #[arg(long, default_value = "target/segmentation.png")]
    picture: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { quick, steps, folder, picture } = Options::parse();
    let (single, small, steps, last) = if quick { (3, 3, 3, 3) } else { (4000, 5000, steps, 2200) };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if quick && !ASSETS.iter().all(|name| root.join("assets").join(name).is_dir()) {
        println!("left out: digits and photographs are not there; see scripts/fetch-assets");
        return Ok(());
    }
    let scenes = |part, count, seed| Scenes::of_digits(&root, part, count, seed);
    let test = scenes(DigitPart::Test, if quick { 8 } else { 400 }, SEED + 1)?;
    let device = andiron::device("flex")?;
    let full = SceneOptions { least: 4, ..SceneOptions::default() };
    let few = SceneOptions { width: 80, height: 64, least: 2, most: 3, sides: (16, 60), ..full };
    let one = SceneOptions { width: 32, height: 32, least: 1, most: 1, sides: (16, 30), ..full };
    let mut learnt: Option<Predictor<ImageSegmentation>> = None;
    for (stage, size, steps, batch, highest) in [
        ("single", one, single, 16, 3e-3),
        ("small", few, small, 16, 2e-3),
        ("full", full, steps, 8, 2e-3),
        ("last", SceneOptions::default(), last, 8, 1e-3),
    ] {
        let seed = if stage == "last" { SEED + 2 } else { SEED };
        let mut train = scenes(DigitPart::TrainMore, steps * batch, seed)?.with_options(size)?;
        if stage != "single" {
            train = train.with_augment(serde_json::from_str(CHANGES)?);
        }
        let options = json!({ "classes": train.mask_classes(),
            "network_width": 32, "network_depth": 3, "network_patch": 2 });
        let (task, config) = UNetConfig::prepare(&options, &train.with(1, SEED))?;
        let before = learnt.as_ref().and_then(Predictor::network::<UNetConfig>);
        let network = before.cloned().map_or_else(|| Network::init(config, SEED, &device), Ok)?;
        println!("{} scenes, {stage}, {} parameters", steps * batch, network.parameters());
        let training = TrainingConfig::new(steps)
            .with_batch_size(batch)
            .with_learning_rate(highest)
            .with_warmup_steps(steps / 20)
            .with_checkpoint_every(200)
            .with_seed(seed);
        let mut trainer = GradientTrainer::new(training);
        trainer = folder.iter().fold(trainer, |all, folder| all.with_folder(folder.join(stage)));
        let started = Instant::now();
        let fitted = trainer.fit(task, network, &train, &train.with(0, SEED), &device)?;
        println!("steps {steps}, {:.0} s", started.elapsed().as_secs_f64());
        learnt = Some(fitted.predictor);
    }
    let mut predictor = learnt.ok_or("no stage of training")?;
    let two = Views { negative: true, ..Views::default() };
    for views in [Views::default(), two, Views { shifts: Some(3), ..two }] {
        predictor = predictor.with_task(predictor.task().clone().with_views(views)?);
        let report = SegmentationEvaluator::default().evaluate(&predictor, &test)?;
        for (name, score) in &report.scores {
            let (views, value) = (views.count(), score.value);
            println!("views {views}: {name} {value:.3} ({:.3} to {:.3})", score.low, score.high);
        }
    }
    let scene = scenes(DigitPart::Shown, 1, SEED)?.scene(0)?;
    let answer = predictor.predict(slice::from_ref(&scene.image))?.remove(0);
    println!("{} shows an answer", picture.display());
    let drawn = draw::overlay(&scene.image, &answer.mask, 0.6);
    fs::create_dir_all(picture.parent().unwrap_or(Path::new("")))?;
    Ok(fs::write(&picture, drawn.to_png())?)
}
