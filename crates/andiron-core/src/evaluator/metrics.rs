//! Metrics of classification, on class numbers. Where a denominator is zero the metric is 0, and
//! every class counts in the averages whether it occurs or not: scikit-learn's `zero_division=0`
//! with `labels` given in full.

/// Least distance of a probability from 0 and 1 in [`log_loss`] when it was computed in `f32`:
/// 2⁻²³, as scikit-learn has it. One example costs at most 15.95.
pub const CLIP_F32: f64 = f32::EPSILON as f64;

/// The same for probabilities computed in `f64`: 2⁻⁵². One example costs at most 36.05.
pub const CLIP_F64: f64 = f64::EPSILON;

/// How the numbers of the classes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// The mean over classes, each alike: `1/K · Σ_k m_k`.
    Macro,
    /// The metric of the counts summed over all classes. Where every example has one label and
    /// one answer, precision, recall and F1 are then the accuracy.
    Micro,
    /// The mean over classes by support: `Σ_k s_k · m_k / Σ_k s_k`.
    Weighted,
}

impl Average {
    /// Every average.
    pub const ALL: [Self; 3] = [Self::Macro, Self::Micro, Self::Weighted];

    /// The name as it ends a score's name: `macro`, `micro`, `weighted`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Macro => "macro",
            Self::Micro => "micro",
            Self::Weighted => "weighted",
        }
    }
}

/// Precision, recall and F1 of a class, or of an average; each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecisionRecall {
    /// Share of the answers that are right: `right / predicted`.
    pub precision: f64,
    /// Share of the truth that is found: `right / support`.
    pub recall: f64,
    /// Harmonic mean of both: `2 · right / (predicted + support)`.
    pub f1: f64,
}

impl PrecisionRecall {
    /// From counts: answers that are right, answers, and what there was to find.
    pub fn of(right: usize, predicted: usize, support: usize) -> Self {
        Self {
            precision: ratio(right, predicted),
            recall: ratio(right, support),
            f1: ratio(2 * right, predicted + support),
        }
    }

    /// `Σ weight · metric / Σ weight`; 0 if the weights sum to 0.
    fn mean(of: impl Iterator<Item = (f64, Self)>) -> Self {
        let mut sum = Self { precision: 0.0, recall: 0.0, f1: 0.0 };
        let mut weights = 0.0;
        for (weight, one) in of {
            weights += weight;
            sum.precision += weight * one.precision;
            sum.recall += weight * one.recall;
            sum.f1 += weight * one.f1;
        }
        let divide = |sum: f64| if weights > 0.0 { sum / weights } else { 0.0 };
        Self { precision: divide(sum.precision), recall: divide(sum.recall), f1: divide(sum.f1) }
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// What precision, recall and F1 need to know, per class: much smaller than a confusion matrix
/// where there are many classes. The numbers of found spans (entities, words, objects) fit too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Answers that name the class and are right.
    pub right: Vec<usize>,
    /// Answers that name the class.
    pub predicted: Vec<usize>,
    /// Examples that are of the class.
    pub support: Vec<usize>,
}

impl Tally {
    /// No example yet, of `n_classes` classes.
    pub fn new(n_classes: usize) -> Self {
        let none = || vec![0; n_classes];
        Self { right: none(), predicted: none(), support: none() }
    }

    /// Counts one example: its class and the answer.
    ///
    /// # Panics
    /// If a number is not below the number of classes.
    #[inline]
    pub fn add(&mut self, truth: usize, predicted: usize) {
        self.support[truth] += 1;
        self.predicted[predicted] += 1;
        self.right[truth] += usize::from(truth == predicted);
    }

    /// Forgets every example.
    pub fn clear(&mut self) {
        for counts in [&mut self.right, &mut self.predicted, &mut self.support] {
            counts.fill(0);
        }
    }

    /// Share of the examples that are right: `Σ_k right_k / Σ_k support_k`, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        ratio(self.right.iter().sum(), self.support.iter().sum())
    }

    /// Precision, recall and F1 of each class, in the order of the class numbers.
    pub fn per_class(&self) -> Vec<PrecisionRecall> {
        self.classes().map(|(one, _)| one).collect()
    }

    /// Precision, recall and F1 over all classes.
    pub fn averages(&self, average: Average) -> PrecisionRecall {
        match average {
            Average::Macro => PrecisionRecall::mean(self.classes().map(|(one, _)| (1.0, one))),
            Average::Weighted => {
                PrecisionRecall::mean(self.classes().map(|(one, support)| (support as f64, one)))
            }
            Average::Micro => PrecisionRecall::of(
                self.right.iter().sum(),
                self.predicted.iter().sum(),
                self.support.iter().sum(),
            ),
        }
    }

    fn classes(&self) -> impl Iterator<Item = (PrecisionRecall, usize)> + '_ {
        self.right.iter().zip(&self.predicted).zip(&self.support).map(
            |((&right, &predicted), &support)| {
                (PrecisionRecall::of(right, predicted, support), support)
            },
        )
    }
}

/// How often each class was answered with each.
///
/// ```
/// use andiron_core::evaluator::metrics::{Average, Confusion};
///
/// let confusion = Confusion::from(&[0, 0, 0, 1, 2], &[0, 0, 1, 1, 1], 3);
/// assert_eq!(confusion.rows(), [[2, 1, 0], [0, 1, 0], [0, 1, 0]]);
/// assert_eq!(confusion.accuracy(), 0.6);
/// assert_eq!(confusion.per_class()[1].precision, 1.0 / 3.0);
/// assert_eq!(confusion.averages(Average::Micro).f1, 0.6);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    rows: Vec<Vec<usize>>,
}

impl Confusion {
    /// Counts the examples: `truth` and `predicted` hold a class number below `n_classes` each.
    ///
    /// # Panics
    /// If the two differ in length, or a number is not below `n_classes`.
    pub fn from(truth: &[usize], predicted: &[usize], n_classes: usize) -> Self {
        assert_eq!(truth.len(), predicted.len(), "one prediction for each truth");
        let mut rows = vec![vec![0; n_classes]; n_classes];
        for (truth, predicted) in truth.iter().zip(predicted) {
            rows[*truth][*predicted] += 1;
        }
        Self { rows }
    }

    /// The counts: `rows()[i][j]` examples of class `i` were answered with class `j`.
    pub fn rows(&self) -> &[Vec<usize>] {
        &self.rows
    }

    /// Its diagonal, column sums and row sums.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::new(self.rows.len());
        for (class, row) in self.rows.iter().enumerate() {
            tally.right[class] = row[class];
            tally.support[class] = row.iter().sum();
            for (predicted, count) in tally.predicted.iter_mut().zip(row) {
                *predicted += count;
            }
        }
        tally
    }

    /// As [`Tally::accuracy`].
    pub fn accuracy(&self) -> f64 {
        self.tally().accuracy()
    }

    /// As [`Tally::per_class`].
    pub fn per_class(&self) -> Vec<PrecisionRecall> {
        self.tally().per_class()
    }

    /// As [`Tally::averages`].
    pub fn averages(&self, average: Average) -> PrecisionRecall {
        self.tally().averages(average)
    }
}

/// What one example adds to the log-loss: `−ln min(max(p, ε), 1 − ε)`, with `p` the probability
/// that the model gave the true class and `ε` the `clip` ([`CLIP_F32`] or [`CLIP_F64`], by the
/// type in which `p` was computed).
pub fn surprise(p: f64, clip: f64) -> f64 {
    -p.clamp(clip, 1.0 - clip).ln()
}

/// Log-loss: the mean [`surprise`] over the probabilities that the model gave the true classes, in
/// nats; 0 for no example. As scikit-learn's since 1.5, which clips and does not scale the
/// probabilities to a sum of 1.
pub fn log_loss(of_truth: &[f64], clip: f64) -> f64 {
    if of_truth.is_empty() {
        return 0.0;
    }
    of_truth.iter().map(|p| surprise(*p, clip)).sum::<f64>() / of_truth.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_example_gives_zeros_and_no_panic() {
        let confusion = Confusion::from(&[], &[], 3);
        assert_eq!(confusion.accuracy(), 0.0);
        for average in Average::ALL {
            let zero = PrecisionRecall { precision: 0.0, recall: 0.0, f1: 0.0 };
            assert_eq!(confusion.averages(average), zero);
        }
        assert_eq!(log_loss(&[], CLIP_F64), 0.0);
    }

    #[test]
    fn a_tally_counts_what_the_matrix_counts() {
        let (truth, predicted) = ([0, 1, 1, 3, 3, 3, 0], [1, 1, 0, 3, 2, 3, 0]);
        let mut tally = Tally::new(4);
        tally.add(2, 2);
        tally.clear();
        truth.iter().zip(predicted).for_each(|(truth, predicted)| tally.add(*truth, predicted));
        assert_eq!(tally, Confusion::from(&truth, &predicted, 4).tally());
    }

    #[test]
    fn a_sure_mistake_has_a_bounded_loss() {
        assert!((surprise(0.0, CLIP_F32) - 23.0 * 2f64.ln()).abs() < 1e-12);
        assert!((surprise(0.0, CLIP_F64) - 52.0 * 2f64.ln()).abs() < 1e-12);
        assert!(surprise(1.0, CLIP_F32) > 0.0);
        assert!((log_loss(&[0.5, 0.25], CLIP_F64) - 1.5 * 2f64.ln()).abs() < 1e-15);
    }
}
