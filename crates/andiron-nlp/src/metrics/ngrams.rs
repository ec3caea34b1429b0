//! N-grams counted: what BLEU, chrF and ROUGE-N share.

use std::{collections::HashMap, hash::Hash};

/// How often each run of `order` neighbours stands in `items`.
pub(super) fn counts<T: Eq + Hash>(items: &[T], order: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    for ngram in items.windows(order.max(1)) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}

/// How many n-grams of `left` are found in `right`, each at most as often as it stands there.
pub(super) fn common<T: Eq + Hash>(
    left: &HashMap<&[T], usize>,
    right: &HashMap<&[T], usize>,
) -> usize {
    left.iter().map(|(ngram, count)| right.get(ngram).map_or(0, |other| *count.min(other))).sum()
}

/// The harmonic mean of precision and recall, in which recall weighs `beta²` times as much:
/// `(1 + β²) · P · R / (β² · P + R)`; 0 where both are 0.
pub(super) fn f_score(precision: f64, recall: f64, beta: f64) -> f64 {
    let factor = beta * beta;
    let divisor = factor * precision + recall;
    if divisor > 0.0 { (1.0 + factor) * precision * recall / divisor } else { 0.0 }
}
