//! Precision, recall and F1 where an example has any number of labels.

use super::{
    Bootstrap, Score,
    metrics::{Average, PrecisionRecall, Tally},
};
use crate::{ConfigError, EvalError};
use std::collections::{BTreeMap, BTreeSet};

/// The labels of one example, as class numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSets {
    /// Those that are true.
    pub truth: BTreeSet<usize>,
    /// Those that were answered.
    pub predicted: BTreeSet<usize>,
}

impl LabelSets {
    /// From class numbers in any order.
    pub fn new(
        truth: impl IntoIterator<Item = usize>,
        predicted: impl IntoIterator<Item = usize>,
    ) -> Self {
        Self { truth: truth.into_iter().collect(), predicted: predicted.into_iter().collect() }
    }

    /// Precision, recall and F1 of this example: the share of its answers that are true, the share
    /// of its truth that was answered, and `2 · right / (predicted + true)`. Where there is nothing
    /// to divide by they are 0.
    pub fn agreement(&self) -> PrecisionRecall {
        let right = self.truth.intersection(&self.predicted).count();
        PrecisionRecall::of(right, self.predicted.len(), self.truth.len())
    }
}

/// How often each class was answered, true, and both.
///
/// # Panics
/// If a class number is not below `n_classes`.
pub fn tally<'a>(n_classes: usize, examples: impl IntoIterator<Item = &'a LabelSets>) -> Tally {
    let mut tally = Tally::new(n_classes);
    for example in examples {
        add(&mut tally, example);
    }
    tally
}

fn add(tally: &mut Tally, example: &LabelSets) {
    example.truth.iter().for_each(|class| tally.support[*class] += 1);
    example.predicted.iter().for_each(|class| tally.predicted[*class] += 1);
    let right = example.truth.intersection(&example.predicted);
    right.for_each(|class| tally.right[*class] += 1);
}

/// `precision_A`, `recall_A` and `f1_A` for each average `A`: `macro`, `micro`, `weighted`
/// ([`Average`]) and `samples`, and `exact`; each 0 to 1, with its bootstrap interval.
///
/// ```text
/// F1_samples = 1/N · Σ_i 2 |truth_i ∩ predicted_i| / (|truth_i| + |predicted_i|)
/// exact      = share of the examples whose labels are all right and complete
/// ```
///
/// As scikit-learn's `precision_recall_fscore_support` and `accuracy_score` on label matrices with
/// `zero_division=0`: an example with no label and no answer adds 0 to `samples`.
/// Source of `samples`: Godbole & Sarawagi 2004, <https://doi.org/10.1007/978-3-540-24775-3_5>.
///
/// ```
/// use andiron_core::evaluator::{Bootstrap, multilabel::{LabelSets, multilabel_scores}};
///
/// let examples = [LabelSets::new([0, 2], [0, 1]), LabelSets::new([1], [1])];
/// let scores = multilabel_scores(3, &examples, &Bootstrap::default())?;
/// assert_eq!(scores["f1_samples"].value, 0.75);
/// assert_eq!(scores["f1_micro"].value, 4.0 / 6.0);
/// assert_eq!(scores["exact"].value, 0.5);
/// # Ok::<(), andiron_core::EvalError>(())
/// ```
///
/// # Errors
/// [`EvalError::Config`] for fewer than one class, or as [`Bootstrap::check`]. No example gives
/// zeros, as in [`classification_scores`](super::classification_scores).
///
/// # Panics
/// If a class number is not below `n_classes`.
pub fn multilabel_scores(
    n_classes: usize,
    examples: &[LabelSets],
    bootstrap: &Bootstrap,
) -> Result<BTreeMap<String, Score>, EvalError> {
    ConfigError::at_least("n_classes", 1, n_classes)?;
    let mut names = Vec::new();
    for average in Average::ALL.map(Average::name).into_iter().chain(["samples"]) {
        names.extend(["precision", "recall", "f1"].map(|metric| format!("{metric}_{average}")));
    }
    names.push("exact".to_owned());
    let alone: Vec<PrecisionRecall> = examples.iter().map(LabelSets::agreement).collect();
    let mut tally = Tally::new(n_classes);
    let scores = bootstrap.scores(examples.len(), |indices, out| {
        tally.clear();
        let (mut sums, mut exact) = ([0.0; 3], 0.0);
        for index in indices {
            let (example, own) = (&examples[*index], &alone[*index]);
            add(&mut tally, example);
            let own = [own.precision, own.recall, own.f1];
            sums.iter_mut().zip(own).for_each(|(sum, value)| *sum += value);
            exact += f64::from(u8::from(example.truth == example.predicted));
        }
        for average in Average::ALL {
            let of = tally.averages(average);
            out.extend([of.precision, of.recall, of.f1]);
        }
        let n = indices.len().max(1) as f64;
        out.extend(sums.map(|sum| sum / n));
        out.push(exact / n);
    })?;
    Ok(names.into_iter().zip(scores).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn examples_without_labels_count_as_zero() {
        let examples = [LabelSets::new([], []), LabelSets::new([0], []), LabelSets::new([], [0])];
        let scores = multilabel_scores(2, &examples, &Bootstrap::default()).unwrap();
        assert_eq!(scores.len(), 13);
        for (name, score) in &scores {
            let wanted = if name == "exact" { 1.0 / 3.0 } else { 0.0 };
            assert_eq!(score.value, wanted, "{name}");
        }
    }

    #[test]
    fn one_label_an_example_is_ordinary_classification() {
        let (truth, predicted) = ([0, 1, 1, 3, 3, 3, 0], [1, 1, 0, 3, 2, 3, 0]);
        let sets: Vec<LabelSets> =
            truth.iter().zip(predicted).map(|(t, p)| LabelSets::new([*t], [p])).collect();
        let bootstrap = Bootstrap::default();
        let many = multilabel_scores(4, &sets, &bootstrap).unwrap();
        let losses = [0.0; 7];
        let one = super::super::classification_scores(4, &truth, &predicted, &losses, &bootstrap)
            .unwrap();
        for (name, score) in one.iter().filter(|(name, _)| name.starts_with("f1_")) {
            assert_eq!(many[name], *score, "{name}");
        }
        assert_eq!(many["exact"], one["accuracy"]);
    }

    #[test]
    fn nothing_at_all() {
        assert!(multilabel_scores(0, &[], &Bootstrap::default()).is_err());
        let scores = multilabel_scores(2, &[], &Bootstrap::default()).unwrap();
        assert!(scores.values().all(|score| score.value == 0.0 && score.high == 0.0));
    }
}
