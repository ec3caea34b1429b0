//! Audio classification: in which language is a telephone prompt spoken? A fast model (softmax on
//! MFCC statistics) and a strong one (log-mel and convolutions), trained on the shipped recordings
//! and tested on prompts that neither has heard in any language.
//!
//! ```text
//! cargo run --example audio_classification
//! ```
//!
//! It prints a line of accuracy for each model, with a 95 % interval, then one prediction of each.

use andiron::{
    ClassifierEvaluator, DataError, Evaluator, Example, GradientTrainer, Network, Predictor,
    Recipe, Solve, Trainer, TrainingConfig,
    data::{Fractions, folder::class_files, split_by_group},
    speech::{
        AudioClassification, Waveform,
        models::{mel_cnn::MelCnnConfig, statistics_linear::StatisticsLinearConfig},
    },
    trainer::Progress,
};
use std::{error::Error, path::Path};

/// Decides the split, the first weights, the order of the examples and what dropout drops.
const SEED: u64 = 7;

type Clip = Example<Waveform, String>;
type Parts = (Vec<Clip>, Vec<Clip>, Vec<Clip>);

/// Recordings for training, validation and the test. Every prompt is there in five languages, and
/// all five are in the same part: what is tested is a language in words never heard before.
fn data() -> Result<Parts, DataError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/prompts");
    let files = class_files(folder, &["wav"])?;
    let prompts: Vec<&str> = files.iter().map(|file| file.stem.as_str()).collect();
    let (train, valid, test) =
        split_by_group(&prompts, Fractions { valid: 0.15, test: 0.25 }, SEED)?;
    let read = |part: Vec<usize>| -> Result<Vec<Clip>, DataError> {
        part.into_iter()
            .map(|at| {
                let input = Waveform::from_file(&files[at].path)?;
                Ok(Example { input, target: files[at].label.clone() })
            })
            .collect()
    };
    Ok((read(train)?, read(valid)?, read(test)?))
}

/// Model, fit, evaluate: the same for both models.
fn run<C: Recipe<AudioClassification>>(
    name: &str,
    training: TrainingConfig,
    (train, valid, test): &Parts,
) -> Result<Predictor<AudioClassification>, Box<dyn Error>>
where
    AudioClassification: Solve<C::Model>,
{
    let device = andiron::device("flex")?;
    let (task, config) = C::prepare(&Default::default(), train)?;
    let network = Network::init(config, SEED, &device)?;
    let trainer = GradientTrainer::new(training.with_seed(SEED)).with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, train, valid, &device)?;
    let report = ClassifierEvaluator::default().evaluate(&fitted.predictor, test)?;
    let accuracy = report.score("accuracy")?;
    println!(
        "{name}: {} parameters, accuracy {:.3} (95 % interval {:.3} to {:.3}) on {} recordings",
        fitted.predictor.parameters(),
        accuracy.value,
        accuracy.low,
        accuracy.high,
        test.len()
    );
    Ok(fitted.predictor)
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let steps = |full: usize| if quick { 5 } else { full };
    let parts = data()?;

    let training = TrainingConfig::new(steps(100)).with_learning_rate(0.02);
    let fast = run::<StatisticsLinearConfig>("fast", training, &parts)?;
    let training = TrainingConfig::new(steps(60)).with_learning_rate(0.002);
    let strong = run::<MelCnnConfig>("strong", training, &parts)?;

    let clip = &parts.2[0];
    for (name, predictor) in [("fast", fast), ("strong", strong)] {
        let answer = predictor.predict(std::slice::from_ref(&clip.input))?.remove(0);
        println!("{name}: {} → {} ({:.2})", clip.target, answer.label, answer.score);
    }
    Ok(())
}
