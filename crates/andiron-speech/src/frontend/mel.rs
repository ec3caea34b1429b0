//! Mel bands: the spectrum as the ear divides it, and its logarithm.
//!
//! A band is a triangle over the frequencies, from the centre of the band below to the centre of
//! the one above; the centres stand at equal distances on the mel scale. With `P` the power
//! spectrum and `T` the triangles:
//!
//! ```text
//! mel[t, m] = Σ_k T[m, k] · P[t, k]
//! log[t, m] = ln max(mel[t, m], floor)                       or log10, or decibels, or mel itself
//! out[t, m] = (max(log[t, m], max log − range) + shift) · gain
//! ```
//!
//! What programs call "log-mel" differs in all of it, so all of it is data, saved with a model:
//!
//! | dialect | frames | bands | logarithm |
//! |---|---|---|---|
//! | [`LogMelConfig::whisper`] | 400 of 400, hop 160, mirrored, the last left out | Slaney, area | log10, 8 below the loudest at least, `(x + 4) / 4` |
//! | [`LogMelConfig::kaldi`] | 25 ms in the next power of two, hop 10 ms, whole frames, no mean, pre-emphasis, Povey | HTK, straight over mels | ln, at least 1.2e-7 |
//! | [`LogMelConfig::librosa`] | 2048 of 2048, hop 512, zeros beyond the ends | Slaney, area | decibels, 80 below the loudest at least |
//! | [`LogMelConfig::new`] | any size and hop, mirrored | Slaney, area | ln, at least 1e-10 |
//!
//! Sources: Stevens, Volkmann & Newman 1937, <https://doi.org/10.1121/1.1915893> (the scale);
//! Davis & Mermelstein 1980, <https://doi.org/10.1109/TASSP.1980.1163420> (the bands); Radford et al.
//! 2022, <https://arxiv.org/abs/2212.04356>, section 2.2, and `whisper/audio.py`; Kaldi's
//! `feat/feature-fbank.cc` as in `torchaudio.compliance.kaldi`; librosa's `filters.mel`,
//! `feature.melspectrogram` and `power_to_db`.

mod bank;
mod settings;
mod stream;

pub use bank::{MelNorm, MelScale};
pub use settings::{LogMelConfig, Logarithm, MAX_MELS};
pub use stream::LogMelStream;

use super::{
    Frames,
    framing::Sound,
    stft::{Complex, Stft},
};
use bank::Band;
use std::ops::Range;

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
///
/// // Whisper's: a hundred frames a second, however long the sound is.
/// let whisper = LogMelConfig::whisper(80).init()?;
/// assert_eq!(whisper.compute(&vec![0.0; 30 * 16_000]).len(), 3_000);
/// # Ok::<(), andiron_core::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogMel {
    stft: Stft,
    bands: Vec<Band>,
    config: LogMelConfig,
}

impl LogMel {
    /// The bands of every frame of `samples`.
    ///
    /// # Shapes
    /// - samples: `[samples]`, at the rate of the configuration
    /// - output: `[frames, n_mels]`, frames as in [`Stft::frames`]
    pub fn compute(&self, samples: &[f32]) -> Frames {
        let all = 0..self.stft.frames(samples.len());
        let mut frames = self.logarithms(Sound { samples, first: 0 }, all);
        self.config.finish(&mut frames.values);
        frames
    }

    /// How many frames `samples` samples give.
    pub fn frames(&self, samples: usize) -> usize {
        self.stft.frames(samples)
    }

    /// The settings it was built from.
    pub fn config(&self) -> &LogMelConfig {
        &self.config
    }

    /// The weights of the triangles, row-major `[n_mels, n_fft / 2 + 1]`.
    pub fn filterbank(&self) -> Vec<f64> {
        let mut rows = vec![0.0; self.bands.len() * self.stft.bins()];
        for (band, row) in self.bands.iter().zip(rows.chunks_exact_mut(self.stft.bins())) {
            row[band.first..band.first + band.weights.len()].copy_from_slice(&band.weights);
        }
        rows
    }

    /// The same bands of a sound that comes in pieces.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`](andiron_core::ConfigError::OutOfRange) if the settings have a
    /// `range`: how loud the loudest band is, is known at the end only. Without it, and with
    /// [`LogMelConfig::finish`] at the end, the numbers are those of the whole.
    pub fn stream(&self) -> Result<LogMelStream, andiron_core::ConfigError> {
        LogMelStream::new(self)
    }

    /// The bands of some frames, before what the whole sound decides.
    fn logarithms(&self, sound: Sound<'_>, frames: Range<usize>) -> Frames {
        let width = self.bands.len();
        let values = self.stft.rows(sound, frames, width, |spectrum, row: &mut [f32]| {
            for (value, band) in row.iter_mut().zip(&self.bands) {
                let part = &spectrum[band.first..band.first + band.weights.len()];
                *value = self.config.logarithm(self.weigh(part, &band.weights)) as f32;
            }
        });
        Frames { values, width }
    }

    fn weigh(&self, part: &[Complex<f64>], weights: &[f64]) -> f64 {
        let pairs = part.iter().zip(weights);
        match self.config.magnitude {
            true => pairs.map(|(x, w)| x.norm_sqr().sqrt() * w).sum(),
            false => pairs.map(|(x, w)| x.norm_sqr() * w).sum(),
        }
    }
}

#[cfg(test)]
mod tests;
