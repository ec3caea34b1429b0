//! The learning rate as a function of the step.

use crate::ConfigError;
use serde::{Deserialize, Serialize};

/// What the learning rate does after the warm-up.
///
/// With `η` the highest rate, `W` the warm-up steps, `N` all steps and `s` the step from 0:
/// `s < W` gives `η (s + 1) / W`; after it `p = (s − W) / (N − W)` and the rate is as below, with
/// `f` the floor as a share of `η`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// `η`.
    Constant {},
    /// `η (f + (1 − f)(1 − p))`.
    Linear {
        /// The share of the highest rate that is left at the end, 0 to 1.
        #[serde(default)]
        floor: f64,
    },
    /// `η (f + (1 − f)(1 + cos πp) / 2)` (Loshchilov & Hutter 2017,
    /// <https://arxiv.org/abs/1608.03983>, equation 5, without restarts).
    Cosine {
        /// The share of the highest rate that is left at the end, 0 to 1.
        #[serde(default)]
        floor: f64,
    },
}

impl Schedule {
    pub(crate) fn check(self) -> Result<(), ConfigError> {
        match self {
            Self::Constant {} => Ok(()),
            Self::Linear { floor } | Self::Cosine { floor } => {
                ConfigError::within("schedule.floor", 0.0, 1.0, floor)
            }
        }
    }

    /// The rate of `step` in a run of `max_steps` with the given highest rate and warm-up.
    pub fn rate_at(self, step: usize, highest: f64, warmup: usize, max_steps: usize) -> f64 {
        if step < warmup {
            return highest * (step + 1) as f64 / warmup as f64;
        }
        let rest = max_steps.saturating_sub(warmup).max(1);
        let done = ((step - warmup) as f64 / rest as f64).min(1.0);
        let share = match self {
            Self::Constant {} => 1.0,
            Self::Linear { floor } => floor + (1.0 - floor) * (1.0 - done),
            Self::Cosine { floor } => {
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        };
        highest * share
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rates(schedule: Schedule, warmup: usize, steps: usize) -> Vec<f64> {
        (0..steps).map(|step| schedule.rate_at(step, 8.0, warmup, steps)).collect()
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let linear = Schedule::Linear { floor: 0.25 };
        // From 8 to 2 in four steps, the last of which is one step short of the floor.
        assert_eq!(rates(linear, 2, 6), [4.0, 8.0, 8.0, 6.5, 5.0, 3.5]);
        assert_eq!(rates(Schedule::Constant {}, 3, 5), [8.0 / 3.0, 16.0 / 3.0, 8.0, 8.0, 8.0]);
        let cosine = rates(Schedule::Cosine { floor: 0.0 }, 0, 4);
        for (found, wanted) in cosine.iter().zip([8.0, 6.828_427_124, 4.0, 1.171_572_875]) {
            assert!((found - wanted).abs() < 1e-8, "{cosine:?}");
        }
    }

    proptest! {
        /// Between the floor and the highest, and falling once it is warm: also for a warm-up
        /// longer than the run, and beyond its end.
        #[test]
        fn the_rate_stays_in_its_bounds(
            warmup in 0usize..30,
            steps in 1usize..40,
            floor in 0.0..=1.0f64,
            cosine: bool,
        ) {
            let schedule = if cosine { Schedule::Cosine { floor } } else { Schedule::Linear { floor } };
            let mut before = f64::MAX;
            for step in 0..2 * steps {
                let rate = schedule.rate_at(step, 3.0, warmup, steps);
                prop_assert!(rate > 0.0 || floor == 0.0);
                prop_assert!(rate <= 3.0 + 1e-12);
                if step >= warmup {
                    prop_assert!(rate >= 3.0 * floor - 1e-12 && rate <= before);
                    before = rate;
                }
            }
        }
    }

    #[test]
    fn schedules_are_written_as_users_write_them() {
        let text = r#"{"kind":"cosine","floor":0.1}"#;
        let schedule: Schedule = serde_json::from_str(text).unwrap();
        assert_eq!(schedule, Schedule::Cosine { floor: 0.1 });
        assert_eq!(serde_json::to_string(&schedule).unwrap(), text);
        let short: Schedule = serde_json::from_str(r#"{"kind":"linear"}"#).unwrap();
        assert_eq!(short, Schedule::Linear { floor: 0.0 });
        for wrong in [r#"{"kind":"step"}"#, r#"{"kind":"cosine","flor":0.1}"#, r#"{"floor":0.1}"#] {
            assert!(serde_json::from_str::<Schedule>(wrong).is_err(), "{wrong}");
        }
        assert!(Schedule::Cosine { floor: f64::NAN }.check().is_err());
        assert!(Schedule::Linear { floor: -0.1 }.check().is_err());
    }
}
