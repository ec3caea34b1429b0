//! Measuring tasks that choose one label: text, image and audio classification alike.

use super::{
    Bootstrap, ClassScores, Evaluator, Fingerprint, Outcome, Report, Score,
    metrics::{Average, CLIP_F32, Confusion, Tally, surprise},
};
use crate::{
    Choice, ConfigError, DataError, Dataset, EvalError, Example, Predictor, Task, data::ExampleOf,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many examples are held at once.
const CHUNK: usize = 64;

/// Measures any task that chooses one label.
///
/// The report has the scores of [`classification_scores`], the table per class and the confusion
/// matrix. Its labels are those that the model knows, whether they occur in the data or not.
///
/// ```
/// use andiron_core::ClassifierEvaluator;
///
/// let evaluator = ClassifierEvaluator::default().with_confidence(0.99).with_seed(7);
/// assert_eq!((evaluator.resamples, evaluator.confidence, evaluator.seed), (1000, 0.99, 7));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClassifierEvaluator {
    /// How often the examples are drawn anew for the intervals; 100 or more, default 1,000.
    pub resamples: usize,
    /// Share of intervals that should hold the truth; 0 to 1, default 0.95.
    pub confidence: f64,
    /// Where the random stream of the resamples starts; default 0.
    pub seed: u64,
}

impl Default for ClassifierEvaluator {
    fn default() -> Self {
        let Bootstrap { resamples, confidence, seed } = Bootstrap::default();
        Self { resamples, confidence, seed }
    }
}

impl ClassifierEvaluator {
    /// The same evaluator with another number of resamples; 100 or more.
    #[must_use]
    pub fn with_resamples(self, resamples: usize) -> Self {
        Self { resamples, ..self }
    }

    /// The same evaluator with another confidence; 0 to 1.
    #[must_use]
    pub fn with_confidence(self, confidence: f64) -> Self {
        Self { confidence, ..self }
    }

    /// The same evaluator with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    fn bootstrap(&self) -> Bootstrap {
        let Self { resamples, confidence, seed } = *self;
        Bootstrap { resamples, confidence, seed }
    }

    /// Measures answers of something that is no [`Predictor`]: examples with what was answered, in
    /// order. `task` and `architecture` are named in the report.
    ///
    /// # Errors
    /// [`EvalError`] names the example that cannot be used.
    pub fn measure<I: Serialize>(
        &self,
        task: &str,
        architecture: &str,
        answered: impl IntoIterator<Item = Result<(Example<I, String>, Choice), DataError>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap().check()?;
        let (mut answers, mut fingerprint) = (Answers::default(), Fingerprint::new());
        for (index, answered) in answered.into_iter().enumerate() {
            let (Example { input, target }, choice) =
                answered.map_err(|error| placed(error, index))?;
            let added = fingerprint.add(&input).and_then(|()| fingerprint.add(&target));
            let added = added.and_then(|()| answers.add(&target, &choice));
            added.map_err(|error| error.at(index, None))?;
        }
        self.finish(answers, fingerprint, (task.to_owned(), architecture.to_owned()))
    }

    fn finish(
        &self,
        answers: Answers,
        fingerprint: Fingerprint,
        names: (String, String),
    ) -> Result<Report, EvalError> {
        if answers.truth.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() }.into());
        }
        Ok(answers.report(names, &self.bootstrap(), fingerprint.finish())?)
    }
}

impl<T: Task<Target = String>> Evaluator<T> for ClassifierEvaluator
where
    T::Prediction: AsRef<Choice>,
{
    fn evaluate(
        &self,
        predictor: &Predictor<T>,
        data: &dyn Dataset<ExampleOf<T>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap().check()?;
        let (mut answers, mut fingerprint) = (Answers::default(), Fingerprint::new());
        for start in (0..data.len()).step_by(CHUNK) {
            let end = data.len().min(start + CHUNK);
            let chunk = (start..end)
                .map(|index| data.get(index).map_err(|error| placed(error, index)))
                .collect::<Result<Vec<_>, _>>()?;
            let (mut inputs, mut targets) = (Vec::new(), Vec::new());
            for (at, example) in chunk.into_iter().enumerate() {
                let added =
                    fingerprint.add(&example.input).and_then(|()| fingerprint.add(&example.target));
                added.map_err(|error| error.at(start + at, None))?;
                inputs.push(example.input);
                targets.push(example.target);
            }
            let predictions = predict(predictor, &inputs, start)?;
            for (at, (target, choice)) in targets.iter().zip(&predictions).enumerate() {
                let added = answers.add(target, choice.as_ref());
                added.map_err(|error| error.at(start + at, None))?;
            }
        }
        let names = (T::NAME.to_owned(), predictor.architecture().to_owned());
        self.finish(answers, fingerprint, names)
    }
}

/// One prediction an input, for an evaluator: an error names the example that it is about, `start`
/// being the first one's index in the data set.
///
/// # Errors
/// [`DataError::Example`] for the first input that cannot be used, or that got no answer.
pub fn predict<T: Task>(
    predictor: &Predictor<T>,
    inputs: &[T::Input],
    start: usize,
) -> Result<Vec<T::Prediction>, DataError> {
    match predictor.predict(inputs) {
        Ok(predictions) if predictions.len() == inputs.len() => Ok(predictions),
        Ok(predictions) => {
            let error = DataError::Empty { what: "the answer".to_owned() };
            Err(error.at(start + predictions.len().min(inputs.len()), None))
        }
        // One of them cannot be used: ask for each alone, to tell which.
        Err(together) => {
            for (at, input) in inputs.iter().enumerate() {
                if let Err(error) = predictor.predict(std::slice::from_ref(input)) {
                    return Err(match error {
                        // Its place among the one input asked for.
                        DataError::Example { source, name, .. } => {
                            DataError::Example { index: start + at, name, source }
                        }
                        error => error.at(start + at, None),
                    });
                }
            }
            Err(together)
        }
    }
}

/// A data set of files names the example itself; its own index is the better one.
fn placed(error: DataError, index: usize) -> DataError {
    match error {
        DataError::Example { .. } => error,
        error => error.at(index, None),
    }
}

/// What a classifier answered, as class numbers.
#[derive(Debug, Default)]
struct Answers {
    labels: Vec<String>,
    truth: Vec<usize>,
    predicted: Vec<usize>,
    losses: Vec<f64>,
}

impl Answers {
    fn add(&mut self, target: &str, choice: &Choice) -> Result<(), DataError> {
        if self.labels.is_empty() {
            // A sorted map, so that the labels are in the order of `Labels`.
            self.labels = choice.scores.keys().cloned().collect();
        }
        let (truth, predicted) = (self.class(target)?, self.class(&choice.label)?);
        let probability = *choice.scores.get(target).ok_or_else(|| self.unknown(target))?;
        if !probability.is_finite() {
            let what = "the answer's list of probabilities";
            return Err(DataError::NotFinite { what, got: probability, at: truth });
        }
        self.truth.push(truth);
        self.predicted.push(predicted);
        self.losses.push(surprise(f64::from(probability), CLIP_F32));
        Ok(())
    }

    fn class(&self, label: &str) -> Result<usize, DataError> {
        self.labels
            .binary_search_by(|known| known.as_str().cmp(label))
            .map_err(|_| self.unknown(label))
    }

    fn unknown(&self, label: &str) -> DataError {
        DataError::UnknownLabel { label: label.to_owned(), known: self.labels.clone() }
    }

    fn report(
        self,
        (task, architecture): (String, String),
        bootstrap: &Bootstrap,
        fingerprint: String,
    ) -> Result<Report, ConfigError> {
        let Self { labels, truth, predicted, losses } = self;
        let scores = classification_scores(labels.len(), &truth, &predicted, &losses, bootstrap)?;
        let confusion = Confusion::from(&truth, &predicted, labels.len());
        let support = confusion.tally().support;
        let classes = labels.iter().zip(confusion.per_class()).zip(support);
        let outcomes = truth.iter().zip(&predicted).zip(&losses);
        Ok(Report {
            classes: classes
                .map(|((label, of), support)| ClassScores {
                    label: label.clone(),
                    precision: of.precision,
                    recall: of.recall,
                    f1: of.f1,
                    support,
                })
                .collect(),
            confusion: confusion.rows().to_vec(),
            labels,
            ..Report::new(
                (&task, &architecture),
                scores,
                outcomes
                    .map(|((truth, predicted), loss)| Outcome {
                        right: truth == predicted,
                        loss: *loss,
                    })
                    .collect(),
                bootstrap,
                fingerprint,
            )
        })
    }
}

/// `accuracy`, `precision_A`, `recall_A` and `f1_A` for each average `A` (`macro`, `micro`,
/// `weighted`), and `log_loss`, each with its bootstrap interval.
///
/// `truth` and `predicted` hold a class number below `n_classes` for each example, `losses` what
/// the example adds to the log-loss ([`surprise`]). A class that a resample lacks counts there as
/// one that the data lacks: with 0.
///
/// # Errors
/// As [`Bootstrap::check`].
///
/// # Panics
/// If the three differ in length, or a class number is not below `n_classes`.
pub fn classification_scores(
    n_classes: usize,
    truth: &[usize],
    predicted: &[usize],
    losses: &[f64],
    bootstrap: &Bootstrap,
) -> Result<BTreeMap<String, Score>, ConfigError> {
    assert_eq!(truth.len(), predicted.len(), "one prediction for each truth");
    assert_eq!(truth.len(), losses.len(), "one loss for each truth");
    let mut names = vec!["accuracy".to_owned()];
    for average in Average::ALL {
        names.extend(["precision", "recall", "f1"].map(|m| format!("{m}_{}", average.name())));
    }
    names.push("log_loss".to_owned());
    // Side by side, since each resample looks them up at random.
    let examples: Vec<(usize, usize, f64)> = truth
        .iter()
        .zip(predicted)
        .zip(losses)
        .map(|((truth, predicted), loss)| (*truth, *predicted, *loss))
        .collect();
    let mut tally = Tally::new(n_classes);
    let scores = bootstrap.scores(examples.len(), |indices, out| {
        tally.clear();
        let mut loss = 0.0;
        for index in indices {
            let (truth, predicted, own) = examples[*index];
            tally.add(truth, predicted);
            loss += own;
        }
        out.push(tally.accuracy());
        for average in Average::ALL {
            let of = tally.averages(average);
            out.extend([of.precision, of.recall, of.f1]);
        }
        out.push(loss / indices.len().max(1) as f64);
    })?;
    Ok(names.into_iter().zip(scores).collect())
}
