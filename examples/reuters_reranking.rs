//! A cross-encoder learns which Reuters news are of one kind, against the cosine of frozen vectors.
//!
//! ```text
//! scripts/fetch-assets --only all-minilm-l6-v2 --only r8
//! scripts/evidence/rerank     makes the tables of R8 and runs this; alone: cargo run --example NAME
//! ```
//!
//! A query is a news item; its 20 candidates are others, 4 of the same of the eight classes of R8.
//! What is learnt comes from R8's training part, what is measured from its test part. With
//! `--quick` there are few queries and steps, to show that it runs; it needs the assets all the same.

use andiron::{
    Evaluator as _, Example, GradientTrainer, Recipe as _, Trainer as _, TrainingConfig,
    kernels::split_mix,
    nlp::{
        data::text_examples,
        models::{bert::BertConfig, sequence_classifier::SequenceClassifierConfig},
        tasks::{
            embedding::{self, Similarity, nearest},
            rerank::{Rerank, RerankEvaluator, Shortlist},
        },
        text::Text,
    },
};
use serde_json::json;
use std::{collections::BTreeMap, error::Error, path::PathBuf, time::Instant};

const SEED: u64 = 7;

type Queries = Vec<Example<Shortlist, Vec<f64>>>;

fn assets() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets")
}

/// One of R8's parts by class.
fn news(part: &str) -> Result<BTreeMap<String, Vec<String>>, Box<dyn Error>> {
    let table = assets().join(format!("../target/data/r8-{part}.csv"));
    let mut classes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Example { input, target } in text_examples(table)? {
        classes.entry(target).or_default().push(input.text);
    }
    Ok(classes)
}

/// `n` queries with `same` candidates of their class and `others` of any other, drawn by `seed`.
fn queries(
    part: &str,
    n: usize,
    [same, others]: [usize; 2],
    seed: u64,
) -> Result<Queries, Box<dyn Error>> {
    let classes = news(part)?;
    let all: Vec<(&String, &String)> = classes
        .iter()
        .flat_map(|(class, texts)| texts.iter().map(move |text| (class, text)))
        .collect();
    let mut state = seed;
    let mut draw = move |wanted: &dyn Fn(&(&String, &String)) -> bool, taken: &[&String]| loop {
        let found = all[split_mix(&mut state) as usize % all.len()];
        if wanted(&found) && !taken.contains(&found.1) {
            return found;
        }
    };
    let query = |_| {
        let (class, text) = draw(&|_| true, &[]);
        let (mut taken, mut target) = (vec![text], Vec::new());
        for at in 0..same + others {
            // In turn, so that no order of the input tells; a class without enough is no query.
            let relevant = at.is_multiple_of((same + others) / same);
            taken.push(draw(&|(other, _)| (*other == class) == relevant, &taken).1);
            target.push(if relevant { 1.0 } else { 0.0 });
        }
        Example { input: Shortlist::new(text, taken.split_off(1)).truncated(), target }
    };
    Ok((0..n).map(query).collect())
}

/// The cosines of frozen sentence vectors, of up to 256 tokens each.
fn cosines(queries: &Queries) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let minilm =
        embedding::from_folder(assets().join("all-minilm-l6-v2"), &andiron::device("flex")?)?;
    let mut scores = Vec::new();
    for query in queries {
        let texts = std::iter::once(&query.input.query).chain(&query.input.documents);
        let texts: Vec<Text> = texts.map(|text| Text::from(text.as_str()).truncated()).collect();
        let answers = minilm.predict(&texts)?.into_iter();
        let vectors: Vec<Vec<f32>> = answers.map(|answer| answer.embedding).collect();
        let mut row = vec![0.0; vectors.len() - 1];
        for found in &nearest(&vectors[..1], &vectors[1..], row.len(), Similarity::Cosine)?[0] {
            row[found.index] = found.score;
        }
        scores.push(row);
    }
    Ok(scores)
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (steps, n) = if quick { (2, 4) } else { (300, 200) };
    let train = queries("train", steps * 4, [2, 6], SEED)?;
    let test = queries("test", n, [4, 16], SEED + 1)?;
    let device = andiron::device("flex")?;

    let options = json!({ "base": assets().join("all-minilm-l6-v2"), "max_length": 80 });
    let (task, config): (Rerank, SequenceClassifierConfig<BertConfig>) =
        SequenceClassifierConfig::prepare(&options, &train)?;
    let network = config.start(&task, &options, SEED, &device)?;
    let training = TrainingConfig::new(steps).with_batch_size(4).with_learning_rate(2e-4);
    let trainer = GradientTrainer::new(training.with_warmup_steps(steps / 10).with_seed(SEED));
    let started = Instant::now();
    let predictor = trainer.fit(task, network, &train, &Vec::new(), &device)?.predictor;
    println!("{} queries with 8 candidates learnt in {:.0?}", train.len(), started.elapsed());

    let evaluator = RerankEvaluator::default();
    let learnt = evaluator.evaluate(&predictor, &test)?;
    let frozen = evaluator.report("cosine of frozen MiniLM", &test, &cosines(&test)?)?;
    println!("{frozen}\n{learnt}\n{}a query's loss: 1 - nDCG@10", frozen.compare(&learnt)?);
    Ok(())
}
