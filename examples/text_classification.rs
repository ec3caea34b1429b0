//! Is the mood of a tweet positive or negative? Trains the fast and the strong text classifier on
//! the shipped tweets, measures both on tweets they never saw, and tests whether they differ.
//!
//! ```text
//! cargo run --example text_classification
//! ```
//!
//! With `--quick` it makes a tenth of the steps, to show that it runs.

use andiron::{
    ClassifierEvaluator, Evaluator, Example, GradientTrainer, Network, Recipe, Report, Solve,
    Trainer, TrainingConfig,
    data::{Fractions, split_by_group},
    nlp::{
        data::{text_examples, variant_key},
        models::{hashed_linear::HashedLinearConfig, text_encoder::TextEncoderConfig},
        tasks::text_classification::TextClassification,
        text::Text,
    },
};
use std::{error::Error, path::Path, time::Instant};

const SEED: u64 = 7;

type Tweets = Vec<Example<Text, String>>;

/// Training, validation and test tweets.
fn data() -> Result<[Tweets; 3], Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/tweets/tweets.csv");
    let tweets = text_examples(file)?;
    // Tweets that differ only in capitals and signs stay together.
    let keys: Vec<String> = tweets.iter().map(|tweet| variant_key(&tweet.input.text)).collect();
    let (train, valid, test) = split_by_group(&keys, Fractions { valid: 0.1, test: 0.2 }, SEED)?;
    let pick = |part: Vec<usize>| part.into_iter().map(|at| tweets[at].clone()).collect();
    Ok([pick(train), pick(valid), pick(test)])
}

/// Trains an algorithm, measures it and asks it for one prediction.
fn run<C: Recipe<TextClassification>>(
    training: TrainingConfig,
    [train, valid, test]: &[Tweets; 3],
) -> Result<Report, Box<dyn Error>>
where
    TextClassification: Solve<C::Model>,
{
    let device = andiron::device("flex")?;
    let (task, config) = C::prepare(&Default::default(), train)?;
    let network = Network::init(config, SEED, &device)?;

    let started = Instant::now();
    let trainer = GradientTrainer::new(training.with_seed(SEED));
    let fitted = trainer.fit(task, network, train, valid, &device)?;
    let predictor = fitted.predictor;
    println!(
        "\n{}: {} parameters, {} steps in {:.1} s",
        C::ARCHITECTURE,
        predictor.parameters(),
        fitted.log.len(),
        started.elapsed().as_secs_f64()
    );

    let report = ClassifierEvaluator::default().evaluate(&predictor, test)?;
    println!("{report}");

    let answer = &predictor.predict(&[Text::from("Not bad at all, I would go again :)")])?[0];
    println!("Not bad at all, I would go again :)  ->  {}", serde_json::to_string(answer)?);
    Ok(report)
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let steps = |steps: usize| if quick { steps / 10 } else { steps };
    let tweets = data()?;
    let [train, valid, test] = tweets.each_ref().map(Vec::len);
    println!("{train} tweets for training, {valid} for validation, {test} for the test");

    let fast = TrainingConfig::new(steps(450)).with_learning_rate(1e-2).with_eval_every(75);
    let fast = run::<HashedLinearConfig>(fast, &tweets)?;
    let strong = TrainingConfig::new(steps(300)).with_warmup_steps(30).with_eval_every(50);
    let strong = run::<TextEncoderConfig>(strong, &tweets)?;
    println!("\n{}", fast.compare(&strong)?);
    Ok(())
}
