//! Where the pieces of a sound lie.

use andiron_core::ConfigError;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How a sound is cut into pieces of one length that overlap, as Resemblyzer's
/// `compute_partial_slices` does it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partials {
    /// Frames of a piece; 1 to 10,000, default 160.
    pub frames: usize,
    /// Frames from one piece to the next; 1 to `frames`. The default, 77, gives 1.3 pieces a second.
    pub step: usize,
    /// How much of the last piece must be sound, unless it is the only one; above 0 to 1, default
    /// 0.75.
    pub coverage: f64,
}

impl Default for Partials {
    fn default() -> Self {
        Self { frames: 160, step: 77, coverage: 0.75 }
    }
}

impl Partials {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::within("partials.frames", 1.0, 1e4, self.frames as f64)?;
        ConfigError::within("partials.step", 1.0, self.frames as f64, self.step as f64)?;
        ConfigError::within("partials.coverage", f64::MIN_POSITIVE, 1.0, self.coverage)
    }

    /// Seconds of a piece at the most.
    const LONGEST: f64 = 60.0;

    /// Checks every field, and that a piece of frames every `hop` samples, 1 or more, of a sound at
    /// `rate` hertz lasts no more than a minute.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn fits(&self, rate: u32, hop: usize) -> Result<(), ConfigError> {
        self.check()?;
        ConfigError::at_least("hop", 1, hop)?;
        let seconds = self.frames as f64 * hop as f64 / f64::from(rate);
        ConfigError::within("seconds of partials.frames", 0.0, Self::LONGEST, seconds)
    }

    /// The frames of each piece of a sound of so many samples, a frame every `hop`, 1 or more; at
    /// least one piece. The last may reach beyond the end.
    ///
    /// ```
    /// use andiron_speech::tasks::speaker_embedding::Partials;
    ///
    /// // 2.5 s: a third piece would lie half behind the end.
    /// assert_eq!(Partials::default().of(40_000, 160), [0..160, 77..237]);
    /// assert_eq!(Partials::default().of(1, 160), [0..160]);
    /// ```
    pub fn of(&self, samples: usize, hop: usize) -> Vec<Range<usize>> {
        let frames = (samples + 1).div_ceil(hop);
        let starts = (frames + self.step + 1).saturating_sub(self.frames).max(1);
        let mut places: Vec<Range<usize>> =
            (0..starts).step_by(self.step).map(|start| start..start + self.frames).collect();
        if let [_, .., last] = places.as_slice() {
            let covered = samples as f64 - (last.start * hop) as f64;
            if covered / ((self.frames * hop) as f64) < self.coverage {
                places.pop();
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_refused_by_name() {
        let refused = |partials: Partials| partials.check().map_err(|error| error.to_string());
        let good = Partials::default();
        assert_eq!(refused(good.clone()), Ok(()));
        for (bad, start) in [
            (Partials { frames: 0, ..good.clone() }, "partials.frames"),
            (Partials { step: 0, ..good.clone() }, "partials.step"),
            (Partials { step: 161, ..good.clone() }, "partials.step"),
            (Partials { coverage: 0.0, ..good }, "partials.coverage"),
        ] {
            assert!(refused(bad).is_err_and(|text| text.starts_with(start)), "{start}");
        }
    }
}
