//! Whether two predictors differ on the same examples.

use super::{Bootstrap, Found, Outcome, Report, Score, metrics::PrecisionRecall, table::number};
use crate::{DataError, EvalError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Below this many examples on which the two differ, [`mcnemar`] is exact.
const LEAST_FOR_CHI_SQUARE: usize = 25;

/// McNemar's test: do two predictors differ in how often they are right?
///
/// It looks only at the examples that exactly one of the two has right: `b` the first, `c` the
/// second. If neither is better, each such example is a fair coin.
///
/// Source: McNemar 1947, <https://doi.org/10.1007/BF02295996>; the exact form and the continuity
/// correction as in statsmodels' `mcnemar`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// `min(b, c)` if exact, else χ².
    pub statistic: f64,
    /// How probable so great a difference is if neither is better, 0 to 1, both directions.
    pub p_value: f64,
    /// Whether the binomial distribution was used, not its approximation.
    pub exact: bool,
}

/// The test by the rule of thumb: [`mcnemar_exact`] if `b + c < 25`, else [`mcnemar_chi2`].
///
/// statsmodels is exact unless told otherwise, whatever the counts.
pub fn mcnemar(b: usize, c: usize) -> McNemar {
    if b.saturating_add(c) < LEAST_FOR_CHI_SQUARE {
        mcnemar_exact(b, c)
    } else {
        mcnemar_chi2(b, c)
    }
}

/// The exact test: `p = min(1, 2 · P(X ≤ min(b, c)))` with `X` binomial over `b + c` fair coins;
/// `p = 1` if `b + c = 0`. It takes `min(b, c)` steps.
///
/// ```
/// // Six examples, all won by one side: 2 / 2⁶.
/// assert_eq!(andiron_core::evaluator::paired::mcnemar_exact(6, 0).p_value, 0.03125);
/// ```
pub fn mcnemar_exact(b: usize, c: usize) -> McNemar {
    let (least, n) = (b.min(c), b as f64 + c as f64);
    // Σ_{i ≤ least} C(n, i), each term from the one before; both scaled by 2^-exponent, since
    // C(n, i) leaves the range of f64 at n = 1030.
    let (mut term, mut sum, mut exponent) = (1.0_f64, 1.0_f64, 0_i32);
    for i in 1..=least {
        term *= (n - i as f64 + 1.0) / i as f64;
        sum += term;
        if sum > SCALE {
            term /= SCALE;
            sum /= SCALE;
            exponent += SCALE_EXPONENT;
        }
    }
    // 2 · sum / 2^n; a result below the range of f64 is 0.
    let power = f64::from(exponent) + 1.0 - n;
    let p_value = libm::ldexp(sum, power as i32).min(1.0);
    McNemar { statistic: least as f64, p_value, exact: true }
}

const SCALE_EXPONENT: i32 = 512;
/// 2⁵¹².
const SCALE: f64 = f64::from_bits((1023 + SCALE_EXPONENT as u64) << 52);

/// The approximation with continuity correction: `χ² = (|b − c| − 1)² / (b + c)` with one degree
/// of freedom, so that `p = erfc(√(χ²/2))`. If `b + c = 0`, where statsmodels divides by zero, the
/// statistic is 0 and `p` is 1.
///
/// ```
/// let test = andiron_core::evaluator::paired::mcnemar_chi2(31, 52);
/// assert!((test.statistic - 400.0 / 83.0).abs() < 1e-12);
/// assert!((test.p_value - 0.028143145896261552).abs() < 1e-12); // statsmodels 0.15.0
/// ```
pub fn mcnemar_chi2(b: usize, c: usize) -> McNemar {
    let (difference, n) = (b.abs_diff(c) as f64, b as f64 + c as f64);
    let statistic = if n > 0.0 { (difference - 1.0).powi(2) / n } else { 0.0 };
    McNemar { statistic, p_value: libm::erfc((statistic / 2.0).sqrt()), exact: false }
}

/// Two reports on the same examples, tested against each other; a table with `{}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// How many examples both were measured on.
    pub examples: usize,
    /// How many of them only the first predictor has right.
    pub only_first: usize,
    /// How many of them only the second predictor has right.
    pub only_second: usize,
    /// McNemar's test of these two numbers.
    pub mcnemar: McNemar,
    /// The second accuracy less the first, with its interval: above 0 the second is better.
    pub accuracy_difference: Score,
    /// How probable so great a difference in accuracy is if there is none: [`bootstrap_p`].
    pub accuracy_p: f64,
    /// The second mean loss less the first, with its interval: below 0 the second is better.
    pub loss_difference: Score,
    /// How probable so great a difference in loss is if there is none: [`bootstrap_p`].
    pub loss_p: f64,
    /// The second F1 less the first, with its interval, where both reports say what was found in
    /// each example ([`Report::found`]): above 0 the second is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f1_difference: Option<Score>,
    /// How probable so great a difference in F1 is if there is none: [`bootstrap_p`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f1_p: Option<f64>,
}

impl Report {
    /// Tests whether `other` differs from this report on the same examples.
    ///
    /// The intervals are by paired bootstrap, with this report's resamples, confidence and seed:
    /// each resample draws examples, and both predictors' outcomes with them.
    ///
    /// # Errors
    /// [`EvalError::DifferentExamples`] if the two are about other examples or another order;
    /// [`EvalError::DifferentSettings`] if their [`settings`](Self::settings) differ;
    /// [`EvalError::Data`] if one has no outcomes, such as a [`summary`](Self::summary);
    /// [`EvalError::Config`] if this report's settings cannot be used (a file that was edited).
    pub fn compare(&self, other: &Self) -> Result<Comparison, EvalError> {
        if self.fingerprint != other.fingerprint || self.examples != other.examples {
            return Err(EvalError::DifferentExamples { left: self.about(), right: other.about() });
        }
        if self.settings != other.settings {
            let said = |report: &Self| format!("{:?}", report.settings);
            return Err(EvalError::DifferentSettings { left: said(self), right: said(other) });
        }
        let (first, second) = (self.paired_outcomes()?, other.paired_outcomes()?);
        let count = |wanted: (bool, bool)| {
            first.iter().zip(second).filter(|(a, b)| (a.right, b.right) == wanted).count()
        };
        let (only_first, only_second) = (count((true, false)), count((false, true)));
        let (resamples, confidence, seed) = (self.resamples, self.confidence, self.seed);
        let bootstrap = Bootstrap { resamples, confidence, seed };
        let [(accuracy_difference, accuracy_p), (loss_difference, loss_p)] =
            differences(first, second, &bootstrap)?;
        let f1 = match (self.found.len(), other.found.len()) {
            (n, m) if n == self.examples && m == n && n > 0 => {
                Some(f1_difference(&self.found, &other.found, &bootstrap)?)
            }
            _ => None,
        };
        Ok(Comparison {
            examples: self.examples,
            only_first,
            only_second,
            mcnemar: mcnemar(only_first, only_second),
            accuracy_difference,
            accuracy_p,
            loss_difference,
            loss_p,
            f1_difference: f1.map(|(difference, _)| difference),
            f1_p: f1.map(|(_, p)| p),
        })
    }

    fn about(&self) -> String {
        let start: String = self.fingerprint.chars().take(12).collect();
        format!("{} examples with the fingerprint {start}…", self.examples)
    }

    fn paired_outcomes(&self) -> Result<&[Outcome], EvalError> {
        let got = self.outcomes.len();
        match got {
            0 => Err(DataError::Empty { what: "the report's list of outcomes".to_owned() }.into()),
            _ if got < self.examples => {
                let what = "comparing the report";
                Err(DataError::TooFew { what, least: self.examples, got }.into())
            }
            _ => Ok(&self.outcomes[..self.examples]),
        }
    }
}

/// Second less first, of the accuracy and of the mean loss; both slices are equally long.
fn differences(
    first: &[Outcome],
    second: &[Outcome],
    bootstrap: &Bootstrap,
) -> Result<[(Score, f64); 2], EvalError> {
    let pairs: Vec<(i64, f64)> = first
        .iter()
        .zip(second)
        .map(|(a, b)| (i64::from(b.right) - i64::from(a.right), b.loss - a.loss))
        .collect();
    let n = pairs.len() as f64;
    let mut statistic = |indices: &[usize], out: &mut Vec<f64>| {
        let (mut right, mut loss) = (0, 0.0);
        for index in indices {
            let (more_right, more_loss) = pairs[*index];
            right += more_right;
            loss += more_loss;
        }
        out.push(right as f64 / n);
        out.push(loss / n);
    };
    let (values, mut draws) = bootstrap.draws(pairs.len(), &mut statistic)?;
    let mut of = |at: usize| {
        let p = bootstrap_p(&draws[at]);
        let (low, high) = bootstrap.interval(&mut draws[at]);
        (Score { value: values[at], low, high }, p)
    };
    Ok([of(0), of(1)])
}

/// Second less first, of the F1 over all that was to be found; both slices are equally long. F1 is
/// no mean over examples, so each resample sums the counts of the examples that it drew.
fn f1_difference(
    first: &[Found],
    second: &[Found],
    bootstrap: &Bootstrap,
) -> Result<(Score, f64), EvalError> {
    let f1 = |found: &[Found], indices: &[usize]| {
        let mut sum = Found::default();
        for one in indices.iter().map(|index| found[*index]) {
            sum.right += one.right;
            sum.answered += one.answered;
            sum.truth += one.truth;
        }
        PrecisionRecall::of(sum.right, sum.answered, sum.truth).f1
    };
    let mut statistic = |indices: &[usize], out: &mut Vec<f64>| {
        out.push(f1(second, indices) - f1(first, indices));
    };
    let (values, mut draws) = bootstrap.draws(first.len(), &mut statistic)?;
    let p = bootstrap_p(&draws[0]);
    let (low, high) = bootstrap.interval(&mut draws[0]);
    Ok((Score { value: values[0], low, high }, p))
}

/// The p-value of a bootstrapped difference `d`, both directions:
/// `min(1, 2 · (1 + min(#{d* ≤ 0}, #{d* ≥ 0})) / (1 + B))` over the `B` resamples `d*`, the
/// inversion of the percentile interval (Davison & Hinkley 1997, section 4.2.3, for the added
/// ones). It is never 0: with 1,000 resamples the least is 0.002.
pub fn bootstrap_p(drawn: &[f64]) -> f64 {
    let below = drawn.iter().filter(|d| **d <= 0.0).count();
    let above = drawn.iter().filter(|d| **d >= 0.0).count();
    (2.0 * (1.0 + below.min(above) as f64) / (1.0 + drawn.len() as f64)).min(1.0)
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = (self.only_first, self.only_second);
        writeln!(
            f,
            "{} examples; right only by the first {first}, only by the second {second}",
            self.examples
        )?;
        let p = probability(self.mcnemar.p_value);
        if self.mcnemar.exact {
            writeln!(f, "McNemar, exact: {p}")?;
        } else {
            writeln!(f, "McNemar: χ² = {}, {p}", number(self.mcnemar.statistic))?;
        }
        let mut rows = vec![
            ("accuracy", self.accuracy_difference, self.accuracy_p),
            ("loss", self.loss_difference, self.loss_p),
        ];
        rows.extend(self.f1_difference.zip(self.f1_p).map(|(f1, p)| ("F1", f1, p)));
        for (name, Score { value, low, high }, p) in rows {
            let p = probability(p);
            writeln!(f, "{name}, second − first: {value:+.4} [{low:+.4}, {high:+.4}], {p}")?;
        }
        Ok(())
    }
}

/// A p-value that would round to 0 is not 0.
fn probability(p: f64) -> String {
    if p < 5e-5 { "p < 0.0001".to_owned() } else { format!("p = {p:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_p_values_are_the_binomials() {
        // 2 · Σ_{i ≤ 2} C(9, i) / 2⁹ = 2 · 46 / 512.
        assert_eq!(mcnemar_exact(2, 7).p_value, 92.0 / 512.0);
        assert_eq!(mcnemar_exact(0, 0).p_value, 1.0);
        assert_eq!(mcnemar_exact(4, 4).p_value, 1.0);
        // Below the range of f64, and no overflow on the way.
        assert_eq!(mcnemar_exact(0, 5000).p_value, 0.0);
        assert_eq!(mcnemar_exact(usize::MAX, 3).p_value, 0.0);
    }

    #[test]
    fn the_test_is_exact_below_25_differences() {
        assert!(mcnemar(20, 4).exact);
        assert!(!mcnemar(20, 5).exact);
        assert_eq!(mcnemar(3, 9), mcnemar_exact(3, 9));
        assert_eq!(mcnemar_chi2(0, 0), McNemar { statistic: 0.0, p_value: 1.0, exact: false });
    }

    #[test]
    fn a_bootstrap_p_counts_the_smaller_side() {
        assert_eq!(bootstrap_p(&[1.0; 999]), 0.002);
        assert_eq!(bootstrap_p(&[0.0; 999]), 1.0);
        let mut drawn = [1.0; 999];
        drawn[..49].fill(-1.0);
        assert_eq!(bootstrap_p(&drawn), 0.1);
    }
}
