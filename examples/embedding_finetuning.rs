//! Do texts of one class lie nearer to each other after training? Trains the published
//! all-MiniLM-L6-v2 on pairs of Reuters news of one class (multiple negatives ranking), and tests
//! its vectors of unseen news against those of the network as it was published.
//!
//! ```text
//! scripts/fetch-assets --only all-minilm-l6-v2 --only r8
//! for part in train test; do
//!     python3 scripts/orange_tab.py assets/r8/reuters-r8-$part.tab target/data/r8-$part.csv
//! done
//! cargo run --example embedding_finetuning
//! ```
//!
//! What it prints stands in `scripts/evidence/r8_embedding.txt`. With `--quick` it makes two steps
//! and looks at a few texts, to show that it runs.

use andiron::{
    Example, GradientTrainer, Predictor, Report, Trainer, TrainingConfig,
    nlp::{
        data::text_examples,
        models::bert::BertConfig,
        tasks::embedding::{self, ClassRetrievalEvaluator, Embedding, class_pairs},
        text::Text,
    },
    trainer::Schedule,
};
use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Instant,
};

const SEED: u64 = 7;
/// The longest text in tokens, here and in training; the rest of a text is cut.
const MAX_LENGTH: usize = 48;
const BATCH: usize = 16;

/// News with their classes.
fn news(part: &str) -> Result<Vec<Example<Text, String>>, Box<dyn Error>> {
    let mut news = text_examples(root().join(format!("target/data/r8-{part}.csv")))?;
    for example in &mut news {
        example.input.truncate = true;
    }
    Ok(news)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Searches the ten nearest of each text among all others.
fn measure(
    name: &str,
    predictor: &Predictor<Embedding>,
    test: &Vec<Example<Text, String>>,
) -> Result<Report, Box<dyn Error>> {
    let started = Instant::now();
    let report = ClassRetrievalEvaluator::default().evaluate(predictor, test)?;
    println!("\n{name}, in {:.0} s", started.elapsed().as_secs_f64());
    println!("{report}");
    Ok(report)
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let folder = root().join("assets/all-minilm-l6-v2");
    if !folder.is_dir() || !root().join("target/data/r8-train.csv").is_file() {
        println!(
            "left out: the weights or the news are not there; the header says how to fetch them"
        );
        return Ok(());
    }
    let (train, mut test) = (news("train")?, news("test")?);
    if quick {
        test.truncate(60);
    }

    let device = andiron::device("flex")?;
    let published = embedding::from_folder(&folder, &device)?;
    let network = published.network::<BertConfig>().ok_or("MiniLM is a BERT")?.clone();
    let task = Embedding { max_length: MAX_LENGTH, ..published.task().clone() };
    let frozen = Predictor::new(task.clone(), network.clone(), &device);
    let before = measure("as published", &frozen, &test)?;

    let steps = if quick { 2 } else { 100 };
    let pairs = class_pairs(&train, steps * BATCH, SEED)?;
    let training = TrainingConfig::new(steps)
        .with_batch_size(BATCH)
        .with_learning_rate(5e-5)
        .with_warmup_steps(steps / 10)
        .with_schedule(Schedule::Linear { floor: 0.0 })
        .with_seed(SEED);
    let started = Instant::now();
    let fitted = GradientTrainer::new(training).fit(task, network, &pairs, &Vec::new(), &device)?;
    println!(
        "\n{} steps of {BATCH} pairs in {:.0} s, loss {:.3} and at the end {:.3}",
        fitted.log.len(),
        started.elapsed().as_secs_f64(),
        fitted.log[0].loss,
        fitted.log[fitted.log.len() - 1].loss
    );
    let after = measure("trained on pairs of one class", &fitted.predictor, &test)?;

    println!("\naccuracy: one of the ten is of the class; loss: 1 - recall@10");
    println!("{}", before.compare(&after)?);
    Ok(())
}
