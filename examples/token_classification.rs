//! Who and where? Finds people and places in sentences: a linear tagger trained here on thirty
//! sentences, and the published all-MiniLM-L6-v2 with a new head, fine-tuned on the same.
//!
//! ```text
//! scripts/fetch-assets --only all-minilm-l6-v2            once: fetches the published weights
//! cargo run --example token_classification
//! ```
//!
//! F1 on the ten test sentences: trained here .5263, fine-tuned .9167. With `--quick` it makes a tenth
//! of the steps, to show that it runs.

use andiron::{
    Evaluator, Example, GradientTrainer, Recipe, Report, Solve, Trainer, TrainingConfig,
    nlp::{
        models::{
            bert::BertConfig, token_classifier::TokenClassifierConfig,
            word_tagger::WordTaggerConfig,
        },
        tasks::token_classification::{EntityEvaluator, Span, TokenClassification},
        text::Text,
    },
    trainer::Progress,
};
use serde_json::{Value, json};
use std::{error::Error, path::Path};

const SEED: u64 = 7;

/// Sentences made for this example; the entities stand in brackets. The last ten are for the test.
const SENTENCES: &str = "[PER Ana Silva] lives in [LOC Oslo]. / The train to [LOC New York] leaves at nine.
[PER Bob] met [PER Carla Jones] in [LOC Paris]. / Nobody was at home. / We flew from [LOC Rome] to [LOC Lima].
[LOC Berlin] is cold in winter. / My friend [PER David] plays chess. / [PER Emma Brown] wrote a book.
Is [PER Frank] in [LOC Madrid] today? / The river runs through [LOC Vienna]. / It rained all week.
[PER Grace] and [PER Henry Ford] work in [LOC San Diego]. / Tell [PER Ines] to call me.
The mayor of [LOC Prague] resigned. / Trains were late again. / [PER Jack White] sings in the choir.
I was born in [LOC Cape Town]. / Ask [PER Karin] or [PER Louis]. / The market opens at six.
[PER Maria Lopez] moved to [LOC Boston]. / A ship from [LOC Hamburg] arrived. / [PER Nora] likes tea.
They sell bread and cheese. / [PER Oscar] drove from [LOC Lyon] to [LOC Turin]. / Snow fell in [LOC Kyoto].
[PER Peter Smith] is a doctor in [LOC Quito]. / The museum was closed. / [PER Rosa] came home late.
Her name is [PER Sofia Rossi]. / The hotel in [LOC Athens] was full.
[PER Tom Clark] lives in [LOC Dublin]. / The train to [LOC Sofia] was late. / Nobody likes snow.
[PER Ursula] met [PER Victor Hill] in [LOC Los Angeles]. / The mayor of [LOC Cairo] wrote a book.
We flew to [LOC Porto] in winter. / My friend [PER Wendy] works in [LOC Seoul]. / Tell [PER Xavier Moreno] to call me.
The river runs through [LOC Warsaw]. / It was a long day.";

type Sentences = Vec<Example<Text, Vec<Span>>>;

/// A sentence without its brackets, and the entities in it, in characters.
fn read(marked: &str) -> Example<Text, Vec<Span>> {
    let (mut text, mut target) = (String::new(), Vec::new());
    for part in marked.split_inclusive(']') {
        let (before, entity) = part.split_once('[').unwrap_or((part, ""));
        text += before;
        if let Some((label, name)) = entity.trim_end_matches(']').split_once(' ') {
            let start = text.chars().count();
            text += name;
            target.push(Span { label: label.to_owned(), start, end: text.chars().count() });
        }
    }
    Example { input: Text::from(text), target }
}

/// Trains an algorithm, measures it and asks it for one prediction.
fn run<C: Recipe<TokenClassification>>(
    options: &Value,
    training: TrainingConfig,
    train: &Sentences,
    test: &Sentences,
) -> Result<Report, Box<dyn Error>>
where
    TokenClassification: Solve<C::Model>,
{
    let device = andiron::device("flex")?;
    let (task, config) = C::prepare(options, train)?;
    let network = config.start(&task, options, SEED, &device)?;
    println!("\n{}: {} parameters", C::ARCHITECTURE, network.parameters());
    let trainer = GradientTrainer::new(training.with_batch_size(8).with_seed(SEED));
    let trainer = trainer.with_progress(Progress::Silent);
    let predictor = trainer.fit(task, network, train, &Vec::new(), &device)?.predictor;
    let report = EntityEvaluator::default().evaluate(&predictor, test)?;
    println!("{report}");
    let answer = &predictor.predict(&["Yesterday Zoë Young left Zürich.".into()])?[0];
    println!("Yesterday Zoë Young left Zürich.  ->  {}", serde_json::to_string(answer)?);
    Ok(report)
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let steps = |steps: usize| TrainingConfig::new(if quick { steps / 10 } else { steps });
    let mut train: Sentences = SENTENCES.split(['/', '\n']).map(str::trim).map(read).collect();
    let test = train.split_off(train.len() - 10);
    println!("{} sentences for training, {} for the test", train.len(), test.len());
    let fast = steps(150).with_learning_rate(2e-2);
    let fast = run::<WordTaggerConfig>(&json!({}), fast, &train, &test)?;

    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/all-minilm-l6-v2");
    if !base.is_dir() {
        println!("left out: {} is not there; scripts/fetch-assets fetches it", base.display());
        return Ok(());
    }
    let tuned = steps(40).with_learning_rate(5e-4).with_warmup_steps(3);
    let options = json!({"base": base});
    let tuned = run::<TokenClassifierConfig<BertConfig>>(&options, tuned, &train, &test)?;
    println!("\n{}", fast.compare(&tuned)?);
    Ok(())
}
