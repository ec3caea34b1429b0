//! Evidence: names in tweets (the training part of WNUT-16), by four ways to find them.
//!
//! ```text
//! scripts/fetch-assets --only wnut16 --only all-minilm-l6-v2      once: fetches data and weights
//! cargo run --example wnut
//! ```
//!
//! The baseline gives each word the tag that it has most often in the training part. With `--quick`
//! it takes a few steps on a few tweets; with `--split` it prints the split that is committed as
//! `scripts/evidence/wnut.json`.

use andiron::{
    Evaluator, Example, GradientTrainer, Recipe, Report, Solve, Trainer, TrainingConfig,
    data::{Fractions, split_by_group},
    nlp::{
        data::{tagged_examples, variant_key},
        features::WordBounds,
        models::{
            bert::BertConfig, token_classifier::TokenClassifierConfig,
            word_tagger::WordTaggerConfig,
        },
        tasks::token_classification::{
            EntityEvaluator, MajorityTagger, Span, TokenClassification, fingerprint,
        },
        text::Text,
    },
    trainer::Progress,
};
use serde_json::{Value, json};
use std::{error::Error, fs, path::Path, time::Instant};

const SEED: u64 = 0;

type Tweets = Vec<Example<Text, Vec<Span>>>;

/// Trains an algorithm on the first part, and measures it on the last.
fn run<C: Recipe<TokenClassification>>(
    options: &Value,
    training: TrainingConfig,
    [train, valid, test]: &[Tweets; 3],
) -> Result<Report, Box<dyn Error>>
where
    TokenClassification: Solve<C::Model>,
{
    let device = andiron::device("flex")?;
    let started = Instant::now();
    let (task, config) = C::prepare(options, train)?;
    let network = config.start(&task, options, SEED, &device)?;
    let (steps, size) = (training.max_steps, training.batch_size);
    let trainer = GradientTrainer::new(training.with_seed(SEED)).with_progress(Progress::Silent);
    // Nothing chooses the best step, so the validation part is left for choosing the settings.
    let fitted = trainer.fit(task, network, train, &Vec::new(), &device)?;
    println!("{steps} steps of {size} tweets in {:.0} s", started.elapsed().as_secs_f64());
    let evaluator = EntityEvaluator::default();
    let f1 = evaluator.evaluate(&fitted.predictor, valid)?.score("f1_micro")?;
    println!("F1 on the validation part {:.3} [{:.3}, {:.3}]", f1.value, f1.low, f1.high);
    let report = evaluator.evaluate(&fitted.predictor, test)?;
    println!("{report}");
    Ok(report)
}

fn main() -> Result<(), Box<dyn Error>> {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    let quick = given("--quick");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (data, base) = (root.join("assets/wnut16"), root.join("assets/all-minilm-l6-v2"));
    if quick && !(data.is_dir() && base.is_dir()) {
        println!("left out: {} is not there; scripts/fetch-assets fetches it", data.display());
        return Ok(());
    }
    let tweets = tagged_examples(data.join("train.conll"))?;
    // Tweets that differ only in capitals and signs stay together.
    let keys: Vec<String> = tweets.iter().map(|tweet| variant_key(&tweet.input.text)).collect();
    let (train, valid, test) = split_by_group(&keys, Fractions { valid: 0.1, test: 0.2 }, SEED)?;
    let split = json!({"train": train, "valid": valid, "test": test});
    if given("--split") {
        println!("{split}");
        return Ok(());
    }
    let committed = fs::read(root.join("scripts/evidence/wnut.json"))?;
    assert_eq!(serde_json::from_slice::<Value>(&committed)?, split, "another split");
    let most = if quick { 24 } else { usize::MAX };
    let pick = |part: Vec<usize>| -> Tweets {
        part.into_iter().take(most).map(|at| tweets[at].clone()).collect()
    };
    let parts = [pick(train), pick(valid), pick(test)];
    let [n_train, n_valid, n_test] = parts.each_ref().map(Vec::len);
    println!("{n_train} tweets for training, {n_valid} for validation, {n_test} for the test");
    let training = |epochs: usize, size: usize, rate| {
        let steps = if quick { 2 } else { epochs * n_train.div_ceil(size) };
        let training = TrainingConfig::new(steps).with_batch_size(size).with_learning_rate(rate);
        training.with_warmup_steps(steps / 10)
    };

    println!("\n== majority baseline");
    let tagger = MajorityTagger::of(&parts[0], WordBounds::Space);
    let answers: Result<Vec<_>, _> =
        parts[2].iter().map(|tweet| tagger.answer(&tweet.input.text)).collect();
    let truth: Vec<_> = parts[2].iter().map(|tweet| tweet.target.clone()).collect();
    let (evaluator, print) = (EntityEvaluator::default(), fingerprint(&parts[2])?);
    let majority = evaluator.report("majority", &truth, &answers?, print)?;
    println!("{majority}\n== word tagger");
    let words = json!({"words": "space"});
    let fast = run::<WordTaggerConfig>(&words, training(10, 32, 2e-2), &parts)?;
    let mut minilm = json!({"base": base, "words": "space", "adaptation": {"kind": "frozen"}});
    println!("== MiniLM, frozen, with a head");
    type Strong = TokenClassifierConfig<BertConfig>;
    let frozen = run::<Strong>(&minilm, training(20, 32, 2e-2), &parts)?;
    minilm["adaptation"] = json!({"kind": "full"});
    println!("== MiniLM, fine-tuned");
    let tuned = run::<Strong>(&minilm, training(6, 16, 3e-4), &parts)?;
    for (name, first, second) in [
        ("majority, then frozen", &majority, &frozen),
        ("majority, then word tagger", &majority, &fast),
        ("frozen, then fine-tuned", &frozen, &tuned),
    ] {
        println!("== {name}\n{}", first.compare(second)?);
    }
    Ok(())
}
