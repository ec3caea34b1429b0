//! What a predictor answered, measured.

use andiron_core::{
    Choice, ClassifierEvaluator, ConfigError, DataError, Dataset, EvalError, Evaluator, Example,
    Labelled, Labels, Loss, Model, ModelConfig, Network, OnePass, Predictor, Report, Score, Task,
    data::ExampleOf,
};
use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Int, Tensor},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// Rows of numbers that are already logits.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Rows {
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

pub(crate) fn predictor(labels: &[&str], factor: f64) -> Predictor<Rows> {
    let device = Device::flex();
    let labels = Labels::try_from(labels.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>());
    let task = Rows { labels: labels.unwrap() };
    let network = Network::init(SharpenConfig::new(factor), 0, &device).unwrap();
    Predictor::new(task, network, &device)
}

/// `n` examples of the labels in turn; about one in four has its greatest number elsewhere.
pub(crate) fn examples(labels: &[&str], n: usize, seed: u64) -> Vec<ExampleOf<Rows>> {
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

pub(crate) const LABELS: [&str; 3] = ["bird", "cat", "dog"];

pub(crate) fn evaluate(predictor: &Predictor<Rows>, data: &dyn Dataset<ExampleOf<Rows>>) -> Report {
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
