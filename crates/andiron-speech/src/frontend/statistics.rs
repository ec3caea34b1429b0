//! A clip of any length as one row of numbers: how its cepstral coefficients are distributed.

use super::{
    Frames,
    mel::LogMelConfig,
    mfcc::{Mfcc, MfccConfig, slopes},
};
use andiron_core::ConfigError;
use burn::config::Config;

/// Settings of [`MfccStatistics`].
#[derive(Config, Debug, PartialEq)]
pub struct MfccStatisticsConfig {
    /// The coefficients that are described.
    pub mfcc: MfccConfig,
    /// Frames over which a slope is taken; odd, 3 to 1,001.
    #[config(default = 9)]
    pub delta_width: usize,
    /// Whether the means of the coefficients are told too. They hold the voice's and the
    /// microphone's colour, which the other numbers do not.
    #[config(default = true)]
    pub means: bool,
}

impl MfccStatisticsConfig {
    /// Twenty coefficients of speech at `rate` samples a second.
    pub fn speech(rate: u32) -> Self {
        Self::new(MfccConfig::new(LogMelConfig::speech(rate)).with_n_mfcc(20))
    }

    /// How many numbers describe a clip.
    pub fn width(&self) -> usize {
        self.mfcc.n_mfcc * (3 + usize::from(self.means))
    }

    /// Checks every field, and the coefficients'.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        // Refuses a width that is none.
        slopes(&Frames { values: Vec::new(), width: 1 }, self.delta_width)?;
        self.mfcc.check()
    }

    /// Plans the coefficients.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn init(&self) -> Result<MfccStatistics, ConfigError> {
        self.check()?;
        Ok(MfccStatistics { mfcc: self.mfcc.init()?, config: self.clone() })
    }
}

/// Samples to one row of numbers; built by [`MfccStatisticsConfig`].
#[derive(Debug, Clone)]
pub struct MfccStatistics {
    mfcc: Mfcc,
    config: MfccStatisticsConfig,
}

impl MfccStatistics {
    /// For each coefficient: its mean (where asked for), its standard deviation, the standard
    /// deviation of its slope and of its slope's slope; blocks of `n_mfcc` numbers in this order.
    ///
    /// # Shapes
    /// - samples: `[samples]`, at the rate of the configuration
    /// - output: one frame of [`MfccStatisticsConfig::width`] numbers
    ///
    /// # Errors
    /// [`ConfigError`]: never, once [`MfccStatisticsConfig::init`] has passed.
    pub fn compute(&self, samples: &[f32]) -> Result<Frames, ConfigError> {
        let frames = self.mfcc.compute(samples);
        let first = slopes(&frames, self.config.delta_width)?;
        let second = slopes(&first, self.config.delta_width)?;
        let means = frames.means();
        let mut values = if self.config.means { means.clone() } else { Vec::new() };
        values.extend(frames.deviations(&means));
        for slope in [&first, &second] {
            values.extend(slope.deviations(&slope.means()));
        }
        Ok(Frames { width: values.len(), values })
    }
}
