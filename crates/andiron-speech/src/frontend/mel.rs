//! Mel bands: the spectrum as the ear divides it, and its logarithm.
//!
//! A band is a triangle over the frequencies, from the centre of the band below to the centre of
//! the one above; the centres stand at equal distances on the mel scale. With `P` the power
//! spectrum and `T` the triangles:
//!
//! ```text
//! log_mel[t, m] = ln max(Σ_k T[m, k] · P[t, k], floor)
//! ```
//!
//! Sources: Stevens, Volkmann & Newman 1937, <https://doi.org/10.1121/1.1915893> (the scale);
//! Davis & Mermelstein 1980, <https://doi.org/10.1109/TASSP.1980.1163420> (the bands); formulas and
//! defaults as in librosa's `filters.mel`.

use super::{Frames, stft::Stft};
use andiron_core::ConfigError;
use burn::config::Config;
use serde::{Deserialize, Serialize};

/// Which mel scale the centres are spaced on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelScale {
    /// Slaney's Auditory Toolbox: linear below 1 kHz, logarithmic above; librosa's default.
    #[default]
    Slaney,
    /// The HTK Book's `2595 · log10(1 + f / 700)`.
    Htk,
}

impl MelScale {
    /// Mels of a frequency in hertz.
    pub fn of_hertz(self, hertz: f64) -> f64 {
        match self {
            Self::Slaney if hertz < 1_000.0 => hertz * 3.0 / 200.0,
            Self::Slaney => 15.0 + (hertz / 1_000.0).ln() * 27.0 / 6.4f64.ln(),
            Self::Htk => 2_595.0 * (1.0 + hertz / 700.0).log10(),
        }
    }

    /// The frequency in hertz of a value in mels: the inverse of [`of_hertz`](Self::of_hertz).
    pub fn to_hertz(self, mels: f64) -> f64 {
        match self {
            Self::Slaney if mels < 15.0 => mels * 200.0 / 3.0,
            Self::Slaney => 1_000.0 * ((mels - 15.0) * 6.4f64.ln() / 27.0).exp(),
            Self::Htk => 700.0 * (10f64.powf(mels / 2_595.0) - 1.0),
        }
    }
}

/// How tall the triangles are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelNorm {
    /// Each has the area one over hertz, so that wide bands are not louder; librosa's `"slaney"`.
    #[default]
    Area,
    /// Each has the height one.
    Height,
}

/// Settings of a [`LogMel`].
#[derive(Config, Debug, PartialEq)]
pub struct LogMelConfig {
    /// Samples a second of the sound; 1 or more.
    pub rate: u32,
    /// Samples of one window; 2 or more.
    pub n_fft: usize,
    /// Samples from one frame to the next; 1 or more.
    pub hop: usize,
    /// Bands; 1 to `n_fft / 2 + 1`.
    #[config(default = 40)]
    pub n_mels: usize,
    /// The lower end of the lowest band in hertz; 0 or more.
    #[config(default = 20.0)]
    pub f_min: f64,
    /// The upper end of the highest band in hertz, above `f_min`; none is half the rate, which is
    /// also the most.
    pub f_max: Option<f64>,
    /// The scale that the bands are spaced on.
    #[config(default = "MelScale::Slaney")]
    pub scale: MelScale,
    /// The height of the triangles.
    #[config(default = "MelNorm::Area")]
    pub norm: MelNorm,
    /// What a band holds at least, before the logarithm; above 0.
    #[config(default = 1e-10)]
    pub floor: f64,
}

impl LogMelConfig {
    /// Windows of 32 ms every 10 ms, for speech at `rate` samples a second.
    pub fn speech(rate: u32) -> Self {
        let samples = |milliseconds: u64| (u64::from(rate) * milliseconds / 1_000) as usize;
        Self::new(rate, samples(32).max(2), samples(10).max(1))
    }

    /// The upper end of the highest band, in hertz.
    fn top(&self) -> f64 {
        self.f_max.unwrap_or(f64::from(self.rate) / 2.0)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("rate", 1, self.rate as usize)?;
        ConfigError::at_least("n_fft", 2, self.n_fft)?;
        ConfigError::at_least("n_mels", 1, self.n_mels)?;
        ConfigError::within("n_mels", 1.0, (self.n_fft / 2 + 1) as f64, self.n_mels as f64)?;
        let half = f64::from(self.rate) / 2.0;
        ConfigError::within("f_min", 0.0, half - f64::EPSILON * half, self.f_min)?;
        let least = self.f_min * (1.0 + f64::EPSILON) + f64::MIN_POSITIVE;
        ConfigError::within("f_max", least, half, self.top())?;
        ConfigError::within("floor", f64::MIN_POSITIVE, 1.0, self.floor)
    }

    /// Plans the transform and draws the triangles.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that cannot be used.
    pub fn init(&self) -> Result<LogMel, ConfigError> {
        self.check()?;
        let stft = Stft::new(self.n_fft, self.hop)?;
        Ok(LogMel { bands: triangles(self), stft, floor: self.floor })
    }
}

/// A triangle's weights from frequency number `first` on; all others are zero.
#[derive(Debug, Clone)]
struct Band {
    first: usize,
    weights: Vec<f64>,
}

/// Samples to the logarithm of mel bands; built by [`LogMelConfig`].
///
/// ```
/// use andiron_speech::frontend::mel::LogMelConfig;
///
/// let log_mel = LogMelConfig::new(8_000, 200, 80).with_n_mels(23).init()?;
/// let tone: Vec<f32> = (0..1_600).map(|n| (0.7854 * n as f32).sin()).collect(); // 1 kHz
/// let frames = log_mel.compute(&tone);
/// assert_eq!((frames.len(), frames.width), (21, 23));
/// let middle = &frames.values[10 * 23..11 * 23];
/// let loudest = (0..23).max_by(|a, b| middle[*a].total_cmp(&middle[*b]));
/// assert_eq!(loudest, Some(9)); // centred on 988 Hz
/// # Ok::<(), andiron_core::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogMel {
    stft: Stft,
    bands: Vec<Band>,
    floor: f64,
}

impl LogMel {
    /// The bands of every frame of `samples`, natural logarithm.
    ///
    /// # Shapes
    /// - samples: `[samples]`, at the rate of the configuration
    /// - output: `[frames, n_mels]`, frames as in [`Stft::frames`]
    pub fn compute(&self, samples: &[f32]) -> Frames {
        let power = self.stft.power(samples);
        let mut values = Vec::with_capacity(self.stft.frames(samples.len()) * self.bands.len());
        for spectrum in power.chunks_exact(self.stft.bins()) {
            values.extend(self.bands.iter().map(|band| {
                let part = &spectrum[band.first..band.first + band.weights.len()];
                let sum: f64 = part.iter().zip(&band.weights).map(|(p, w)| p * w).sum();
                sum.max(self.floor).ln() as f32
            }));
        }
        Frames { values, width: self.bands.len() }
    }

    /// The weights of the triangles, row-major `[n_mels, n_fft / 2 + 1]`.
    pub fn filterbank(&self) -> Vec<f64> {
        let mut rows = vec![0.0; self.bands.len() * self.stft.bins()];
        for (band, row) in self.bands.iter().zip(rows.chunks_exact_mut(self.stft.bins())) {
            row[band.first..band.first + band.weights.len()].copy_from_slice(&band.weights);
        }
        rows
    }
}

/// The triangles of a configuration that was checked.
fn triangles(config: &LogMelConfig) -> Vec<Band> {
    let (low, high) = (config.scale.of_hertz(config.f_min), config.scale.of_hertz(config.top()));
    let step = (high - low) / (config.n_mels + 1) as f64;
    let edges: Vec<f64> =
        (0..config.n_mels + 2).map(|m| config.scale.to_hertz(low + step * m as f64)).collect();
    let bin = f64::from(config.rate) / config.n_fft as f64;
    edges
        .windows(3)
        .map(|edge| {
            let (rise, fall) = (edge[1] - edge[0], edge[2] - edge[1]);
            let height = match config.norm {
                MelNorm::Area => 2.0 / (edge[2] - edge[0]),
                MelNorm::Height => 1.0,
            };
            let weight = |k: usize| {
                let hertz = k as f64 * bin;
                ((hertz - edge[0]) / rise).min((edge[2] - hertz) / fall).max(0.0) * height
            };
            let all: Vec<f64> = (0..config.n_fft / 2 + 1).map(weight).collect();
            let first = all.iter().position(|w| *w > 0.0).unwrap_or(0);
            let end = all.iter().rposition(|w| *w > 0.0).map_or(first, |last| last + 1);
            Band { first, weights: all[first..end].to_vec() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn scales_are_the_sources() {
        // Slaney's toolbox: 1 kHz is 15, and 27 steps up is a factor of 6.4.
        for (hertz, mels) in [(0.0, 0.0), (200.0, 3.0), (1_000.0, 15.0), (6_400.0, 42.0)] {
            assert!((MelScale::Slaney.of_hertz(hertz) - mels).abs() < 1e-9, "{hertz}");
        }
        // The HTK Book, section 5.4: 1 kHz is 1000 mels, near enough.
        assert!((MelScale::Htk.of_hertz(1_000.0) - 999.985_6).abs() < 1e-4);
        for scale in [MelScale::Slaney, MelScale::Htk] {
            for hertz in [0.0, 33.0, 999.0, 1_001.0, 7_919.0] {
                assert!((scale.to_hertz(scale.of_hertz(hertz)) - hertz).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn triangles_have_the_height_or_the_area_one() {
        let config =
            LogMelConfig::new(16_000, 2_048, 160).with_n_mels(30).with_scale(MelScale::Htk);
        let bin = 16_000.0 / 2_048.0;
        for row in config.init().unwrap().filterbank().chunks(1_025) {
            assert!((row.iter().sum::<f64>() * bin - 1.0).abs() < 0.05);
        }
        let config = config.with_norm(MelNorm::Height);
        for row in config.init().unwrap().filterbank().chunks(1_025) {
            let tallest = row.iter().copied().fold(0.0, f64::max);
            assert!(tallest <= 1.0 && tallest > 0.85, "{tallest}");
        }
    }

    #[test]
    fn silence_stands_at_the_floor() {
        let config = LogMelConfig::speech(8_000).with_floor(1e-6).with_n_mels(7);
        let frames = config.init().unwrap().compute(&[0.0; 500]);
        assert_eq!((frames.len(), frames.width), (7, 7));
        assert!(frames.values.iter().all(|value| (value - 1e-6f32.ln()).abs() < 1e-5));
    }

    #[test]
    fn settings_are_refused_by_name() {
        let refused = |config: LogMelConfig| config.init().map(|_| ()).unwrap_err().to_string();
        let good = LogMelConfig::new(8_000, 200, 80);
        assert!(good.check().is_ok());
        for (config, start) in [
            (LogMelConfig { rate: 0, ..good.clone() }, "rate must be at least 1, but is 0"),
            (LogMelConfig { n_fft: 1, ..good.clone() }, "n_fft must be at least 2, but is 1"),
            (LogMelConfig { hop: 0, ..good.clone() }, "hop must be at least 1, but is 0"),
            (LogMelConfig { n_mels: 0, ..good.clone() }, "n_mels must be at least 1, but is 0"),
            (
                LogMelConfig { n_mels: 102, ..good.clone() },
                "n_mels must lie in 1..=101, but is 102",
            ),
            (LogMelConfig { f_min: -1.0, ..good.clone() }, "f_min must lie in 0..="),
            (LogMelConfig { f_min: f64::NAN, ..good.clone() }, "f_min must lie in 0..="),
            (LogMelConfig { f_min: 4_000.0, ..good.clone() }, "f_min must lie in 0..="),
            (LogMelConfig { f_max: Some(20.0), ..good.clone() }, "f_max must lie in 20"),
            (LogMelConfig { f_max: Some(4_001.0), ..good.clone() }, "f_max must lie in 20"),
            (
                LogMelConfig { floor: 0.0, ..good.clone() },
                "floor must be greater than 0 and at most 1, but is 0",
            ),
        ] {
            let text = refused(config);
            assert!(text.starts_with(start), "{text}");
        }
    }
}
