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
