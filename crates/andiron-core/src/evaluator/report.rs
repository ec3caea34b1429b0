//! What an evaluation found.

use super::{Bootstrap, table};
use crate::{DataError, EvalError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt, io};

/// A number and where it probably lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The number.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// One class of the table per class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// The class.
    pub label: String,
    /// Share of the answers with this label that are right, 0 to 1.
    pub precision: f64,
    /// Share of the examples of this class that got its label, 0 to 1.
    pub recall: f64,
    /// Harmonic mean of precision and recall, 0 to 1.
    pub f1: f64,
    /// How many examples are of this class.
    pub support: usize,
}

/// How one example went: what the paired tests need.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the answer is right.
    pub right: bool,
    /// What the example adds to the mean loss; lower is better.
    pub loss: f64,
}

/// What was to be found in one example, and what was answered: entities of a text, objects of an
/// image. Their sums over the examples give precision, recall and F1, which are no means over
/// examples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// How many answers are right.
    pub right: usize,
    /// How many answers there are.
    pub answered: usize,
    /// How many there were to find.
    pub truth: usize,
}

/// What an evaluation found: a table with `{}`, JSON with [`to_json`](Self::to_json).
///
/// A task that knows no classes leaves `labels`, `classes` and `confusion` empty, one whose answers
/// are neither right nor wrong leaves `outcomes` empty, and one that finds nothing in an example
/// leaves `found` empty. All numbers are finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The task's name.
    pub task: String,
    /// The architecture's name.
    pub architecture: String,
    /// How many examples.
    pub examples: usize,
    /// Share of intervals that should hold the truth, 0 to 1.
    pub confidence: f64,
    /// How many resamples each interval is made of.
    pub resamples: usize,
    /// The seed of the resamples.
    pub seed: u64,
    /// The scores by name.
    pub scores: BTreeMap<String, Score>,
    /// In which of the usual ways scores and outcomes were made, by the name of what was chosen:
    /// `normalizer` for transcripts, `k` for lists of what was found. Empty for a task that has one
    /// way only, and in reports from before there was this field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// The labels, in the order of the class numbers.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Scores of each class, in the order of `labels`.
    #[serde(default)]
    pub classes: Vec<ClassScores>,
    /// `confusion[i][j]` examples of class `i` were answered with class `j`.
    #[serde(default)]
    pub confusion: Vec<Vec<usize>>,
    /// Which examples they were, in order: equal for equal examples. See [`Fingerprint`].
    pub fingerprint: String,
    /// How each example went, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<Outcome>,
    /// What was found in each example, in order; empty for a task that finds nothing in one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Found>,
}

impl Report {
    /// A report of scores alone, of a task and an architecture by name: of no classes, no settings,
    /// and nothing found. There are as many examples as `outcomes`, in their order; `bootstrap` says
    /// how the intervals were made, and `fingerprint` is a finished [`Fingerprint`].
    pub fn new(
        (task, architecture): (&str, &str),
        scores: BTreeMap<String, Score>,
        outcomes: Vec<Outcome>,
        bootstrap: &Bootstrap,
        fingerprint: String,
    ) -> Self {
        let Bootstrap { resamples, confidence, seed } = *bootstrap;
        Self {
            task: task.to_owned(),
            architecture: architecture.to_owned(),
            examples: outcomes.len(),
            confidence,
            resamples,
            seed,
            scores,
            settings: BTreeMap::new(),
            labels: Vec::new(),
            classes: Vec::new(),
            confusion: Vec::new(),
            fingerprint,
            outcomes,
            found: Vec::new(),
        }
    }

    /// The score called `name`.
    ///
    /// # Errors
    /// [`EvalError::UnknownMetric`] lists the known.
    pub fn score(&self, name: &str) -> Result<Score, EvalError> {
        self.scores.get(name).copied().ok_or_else(|| EvalError::UnknownMetric {
            got: name.to_owned(),
            known: self.scores.keys().cloned().collect(),
        })
    }

    /// All of it as one line of JSON, which reads back as an equal report.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("the only map has texts for keys, so JSON can hold it")
    }

    /// The same report without what it says of each example, whose length grows with the data. It
    /// cannot be compared with another.
    #[must_use]
    pub fn summary(&self) -> Self {
        // Field by field, so that the outcomes are not copied only to be dropped.
        Self {
            task: self.task.clone(),
            architecture: self.architecture.clone(),
            scores: self.scores.clone(),
            settings: self.settings.clone(),
            labels: self.labels.clone(),
            classes: self.classes.clone(),
            confusion: self.confusion.clone(),
            fingerprint: self.fingerprint.clone(),
            outcomes: Vec::new(),
            found: Vec::new(),
            ..*self
        }
    }
}

/// A table for people: the scores with their intervals, the classes with their support, and the
/// confusion matrix where there are at most 12 classes.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table::write_report(f, self)
    }
}

/// SHA-256 over examples, to tell whether two reports are about the same ones.
///
/// Each part of an example is hashed as a line of JSON, in order, without being held in memory.
///
/// ```
/// use andiron_core::evaluator::Fingerprint;
///
/// let of = |parts: &[&str]| {
///     let mut fingerprint = Fingerprint::new();
///     parts.iter().try_for_each(|part| fingerprint.add(part)).map(|()| fingerprint.finish())
/// };
/// assert_eq!(of(&["a", "b"])?, of(&["a", "b"])?);
/// assert_ne!(of(&["a", "b"])?, of(&["b", "a"])?);
/// assert_ne!(of(&["a", "b"])?, of(&["ab"])?);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Fingerprint {
    hasher: Sha256,
}

impl Fingerprint {
    /// Of no example yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input, a target, or whatever else belongs to an example.
    ///
    /// # Errors
    /// [`DataError::Decode`] for a value that JSON cannot hold, such as a map whose keys are
    /// lists.
    pub fn add<S: serde::Serialize + ?Sized>(&mut self, part: &S) -> Result<(), DataError> {
        serde_json::to_writer(Hashing(&mut self.hasher), part).map_err(|error| {
            DataError::Decode { what: "an example as JSON".to_owned(), reason: error.to_string() }
        })?;
        // JSON without indentation holds no line break, so the parts cannot run together.
        self.hasher.update(b"\n");
        Ok(())
    }

    /// The hash in hexadecimal, 64 digits.
    pub fn finish(self) -> String {
        self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_of_lines_of_json() {
        let mut fingerprint = Fingerprint::new();
        fingerprint.add(&[1.5_f32, -2.0]).expect("numbers are JSON");
        fingerprint.add("a\nb").expect("a text is JSON");
        assert_eq!(fingerprint.finish(), crate::hash::sha256(b"[1.5,-2.0]\n\"a\\nb\"\n"));
    }

    #[test]
    fn what_json_cannot_hold_is_an_error() {
        let map = BTreeMap::from([(vec![1], 2)]);
        let refused = Fingerprint::new().add(&map).map_err(|error| error.to_string());
        assert_eq!(
            refused,
            Err("an example as JSON cannot be decoded: key must be a string".to_owned())
        );
    }
}
