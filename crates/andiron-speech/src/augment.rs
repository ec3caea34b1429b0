//! Random changes of training sounds, so that a network learns what does not matter.
//!
//! What stands here acts in training alone: [`AudioAugment::draw`] wants a seed, which only a
//! training step has. A drawing follows from its seed and from nothing else, so a run is the same for
//! any number of threads.
//!
//! As options of a training:
//!
//! ```toml
//! [options.augment]
//! steps = [{ speed = { least = 0.9, most = 1.1 } }, { noise = { snr = [10.0, 30.0], probability = 0.5 } }]
//! mask = { bands = 8, band_masks = 2, frames = 20, frame_masks = 2 }
//! ```
//!
//! Sources: Ko et al. 2015, <https://www.isca-archive.org/interspeech_2015/ko15_interspeech.html>
//! (speed); Ko et al. 2017, <https://doi.org/10.1109/ICASSP.2017.7953152> (reverberation and noise);
//! Park et al. 2019, <https://arxiv.org/abs/1904.08779> (masks, without the paper's time warping);
//! Polack 1988 (a room as noise that dies away).

mod change;
mod mask;

pub use change::{add_at_snr, mixed, reverberated, room, sped};
pub use mask::SpecAugment;

use crate::{Waveform, frontend::Frames};
use andiron_core::{ConfigError, DataError};
use andiron_kernels::{Dice, mix};
use serde::{Deserialize, Serialize};

/// How training sounds are changed: first steps on the samples, then masks on the frames.
///
/// ```
/// use andiron_speech::{Waveform, augment::{AudioAugment, WaveChange}};
///
/// let steps = vec![WaveChange::Noise { snr: [5.0, 20.0], probability: 1.0 }];
/// let augment = AudioAugment::new(steps, None)?;
/// let wave = Waveform::new((0..800).map(|n| (0.3 * n as f32).sin()).collect(), 8_000)?;
/// let heard = augment.draw(&wave, &[], 7)?;
/// assert_ne!(heard, wave);
/// assert_eq!(heard, augment.draw(&wave, &[], 7)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct AudioAugment {
    steps: Vec<WaveChange>,
    mask: Option<SpecAugment>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    steps: Vec<WaveChange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<SpecAugment>,
}

impl TryFrom<Written> for AudioAugment {
    type Error = ConfigError;
    fn try_from(written: Written) -> Result<Self, ConfigError> {
        Self::new(written.steps, written.mask)
    }
}

impl From<AudioAugment> for Written {
    fn from(augment: AudioAugment) -> Self {
        Self { steps: augment.steps, mask: augment.mask }
    }
}

/// One random change of a sound. As JSON an object with its name, in lower case with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WaveChange {
    /// Faster or slower, and with it higher or lower, by a factor in steps of a hundredth.
    Speed {
        /// The slowest, 0.5 to 2.
        least: f64,
        /// The fastest, `least` to 2.
        most: f64,
    },
    /// Louder or softer. A task that brings all sounds to one level hears nothing of it.
    Volume {
        /// By up to so many decibels either way, 0 to 60.
        decibels: f64,
    },
    /// White noise.
    Noise {
        /// How far the noise is below the sound, in decibels: least and most, -20 to 100.
        snr: [f64; 2],
        /// How often, 0 to 1.
        probability: f64,
    },
    /// Another sound of the same batch, from a random place on, repeated where it is shorter.
    Mix {
        /// How far the other is below the sound, in decibels: least and most, -20 to 100.
        snr: [f64; 2],
        /// How often, 0 to 1.
        probability: f64,
    },
    /// A room: noise that dies away, as an impulse response.
    Reverb {
        /// Until the echo has fallen by 60 decibels, in seconds: least and most, 0.05 to 3.
        seconds: [f64; 2],
        /// How often, 0 to 1.
        probability: f64,
    },
}

impl WaveChange {
    fn check(&self) -> Result<(), ConfigError> {
        let range = |field, low, high, [least, most]: [f64; 2]| {
            ConfigError::within(field, low, high, least)?;
            ConfigError::within(field, least, high, most)
        };
        let often = |probability| ConfigError::within("probability", 0.0, 1.0, probability);
        match *self {
            Self::Speed { least, most } => range("speed", 0.5, 2.0, [least, most]),
            Self::Volume { decibels } => ConfigError::within("decibels", 0.0, 60.0, decibels),
            Self::Noise { snr, probability } | Self::Mix { snr, probability } => {
                range("snr", -20.0, 100.0, snr)?;
                often(probability)
            }
            Self::Reverb { seconds, probability } => {
                range("seconds", 0.05, 3.0, seconds)?;
                often(probability)
            }
        }
    }

    fn apply(
        &self,
        wave: Waveform,
        others: &[&Waveform],
        dice: &mut Dice,
    ) -> Result<Waveform, DataError> {
        let pick = |[least, most]: [f64; 2], dice: &mut Dice| dice.between(least, most);
        Ok(match *self {
            Self::Speed { least, most } => sped(&wave, pick([least, most], dice))?,
            Self::Volume { decibels } => {
                let factor = 10f64.powf(pick([-decibels, decibels], dice) / 20.0);
                let louder = |sample: &f32| (f64::from(*sample) * factor) as f32;
                Waveform { samples: wave.samples.iter().map(louder).collect(), ..wave }
            }
            Self::Noise { snr, probability } if dice.chance(probability) => {
                let snr = pick(snr, dice);
                let noise: Vec<f32> = wave.samples.iter().map(|_| dice.normal() as f32).collect();
                add_at_snr(wave, &noise, snr)
            }
            Self::Mix { snr, probability } if !others.is_empty() && dice.chance(probability) => {
                let snr = pick(snr, dice);
                let other = others[dice.below(others.len())].resample(wave.rate)?;
                let first = dice.below(other.samples.len());
                let noise: Vec<f32> = other
                    .samples
                    .iter()
                    .cycle()
                    .skip(first)
                    .take(wave.samples.len())
                    .copied()
                    .collect();
                add_at_snr(wave, &noise, snr)
            }
            Self::Reverb { seconds, probability } if dice.chance(probability) => {
                let seconds = pick(seconds, dice);
                reverberated(&wave, &room(wave.rate, seconds, dice))
            }
            Self::Noise { .. } | Self::Mix { .. } | Self::Reverb { .. } => wave,
        })
    }
}

impl AudioAugment {
    /// Steps in order, and masks.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    pub fn new(steps: Vec<WaveChange>, mask: Option<SpecAugment>) -> Result<Self, ConfigError> {
        steps.iter().try_for_each(WaveChange::check)?;
        mask.iter().try_for_each(SpecAugment::check)?;
        Ok(Self { steps, mask })
    }

    /// The steps.
    pub fn steps(&self) -> &[WaveChange] {
        &self.steps
    }

    /// The masks.
    pub fn mask(&self) -> Option<&SpecAugment> {
        self.mask.as_ref()
    }

    /// The sound as it is heard in this drawing. `others` are the sounds of the batch that may be
    /// mixed in.
    ///
    /// # Errors
    /// [`DataError`] as [`Waveform::resample`].
    pub fn draw(
        &self,
        wave: &Waveform,
        others: &[&Waveform],
        seed: u64,
    ) -> Result<Waveform, DataError> {
        wave.check()?;
        let mut dice = Dice::new(seed);
        let mut heard = wave.clone();
        for step in &self.steps {
            heard = step.apply(heard, others, &mut dice)?;
        }
        Ok(heard)
    }

    /// Masks the frames of a sound, which are scaled to a mean of zero, in this drawing.
    pub fn draw_frames(&self, frames: &mut Frames, seed: u64) {
        if let Some(mask) = &self.mask {
            // Not the numbers that the sound was drawn with.
            mask.draw(frames, &mut Dice::new(mix(seed, &[FRAMES])));
        }
    }
}

/// Tells the masks' seed from the sound's.
const FRAMES: u64 = 1;

#[cfg(test)]
mod tests;
