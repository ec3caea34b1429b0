//! One label of several: what text, image and audio classification share.

use crate::{DataError, Loss, loss};
use burn::tensor::{Device, Int, Tensor, activation::softmax};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The labels of a task, all different; the position of a label is its class number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Labels(Vec<String>);

impl TryFrom<Vec<String>> for Labels {
    type Error = DataError;
    fn try_from(names: Vec<String>) -> Result<Self, DataError> {
        Self::in_order(names)
    }
}

impl From<Labels> for Vec<String> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

impl Labels {
    /// The different labels among those of the examples, in ascending order.
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

    /// Labels whose class numbers are given, as those of a published network are.
    ///
    /// # Errors
    /// [`DataError::Empty`] for no label, [`DataError::OneClass`] for one,
    /// [`DataError::Repeated`] for one that stands there twice.
    pub fn in_order(names: Vec<String>) -> Result<Self, DataError> {
        let mut known = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !known.insert(name.as_str())) {
            return Err(DataError::Repeated { what: "the list of labels", got: twice.clone() });
        }
        match names.as_slice() {
            [] => Err(DataError::Empty { what: "the set of labels".to_owned() }),
            [only] => Err(DataError::OneClass { label: only.clone(), examples: 1 }),
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
        self.0.iter().position(|known| known == label).ok_or_else(|| DataError::UnknownLabel {
            label: label.to_owned(),
            known: self.0.clone(),
        })
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn labels() -> Labels {
        Labels::of(&["b", "a", "c", "a"].map(str::to_owned)).unwrap()
    }

    #[test]
    fn labels_are_in_order_and_found_again() {
        let labels = labels();
        assert_eq!((labels.names().join(""), labels.count()), ("abc".to_owned(), 3));
        assert_eq!(labels.index("c").unwrap(), 2);
        let unknown = labels.index("d").unwrap_err().to_string();
        assert_eq!(unknown, "unknown label \"d\"; known are [\"a\", \"b\", \"c\"]");
        let text = serde_json::to_string(&labels).unwrap();
        assert_eq!(text, r#"["a","b","c"]"#);
        assert_eq!(serde_json::from_str::<Labels>(&text).unwrap(), labels);
        assert!(serde_json::from_str::<Labels>(r#"["a"]"#).is_err());
        assert!(serde_json::from_str::<Labels>("[]").is_err());
    }

    #[test]
    fn labels_in_an_order_of_their_own_keep_it() {
        let labels: Labels = serde_json::from_str(r#"["no", "yes", "maybe"]"#).unwrap();
        assert_eq!((labels.index("maybe").unwrap(), labels.index("no").unwrap()), (2, 0));
        let twice = Labels::in_order(["a", "b", "a"].map(str::to_owned).to_vec()).unwrap_err();
        assert_eq!(twice.to_string(), "the list of labels has \"a\" twice");
    }

    #[test]
    fn the_most_probable_label_is_chosen() {
        let device = Device::flex();
        let logits = [[0.0, 3.0, 1.0], [2.0, 2.0, -9.0]];
        let choices = labels().choose(Tensor::from_floats(logits, &device));
        assert_eq!((choices[0].label.as_str(), choices[1].label.as_str()), ("b", "a"));
        let top: Vec<&str> = choices[0].top(2).into_iter().map(|(label, _)| label).collect();
        assert_eq!(top, ["b", "c"]);
        for choice in &choices {
            assert!((choice.scores.values().sum::<f32>() - 1.0).abs() < 1e-6);
            assert_eq!(choice.scores[&choice.label], choice.score);
        }
        // softmax(0, 3, 1) of the second: e³ / (1 + e³ + e).
        let wanted = 3f32.exp() / (1.0 + 3f32.exp() + 1f32.exp());
        assert!((choices[0].score - wanted).abs() < 1e-6);
    }
}
