//! Which passage answers a question? Turns texts into vectors and searches them: with a small
//! encoder trained here on sixteen pairs, and with the published all-MiniLM-L6-v2.
//!
//! ```text
//! scripts/fetch-assets --only all-minilm-l6-v2            once: fetches the published weights
//! cargo run --example embedding
//! ```
//!
//! Recall@1 on the eight test pairs (chance is .125): trained here .1250, published 1.0000. Another
//! folder in the form of sentence-transformers can be named behind `--`. With `--quick` it
//! makes a tenth of the steps, to show that it runs.

use andiron::{
    Evaluator, Example, GradientTrainer, Network, Predictor, Recipe, Trainer, TrainingConfig,
    nlp::{
        models::bert::BertConfig,
        tasks::embedding::{self, Embedding, Positive, RetrievalEvaluator, Similarity, nearest},
        text::Text,
    },
};
use std::{error::Error, path::PathBuf};

const SEED: u64 = 7;

/// Questions with the passage that answers each; the last eight are for the test.
const PAIRS: [(&str, &str); 24] = [
    ("How tall is Mount Everest?", "The summit lies 8,849 metres above the sea."),
    ("Who painted the Mona Lisa?", "Leonardo da Vinci worked on the portrait for years."),
    ("What do bees make?", "Honey is stored in the combs of the hive."),
    ("Why is the sky blue?", "Short waves of light are scattered more by the air."),
    ("When did the Titanic sink?", "The liner went down on 15 April 1912."),
    ("How do plants eat?", "Leaves turn light, water and air into sugar."),
    ("What is the boiling point of water?", "At sea level it turns to steam at 100 degrees."),
    ("Who wrote Hamlet?", "Shakespeare's tragedy of the prince of Denmark."),
    ("Where do penguins live?", "Most of these birds are found in the far south."),
    ("What is bread made of?", "Flour, water, salt and yeast are kneaded and baked."),
    ("How many legs has a spider?", "Arachnids walk on eight of them."),
    ("What causes tides?", "The pull of the moon raises and lowers the ocean."),
    ("Who discovered penicillin?", "Fleming noticed a mould that killed bacteria."),
    ("What is the largest planet?", "Jupiter has more mass than all the others together."),
    ("How does a fridge work?", "A fluid carries the heat out as it evaporates."),
    ("Where was paper invented?", "It was first made in China from bark and rags."),
    ("What is the capital of France?", "Paris is the seat of the French government."),
    ("How fast is light?", "It covers 299,792 kilometres in a second."),
    ("Who was the first man on the moon?", "Neil Armstrong stepped off the lander in 1969."),
    ("What do cows eat?", "Cattle graze on grass and chew it twice."),
    ("Why do leaves turn red in autumn?", "Green pigment fades and other colours show."),
    ("How is glass made?", "Sand is melted in a furnace and cooled."),
    ("What is the longest river in Africa?", "The Nile flows north to the Mediterranean."),
    ("Who invented the telephone?", "Bell was granted the patent in 1876."),
];

type Pairs = Vec<Example<Text, Positive>>;

/// Measures an encoder on the test pairs and asks it one question.
fn show(predictor: &Predictor<Embedding>, test: &Pairs) -> Result<(), Box<dyn Error>> {
    println!("{}", RetrievalEvaluator::default().evaluate(predictor, test)?);
    let passages: Vec<Text> = test.iter().map(|pair| pair.target.text.clone()).collect();
    let vectors = |texts: &[Text]| -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
        Ok(predictor.predict(texts)?.into_iter().map(|answer| answer.embedding).collect())
    };
    let question = Text::from("Which animals live on a meadow?");
    let found = nearest(&vectors(&[question])?, &vectors(&passages)?, 2, Similarity::Cosine)?;
    println!("Which animals live on a meadow?");
    for neighbour in &found[0] {
        println!("  {:.3}  {}", neighbour.score, passages[neighbour.index].text);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let pair = |(question, passage): (&str, &str)| Example {
        input: Text::from(question),
        target: Positive::from(passage),
    };
    let (train, test) = PAIRS.split_at(16);
    let train: Pairs = train.iter().copied().map(pair).collect();
    let test: Pairs = test.iter().copied().map(pair).collect();

    let device = andiron::device("flex")?;
    let (task, config) = BertConfig::prepare(&Default::default(), &train)?;
    let network = Network::init(config, SEED, &device)?;
    println!("trained here: {} parameters", network.parameters());
    let training = TrainingConfig::new(if quick { 6 } else { 60 }).with_batch_size(16);
    let trainer = GradientTrainer::new(training.with_seed(SEED));
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device)?;
    show(&fitted.predictor, &test)?;

    let named = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let fetched = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/all-minilm-l6-v2");
    let folder = PathBuf::from(named.as_deref().unwrap_or(fetched));
    if named.is_none() && !folder.is_dir() {
        println!("left out: {} is not there; scripts/fetch-assets fetches it", folder.display());
        return Ok(());
    }
    let published = embedding::from_folder(&folder, &device)?;
    println!("published: {} parameters", published.parameters());
    show(&published, &test)
}
