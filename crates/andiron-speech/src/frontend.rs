//! From samples to what a network sees: spectra, mel bands, cepstra.
//!
//! - [`stft`]: spectra of windowed frames, any FFT size; of a whole sound or in pieces.
//! - [`framing`] and [`window`]: where the frames stand, and how they are weighed.
//! - [`mel`]: mel filter banks and their logarithm in Whisper's, Kaldi's and librosa's dialect,
//!   [`LogMelConfig`].
//! - [`mfcc`]: cepstral coefficients and their slopes, [`MfccConfig`].
//! - [`statistics`]: a clip of any length as one row of numbers, [`MfccStatisticsConfig`].
//!
//! [`LogMelConfig`]: mel::LogMelConfig
//! [`MfccConfig`]: mfcc::MfccConfig
//! [`MfccStatisticsConfig`]: statistics::MfccStatisticsConfig

pub mod framing;
pub mod mel;
pub mod mfcc;
pub mod statistics;
pub mod stft;
pub mod window;

use andiron_core::DataError;

/// Numbers by time: one row a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frames {
    /// Row-major, `[frames, width]`.
    pub values: Vec<f32>,
    /// How many numbers a frame has; 1 or more.
    pub width: usize,
}

impl Frames {
    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The frames in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.width)
    }

    /// The mean of each column over the frames; zeros if there is no frame.
    pub fn means(&self) -> Vec<f32> {
        let mut sums = vec![0f64; self.width];
        for row in self.rows() {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        let count = self.len().max(1) as f64;
        sums.into_iter().map(|sum| (sum / count) as f32).collect()
    }

    /// The standard deviation of each column over the frames (division by their number), around
    /// `means`.
    pub fn deviations(&self, means: &[f32]) -> Vec<f32> {
        let mut sums = vec![0f64; self.width];
        for row in self.rows() {
            for ((sum, value), mean) in sums.iter_mut().zip(row).zip(means) {
                *sum += f64::from(value - mean).powi(2);
            }
        }
        let count = self.len().max(1) as f64;
        sums.into_iter().map(|sum| (sum / count).sqrt() as f32).collect()
    }

    /// Subtracts `row` from every frame.
    pub fn subtract(&mut self, row: &[f32]) {
        for frame in self.values.chunks_exact_mut(self.width) {
            for (value, less) in frame.iter_mut().zip(row) {
                *value -= less;
            }
        }
    }
}

/// Refuses the first value that is NaN or infinite.
pub(crate) fn reject_infinite(what: &'static str, values: &[f32]) -> Result<(), DataError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(DataError::NotFinite { what, got: values[at], at }),
        None => Ok(()),
    }
}

/// The largest magnitude of a sample that is heard as loud as it is: the power of a whole window of
/// such samples is finite.
pub(crate) const LOUDEST_HEARD: u64 = 1 << 40;

/// Refuses a sample whose magnitude is over the limit.
pub(crate) fn reject_loud(samples: &[f32], limit: u64) -> Result<(), DataError> {
    match samples.iter().map(|sample| sample.abs()).find(|size| *size > limit as f32) {
        None => Ok(()),
        Some(size) => {
            let (what, got) = ("the magnitude of a sample", size as u64);
            Err(DataError::TooLarge { what, limit, got })
        }
    }
}
