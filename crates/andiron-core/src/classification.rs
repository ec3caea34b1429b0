//! One label of several: what text, image and audio classification share.

use crate::{DataError, Loss, loss};
use burn::tensor::{Device, Int, Tensor, activation::softmax};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The labels of a task, in ascending order; the position of a label is its class number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Labels(Vec<String>);

impl TryFrom<Vec<String>> for Labels {
    type Error = DataError;
    fn try_from(names: Vec<String>) -> Result<Self, DataError> {
        Self::of(&names)
    }
}

impl From<Labels> for Vec<String> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

impl Labels {
    /// The different labels among those of the examples.
    ///
    /// # Errors
    /// [`DataError::Empty`] for no example, [`DataError::OneClass`] if all have one label.
    pub fn of<'a>(labels: impl IntoIterator<Item = &'a String>) -> Result<Self, DataError> {
        let (mut set, mut examples) = (BTreeSet::new(), 0);
        for label in labels {
            set.insert(label.clone());
            examples += 1;
        }
        let names: Vec<String> = set.into_iter().collect();
        match names.as_slice() {
            [] => Err(DataError::Empty { what: "the set of labels".to_owned() }),
            [only] => Err(DataError::OneClass { label: only.clone(), examples }),
            _ => Ok(Self(names)),
        }
    }

    /// The labels, in the order of their class numbers.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// How many classes there are; 2 or more.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The class number of a label.
    ///
    /// # Errors
    /// [`DataError::UnknownLabel`].
    pub fn index(&self, label: &str) -> Result<usize, DataError> {
        self.0
            .binary_search_by(|known| known.as_str().cmp(label))
            .map_err(|_| DataError::UnknownLabel { label: label.to_owned(), known: self.0.clone() })
    }

    /// The class numbers of `labels`, `[labels]`.
    ///
    /// # Errors
    /// [`DataError::UnknownLabel`].
    pub fn indices<'a>(
        &self,
        labels: impl IntoIterator<Item = &'a String>,
        device: &Device,
    ) -> Result<Tensor<1, Int>, DataError> {
        let indices = labels
            .into_iter()
            .map(|label| self.index(label).map(|index| index as i32))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Tensor::from_ints(indices.as_slice(), device))
    }

    /// Cross-entropy of `logits` (`[batch, classes]`) with the class numbers `truth`.
    pub fn cross_entropy(&self, logits: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        loss::cross_entropy(logits, truth, &loss::CrossEntropy::default())
    }

    /// The most probable label of each row of `logits` (`[batch, classes]`), with all
    /// probabilities.
    pub fn choose(&self, logits: Tensor<2>) -> Vec<Choice> {
        let [_, classes] = logits.dims();
        let probabilities: Vec<f32> = softmax(logits, 1).into_data().iter::<f32>().collect();
        probabilities.chunks(classes).map(|row| Choice::of(&self.0, row)).collect()
    }
}

/// The answer of a classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The most probable label; the first in order where two are equal.
    pub label: String,
    /// Its probability, 0 to 1.
    pub score: f32,
    /// The probability of every label.
    pub scores: BTreeMap<String, f32>,
}

impl Choice {
    fn of(names: &[String], row: &[f32]) -> Self {
        let best =
            row.iter().enumerate().fold(0, |best, (at, p)| if *p > row[best] { at } else { best });
        Self {
            label: names[best].clone(),
            score: row[best],
            scores: names.iter().cloned().zip(row.iter().copied()).collect(),
        }
    }

    /// The `n` most probable labels, the best first.
    pub fn top(&self, n: usize) -> Vec<(&str, f32)> {
        let mut all: Vec<(&str, f32)> =
            self.scores.iter().map(|(label, score)| (label.as_str(), *score)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.truncate(n);
        all
    }
}

impl AsRef<Choice> for Choice {
    fn as_ref(&self) -> &Choice {
        self
    }
}
