//! How far two lists of numbers rise and fall together: Pearson's and Spearman's correlation.
//!
//! Both compare pairs, such as a model's similarity of two words and what people said of them.
//! Where one side is constant neither is defined: scipy answers NaN, this module refuses.

use super::{Bootstrap, Score};
use crate::{DataError, EvalError};
use std::collections::BTreeMap;

/// Pearson's correlation of the pairs, −1 to 1: 1 if they lie on a rising line, −1 on a falling
/// one.
///
/// ```text
/// r = Σ (x − x̄)(y − ȳ) / √(Σ (x − x̄)² · Σ (y − ȳ)²)
/// ```
///
/// Source: Pearson 1895, <https://doi.org/10.1098/rspl.1895.0041>; as scipy's `pearsonr`.
///
/// ```
/// use andiron_core::evaluator::correlation::pearson;
///
/// let r = pearson(&[(1.0, 2.0), (2.0, 1.0), (4.0, 5.0)])?;
/// assert!((r - 16.0 / 364_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::TooFew`] for fewer than two pairs, [`DataError::NotFinite`] for a number that is
/// none, [`DataError::Constant`] where all numbers of one side are equal.
pub fn pearson(pairs: &[(f64, f64)]) -> Result<f64, DataError> {
    check(pairs)?;
    Ok(pearson_of(pairs.iter().copied()).unwrap_or(0.0))
}

/// Spearman's rank correlation of the pairs, −1 to 1: 1 if they rise together, in a line or not.
///
/// It is [`pearson`] of the ranks; equal numbers share the mean of their ranks.
///
/// Source: Spearman 1904, <https://doi.org/10.2307/1412159>; as scipy's `spearmanr`.
///
/// ```
/// use andiron_core::evaluator::correlation::spearman;
///
/// let rho = spearman(&[(1.0, 1.0), (2.0, 8.0), (3.0, 27.0)])?;
/// assert!((rho - 1.0).abs() < 1e-12);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// As [`pearson`].
pub fn spearman(pairs: &[(f64, f64)]) -> Result<f64, DataError> {
    check(pairs)?;
    let mut ranks = Ranks::of(pairs);
    let all: Vec<usize> = (0..pairs.len()).collect();
    Ok(ranks.correlation(&all).unwrap_or(0.0))
}

/// `pearson` and `spearman`, each with its bootstrap interval over the pairs.
///
/// Ranks are made anew in each resample. A resample in which one side is constant has no
/// correlation and counts as 0.
///
/// # Errors
/// [`EvalError::Data`] as [`pearson`], [`EvalError::Config`] as [`Bootstrap::check`].
pub fn correlation_scores(
    pairs: &[(f64, f64)],
    bootstrap: &Bootstrap,
) -> Result<BTreeMap<String, Score>, EvalError> {
    check(pairs)?;
    let mut ranks = Ranks::of(pairs);
    let scores = bootstrap.scores(pairs.len(), |indices, out| {
        out.push(pearson_of(indices.iter().map(|at| pairs[*at])).unwrap_or(0.0));
        out.push(ranks.correlation(indices).unwrap_or(0.0));
    })?;
    Ok(["pearson", "spearman"].map(str::to_owned).into_iter().zip(scores).collect())
}

const SIDES: [&str; 2] = ["the first list", "the second list"];

fn check(pairs: &[(f64, f64)]) -> Result<(), DataError> {
    if pairs.len() < 2 {
        return Err(DataError::TooFew { what: "a correlation", least: 2, got: pairs.len() });
    }
    type Side = fn(&(f64, f64)) -> f64;
    let sides: [Side; 2] = [|pair| pair.0, |pair| pair.1];
    for (what, side) in SIDES.into_iter().zip(sides) {
        if let Some(at) = pairs.iter().position(|pair| !side(pair).is_finite()) {
            return Err(DataError::NotFinite { what, got: side(&pairs[at]) as f32, at });
        }
        let first = side(&pairs[0]);
        if pairs.iter().all(|pair| side(pair) == first) {
            return Err(DataError::Constant { what, got: first });
        }
    }
    Ok(())
}

/// Nothing where a side does not vary. The numbers are first divided by the greatest, so that no
/// square leaves the range of `f64`.
fn pearson_of(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let (mut n, mut sum, mut greatest) = (0.0, (0.0, 0.0), (0.0_f64, 0.0_f64));
    for (x, y) in pairs.clone() {
        greatest = (greatest.0.max(x.abs()), greatest.1.max(y.abs()));
        n += 1.0;
    }
    let scaled = |(x, y): (f64, f64)| (x / greatest.0, y / greatest.1);
    if greatest.0 == 0.0 || greatest.1 == 0.0 {
        return None;
    }
    for (x, y) in pairs.clone().map(scaled) {
        sum = (sum.0 + x, sum.1 + y);
    }
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs.clone().map(scaled) {
        let (x, y) = (x - sum.0 / n, y - sum.1 / n);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    // The mean of equal numbers may miss them by a last digit, so look whether they are equal.
    let varies = |side: fn((f64, f64)) -> f64| {
        let mut values = pairs.clone().map(side);
        values.next().is_some_and(|first| values.any(|value| value != first))
    };
    let defined = xx > 0.0 && yy > 0.0 && varies(|pair| pair.0) && varies(|pair| pair.1);
    defined.then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// Pairs as places in the order of their different values, so that the ranks of any resample are
/// counted and not sorted.
struct Ranks {
    places: Vec<(usize, usize)>,
    /// Per side and different value: how often it was drawn, then twice its mean rank.
    counts: [Vec<usize>; 2],
}

impl Ranks {
    fn of(pairs: &[(f64, f64)]) -> Self {
        let (first, n_first) = dense(pairs.iter().map(|pair| pair.0));
        let (second, n_second) = dense(pairs.iter().map(|pair| pair.1));
        Self {
            places: first.into_iter().zip(second).collect(),
            counts: [vec![0; n_first], vec![0; n_second]],
        }
    }

    fn correlation(&mut self, indices: &[usize]) -> Option<f64> {
        let Self { places, counts } = self;
        counts.iter_mut().for_each(|counts| counts.fill(0));
        for index in indices {
            let (x, y) = places[*index];
            counts[0][x] += 1;
            counts[1][y] += 1;
        }
        for counts in counts.iter_mut() {
            let mut below = 0;
            for count in counts {
                // The ranks of c equal numbers, below + 1 to below + c, have the mean
                // below + (c + 1) / 2.
                (below, *count) = (below + *count, 2 * below + *count + 1);
            }
        }
        let rank = |at: usize, side: usize| counts[side][at] as f64 / 2.0;
        pearson_of(indices.iter().map(|index| {
            let (x, y) = places[*index];
            (rank(x, 0), rank(y, 1))
        }))
    }
}

/// For each value its place among the different values, and how many of those there are.
fn dense(values: impl Iterator<Item = f64>) -> (Vec<usize>, usize) {
    // Adding 0 makes of −0 a 0, which is its equal.
    let values: Vec<f64> = values.map(|value| value + 0.0).collect();
    let mut different = values.clone();
    different.sort_unstable_by(f64::total_cmp);
    different.dedup();
    let place = |value: &f64| different.partition_point(|other| other < value);
    (values.iter().map(place).collect(), different.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_mean_of_their_ranks() {
        // Ranks 1, 2.5, 2.5, 4 and 2, 2, 2, 4.
        let pairs = [(1.0, -0.0), (2.0, 0.0), (2.0, 0.0), (7.0, 5.0)];
        let ranks = [(1.0, 2.0), (2.5, 2.0), (2.5, 2.0), (4.0, 4.0)];
        assert_eq!(spearman(&pairs).unwrap(), pearson(&ranks).unwrap());
    }

    #[test]
    fn what_has_no_correlation_is_refused() {
        let refused = |pairs: &[(f64, f64)]| {
            let error = pearson(pairs).unwrap_err().to_string();
            assert_eq!(spearman(pairs).unwrap_err().to_string(), error);
            error
        };
        assert_eq!(refused(&[]), "a correlation needs at least 2 examples, but there are 0");
        assert_eq!(
            refused(&[(1.0, 2.0)]),
            "a correlation needs at least 2 examples, but there are 1"
        );
        assert_eq!(
            refused(&[(1.0, 0.1), (2.0, 0.1), (3.0, 0.1)]),
            "all values of the second list are 0.1; two different ones are needed"
        );
        assert_eq!(
            refused(&[(0.0, 1.0), (-0.0, 2.0)]),
            "all values of the first list are 0; two different ones are needed"
        );
        assert_eq!(
            refused(&[(1.0, 2.0), (f64::NAN, 3.0)]),
            "the first list holds NaN at position 1; every value must be a finite number"
        );
        assert!(refused(&[(1.0, 2.0), (2.0, f64::INFINITY)]).contains("the second list holds inf"));
    }

    #[test]
    fn huge_and_tiny_numbers_leave_no_range() {
        for scale in [1e300, 1e-300, 1.0] {
            let pairs = [(1.0, 3.0), (2.0, 1.0), (4.0, 9.0)].map(|(x, y)| (x * scale, y * scale));
            let wanted = pearson(&[(1.0, 3.0), (2.0, 1.0), (4.0, 9.0)]).unwrap();
            assert!((pearson(&pairs).unwrap() - wanted).abs() < 1e-12, "{scale}");
        }
    }

    #[test]
    fn constant_resamples_give_no_nan() {
        // Of two pairs, half of the resamples hold one pair twice.
        let scores = correlation_scores(&[(1.0, 0.1), (3.0, 0.7)], &Bootstrap::default()).unwrap();
        for name in ["pearson", "spearman"] {
            let Score { value, low, high } = scores[name];
            assert!((value - 1.0).abs() < 1e-12 && high == value && low == 0.0, "{name}");
        }
    }
}
