//! Which word belongs in the gap? A head on a published encoder learns to find hidden words of a
//! play; where nothing was fetched, a small network starts from nothing on the shipped tweets.
//!
//! ```text
//! scripts/fetch-assets --only all-minilm-l6-v2 --only hamlet
//! cargo run --example fill_mask                 ten minutes on two cores
//! ```
//!
//! Measured before and after on passages that were held out, and compared by a paired bootstrap.
//! With `--quick` it makes a few steps on the tweets, whatever was fetched, to show that it runs.

use andiron::{
    Evaluator as _, Example, GradientTrainer, Predictor, Recipe as _, Trainer as _, TrainingConfig,
    nlp::{
        data::text_examples,
        models::{bert::BertConfig, masked_lm::MaskedLmConfig},
        tasks::fill_mask::{FillMask, FillMaskEvaluator, Gap},
    },
};
use serde_json::json;
use std::{error::Error, fs, path::Path, time::Instant};

const SEED: u64 = 7;
/// Words of a passage.
const WORDS: usize = 40;

type Texts = Vec<Example<Gap, ()>>;

fn text(text: impl Into<String>) -> Example<Gap, ()> {
    Example { input: Gap::from(text.into()).truncated(), target: () }
}

/// A play's words, so many at a time.
fn passages(play: &str) -> Texts {
    let words: Vec<&str> = play.split_whitespace().collect();
    words.chunks(WORDS).filter(|part| part.len() > 4).map(|part| text(part.join(" "))).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let base = root.join("assets/all-minilm-l6-v2");
    let play = fs::read_to_string(root.join("assets/hamlet/hamlet.txt"));
    let (texts, options, steps, gap) = match play {
        Ok(play) if base.is_dir() && !quick => {
            let options = json!({ "base": base, "max_length": 64 });
            (passages(&play), options, 400, "O my [MASK], what shall I do?")
        }
        _ => {
            let tweets = text_examples(root.join("examples/data/tweets/tweets.csv"))?;
            let texts = tweets.into_iter().map(|tweet| text(tweet.input.text)).collect();
            let options = json!({ "n_tokens": 2000, "max_length": 48 });
            (texts, options, if quick { 6 } else { 600 }, "I [MASK] this song")
        }
    };
    // The end of the text is held out, so that no passage is cut in two by the split.
    let held = texts.len() / 5;
    let (train, test): (Texts, Texts) =
        (texts[..texts.len() - held].to_vec(), texts[texts.len() - held..].to_vec());
    println!("{} texts to learn from, {} held out", train.len(), test.len());

    let device = andiron::device("flex")?;
    let (task, config): (FillMask, MaskedLmConfig<BertConfig>) =
        MaskedLmConfig::prepare(&options, &train)?;
    let network = config.start(&task, &options, SEED, &device)?;
    let before = Predictor::new(task.clone(), network.clone(), &device);
    let rate = if options["base"].is_null() { 2e-3 } else { 3e-4 };
    let training = TrainingConfig::new(steps).with_batch_size(16).with_learning_rate(rate);
    let trainer = GradientTrainer::new(training.with_warmup_steps(steps / 10).with_seed(SEED));
    let started = Instant::now();
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device)?;
    println!("{steps} steps in {:.0?}", started.elapsed());

    let evaluator = FillMaskEvaluator::default();
    let (first, second) =
        (evaluator.evaluate(&before, &test)?, evaluator.evaluate(&fitted.predictor, &test)?);
    println!("before: {first}\nafter: {second}\n{}", first.compare(&second)?);

    println!("{gap}");
    for candidate in &fitted.predictor.predict(&[Gap::from(gap)])?[0].candidates {
        println!("  {:.3}  {}", candidate.score, candidate.token);
    }
    Ok(())
}
