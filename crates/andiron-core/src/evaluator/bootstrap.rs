//! Where a score probably lies: resampling the examples with replacement.

use super::Score;
use crate::ConfigError;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// Percentile bootstrap (Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, section
/// 13.3).
///
/// The examples are drawn with replacement, as many as there are, `resamples` times; the interval
/// goes from the `(1 − confidence)/2` to the `(1 + confidence)/2` quantile of the statistic. It
/// speaks of examples drawn independently: not of frames of one recording or sentences of one
/// document, and not of training again with another seed. With few examples (a few dozen) it is
/// too narrow.
///
/// ```
/// use andiron_core::evaluator::Bootstrap;
///
/// let values = [2.0, 3.0, 5.0, 7.0, 11.0];
/// let mean = |indices: &[usize], out: &mut Vec<f64>| {
///     out.push(indices.iter().map(|i| values[*i]).sum::<f64>() / indices.len() as f64);
/// };
/// let scores = Bootstrap::default().scores(values.len(), mean)?;
/// assert_eq!(scores[0].value, 5.6);
/// assert!(2.0 < scores[0].low && scores[0].low < 5.6 && 5.6 < scores[0].high);
/// # Ok::<(), andiron_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How often the examples are drawn anew; 100 or more, default 1,000.
    pub resamples: usize,
    /// Share of intervals that should hold the truth; 0 to 1, default 0.95.
    pub confidence: f64,
    /// Where the random stream starts; default 0. Equal seeds give equal intervals.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, confidence: 0.95, seed: 0 }
    }
}

impl Bootstrap {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError::TooSmall`] for fewer than 100 resamples, which do not reach the ends of an
    /// interval; [`ConfigError::OutOfRange`] for a confidence outside 0 to 1.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("resamples", 100, self.resamples)?;
        ConfigError::within("confidence", 0.0, 1.0, self.confidence)
    }

    /// Any number of statistics of `examples` examples, each with its interval.
    ///
    /// `statistic` gets the indices of a resample, each below `examples`, and pushes its values,
    /// always equally many; it is first called with every index once, which gives the scores'
    /// values. The time is that of `resamples + 1` calls. A NaN says that a resample tells nothing of
    /// that statistic: it is left out of the interval. A value that is NaN itself has none.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn scores(
        &self,
        examples: usize,
        mut statistic: impl FnMut(&[usize], &mut Vec<f64>),
    ) -> Result<Vec<Score>, ConfigError> {
        let (values, draws) = self.draws(examples, &mut statistic)?;
        let scores = values.into_iter().zip(draws).map(|(value, mut drawn)| {
            drawn.retain(|value| !value.is_nan());
            if drawn.is_empty() {
                return Score { value, low: value, high: value };
            }
            let (low, high) = self.interval(&mut drawn);
            Score { value, low, high }
        });
        Ok(scores.collect())
    }

    /// One statistic of `examples` examples with its interval: [`scores`](Self::scores) of one.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn score(
        &self,
        examples: usize,
        mut statistic: impl FnMut(&[usize]) -> f64,
    ) -> Result<Score, ConfigError> {
        let (values, mut draws) =
            self.draws(examples, &mut |indices: &[usize], out: &mut Vec<f64>| {
                out.push(statistic(indices));
            })?;
        let (low, high) = self.interval(&mut draws[0]);
        Ok(Score { value: values[0], low, high })
    }

    /// The statistics of the examples as they are, and for each its values in all resamples.
    pub(super) fn draws(
        &self,
        examples: usize,
        statistic: &mut impl FnMut(&[usize], &mut Vec<f64>),
    ) -> Result<(Vec<f64>, Vec<Vec<f64>>), ConfigError> {
        self.check()?;
        let mut indices: Vec<usize> = (0..examples).collect();
        let mut values = Vec::new();
        statistic(&indices, &mut values);
        let mut draws = vec![Vec::with_capacity(self.resamples); values.len()];
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        let mut words = vec![0_u64; examples];
        let mut drawn = Vec::with_capacity(values.len());
        for _ in 0..self.resamples {
            generator.fill(&mut words[..]);
            for (index, word) in indices.iter_mut().zip(&words) {
                *index = below(*word, examples);
            }
            drawn.clear();
            statistic(&indices, &mut drawn);
            for (draws, value) in draws.iter_mut().zip(&drawn) {
                draws.push(*value);
            }
        }
        Ok((values, draws))
    }

    /// The ends of the interval around what was drawn, which gets sorted.
    pub(super) fn interval(&self, drawn: &mut [f64]) -> (f64, f64) {
        drawn.sort_unstable_by(f64::total_cmp);
        let outside = (1.0 - self.confidence) / 2.0;
        (quantile(drawn, outside), quantile(drawn, 1.0 - outside))
    }
}

/// A random word as a number below `limit`: its share of 2⁶⁴. No number is more probable than
/// another by more than `limit / 2⁶⁴`, which no count of resamples could show.
#[inline]
fn below(word: u64, limit: usize) -> usize {
    ((u128::from(word) * limit as u128) >> 64) as usize
}

/// The `q`-quantile of `sorted`, ascending, with `q` in 0 to 1: linear between the two nearest, as
/// NumPy's `quantile` by default (Hyndman & Fan 1996, definition 7). 0 for no value.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = q.clamp(0.0, 1.0) * last as f64;
    let (lower, share) = (place.floor() as usize, place.fract());
    let (a, b) = (sorted[lower.min(last)], sorted[(lower + 1).min(last)]);
    a + (b - a) * share
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // numpy.quantile([1, 2, 4, 8, 16, 32, 64], [0, .025, .31, .5, .975, 1]), NumPy 2.4.6.
        let values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
        let wanted =
            [(0.0, 1.0), (0.025, 1.15), (0.31, 3.72), (0.5, 8.0), (0.975, 59.2), (1.0, 64.0)];
        for (q, value) in wanted {
            assert!((quantile(&values, q) - value).abs() < 1e-12, "{q}");
        }
        assert_eq!(quantile(&[], 0.5), 0.0);
        assert_eq!(quantile(&[7.0], 0.975), 7.0);
    }

    #[test]
    fn resamples_that_tell_nothing_are_left_out() {
        // The mean of the odd numbers among those drawn; often there is none.
        let odd = |indices: &[usize], out: &mut Vec<f64>| {
            let odd: Vec<f64> =
                indices.iter().filter(|index| *index % 2 == 1).map(|index| *index as f64).collect();
            out.push(odd.iter().sum::<f64>() / odd.len() as f64);
            out.push(f64::NAN);
        };
        let [odd, never] = Bootstrap::default().scores(4, odd).unwrap()[..] else { panic!() };
        assert_eq!((odd.value, odd.low, odd.high), (2.0, 1.0, 3.0));
        assert!(never.value.is_nan() && never.low.is_nan() && never.high.is_nan());
    }

    #[test]
    fn every_index_is_drawn_and_none_beyond() {
        let mut seen = [0_usize; 7];
        let bootstrap = Bootstrap { resamples: 400, ..Bootstrap::default() };
        bootstrap
            .scores(7, |indices, _| indices.iter().for_each(|index| seen[*index] += 1))
            .unwrap();
        // 401 · 7 draws, 401 expected of each; the standard deviation is 18.5.
        assert!(seen.iter().all(|count| (310..492).contains(count)), "{seen:?}");
    }

    #[test]
    fn the_interval_narrows_with_the_root_of_the_examples() {
        let width = |examples: usize| {
            let statistic = |indices: &[usize], out: &mut Vec<f64>| {
                let even = indices.iter().filter(|index| *index % 2 == 0).count();
                out.push(even as f64 / indices.len() as f64);
            };
            let score = Bootstrap::default().scores(examples, statistic).unwrap()[0];
            score.high - score.low
        };
        // 2 · 1.96 · √(1/4 / n): 0.1386 for 200 examples.
        assert!((width(200) - 0.1386).abs() < 0.015, "{}", width(200));
        assert!((width(200) / width(3200) - 4.0).abs() < 0.5);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |bootstrap: Bootstrap| bootstrap.check().unwrap_err().to_string();
        assert_eq!(
            refused(Bootstrap { resamples: 99, ..Bootstrap::default() }),
            "resamples must be at least 100, but is 99"
        );
        assert_eq!(
            refused(Bootstrap { confidence: 95.0, ..Bootstrap::default() }),
            "confidence must lie in 0..=1, but is 95"
        );
        assert!(Bootstrap { confidence: f64::NAN, ..Bootstrap::default() }.check().is_err());
    }
}
