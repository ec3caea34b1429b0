//! SpecAugment: bands and frames that are not heard.

use crate::frontend::Frames;
use andiron_core::ConfigError;
use andiron_kernels::Dice;
use serde::{Deserialize, Serialize};

/// Masks over the frames of a sound: Park et al. 2019, <https://arxiv.org/abs/1904.08779>, sections
/// 2.2 and 2.3. A mask's width is drawn from 0 to its most, then its place; what it covers is set to
/// zero, the mean of scaled frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecAugment {
    /// Bands of a mask over frequency at most (the paper's F).
    pub bands: usize,
    /// Masks over frequency, 0 to 100.
    pub band_masks: usize,
    /// Frames of a mask over time at most (the paper's T).
    pub frames: usize,
    /// Masks over time, 0 to 100.
    pub frame_masks: usize,
    /// Share of a sound's frames that one mask covers at most (the paper's p), 0 to 1; 1 unless said.
    #[serde(default = "whole")]
    pub share: f64,
}

fn whole() -> f64 {
    1.0
}

impl SpecAugment {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::within("band_masks", 0.0, 100.0, self.band_masks as f64)?;
        ConfigError::within("frame_masks", 0.0, 100.0, self.frame_masks as f64)?;
        ConfigError::within("share", 0.0, 1.0, self.share)
    }

    /// Masks frames in place.
    pub fn draw(&self, frames: &mut Frames, dice: &mut Dice) {
        let (width, length) = (frames.width, frames.len());
        for _ in 0..self.band_masks {
            let (first, end) = part(width, self.bands.min(width), dice);
            for row in frames.values.chunks_exact_mut(width) {
                row[first..end].fill(0.0);
            }
        }
        let most = self.frames.min((self.share * length as f64) as usize);
        for _ in 0..self.frame_masks {
            let (first, end) = part(length, most, dice);
            frames.values[first * width..end * width].fill(0.0);
        }
    }
}

/// Where a mask of 0 to `most` of `all` places begins and ends.
fn part(all: usize, most: usize, dice: &mut Dice) -> (usize, usize) {
    let width = dice.below(most + 1);
    let first = dice.below(all - width + 1);
    (first, first + width)
}
