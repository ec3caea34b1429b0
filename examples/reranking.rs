//! Which passage answers a question best? A cross-encoder reads question and passage together and
//! scores each pair: one trained here on sixteen questions, and the published ms-marco-MiniLM.
//!
//! ```text
//! scripts/fetch-assets --only reranker-onnx     once: fetches the published weights
//! scripts/convert-assets                        once: makes a folder of them that Andiron reads
//! cargo run --example reranking
//! ```
//!
//! Another cross-encoder's folder can be named behind `--`. With `--quick` it makes a few steps, to
//! show that it runs.

use andiron::{
    Evaluator as _, Example, GradientTrainer, Predictor, Recipe as _, Trainer as _, TrainingConfig,
    nlp::{
        models::{bert::BertConfig, sequence_classifier::SequenceClassifierConfig},
        tasks::rerank::{self, Rerank, RerankEvaluator, Shortlist},
    },
};
use serde_json::json;
use std::{error::Error, path::PathBuf};

const SEED: u64 = 7;

/// Questions with the passage that answers each; the last eight are for the test.
const PAIRS: [(&str, &str); 24] = [
    ("How tall is Mount Everest?", "Mount Everest is 8,849 metres tall."),
    ("Who painted the Mona Lisa?", "The Mona Lisa was painted by Leonardo da Vinci."),
    ("What do bees make?", "Bees make honey and keep it in the hive."),
    ("Why is the sky blue?", "The sky scatters blue light more than red."),
    ("When did the Titanic sink?", "The Titanic went down on 15 April 1912."),
    ("How do plants eat?", "Plants turn light, water and air into sugar."),
    ("When does water boil?", "Water turns to steam at 100 degrees."),
    ("Who wrote Hamlet?", "Hamlet is a tragedy by Shakespeare."),
    ("Where do penguins live?", "Most penguins are found in the far south."),
    ("What is bread made of?", "Bread is flour, water, salt and yeast."),
    ("How many legs has a spider?", "A spider walks on eight legs."),
    ("What causes tides?", "Tides follow the pull of the moon."),
    ("Who discovered penicillin?", "Fleming found penicillin in a mould."),
    ("What is the largest planet?", "Jupiter is the largest of the planets."),
    ("How does a fridge work?", "In a fridge a fluid carries the heat out."),
    ("Where was paper invented?", "Paper was first made in China."),
    ("What is the capital of France?", "The capital of France is Paris."),
    ("How fast is light?", "Light covers 299,792 kilometres in a second."),
    ("Who was the first man on the moon?", "Armstrong was the first on the moon."),
    ("What do cows eat?", "Cows eat grass and chew it twice."),
    ("Why do leaves turn red in autumn?", "In autumn the green of leaves fades."),
    ("How is glass made?", "Glass is sand that was melted."),
    ("What is the longest river in Africa?", "The Nile is the longest river of Africa."),
    ("Who invented the telephone?", "Bell had the telephone patented in 1876."),
];

type Queries = Vec<Example<Shortlist, Vec<f64>>>;

/// Each question with its passage among three others.
fn queries(pairs: &[(&str, &str)]) -> Queries {
    let query = |(at, (question, _)): (usize, &(&str, &str))| {
        let place = at % 4;
        // The others in the order of the list, the right one in a place that changes.
        let documents = (0..4).map(|slot| match (slot + 4 - place) % 4 {
            0 => pairs[at].1,
            step => pairs[(at + step) % pairs.len()].1,
        });
        let target = (0..4).map(|slot| if slot == place { 1.0 } else { 0.0 }).collect();
        Example { input: Shortlist::new(*question, documents), target }
    };
    pairs.iter().enumerate().map(query).collect()
}

/// Measures a cross-encoder on the test questions and asks it one more.
fn show(predictor: &Predictor<Rerank>, test: &Queries) -> Result<(), Box<dyn Error>> {
    println!("{}", RerankEvaluator::default().evaluate(predictor, test)?);
    let passages: Vec<&str> = PAIRS[16..].iter().map(|(_, passage)| *passage).collect();
    let question = "Which animals live on a meadow?";
    let list = Shortlist::new(question, passages.iter().copied());
    let scores = &predictor.predict(&[list])?[0].scores;
    let mut order: Vec<usize> = (0..passages.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    println!("{question}");
    for at in &order[..2] {
        println!("  {:6.2}  {}", scores[*at], passages[*at]);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (train, test) = PAIRS.split_at(16);
    let (train, test) = (queries(train), queries(test));

    let device = andiron::device("flex")?;
    let options = json!({ "d_model": 48, "max_length": 48, "dropout": 0.0 });
    let (task, config): (Rerank, SequenceClassifierConfig<BertConfig>) =
        SequenceClassifierConfig::prepare(&options, &train)?;
    let network = config.start(&task, &options, SEED, &device)?;
    println!("trained here: {} parameters", network.parameters());
    let training = TrainingConfig::new(if quick { 6 } else { 150 }).with_batch_size(8);
    let trainer = GradientTrainer::new(training.with_seed(SEED));
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device)?;
    show(&fitted.predictor, &test)?;

    let named = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let made = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/ms-marco-minilm-l12");
    let folder = PathBuf::from(named.as_deref().unwrap_or(made));
    if named.is_none() && !folder.is_dir() {
        println!("left out: {} is not there; see the head of this file", folder.display());
        return Ok(());
    }
    let published = rerank::from_folder(&folder, &device)?;
    println!("published: {} parameters", published.parameters());
    show(&published, &test)
}
