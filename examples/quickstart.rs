//! The whole story in three domains: trains a fast and a strong model for language, vision and
//! speech on shipped data, evaluates each, saves it, loads it back and predicts, by the same calls.
//!
//! ```text
//! cargo run --example quickstart
//! ```

use andiron::{
    Choice, ClassifierEvaluator, Evaluator, GradientTrainer, Network, Predictor, Recipe,
    Registered, Report, Score, Solve, Trainer, TrainingConfig,
    data::{ExampleOf, Fractions, all, folder::ClassFolder, split_by_group, split_stratified},
    nlp::{
        data::{text_examples, variant_key},
        models::{hashed_linear::HashedLinearConfig, text_encoder::TextEncoderConfig},
    },
    speech::{
        models::{mel_cnn::MelCnnConfig, statistics_linear::StatisticsLinearConfig},
        waveform::Waveform,
    },
    trainer::Progress,
    vision::{
        ImageClassification,
        data::idx_examples,
        models::{resnet::ResNetConfig, small_cnn::SmallCnnConfig},
    },
};
use std::{error::Error, path::Path, time::Instant};

const SEED: u64 = 7;
const HELD_OUT: Fractions = Fractions { valid: 0.1, test: 0.2 };

type Parts<E> = (Vec<E>, Vec<E>, Vec<E>);

/// One model's whole life, whatever its domain; `shown` names the test examples.
fn story<T, C>(
    domain: &str,
    (train, valid, test): &Parts<ExampleOf<T>>,
    shown: &[String],
    training: TrainingConfig,
) -> Result<Report, Box<dyn Error>>
where
    C: Recipe<T>,
    T: Registered<Target = String> + Solve<C::Model>,
    T::Prediction: AsRef<Choice>,
{
    eprintln!("training {} on {} examples", C::ARCHITECTURE, train.len());
    let device = andiron::device("flex")?;
    let started = Instant::now();
    let (task, config) = C::prepare(&Default::default(), train)?;
    let network = Network::init(config, SEED, &device)?;
    let trainer = GradientTrainer::new(training.with_seed(SEED)).with_progress(Progress::Auto);
    let fitted = trainer.fit(task, network, train, valid, &device)?;
    let spent = started.elapsed().as_secs_f64();

    let folder = std::env::temp_dir().join(format!("andiron-quickstart-{}", C::ARCHITECTURE));
    fitted.predictor.save(&folder)?;
    let predictor = Predictor::<T>::load(&folder, &device)?;
    let report = ClassifierEvaluator::default().evaluate(&predictor, test)?;

    let inputs: Vec<T::Input> = test.iter().map(|one| one.input.clone()).collect();
    let started = Instant::now();
    let answers = predictor.predict(&inputs)?;
    let pace = inputs.len() as f64 / started.elapsed().as_secs_f64();
    let Score { value, low, high } = report.score("accuracy")?;
    print!("| {domain} | {} | {} |", C::ARCHITECTURE, predictor.parameters());
    print!(" {spent:.1} s | {value:.3} [{low:.3}, {high:.3}] | {pace:.0} |");
    for at in (0..test.len()).step_by(test.len().div_ceil(3)) {
        let Choice { label, score, .. } = answers[at].as_ref();
        print!(" {} is {}: {label} ({score:.2});", shown[at], test[at].target);
    }
    println!(" |");
    Ok(report)
}

/// The examples at the three lists of indices.
fn take<E: Clone>(all: &[E], indices: (Vec<usize>, Vec<usize>, Vec<usize>)) -> Parts<E> {
    let pick = |part: Vec<usize>| part.into_iter().map(|at| all[at].clone()).collect();
    (pick(indices.0), pick(indices.1), pick(indices.2))
}

fn main() -> Result<(), Box<dyn Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data");
    let training = |steps, rate| TrainingConfig::new(steps).with_learning_rate(rate);
    println!("| domain | model | parameters | training | accuracy, 95 % | per s | three answers |");
    println!("|---|---|---|---|---|---|---|");
    // Tweets that differ only in capitals or punctuation stay in one part.
    let tweets = text_examples(data.join("tweets/tweets.csv"))?;
    let groups: Vec<String> = tweets.iter().map(|tweet| variant_key(&tweet.input.text)).collect();
    let tweets = take(&tweets, split_by_group(&groups, HELD_OUT, SEED)?);
    let shown: Vec<String> = tweets.2.iter().map(|t| format!("“{}”", t.input.text)).collect();
    let fast = story::<_, HashedLinearConfig>("language", &tweets, &shown, training(450, 1e-2))?;
    let strong = story::<_, TextEncoderConfig>("language", &tweets, &shown, training(300, 1e-3))?;

    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let [images, labels] = ["images-idx3", "labels-idx1"]
        .map(|part| data.join(format!("digits/digits-{part}-ubyte.gz")));
    let digits = idx_examples(images, labels, &names)?;
    let labels: Vec<&str> = digits.iter().map(|digit| digit.target.as_str()).collect();
    let digits = take(&digits, split_stratified(&labels, HELD_OUT, SEED)?);
    let shown: Vec<String> = (0..digits.2.len()).map(|at| format!("digit {at}")).collect();
    story::<_, SmallCnnConfig>("vision", &digits, &shown, training(300, 3e-3))?;
    story::<ImageClassification, ResNetConfig>("vision", &digits, &shown, training(200, 3e-3))?;

    // No prompt is in two parts, in whatever language.
    let open = |path: &Path| Waveform::from_file(path);
    let prompts = ClassFolder::open(data.join("prompts"), &["wav"], open)?;
    let stems: Vec<String> = prompts.files().iter().map(|file| file.stem.clone()).collect();
    let split = split_by_group(&stems, HELD_OUT, SEED)?;
    let shown: Vec<String> = split.2.iter().map(|at| stems[*at].clone()).collect();
    let prompts = take(&all(&prompts)?, split);
    story::<_, StatisticsLinearConfig>("speech", &prompts, &shown, training(300, 1e-2))?;
    story::<_, MelCnnConfig>("speech", &prompts, &shown, training(60, 2e-3))?;

    println!("\nThe three digits:");
    for digit in digits.2.iter().step_by(digits.2.len().div_ceil(3)) {
        print!("\n{}", digit.input.sketch());
    }
    println!("\nLanguage, the fast against the strong:\n{}", fast.compare(&strong)?);
    Ok(())
}
