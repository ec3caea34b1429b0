//! How well scores tell two kinds of trials apart, without or with a threshold: area under the
//! curve, equal error rate, detection cost.
//!
//! A trial is a score and whether it is a target (the same speaker, speech, a hit). Over all
//! thresholds `θ`, with "yes" for scores of at least `θ`:
//!
//! ```text
//! miss(θ)  = share of the targets below θ
//! false(θ) = share of the others at θ or above
//! AUC      = P(a target's score > another's) + ½ P(they are equal)
//! EER      = miss where miss = false, the curve straight between its points
//! DCF(θ)   = p · C_miss · miss(θ) + (1 − p) · C_false · false(θ)
//! min DCF  = min_θ DCF(θ) / min(p · C_miss, (1 − p) · C_false)
//! ```
//!
//! Sources: Fawcett 2006, <https://doi.org/10.1016/j.patrec.2005.10.010>; Martin et al. 1997, "The
//! DET curve in assessment of detection task performance" (equal error rate); NIST's speaker
//! recognition evaluation plans, as of 2016 (detection cost). As scikit-learn's `roc_auc_score` and
//! `roc_curve`.

use super::{Bootstrap, Score};
use crate::{ConfigError, DataError, EvalError};
use std::collections::BTreeMap;

/// A score, and what is true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// The higher, the more probably a target; finite.
    pub score: f64,
    /// Whether it is a target.
    pub target: bool,
}

impl From<(f64, bool)> for Trial {
    /// From score and truth.
    fn from((score, target): (f64, bool)) -> Self {
        Self { score, target }
    }
}

/// What errors cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectionCost {
    /// How probable a target is before anything is heard; above 0 and below 1.
    pub p_target: f64,
    /// What a missed target costs; above 0.
    pub miss: f64,
    /// What a false alarm costs; above 0.
    pub false_alarm: f64,
}

impl Default for DetectionCost {
    /// A target in twenty, equal costs: VoxCeleb's challenges'.
    fn default() -> Self {
        Self { p_target: 0.05, miss: 1.0, false_alarm: 1.0 }
    }
}

impl DetectionCost {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (least, most) = (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
        ConfigError::within("p_target", least, 1.0 - f64::EPSILON, self.p_target)?;
        ConfigError::within("miss", least, most, self.miss)?;
        ConfigError::within("false_alarm", least, most, self.false_alarm)
    }
}

/// A point of the curve: what a threshold leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint {
    /// Scores of at least this are a "yes"; infinite for the first point, which has none.
    pub threshold: f64,
    /// Share of the targets that are missed, 0 to 1.
    pub miss: f64,
    /// Share of the others that are a "yes" all the same, 0 to 1.
    pub false_alarm: f64,
}

/// The curve of some trials: one point for each different score, the highest first.
///
/// ```
/// use andiron_core::evaluator::roc::{DetectionCost, Roc, Trial};
///
/// let trials = [(0.9, true), (0.7, true), (0.6, false), (0.4, true), (0.1, false)];
/// let roc = Roc::of(&trials.map(Trial::from))?;
/// assert!((roc.auc() - 5.0 / 6.0).abs() < 1e-15);
/// assert!((roc.equal_error_rate() - 1.0 / 3.0).abs() < 1e-15);
/// let least = roc.least_cost(&DetectionCost { p_target: 0.5, ..DetectionCost::default() })?;
/// assert!((least.cost - 1.0 / 3.0).abs() < 1e-15);
/// assert_eq!(least.threshold, 0.7);
/// # Ok::<(), andiron_core::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Roc {
    points: Vec<OperatingPoint>,
}

/// The threshold that costs least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeastCost {
    /// The threshold; infinite if "no" to everything costs least.
    pub threshold: f64,
    /// Its cost, divided by that of the better of "yes" and "no" to everything; 0 to 1.
    pub cost: f64,
}

impl Roc {
    /// The curve of `trials`.
    ///
    /// # Errors
    /// [`DataError::TooFew`] without a target, or without another; [`DataError::NotFinite`] for a
    /// score that is no finite number.
    pub fn of(trials: &[Trial]) -> Result<Self, DataError> {
        let ones = vec![1.0; trials.len()];
        let curve = SortedTrials::of(trials)?.curve(&ones);
        Ok(curve.unwrap_or_else(|| Self { points: Vec::new() }))
    }

    /// The points, from "no" to everything to "yes" to everything.
    pub fn points(&self) -> &[OperatingPoint] {
        &self.points
    }

    /// The area under the curve: how probably a target's score is above another's, 0 to 1.
    pub fn auc(&self) -> f64 {
        let area = |pair: &[OperatingPoint]| {
            let (left, right) = (pair[0], pair[1]);
            (right.false_alarm - left.false_alarm) * (2.0 - left.miss - right.miss) / 2.0
        };
        self.points.windows(2).map(area).sum()
    }

    /// Where as large a share of the targets is missed as of the others is not, 0 to 1.
    pub fn equal_error_rate(&self) -> f64 {
        // The miss falls from 1 to 0 and the false alarms rise from 0 to 1, so they meet.
        let met = self.points.windows(2).find(|pair| pair[1].false_alarm >= pair[1].miss);
        met.map_or(0.0, |pair| {
            let (left, right) = (pair[0], pair[1]);
            let before = left.miss - left.false_alarm;
            let after = right.false_alarm - right.miss;
            let way = if before + after > 0.0 { before / (before + after) } else { 0.0 };
            left.miss + way * (right.miss - left.miss)
        })
    }

    /// The threshold with the least detection cost, the highest of equals.
    ///
    /// # Errors
    /// [`ConfigError`] as [`DetectionCost::check`].
    pub fn least_cost(&self, cost: &DetectionCost) -> Result<LeastCost, ConfigError> {
        cost.check()?;
        let (miss, false_alarm) =
            (cost.p_target * cost.miss, (1.0 - cost.p_target) * cost.false_alarm);
        let of = |point: &OperatingPoint| LeastCost {
            threshold: point.threshold,
            cost: (miss * point.miss + false_alarm * point.false_alarm) / miss.min(false_alarm),
        };
        let none = LeastCost { threshold: f64::INFINITY, cost: f64::INFINITY };
        Ok(self.points.iter().map(of).fold(
            none,
            |best, one| {
                if one.cost < best.cost { one } else { best }
            },
        ))
    }
}

/// Trials in the order of their scores, the highest first, so that a resample needs no sorting: for
/// evaluators whose trials share recordings, and which therefore draw recordings and not trials.
#[derive(Debug, Clone)]
pub struct SortedTrials<'a> {
    trials: &'a [Trial],
    order: Vec<usize>,
}

impl<'a> SortedTrials<'a> {
    /// Sorts `trials`.
    ///
    /// # Errors
    /// As [`Roc::of`].
    pub fn of(trials: &'a [Trial]) -> Result<Self, DataError> {
        if let Some(at) = trials.iter().position(|trial| !trial.score.is_finite()) {
            let got = trials[at].score as f32;
            return Err(DataError::NotFinite { what: "the list of scores", got, at });
        }
        let targets = trials.iter().filter(|trial| trial.target).count();
        if targets == 0 || targets == trials.len() {
            let what = "a curve of targets and others";
            let (least, got) = (1, 0);
            return Err(DataError::TooFew { what, least, got });
        }
        let mut order: Vec<usize> = (0..trials.len()).collect();
        order.sort_by(|a, b| trials[*b].score.total_cmp(&trials[*a].score));
        Ok(Self { trials, order })
    }

    /// The curve of trials that count `weights` times, each 0 or more and one for each trial in the
    /// order that was given; none if a kind of them does not count.
    pub fn curve(&self, weights: &[f64]) -> Option<Roc> {
        let (mut targets, mut others) = (0.0, 0.0);
        for (trial, weight) in self.trials.iter().zip(weights) {
            *(if trial.target { &mut targets } else { &mut others }) += weight;
        }
        if targets == 0.0 || others == 0.0 {
            return None;
        }
        let start = OperatingPoint { threshold: f64::INFINITY, miss: 1.0, false_alarm: 0.0 };
        let mut points = vec![start];
        let (mut hits, mut alarms) = (0.0, 0.0);
        for (place, at) in self.order.iter().enumerate() {
            let trial = self.trials[*at];
            *(if trial.target { &mut hits } else { &mut alarms }) += weights[*at];
            let next = self.order.get(place + 1).map(|at| self.trials[*at].score);
            if next != Some(trial.score) {
                points.push(OperatingPoint {
                    threshold: trial.score,
                    miss: (targets - hits) / targets,
                    false_alarm: alarms / others,
                });
            }
        }
        Some(Roc { points })
    }
}

/// `auc`, `eer` and `min_dcf`, each with its bootstrap interval over the trials. Trials that share
/// a recording are not independent: the interval is then too narrow.
///
/// A resample without a target, or without another, counts as 0.5, 0.5 and 1: nothing is known.
///
/// # Errors
/// [`EvalError::Data`] as [`Roc::of`]; [`EvalError::Config`] as [`DetectionCost::check`] and
/// [`Bootstrap::check`].
pub fn roc_scores(
    trials: &[Trial],
    cost: &DetectionCost,
    bootstrap: &Bootstrap,
) -> Result<BTreeMap<String, Score>, EvalError> {
    cost.check()?;
    let sorted = SortedTrials::of(trials)?;
    let mut weights = vec![0.0; trials.len()];
    let scores = bootstrap.scores(trials.len(), |indices, out| {
        weights.fill(0.0);
        indices.iter().for_each(|index| weights[*index] += 1.0);
        let values = sorted.curve(&weights).map(|roc| {
            let least = roc.least_cost(cost).map_or(1.0, |least| least.cost);
            [roc.auc(), roc.equal_error_rate(), least]
        });
        out.extend(values.unwrap_or([0.5, 0.5, 1.0]));
    })?;
    Ok(["auc", "eer", "min_dcf"].map(str::to_owned).into_iter().zip(scores).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_have_one_point() {
        let trials = [(0.5, true), (0.5, false), (0.5, false)].map(Trial::from);
        let roc = Roc::of(&trials).unwrap();
        assert_eq!(roc.points().len(), 2);
        assert_eq!((roc.auc(), roc.equal_error_rate()), (0.5, 0.5));
        let least = roc.least_cost(&DetectionCost::default()).unwrap();
        assert_eq!(least, LeastCost { threshold: f64::INFINITY, cost: 1.0 });
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        let refused = |trials: &[Trial]| Roc::of(trials).unwrap_err().to_string();
        let wanted = "a curve of targets and others needs at least 1 examples, but there are 0";
        assert_eq!(refused(&[]), wanted);
        assert_eq!(refused(&[(0.1, true).into(), (0.2, true).into()]), wanted);
        let text = refused(&[(0.1, true).into(), (f64::NAN, false).into()]);
        assert!(text.starts_with("the list of scores holds NaN at position 1"), "{text}");
        let trials = [(0.1, true).into(), (0.2, false).into()];
        for (cost, name) in [
            (DetectionCost { p_target: 1.0, ..DetectionCost::default() }, "p_target"),
            (DetectionCost { miss: 0.0, ..DetectionCost::default() }, "miss"),
            (DetectionCost { false_alarm: f64::NAN, ..DetectionCost::default() }, "false_alarm"),
        ] {
            let refused = roc_scores(&trials, &cost, &Bootstrap::default()).unwrap_err();
            let EvalError::Config(refused) = refused else { panic!("{refused:?}") };
            assert!(refused.to_string().starts_with(name), "{refused}");
        }
    }

    #[test]
    fn intervals_hold_the_values() {
        let trials: Vec<Trial> =
            (0..60).map(|n| (f64::from(n * 37 % 60), n * 37 % 60 > 25 + n % 11).into()).collect();
        let scores = roc_scores(&trials, &DetectionCost::default(), &Bootstrap::default()).unwrap();
        for (name, score) in &scores {
            assert!(score.low <= score.value && score.value <= score.high, "{name} {score:?}");
            assert!(score.high - score.low < 0.6, "{name} {score:?}");
        }
        assert_eq!(scores.len(), 3);
    }
}
