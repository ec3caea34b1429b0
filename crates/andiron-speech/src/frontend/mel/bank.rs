//! The mel scale, and triangles over the frequencies of a spectrum that stand on it.

use super::LogMelConfig;
use serde::{Deserialize, Serialize};

/// Which mel scale the centres are spaced on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelScale {
    /// Slaney's Auditory Toolbox: linear below 1 kHz, logarithmic above; librosa's default.
    #[default]
    Slaney,
    /// The HTK Book's `2595 · log10(1 + f / 700)`; Kaldi's too.
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

/// The shape of the triangles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelNorm {
    /// Each has the area one over hertz, so that wide bands are not louder; librosa's `"slaney"`.
    #[default]
    Area,
    /// Each has the height one.
    Height,
    /// Each has the height one, and its sides are straight over mels, not over hertz; Kaldi's.
    MelHeight,
}

/// A triangle's weights from frequency number `first` on; all others are zero.
#[derive(Debug, Clone)]
pub(super) struct Band {
    pub(super) first: usize,
    pub(super) weights: Vec<f64>,
}

/// The triangles of a configuration that was checked.
pub(super) fn triangles(config: &LogMelConfig) -> Vec<Band> {
    let scale = config.scale;
    let (low, high) = (scale.of_hertz(config.f_min), scale.of_hertz(config.top()));
    let step = (high - low) / (config.n_mels + 1) as f64;
    let over_mels = config.norm == MelNorm::MelHeight;
    let edges: Vec<f64> = (0..config.n_mels + 2)
        .map(|m| low + step * m as f64)
        .map(|mels| if over_mels { mels } else { scale.to_hertz(mels) })
        .collect();
    let bin = f64::from(config.rate) / config.n_fft as f64;
    let places: Vec<f64> = (0..config.n_fft / 2 + 1)
        .map(|k| k as f64 * bin)
        .map(|hertz| if over_mels { scale.of_hertz(hertz) } else { hertz })
        .collect();
    edges
        .windows(3)
        .map(|edge| {
            let (rise, fall) = (edge[1] - edge[0], edge[2] - edge[1]);
            let height = match config.norm {
                MelNorm::Area => 2.0 / (edge[2] - edge[0]),
                MelNorm::Height | MelNorm::MelHeight => 1.0,
            };
            let weight =
                |at: &f64| ((at - edge[0]) / rise).min((edge[2] - at) / fall).max(0.0) * height;
            let all: Vec<f64> = places.iter().map(weight).collect();
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
        for norm in [MelNorm::Height, MelNorm::MelHeight] {
            let config = config.clone().with_norm(norm);
            for row in config.init().unwrap().filterbank().chunks(1_025) {
                let tallest = row.iter().copied().fold(0.0, f64::max);
                assert!(tallest <= 1.0 && tallest > 0.85, "{tallest}");
            }
        }
    }
}
