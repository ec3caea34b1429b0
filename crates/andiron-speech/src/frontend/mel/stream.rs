//! Log-mel bands of a sound that comes in pieces.

use super::LogMel;
use crate::frontend::{Frames, stft::Pending};
use andiron_core::ConfigError;

/// A [`LogMel`] with state: pieces of any size give the frames of the whole, bit for bit. It holds
/// no more than a few windows of the sound.
///
/// ```
/// use andiron_speech::frontend::mel::LogMelConfig;
///
/// let log_mel = LogMelConfig::kaldi(16_000, 40).init()?;
/// let sound: Vec<f32> = (0..5_003).map(|n| (n as f32 * 0.3).sin()).collect();
/// let mut stream = log_mel.stream()?;
/// let mut values = Vec::new();
/// for piece in sound.chunks(320) {
///     values.extend(stream.push(piece).values);
/// }
/// values.extend(stream.finish().values);
/// assert_eq!(values, log_mel.compute(&sound).values);
/// # Ok::<(), andiron_core::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogMelStream {
    mel: LogMel,
    pending: Pending,
}

impl LogMelStream {
    pub(super) fn new(mel: &LogMel) -> Result<Self, ConfigError> {
        // Anything but no range at all.
        if let Some(range) = mel.config.range {
            let field = "range of a stream";
            return Err(ConfigError::OutOfRange { field, low: 0.0, high: 0.0, got: range });
        }
        Ok(Self { mel: mel.clone(), pending: Pending::default() })
    }

    /// The frames that `samples` complete; often none.
    pub fn push(&mut self, samples: &[f32]) -> Frames {
        let mel = &self.mel;
        let made = self
            .pending
            .push(mel.stft.frame(), samples, |sound, frames| mel.logarithms(sound, frames));
        finished(mel, made)
    }

    /// The frames that reach beyond the end of the sound. The next piece starts a new sound.
    pub fn finish(&mut self) -> Frames {
        let mel = &self.mel;
        let made =
            self.pending.finish(mel.stft.frame(), |sound, frames| mel.logarithms(sound, frames));
        finished(mel, made)
    }

    /// How many samples are held for frames to come.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.pending.held()
    }
}

fn finished(mel: &LogMel, mut frames: Frames) -> Frames {
    mel.config.finish(&mut frames.values);
    frames
}
