//! Samples without a header, as a microphone or a pipe gives them.

use super::Waveform;
use crate::frontend::reject_infinite;
use andiron_core::{ConfigError, DataError};
use serde::{Deserialize, Serialize};

/// How a sample is written; little-endian.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PcmFormat {
    /// Signed integers of 16 bits, divided by 32768.
    #[default]
    Int16,
    /// Signed integers of 32 bits, divided by 2³¹.
    Int32,
    /// Floats of 32 bits.
    Float32,
}

impl PcmFormat {
    /// Bytes of a sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::Int16 => 2,
            Self::Int32 | Self::Float32 => 4,
        }
    }

    fn sample(self, bytes: &[u8]) -> f32 {
        let mut four = [0; 4];
        four[..bytes.len()].copy_from_slice(bytes);
        match self {
            Self::Int16 => f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0,
            Self::Int32 => (f64::from(i32::from_le_bytes(four)) / 2_147_483_648.0) as f32,
            Self::Float32 => f32::from_le_bytes(four),
        }
    }
}

/// Bytes in pieces to samples in pieces: a piece may end anywhere, also within a sample.
///
/// ```
/// use andiron_speech::waveform::{PcmFormat, PcmStream};
///
/// let mut stream = PcmStream::new(PcmFormat::Int16, 1)?;
/// assert_eq!(stream.push(&[0, 64, 0])?, [0.5]); // the third byte waits
/// assert_eq!(stream.push(&[192])?, [-0.5]);
/// stream.finish()?;
/// # Ok::<(), andiron_core::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PcmStream {
    format: PcmFormat,
    channels: usize,
    pending: Vec<u8>,
}

impl PcmStream {
    /// A stream of `channels` interleaved channels, 1 to 64, which are mixed to their mean.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for another number of channels.
    pub fn new(format: PcmFormat, channels: usize) -> Result<Self, ConfigError> {
        ConfigError::within("channels", 1.0, 64.0, channels as f64)?;
        Ok(Self { format, channels, pending: Vec::new() })
    }

    /// The samples that `bytes` complete.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] for a sample that is NaN or infinite; then none of these bytes was
    /// taken.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<f32>, DataError> {
        let before = self.pending.len();
        self.pending.extend_from_slice(bytes);
        let (size, frame) = (self.format.bytes(), self.format.bytes() * self.channels);
        let whole = self.pending.len() / frame * frame;
        let samples: Vec<f32> = self.pending[..whole]
            .chunks_exact(frame)
            .map(|frame| {
                let values = frame.chunks_exact(size).map(|bytes| self.format.sample(bytes));
                (values.map(f64::from).sum::<f64>() / self.channels as f64) as f32
            })
            .collect();
        if let Err(refused) = reject_infinite("the piece of sound", &samples) {
            self.pending.truncate(before);
            return Err(refused);
        }
        self.pending.drain(..whole);
        Ok(samples)
    }

    /// The stream ends here. The next piece starts a new one.
    ///
    /// # Errors
    /// [`DataError::Decode`] if it ends within a sample: a stream of another format, or a cut one.
    pub fn finish(&mut self) -> Result<(), DataError> {
        match std::mem::take(&mut self.pending).len() {
            0 => Ok(()),
            left => {
                let frame = self.format.bytes() * self.channels;
                let reason = format!("it ends {left} bytes into a frame of {frame}");
                Err(DataError::Decode { what: "a stream of samples".to_owned(), reason })
            }
        }
    }
}

impl Waveform {
    /// A sound from bytes without a header.
    ///
    /// # Errors
    /// As [`PcmStream`], and as [`check`](Self::check).
    pub fn from_pcm(
        bytes: &[u8],
        format: PcmFormat,
        channels: usize,
        rate: u32,
    ) -> Result<Self, DataError> {
        let mut stream = PcmStream::new(format, channels)?;
        let samples = stream.push(bytes)?;
        stream.finish()?;
        Self::new(samples, rate)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_is_no_sound_is_not_taken() {
        let mut stream = PcmStream::new(PcmFormat::Float32, 1).unwrap();
        let [half, nan] = [0.5f32.to_le_bytes(), f32::NAN.to_le_bytes()];
        assert!(stream.push(&half[..3]).unwrap().is_empty());
        let bad = [&half[3..], &nan, &half[..2]].concat();
        let refused = stream.push(&bad).unwrap_err();
        assert!(matches!(refused, DataError::NotFinite { at: 1, .. }), "{refused:?}");
        // What came before it still waits, and what was refused can come again without the NaN.
        assert_eq!(stream.push(&half[3..]).unwrap(), [0.5]);
        stream.finish().unwrap();
    }
}
