//! A published encoder learns one's own labels in three ways: a head on the frozen encoder, low-rank
//! factors beside its weights, and all of its weights; beside them the fast classifier of n-grams.
//! Measured on texts that none of them saw, with paired tests against the full fine-tuning.
//!
//! ```text
//! scripts/fetch-assets --only all-minilm-l6-v2 --only r8
//! scripts/evidence/r8                          makes the tables of R8, and runs this with --r8
//! cargo run --example fine_tuning              the shipped tweets: minutes
//! ```
//!
//! Without the fetched MiniLM a small encoder starts from nothing. With `--quick` there are few
//! texts and steps, to show that it runs.

use andiron::{
    ClassifierEvaluator, Evaluator as _, Example, GradientTrainer, Recipe, Report, Solve,
    TrainingConfig,
    data::{Fractions, split},
    nlp::{
        data::text_examples,
        models::{
            bert::BertConfig, hashed_linear::HashedLinearConfig,
            sequence_classifier::SequenceClassifierConfig,
        },
        tasks::text_classification::TextClassification,
        text::Text,
    },
};
use serde_json::{Value, json};
use std::{error::Error, path::Path, time::Instant};

const SEED: u64 = 7;

type Texts = Vec<Example<Text, String>>;

/// One of Reuters R8's parts; a text that is too long is cut.
fn reuters(part: &str) -> Result<Texts, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts = text_examples(root.join(format!("target/data/r8-{part}.csv")))?;
    texts.iter_mut().for_each(|example| example.input.truncate = true);
    Ok(texts)
}

/// Training, validation and test texts.
fn data(r8: bool, quick: bool) -> Result<[Texts; 3], Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut all, test) = match r8 {
        true => (reuters("train")?, reuters("test")?),
        false => (text_examples(root.join("examples/data/tweets/tweets.csv"))?, Vec::new()),
    };
    all.truncate(if quick { 300 } else { usize::MAX });
    let share = if r8 { 0.0 } else { 0.2 };
    let (train, valid, held) = split(all.len(), Fractions { valid: 0.05, test: share }, SEED)?;
    let pick = |part: Vec<usize>| part.into_iter().map(|at| all[at].clone()).collect::<Texts>();
    Ok([pick(train), pick(valid), if r8 { test } else { pick(held) }])
}

/// Trains one way, measures it, and asks it for one prediction.
fn run<C: Recipe<TextClassification>>(
    name: &str,
    options: &Value,
    training: TrainingConfig,
    [train, valid, test]: &[Texts; 3],
) -> Result<Report, Box<dyn Error>>
where
    TextClassification: Solve<C::Model>,
{
    let device = andiron::device("flex")?;
    let started = Instant::now();
    let (task, config) = C::prepare(options, train)?;
    let network = config.start(&task, options, SEED, &device)?;
    let trainer = GradientTrainer::new(training.with_seed(SEED).with_keep_best(false));
    let predictor = C::fit(&trainer, task, network, train, valid, &device)?.predictor;
    let seconds = started.elapsed().as_secs_f64();
    let report = ClassifierEvaluator::default().evaluate(&predictor, test)?;
    let (accuracy, f1) = (report.score("accuracy")?, report.score("f1_macro")?);
    println!(
        "{name:<12} accuracy {:.4} ({:.4} to {:.4})  macro F1 {:.4} ({:.4} to {:.4})  {seconds:>6.0} s",
        accuracy.value, accuracy.low, accuracy.high, f1.value, f1.low, f1.high
    );
    let answer = &predictor.predict(&[test[0].input.clone()])?[0];
    println!(
        "{:12} {} ({:.2}), {} was right",
        "", answer.choice.label, answer.choice.score, test[0].target
    );
    Ok(report)
}

fn main() -> Result<(), Box<dyn Error>> {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let (r8, quick) = (has("--r8"), has("--quick"));
    let texts = data(r8, quick)?;
    let [train, valid, test] = texts.each_ref().map(Vec::len);
    println!("{train} texts for training, {valid} for validation, {test} for the test");
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/all-minilm-l6-v2");
    let options = |adaptation: &str| match base.is_dir() && !quick {
        true => json!({ "base": base, "adaptation": { "kind": adaptation }, "pooling": "mean",
            "max_length": if r8 { 96 } else { 48 }, "balance": false }),
        false => json!({ "adaptation": { "kind": adaptation }, "balance": false }),
    };
    let training = |epochs: usize, size: usize, rate: f64| {
        let steps = if quick { 4 } else { epochs * train.div_ceil(size) };
        let config = TrainingConfig::new(steps).with_batch_size(size).with_learning_rate(rate);
        config.with_warmup_steps(steps / 10).with_eval_every(steps)
    };
    // Single words weighed by their rarity, as in scripts/evidence/r8_linear.toml.
    let fast = json!({ "balance": false, "max_length": 2048, "weights": "tf-idf", "words": 1,
        "most_characters": 0, "n_buckets": 65536, "d_model": 16 });
    let ngrams = run::<HashedLinearConfig>("n-grams", &fast, training(5, 64, 2e-2), &texts)?;
    let bert = |kind, training| {
        run::<SequenceClassifierConfig<BertConfig>>(kind, &options(kind), training, &texts)
    };
    let frozen = bert("frozen", training(20, 32, 2e-3))?;
    let full = bert("full", training(3, 16, 1e-4))?;
    let lora = bert("lora", training(1, 16, 1e-3))?;
    for (name, report) in [("n-grams", ngrams), ("frozen", frozen), ("lora", lora)] {
        println!("\nfull against {name}\n{}", full.compare(&report)?);
    }
    Ok(())
}
