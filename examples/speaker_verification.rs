//! Speaker verification: are two recordings of one speaker? The published GE2E encoder on the shipped
//! prompts, and a small one trained on them.
//!
//! ```text
//! scripts/fetch-assets --only resemblyzer
//! cargo run --example speaker_verification
//! ```
//!
//! It prints the equal error rate of both, with 95 % intervals, and the answer for two pairs. The
//! prompts have one speaker a language, but English and Spanish are one: four speakers in all.

use andiron::{
    Evaluator, Example, GradientTrainer, Recipe, Trainer, TrainingConfig,
    data::{Fractions, folder::class_files, split_by_group},
    speech::{
        Waveform,
        models::ge2e::Ge2eConfig,
        tasks::speaker_embedding::{SpeakerEvaluator, from_path, verify},
    },
    trainer::Progress,
};
use serde_json::json;
use std::{error::Error, path::Path};

/// Decides the split, the first weights and the order of the examples.
const SEED: u64 = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let device = andiron::device("flex")?;
    let files = class_files(root.join("examples/data/prompts"), &["wav"])?;
    let prompts: Vec<&str> = files.iter().map(|file| file.stem.as_str()).collect();
    let fractions = Fractions { valid: 0.15, test: if quick { 0.1 } else { 0.4 } };
    let (train, valid, test) = split_by_group(&prompts, fractions, SEED)?;
    let read = |part: Vec<usize>| {
        let one = |at: usize| {
            // Allison Smith speaks both English and Spanish.
            let speaker = if files[at].label == "es" { "en" } else { files[at].label.as_str() };
            Ok(Example { input: Waveform::from_file(&files[at].path)?, target: speaker.to_owned() })
        };
        part.into_iter().map(one).collect::<Result<Vec<_>, Box<dyn Error>>>()
    };
    let (train, valid, test) = (read(train)?, read(valid)?, read(test)?);

    let published = from_path(&root.join("assets/resemblyzer"), &device)?;
    println!("published: {}", SpeakerEvaluator::default().evaluate(&published, &test)?);

    let options = json!({"rate": 8_000, "partial_frames": 60, "n_layers": 1});
    let (task, config) = Ge2eConfig::prepare(&options, &train)?;
    let network = config.start(&task, &options, SEED, &device)?;
    let steps = if quick { 2 } else { 60 };
    let training = TrainingConfig::new(steps).with_learning_rate(3e-3).with_seed(SEED);
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &train, &valid, &device)?;
    println!("trained: {}", SpeakerEvaluator::default().evaluate(&fitted.predictor, &test)?);

    let of = |speaker: &str, at: usize| {
        let mut own = test.iter().filter(|one| one.target == speaker);
        own.nth(at).map(|one| one.input.clone()).ok_or("every speaker is in the test part")
    };
    let vectors = published.predict(&[of("it", 0)?, of("it", 1)?, of("ru", 0)?])?;
    for (name, other) in [("one speaker", &vectors[1]), ("two speakers", &vectors[2])] {
        let (cosine, same) = verify(&vectors[0], other, 0.75)?;
        println!("{name}: cosine {cosine:.2}, called {}", if same { "one" } else { "two" });
    }
    Ok(())
}
