//! The evaluator against scikit-learn, statsmodels and simulation, and through a predictor.
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{
    Choice, ClassifierEvaluator, ConfigError, DataError, Dataset, EvalError, Evaluator, Example,
    Labelled, Labels, Loss, Model, ModelConfig, Network, OnePass, Predictor, Report, Score, Task,
    data::ExampleOf,
    evaluator::{
        Bootstrap, Comparison, Found, Outcome, classification_scores,
        metrics::{Average, CLIP_F32, CLIP_F64, Confusion, log_loss, surprise},
        paired::{mcnemar, mcnemar_chi2, mcnemar_exact},
    },
};
use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Int, Tensor},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::Value;
use std::collections::BTreeMap;

// ---- Against the reference implementations --------------------------------------------------

fn golden(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn close(got: f64, wanted: &Value, tolerance: f64, what: &str) {
    let wanted = wanted.as_f64().unwrap_or_else(|| panic!("{what}: no number"));
    assert!((got - wanted).abs() <= tolerance * wanted.abs(), "{what}: {got} is not {wanted}");
}

fn numbers(value: &Value) -> Vec<usize> {
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    value.as_array().unwrap().iter().map(number).collect()
}

#[test]
fn metrics_are_scikit_learns() {
    let file = golden(include_str!("golden/metrics.json"));
    let cases = file["cases"].as_object().unwrap();
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    for (name, case) in cases {
        let (truth, predicted) = (numbers(&case["y_true"]), numbers(&case["y_pred"]));
        let n_classes = case["labels"].as_array().unwrap().len();
        let confusion = Confusion::from(&truth, &predicted, n_classes);
        let wanted = &case["expected"];
        let rows: Vec<Vec<usize>> =
            wanted["confusion"].as_array().unwrap().iter().map(numbers).collect();
        assert_eq!(confusion.rows(), rows, "{name}");
        assert_eq!(confusion.tally().support, numbers(&wanted["support"]), "{name}");
        close(confusion.accuracy(), &wanted["accuracy"], 1e-12, name);
        for average in Average::ALL {
            let (got, key) = (confusion.averages(average), average.name());
            close(got.precision, &wanted["precision"][key], 1e-12, name);
            close(got.recall, &wanted["recall"][key], 1e-12, name);
            close(got.f1, &wanted["f1"][key], 1e-12, name);
        }
        for (class, got) in confusion.per_class().iter().enumerate() {
            close(got.precision, &wanted["precision"]["per_class"][class], 1e-12, name);
            close(got.recall, &wanted["recall"]["per_class"][class], 1e-12, name);
            close(got.f1, &wanted["f1"]["per_class"][class], 1e-12, name);
        }
    }
    andiron_core::testing::record(
        "golden",
        "accuracy, precision, recall, F1 (macro, micro, weighted), confusion matrix",
        "equal scikit-learn's on 40 random cases within 1e-12",
    );
}

#[test]
fn log_loss_is_scikit_learns() {
    let file = golden(include_str!("golden/metrics.json"));
    let whole = file["parts"].as_f64().unwrap();
    let mut seen = 0;
    for (name, case) in file["cases"].as_object().unwrap() {
        let Some(rows) = case["parts"].as_array() else {
            continue;
        };
        let truth = numbers(&case["y_true"]);
        let of_truth: Vec<f64> = rows
            .iter()
            .zip(&truth)
            .map(|(row, class)| row[*class].as_f64().unwrap() / whole)
            .collect();
        let wanted = &case["expected"];
        close(log_loss(&of_truth, CLIP_F64), &wanted["log_loss"], 1e-9, name);
        // scikit-learn takes the logarithms in float32 there, so it keeps about six digits.
        close(log_loss(&of_truth, CLIP_F32), &wanted["log_loss_float32"], 2e-6, name);
        seen += 1;
    }
    assert!(seen >= 9, "only {seen} cases with probabilities");
    andiron_core::testing::record("golden", "log-loss", "equals scikit-learn's within 1e-9");
}

#[test]
fn mcnemars_test_is_statsmodels() {
    let file = golden(include_str!("golden/paired.json"));
    let cases = file["cases"].as_object().unwrap();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    for (name, case) in cases {
        let (b, c) = (numbers(&case["table"][0])[1], numbers(&case["table"][1])[0]);
        let exact = mcnemar_exact(b, c);
        close(exact.statistic, &case["exact"]["statistic"], 1e-12, name);
        close(exact.p_value, &case["exact"]["p_value"], 1e-9, name);
        let approximate = mcnemar_chi2(b, c);
        if case["chi_square"].is_null() {
            assert_eq!((approximate.statistic, approximate.p_value), (0.0, 1.0), "{name}");
        } else {
            close(approximate.statistic, &case["chi_square"]["statistic"], 1e-12, name);
            close(approximate.p_value, &case["chi_square"]["p_value"], 1e-9, name);
        }
    }
    andiron_core::testing::record(
        "golden",
        "McNemar's test",
        "p-values equal statsmodels' within 1e-9",
    );
}

/// A report with nothing but outcomes, all with one loss.
fn of_outcomes(right: &str) -> Report {
    let outcome = |c| Outcome { right: c == '1', loss: 0.25 };
    Report {
        task: "toy".into(),
        architecture: "none".into(),
        examples: right.len(),
        confidence: 0.95,
        resamples: 1000,
        seed: 0,
        scores: BTreeMap::new(),
        labels: Vec::new(),
        classes: Vec::new(),
        confusion: Vec::new(),
        fingerprint: "same".into(),
        outcomes: right.chars().map(outcome).collect(),
        found: Vec::new(),
    }
}

#[test]
fn reports_are_compared_as_statsmodels_compares_their_vectors() {
    let file = golden(include_str!("golden/paired.json"));
    let mut seen = 0;
    for (name, case) in file["cases"].as_object().unwrap() {
        let (Some(first), Some(second)) = (case["first"].as_str(), case["second"].as_str()) else {
            continue;
        };
        let comparison = of_outcomes(first).compare(&of_outcomes(second)).unwrap();
        let (b, c) = (numbers(&case["table"][0])[1], numbers(&case["table"][1])[0]);
        assert_eq!((comparison.only_first, comparison.only_second), (b, c), "{name}");
        assert_eq!(comparison.mcnemar, mcnemar(b, c), "{name}");
        let key = if comparison.mcnemar.exact { "exact" } else { "chi_square" };
        close(comparison.mcnemar.p_value, &case[key]["p_value"], 1e-9, name);
        let Score { value, low, high } = comparison.accuracy_difference;
        assert!((value - (c as f64 - b as f64) / first.len() as f64).abs() < 1e-15, "{name}");
        assert!(low <= value && value <= high, "{name}: {low} {value} {high}");
        assert_eq!(comparison.loss_difference, Score { value: 0.0, low: 0.0, high: 0.0 });
        seen += 1;
    }
    assert!(seen >= 15, "only {seen} cases with vectors");
}

// ---- Coverage -------------------------------------------------------------------------------

/// A classifier of two classes: 60 % are of class 0, of which 85 % are answered right; of class 1
/// it is 70 %. The probability of the true class is uniform over 0.5 to 1 where the answer is
/// right, else over 0 to 0.5.
fn drawn(generator: &mut ChaCha8Rng, n: usize) -> (Vec<usize>, Vec<usize>, Vec<f64>) {
    let (mut truth, mut predicted, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let class = usize::from(generator.random::<f64>() >= 0.6);
        let right = generator.random::<f64>() < [0.85, 0.7][class];
        let half = 0.5 * generator.random::<f64>();
        truth.push(class);
        predicted.push(if right { class } else { 1 - class });
        losses.push(surprise(if right { 0.5 + half } else { half }, CLIP_F64));
    }
    (truth, predicted, losses)
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    // Shares of all examples: right 0.51 and 0.28, answered 0.63 and 0.37, support 0.6 and 0.4.
    let of_class = [[0.51 / 0.63, 0.28 / 0.37], [0.85, 0.7], [1.02 / 1.23, 0.56 / 0.77]];
    let plain = of_class.map(|[first, second]| (first + second) / 2.0);
    let weighted = of_class.map(|[first, second]| 0.6 * first + 0.4 * second);
    // E[−ln u] is 1 − ln 2 for u uniform over 0.5 to 1, and 1 + ln 2 over 0 to 0.5.
    let log_loss = 1.0 - 0.79 * 2f64.ln() + 0.21 * 2f64.ln();
    let wanted = [
        ("accuracy", 0.79),
        ("precision_macro", plain[0]),
        ("recall_macro", plain[1]),
        ("f1_macro", plain[2]),
        // Every example has one answer: what one class takes wrongly, another misses.
        ("precision_micro", 0.79),
        ("recall_micro", 0.79),
        ("f1_micro", 0.79),
        ("precision_weighted", weighted[0]),
        ("recall_weighted", weighted[1]),
        ("f1_weighted", weighted[2]),
        ("log_loss", log_loss),
    ];
    let (draws, mut held) = (2000_u32, [0_u32; 11]);
    let mut generator = ChaCha8Rng::seed_from_u64(20);
    for draw in 0..draws {
        let (truth, predicted, losses) = drawn(&mut generator, 200);
        let bootstrap = Bootstrap { seed: u64::from(draw), ..Bootstrap::default() };
        let scores = classification_scores(2, &truth, &predicted, &losses, &bootstrap).unwrap();
        assert_eq!(scores.len(), wanted.len());
        for (held, (name, value)) in held.iter_mut().zip(wanted) {
            *held += u32::from(scores[name].low <= value && value <= scores[name].high);
        }
    }
    for (held, (name, _)) in held.into_iter().zip(wanted) {
        let coverage = f64::from(held) / f64::from(draws);
        println!("{name}: {coverage} of {draws} intervals hold the truth");
        assert!((0.93..=0.97).contains(&coverage), "{name}: {coverage}");
    }
    andiron_core::testing::record(
        "evaluation",
        "bootstrap intervals of 95 %",
        "hold the true value in 93 to 97 % of simulated draws",
    );
}

#[test]
fn ten_thousand_examples_take_less_than_a_second() {
    let (truth, predicted, losses) = drawn(&mut ChaCha8Rng::seed_from_u64(3), 10_000);
    // The best of three, since other tests run beside it.
    let time = || {
        let start = std::time::Instant::now();
        classification_scores(2, &truth, &predicted, &losses, &Bootstrap::default()).unwrap();
        start.elapsed()
    };
    let best = (0..3).map(|_| time()).min().unwrap();
    println!("1000 resamples of 10,000 examples: {best:?}");
    assert!(best.as_secs_f64() < 1.0, "{best:?}");
}

// ---- Through a predictor --------------------------------------------------------------------

/// Rows of numbers that are already logits.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Rows {
    labels: Labels,
}

impl Task for Rows {
    const NAME: &'static str = "rows";
    type Input = Vec<f32>;
    type Target = String;
    type Prediction = Choice;
    type Batch = Labelled<Tensor<2>, Tensor<1, Int>>;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let inputs: Vec<&Vec<f32>> = examples.iter().map(|example| &example.input).collect();
        let truth = self.labels.indices(examples.iter().map(|e| &e.target), device)?;
        Ok(Labelled { features: self.collate(&inputs, device)?, truth })
    }
}

impl OnePass for Rows {
    type Features = Tensor<2>;
    type Truth = Tensor<1, Int>;
    type Output = Tensor<2>;

    fn collate(&self, inputs: &[&Vec<f32>], device: &Device) -> Result<Tensor<2>, DataError> {
        let width = self.labels.count();
        for (index, input) in inputs.iter().enumerate() {
            if input.len() < width {
                let (least, got) = (width as u64, input.len() as u64);
                return Err(DataError::TooShort { what: "a row", least, got }.at(index, None));
            }
        }
        let flat: Vec<f32> = inputs.iter().flat_map(|input| input[..width].to_vec()).collect();
        Ok(Tensor::<1>::from_floats(flat.as_slice(), device).reshape([inputs.len(), width]))
    }

    fn loss(&self, output: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        self.labels.cross_entropy(output, truth)
    }

    fn decode(&self, _: &[&Vec<f32>], output: Tensor<2>) -> Vec<Choice> {
        self.labels.choose(output)
    }
}

#[derive(Config, Debug)]
struct SharpenConfig {
    factor: f64,
}

#[derive(Module, Debug)]
struct Sharpen {
    factor: f64,
}

impl ModelConfig for SharpenConfig {
    const ARCHITECTURE: &'static str = "sharpen";
    type Model = Sharpen;
    fn init(&self, _: &Device) -> Result<Sharpen, ConfigError> {
        Ok(Sharpen { factor: self.factor })
    }
}

impl Model for Sharpen {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input * self.factor
    }
}

fn predictor(labels: &[&str], factor: f64) -> Predictor<Rows> {
    let device = Device::flex();
    let labels = Labels::try_from(labels.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>());
    let task = Rows { labels: labels.unwrap() };
    let network = Network::init(SharpenConfig::new(factor), 0, &device).unwrap();
    Predictor::new(task, network, &device)
}

/// `n` examples of the labels in turn; about one in four has its greatest number elsewhere.
fn examples(labels: &[&str], n: usize, seed: u64) -> Vec<ExampleOf<Rows>> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut example = |index: usize| {
        let class = index % labels.len();
        let mut input: Vec<f32> = labels.iter().map(|_| generator.random()).collect();
        let wrong = generator.random_range(0..4) == 0;
        input[if wrong { (class + 1) % labels.len() } else { class }] += 1.0;
        Example { input, target: labels[class].to_owned() }
    };
    (0..n).map(&mut example).collect()
}

const LABELS: [&str; 3] = ["bird", "cat", "dog"];

fn evaluate(predictor: &Predictor<Rows>, data: &dyn Dataset<ExampleOf<Rows>>) -> Report {
    ClassifierEvaluator::default().evaluate(predictor, data).unwrap()
}

fn refusal(data: &dyn Dataset<ExampleOf<Rows>>) -> EvalError {
    ClassifierEvaluator::default().evaluate(&predictor(&LABELS, 1.0), data).unwrap_err()
}

#[test]
fn a_report_counts_what_the_predictor_answered() {
    // More than one chunk, and the last one odd.
    let data = examples(&LABELS, 131, 5);
    let predictor = predictor(&LABELS, 2.0);
    let report = evaluate(&predictor, &data);
    assert_eq!((report.task.as_str(), report.architecture.as_str()), ("rows", "sharpen"));
    assert_eq!((report.examples, report.outcomes.len()), (131, 131));
    assert_eq!(report.labels, LABELS);

    let mut loss = 0.0;
    let mut confusion = vec![vec![0; 3]; 3];
    for (at, example) in data.iter().enumerate() {
        let answer = &predictor.predict(std::slice::from_ref(&example.input)).unwrap()[0];
        let place = |label: &str| LABELS.iter().position(|known| *known == label).unwrap();
        confusion[place(&example.target)][place(&answer.label)] += 1;
        loss += -f64::from(answer.scores[&example.target]).ln();
        assert_eq!(report.outcomes[at].right, answer.label == example.target, "{at}");
    }
    assert_eq!(report.confusion, confusion);
    let right = confusion[0][0] + confusion[1][1] + confusion[2][2];
    assert_eq!(report.score("accuracy").unwrap().value, right as f64 / 131.0);
    assert!((report.score("log_loss").unwrap().value - loss / 131.0).abs() < 1e-5);
    assert_eq!(report.classes[1].label, "cat");
    assert_eq!(report.classes[1].support, 44);
    assert_eq!(report.classes[1].recall, confusion[1][1] as f64 / 44.0);

    assert_eq!(report.scores.len(), 11);
    for (name, Score { value, low, high }) in &report.scores {
        assert!(low < value && value < high, "{name}: {low} {value} {high}");
    }
    assert_eq!(report.score("f1_micro").unwrap(), report.score("accuracy").unwrap());
    assert_eq!(
        report.score("bleu").unwrap_err().to_string(),
        "there is no metric \"bleu\"; known are [\"accuracy\", \"f1_macro\", \"f1_micro\", \
         \"f1_weighted\", \"log_loss\", \"precision_macro\", \"precision_micro\", \
         \"precision_weighted\", \"recall_macro\", \"recall_micro\", \"recall_weighted\"]"
    );
}

#[test]
fn equal_seeds_give_equal_reports_and_others_other_intervals() {
    let (data, predictor) = (examples(&LABELS, 70, 6), predictor(&LABELS, 2.0));
    let report = evaluate(&predictor, &data);
    assert_eq!(report, evaluate(&predictor, &data));
    let other = ClassifierEvaluator::default().with_seed(1).evaluate(&predictor, &data).unwrap();
    let (score, moved) = (report.scores["log_loss"], other.scores["log_loss"]);
    assert_eq!(score.value, moved.value);
    assert_ne!((score.low, score.high), (moved.low, moved.high));
    let wide = ClassifierEvaluator::default().with_confidence(0.99).evaluate(&predictor, &data);
    let wide = wide.unwrap().scores["log_loss"];
    assert!(wide.low < score.low && score.high < wide.high);
}

#[test]
fn data_of_one_class_is_measured_over_all_labels() {
    let mut data = examples(&LABELS, 45, 7);
    data.retain(|example| example.target == "dog");
    let report = evaluate(&predictor(&LABELS, 1.0), &data);
    assert_eq!(report.labels, LABELS);
    let support: Vec<usize> = report.classes.iter().map(|class| class.support).collect();
    assert_eq!(support, [0, 0, 15]);
    assert_eq!(report.classes[0].recall, 0.0);
    let (accuracy, recall) = (report.scores["accuracy"].value, report.scores["recall_macro"].value);
    assert_eq!(report.scores["recall_weighted"].value, accuracy);
    assert!((recall - accuracy / 3.0).abs() < 1e-15);
}

#[test]
fn what_cannot_be_measured_is_refused_with_its_place() {
    let mut data = examples(&LABELS, 100, 8);
    assert!(matches!(
        refusal(&Vec::new()),
        EvalError::Data(DataError::Empty { what }) if what == "the data set"
    ));

    data[70].target = "fish".into();
    match refusal(&data) {
        EvalError::Data(DataError::Example { index: 70, source, .. }) => assert_eq!(
            source.to_string(),
            "unknown label \"fish\"; known are [\"bird\", \"cat\", \"dog\"]"
        ),
        other => panic!("{other:?}"),
    }
    data[70].target = "cat".into();

    data[97].input.pop();
    match refusal(&data) {
        EvalError::Data(DataError::Example { index: 97, source, .. }) => {
            assert_eq!(source.to_string(), "a row is 2, but must be at least 3");
        }
        other => panic!("{other:?}"),
    }
    data[97].input = vec![f32::NAN; 3];
    match refusal(&data) {
        EvalError::Data(DataError::Example { index: 97, source, .. }) => {
            assert!(matches!(*source, DataError::NotFinite { .. }), "{source}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    let (data, predictor) = (examples(&LABELS, 5, 9), predictor(&LABELS, 1.0));
    let refused = |evaluator: ClassifierEvaluator| match evaluator.evaluate(&predictor, &data) {
        Err(EvalError::Config(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(ClassifierEvaluator::default().with_resamples(10)),
        "resamples must be at least 100, but is 10"
    );
    assert_eq!(
        refused(ClassifierEvaluator::default().with_confidence(95.0)),
        "confidence must lie in 0..=1, but is 95"
    );
}

#[test]
fn a_planted_difference_is_found_with_its_direction() {
    let data = examples(&LABELS, 300, 10);
    let good = evaluate(&predictor(&LABELS, 3.0), &data);
    // Turned round, it answers the least number.
    let bad = evaluate(&predictor(&LABELS, -3.0), &data);
    let comparison = good.compare(&bad).unwrap();
    assert!(comparison.only_first > 200 && comparison.only_second < 60, "{comparison}");
    assert!(!comparison.mcnemar.exact && comparison.mcnemar.p_value < 1e-6);
    assert!(comparison.accuracy_difference.high < 0.0 && comparison.loss_difference.low > 0.0);
    let least = 2.0 / 1001.0;
    assert_eq!((comparison.accuracy_p, comparison.loss_p), (least, least));

    let turned = bad.compare(&good).unwrap();
    assert_eq!(turned.only_first, comparison.only_second);
    assert_eq!(turned.mcnemar, comparison.mcnemar);
    assert_eq!(turned.accuracy_difference.value, -comparison.accuracy_difference.value);
    // Same answers, other probabilities: only the loss differs.
    let duller = good.compare(&evaluate(&predictor(&LABELS, 1.0), &data)).unwrap();
    assert_eq!((duller.only_first, duller.only_second, duller.accuracy_p), (0, 0, 1.0));
    assert_ne!(duller.loss_difference.value, 0.0);
}

#[test]
fn no_difference_is_found_as_often_as_it_says() {
    // Two models that are right with one chance, independently: p below 0.05 in about 5 %.
    let mut generator = ChaCha8Rng::seed_from_u64(30);
    let (mut found, draws) = ([0_u32; 3], 400_u32);
    for _ in 0..draws {
        let mut side = || {
            let mut report = of_outcomes(&"0".repeat(151));
            for outcome in &mut report.outcomes {
                let u: f64 = generator.random();
                *outcome = Outcome { right: u < 0.7, loss: surprise(u, CLIP_F64) };
            }
            report
        };
        let Comparison { mcnemar, accuracy_p, loss_p, .. } = side().compare(&side()).unwrap();
        for (found, p) in found.iter_mut().zip([mcnemar.p_value, accuracy_p, loss_p]) {
            *found += u32::from(p < 0.05);
        }
    }
    let shares = found.map(|found| f64::from(found) / f64::from(draws));
    println!("p < 0.05 without a difference: McNemar, accuracy, loss: {shares:?}");
    assert!(shares.iter().all(|share| (0.01..=0.09).contains(share)), "{shares:?}");
}

#[test]
fn different_examples_are_not_compared() {
    let (data, predictor) = (examples(&LABELS, 30, 11), predictor(&LABELS, 1.0));
    let report = evaluate(&predictor, &data);
    let refused = |data: &Vec<ExampleOf<Rows>>| {
        matches!(
            report.compare(&evaluate(&predictor, data)),
            Err(EvalError::DifferentExamples { .. })
        )
    };
    assert!(!refused(&data));
    let changed = |change: &dyn Fn(&mut Vec<ExampleOf<Rows>>)| {
        let mut data = data.clone();
        change(&mut data);
        refused(&data)
    };
    assert!(changed(&|data| data[17].input[1] += 0.001), "another input");
    assert!(changed(&|data| data[17].target = "bird".into()), "another target");
    assert!(changed(&|data| data.swap(3, 4)), "another order");
    assert!(changed(&|data| data.truncate(29)), "one fewer");
    let fewer = evaluate(&predictor, &data[..29].to_vec());
    let text = report.compare(&fewer).unwrap_err().to_string();
    let first: String = report.fingerprint.chars().take(12).collect();
    assert!(
        text.starts_with(&format!(
            "the reports are about different examples: 30 examples with the fingerprint {first}… and 29"
        )),
        "{text}"
    );
    andiron_core::testing::record(
        "evaluation",
        "reports on different examples",
        "are not compared",
    );
}

#[test]
fn json_reads_back_as_an_equal_report_and_the_summary_is_short() {
    let report = evaluate(&predictor(&LABELS, 1.7), &examples(&LABELS, 77, 12));
    let json = report.to_json();
    assert!(!json.contains('\n'));
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);

    let summary = report.summary();
    assert!(!summary.to_json().contains("outcomes"));
    assert_eq!(serde_json::from_str::<Report>(&summary.to_json()).unwrap(), summary);
    assert_eq!(Report { outcomes: report.outcomes.clone(), ..summary.clone() }, report);
    assert_eq!(summary.to_string(), report.to_string());
    match summary.compare(&report) {
        Err(EvalError::Data(DataError::Empty { what })) => {
            assert_eq!(what, "the report's list of outcomes");
        }
        other => panic!("{other:?}"),
    }
    // A file that was edited.
    let mut edited = report.clone();
    edited.outcomes.truncate(76);
    assert!(matches!(
        edited.compare(&report),
        Err(EvalError::Data(DataError::TooFew { least: 77, got: 76, .. }))
    ));
    edited = Report { resamples: 0, ..report.clone() };
    assert!(matches!(edited.compare(&report), Err(EvalError::Config(_))));
}

#[test]
fn the_table_is_aligned() {
    let row = |class: usize, target: &str| {
        let mut input = vec![0.0; 2];
        input[class] = 1.0;
        Example { input, target: target.to_owned() }
    };
    let mut data = vec![row(0, "ärgerlich"); 12];
    data.extend(vec![row(1, "ärgerlich"); 4]);
    data.extend(vec![row(1, "\u{1b}[31mgut"); 24]);
    let report = evaluate(&predictor(&["\u{1b}[31mgut", "ärgerlich"], 1.0), &data);
    // Labels are sorted, so that class 0 is "gut": it turns out always wrong.
    let text = report.to_string();
    let lines: Vec<&str> = text.lines().collect();
    println!("{text}");
    assert_eq!(lines[0], "rows by sharpen on 40 examples");
    assert_eq!(lines[1], "intervals: 95 %, bootstrap of 1000 resamples");
    assert_eq!(lines[3], "score                value     low    high");
    assert!(lines[4].starts_with("accuracy            0.1000  0.0"), "{}", lines[4]);
    assert_eq!(lines[16], "label      precision  recall      f1  support");
    assert_eq!(lines[17], "\u{fffd}[31mgut      0.0000  0.0000  0.0000       24");
    assert_eq!(lines[18], "ärgerlich     0.1429  0.2500  0.1818       16");
    assert_eq!(lines[20], "confusion: a row a true label, a column an answer");
    assert_eq!(lines[21], "           \u{fffd}[31mgut  ärgerlich");
    assert_eq!(lines[22], "\u{fffd}[31mgut          0         24");
    assert_eq!(lines[23], "ärgerlich        12          4");
    assert_eq!(lines.len(), 24);

    let many: Vec<String> = (10..23).map(|n| format!("label-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let text = evaluate(&predictor(&many, 1.0), &examples(&many, 40, 13)).to_string();
    assert!(text.ends_with("confusion: 13 labels are too many to show; see the JSON\n"), "{text}");
}

#[test]
fn a_report_without_classes_prints_its_scores() {
    let mut report = of_outcomes("10");
    report.scores.insert("map_50".into(), Score { value: 0.5, low: 0.25, high: 0.75 });
    assert_eq!(
        report.to_string(),
        "toy by none on 2 examples\nintervals: 95 %, bootstrap of 1000 resamples\n\n\
         score    value     low    high\nmap_50  0.5000  0.2500  0.7500\n"
    );
}

/// A report on what was found: right, answered and true of each example.
fn of_found(counts: &[[usize; 3]]) -> Report {
    let found = |[right, answered, truth]: [usize; 3]| Found { right, answered, truth };
    let all = counts.iter().map(|[right, answered, truth]| right == answered && right == truth);
    let right: String = all.map(|right| if right { '1' } else { '0' }).collect();
    Report { found: counts.iter().copied().map(found).collect(), ..of_outcomes(&right) }
}

#[test]
fn f1_is_compared_over_resampled_examples() {
    // F1 is 2·2/(3 + 6) for the first and 2·4/(5 + 6) for the second.
    let first = of_found(&[[1, 1, 2], [0, 1, 1], [1, 1, 1], [0, 0, 2], [0, 0, 0]]);
    let second = of_found(&[[2, 2, 2], [0, 1, 1], [1, 1, 1], [1, 1, 2], [0, 0, 0]]);
    let comparison = first.compare(&second).unwrap();
    let (difference, p) = (comparison.f1_difference.unwrap(), comparison.f1_p.unwrap());
    assert!((difference.value - (8.0 / 11.0 - 4.0 / 9.0)).abs() < 1e-12, "{difference:?}");
    assert!(difference.low >= 0.0 && difference.low < difference.value, "{difference:?}");
    assert!(difference.high > difference.value && p < 1.0, "{difference:?}, {p}");
    let turned = second.compare(&first).unwrap();
    assert_eq!(turned.f1_difference.unwrap().value, -difference.value);
    assert_eq!(turned.f1_p, Some(p));
    let same = first.compare(&first).unwrap();
    assert_eq!((same.f1_difference.unwrap().value, same.f1_p), (0.0, Some(1.0)));
    assert!(comparison.to_string().contains("\nF1, second − first: +0.2828 ["), "{comparison}");

    // Survives JSON; without what was found there is nothing to compare.
    let again: Report = serde_json::from_str(&first.to_json()).unwrap();
    assert_eq!(again, first);
    assert!(first.summary().found.is_empty());
    let without = Report { found: Vec::new(), ..first.clone() };
    assert_eq!(without.compare(&second).unwrap().f1_difference, None);
    assert!(!without.to_json().contains("found"));
}

#[test]
fn a_comparison_prints_its_tests() {
    let comparison = of_outcomes("1110").compare(&of_outcomes("1001")).unwrap();
    let text = comparison.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "4 examples; right only by the first 2, only by the second 1");
    assert_eq!(lines[1], "McNemar, exact: p = 1.0000");
    assert!(lines[2].starts_with("accuracy, second − first: -0.2500 [-"), "{text}");
    assert_eq!(lines[3], "loss, second − first: +0.0000 [+0.0000, +0.0000], p = 1.0000");
}
