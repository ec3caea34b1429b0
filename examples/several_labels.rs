//! What is a message about? Any number of subjects at once, none included: hashed n-grams with a linear
//! layer, trained here on sentences that are put together of parts with known subjects.
//!
//! ```text
//! cargo run --example several_labels
//! ```
//!
//! It prints how well the subjects of a hundred messages are found, whose parts stand in none of the four
//! hundred that it learns from: scores with 95 % intervals, and a table per subject. Then the
//! model is saved, loaded, and asked about two messages more.
//!
//! With `--quick` it makes a tenth of the steps, to show that it runs.

use andiron::{
    Evaluator, Example, GradientTrainer, Network, Predictor, Recipe, Trainer, TrainingConfig,
    nlp::{
        models::hashed_linear::HashedLinearConfig,
        tasks::multi_label::{MultiLabel, MultiLabelClassification, MultiLabelEvaluator},
        text::Text,
    },
    trainer::Progress,
};
use serde_json::json;
use std::{collections::BTreeSet, error::Error, ops::Range};

const SEED: u64 = 7;

/// A subject, and how messages speak of it, the last two for the test; the last subject is none.
const SUBJECTS: [(&str, &str); 5] = [
    ("delivery", "the parcel came late / nobody brought the box / the courier left it outside
        / it was sent to the wrong street / the courier came late / the parcel was left in the street"),
    ("price", "it costs too much / the bill is wrong / I was charged twice / cheaper than elsewhere
        / I was charged too much / the bill costs me twice"),
    ("quality", "the handle broke / the cloth is torn / the screen has a crack / it works as it should
        / the screen broke / the handle has a crack"),
    ("service", "your staff were kind / nobody answers the phone / the shop assistant helped me
        / the answer was rude / the assistant was rude / your staff helped me on the phone"),
    ("", "good morning / I write to you again / as I said last week / with regards
        / good morning again / as I said, with regards"),
];

type Messages = Vec<Example<Text, Vec<String>>>;

/// Messages of two parts, each about one subject or none; every part stands with every other.
fn messages(parts: Range<usize>) -> Messages {
    let said = |(subject, all): &(&'static str, &'static str)| {
        let texts: Vec<_> = all.split('/').map(|text| (*subject, text.trim())).collect();
        texts[parts.clone()].to_vec()
    };
    let all: Vec<(&str, &str)> = SUBJECTS.iter().flat_map(said).collect();
    let message = |first: &(&str, &str), second: &(&str, &str)| {
        let subjects = BTreeSet::from([first.0, second.0]).into_iter();
        Example {
            input: Text::from(format!("{}, {}", first.1, second.1)),
            target: subjects.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        }
    };
    all.iter().flat_map(|first| all.iter().map(move |second| message(first, second))).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (train, test) = (messages(0..4), messages(4..6));

    let device = andiron::device("flex")?;
    type Model = MultiLabel<HashedLinearConfig>;
    let (task, config) = Model::prepare(&json!({ "threshold": 0.5 }), &train)?;
    let settings = TrainingConfig::new(if quick { 20 } else { 200 }).with_learning_rate(0.05);
    let trainer = GradientTrainer::new(settings).with_progress(Progress::Silent);
    let network = Network::init(config, SEED, &device)?;
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device)?;

    println!("{} messages to learn from, {} for the test", train.len(), test.len());
    println!("{}", MultiLabelEvaluator::default().evaluate(&fitted.predictor, &test)?);

    let folder = tempfile::tempdir()?;
    let bundle = folder.path().join("subjects");
    fitted.predictor.save(&bundle)?;
    let loaded = Predictor::<MultiLabelClassification>::load(&bundle, &device)?;
    for text in ["Good morning, the screen is torn and I was charged twice.", "With regards."] {
        let answer = &loaded.predict(&[text.into()])?[0];
        println!("{text} {:?}", answer.labels);
    }
    Ok(())
}
