//! Mel-frequency cepstral coefficients, and how they change.
//!
//! The cosine transform of the logarithm of `M` mel bands separates what changes slowly over the
//! bands (the shape of the mouth) from what changes fast (the pitch); a constant filter such as a
//! microphone adds a constant to each coefficient:
//!
//! ```text
//! c[t, k] = √((2 − [k = 0]) / M) · Σ_m log_mel[t, m] · cos(πk(2m + 1) / 2M)     orthonormal DCT-II
//! Δ[t, k] = Σ_j j · c[t + j, k] / Σ_j j²,   j = −W/2 ..= W/2                     slope over W frames
//! ```
//!
//! Sources: Davis & Mermelstein 1980, <https://doi.org/10.1109/TASSP.1980.1163420>; Furui 1986,
//! <https://doi.org/10.1109/TASSP.1986.1164788> (slopes). As in librosa's `feature.mfcc` and
//! `feature.delta(mode="nearest")`: beyond the ends the first and the last frame are repeated.

use super::{
    Frames,
    mel::{LogMel, LogMelConfig},
};
use andiron_core::ConfigError;
use burn::config::Config;
use std::f64::consts::PI;

/// Settings of an [`Mfcc`].
#[derive(Config, Debug, PartialEq)]
pub struct MfccConfig {
    /// The mel bands that the coefficients are made from.
    pub mel: LogMelConfig,
    /// Coefficients, from number 0 on; 1 to `mel.n_mels`.
    #[config(default = 13)]
    pub n_mfcc: usize,
}

impl MfccConfig {
    /// Checks every field, and the bands'.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.mel.check()?;
        ConfigError::within("n_mfcc", 1.0, self.mel.n_mels as f64, self.n_mfcc as f64)
    }

    /// Plans the bands and the cosine transform.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that cannot be used.
    pub fn init(&self) -> Result<Mfcc, ConfigError> {
        self.check()?;
        let cosines = cosines(self.n_mfcc, self.mel.n_mels);
        Ok(Mfcc { mel: self.mel.init()?, cosines, n_mfcc: self.n_mfcc })
    }
}

/// The rows of the orthonormal cosine transform, `[n_mfcc, n_mels]`.
fn cosines(n_mfcc: usize, n_mels: usize) -> Vec<f64> {
    let m = n_mels as f64;
    (0..n_mfcc * n_mels)
        .map(|at| {
            let (k, band) = ((at / n_mels) as f64, (at % n_mels) as f64);
            let scale = if k == 0.0 { 1.0 / m } else { 2.0 / m };
            scale.sqrt() * (PI * k * (2.0 * band + 1.0) / (2.0 * m)).cos()
        })
        .collect()
}

/// Samples to cepstral coefficients; built by [`MfccConfig`].
///
/// ```
/// use andiron_speech::frontend::{mel::LogMelConfig, mfcc::MfccConfig};
///
/// let mfcc = MfccConfig::new(LogMelConfig::speech(8_000)).with_n_mfcc(12).init()?;
/// let frames = mfcc.compute(&[0.25; 1_000]);
/// assert_eq!((frames.len(), frames.width), (13, 12));
/// # Ok::<(), andiron_core::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Mfcc {
    mel: LogMel,
    cosines: Vec<f64>,
    n_mfcc: usize,
}

impl Mfcc {
    /// The coefficients of every frame of `samples`.
    ///
    /// # Shapes
    /// - samples: `[samples]`, at the rate of the configuration
    /// - output: `[frames, n_mfcc]`
    pub fn compute(&self, samples: &[f32]) -> Frames {
        self.of_log_mel(&self.mel.compute(samples))
    }

    /// The coefficients of log-mel bands, `[frames, n_mels]` to `[frames, n_mfcc]`.
    fn of_log_mel(&self, bands: &Frames) -> Frames {
        let mut values = Vec::with_capacity(bands.len() * self.n_mfcc);
        for row in bands.rows() {
            values.extend(self.cosines.chunks_exact(bands.width).map(|cosine| {
                let sum: f64 = row.iter().zip(cosine).map(|(b, c)| f64::from(*b) * c).sum();
                sum as f32
            }));
        }
        Frames { values, width: self.n_mfcc }
    }
}

/// The most frames of a slope: a bound on what a configuration from outside can ask for.
const MAX_SLOPE: usize = 1_001;

/// The slope of each column over `width` frames, which is odd and 3 to 1,001.
///
/// # Shapes
/// - frames and output: `[frames, width of a frame]`
///
/// # Errors
/// [`ConfigError::TooSmall`], [`ConfigError::OutOfRange`] or [`ConfigError::NotMultiple`] for a width
/// that is none.
pub fn slopes(frames: &Frames, width: usize) -> Result<Frames, ConfigError> {
    ConfigError::at_least("delta_width", 3, width)?;
    ConfigError::within("delta_width", 3.0, MAX_SLOPE as f64, width as f64)?;
    ConfigError::multiple("delta_width - 1", width - 1, "two", 2)?;
    let reach = width / 2;
    // Σ j² over −reach ..= reach.
    let norm = (reach * (reach + 1) * width) as f64 / 3.0;
    let last = frames.len().saturating_sub(1);
    let row = |t: usize| &frames.values[t * frames.width..(t + 1) * frames.width];
    let mut values = Vec::with_capacity(frames.values.len());
    let mut sums = vec![0f64; frames.width];
    for t in 0..frames.len() {
        sums.fill(0.0);
        for j in 1..=reach {
            let (after, before) = (row((t + j).min(last)), row(t.saturating_sub(j)));
            for (sum, (a, b)) in sums.iter_mut().zip(after.iter().zip(before)) {
                *sum += j as f64 * f64::from(a - b);
            }
        }
        values.extend(sums.iter().map(|sum| (sum / norm) as f32));
    }
    Ok(Frames { values, width: frames.width })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_cosine_transform_is_orthonormal() {
        let rows = cosines(11, 11);
        for (i, a) in rows.chunks(11).enumerate() {
            for (j, b) in rows.chunks(11).enumerate() {
                let product: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        let values = (0..20).flat_map(|t| [t as f32 * 0.5, 3.0 - t as f32]).collect();
        let slopes = slopes(&Frames { values, width: 2 }, 5).unwrap();
        for row in slopes.values.chunks(2).skip(2).take(16) {
            assert!((row[0] - 0.5).abs() < 1e-6 && (row[1] + 1.0).abs() < 1e-6);
        }
        // One frame does not move.
        let one = Frames { values: vec![1.0, 2.0, 3.0], width: 3 };
        assert_eq!(super::slopes(&one, 9).unwrap().values, [0.0; 3]);
    }

    #[test]
    fn settings_are_refused_by_name() {
        let mel = LogMelConfig::speech(8_000).with_n_mels(20);
        let refused = |n_mfcc| {
            let config = MfccConfig::new(mel.clone()).with_n_mfcc(n_mfcc);
            config.init().map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(refused(0), "n_mfcc must lie in 1..=20, but is 0");
        assert_eq!(refused(21), "n_mfcc must lie in 1..=20, but is 21");
        let empty = Frames { values: vec![], width: 1 };
        let refused = |width| slopes(&empty, width).map(|_| ()).unwrap_err().to_string();
        assert_eq!(refused(1), "delta_width must be at least 3, but is 1");
        assert_eq!(refused(4), "delta_width - 1 must be a multiple of two (2), but is 3");
    }
}
