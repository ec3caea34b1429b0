//! Sound as numbers: what comes out of a file or a stream and goes into a front end.
//!
//! WAV is always read; FLAC, MP3 and Ogg Vorbis with the feature `codecs`, which brings symphonia
//! (Mozilla Public License 2.0).

#[cfg(feature = "codecs")]
mod codecs;
mod pcm;
mod resample;
mod wav;

pub use pcm::{PcmFormat, PcmStream};
pub use resample::Resampler;

use crate::frontend::reject_infinite;
use andiron_core::{DataError, Raw};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// One channel of sound.
///
/// ```
/// use andiron_speech::Waveform;
///
/// let tone: Vec<f32> = (0..800).map(|n| (0.3 * n as f32).sin()).collect();
/// let wave = Waveform::new(tone, 8_000)?;
/// assert_eq!(wave.seconds(), 0.1);
/// assert_eq!(Waveform::from_wav(&wave.to_wav()?)?, wave);
/// assert_eq!(wave.resample(16_000)?.samples.len(), 1_600);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waveform {
    /// The samples in order; full scale is -1 to 1, louder is allowed. All finite, at least one.
    pub samples: Vec<f32>,
    /// Samples a second, [`MIN_RATE`](Self::MIN_RATE) to [`MAX_RATE`](Self::MAX_RATE).
    pub rate: u32,
}

impl Waveform {
    /// The lowest sample rate that is read, in hertz.
    pub const MIN_RATE: u32 = 1_000;
    /// The highest sample rate that is read, in hertz.
    pub const MAX_RATE: u32 = 768_000;
    /// The longest sound that is read, in seconds.
    pub const MAX_SECONDS: u64 = 600;
    /// The most samples of one channel that are read: [`MAX_SECONDS`](Self::MAX_SECONDS) at 96 kHz,
    /// and less of a higher rate. They take 220 MiB.
    pub const MAX_SAMPLES: u64 = Self::MAX_SECONDS * 96_000;

    /// A waveform of `samples` taken `rate` times a second.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn new(samples: Vec<f32>, rate: u32) -> Result<Self, DataError> {
        let wave = Self { samples, rate };
        wave.check()?;
        Ok(wave)
    }

    /// Checks what the fields promise; they are public, so the task checks again.
    ///
    /// # Errors
    /// [`DataError::TooShort`] and [`DataError::TooLarge`] for the rate and the length,
    /// [`DataError::Empty`] for no sample, [`DataError::NotFinite`] for a sample that is NaN or
    /// infinite.
    pub fn check(&self) -> Result<(), DataError> {
        check_format(self.rate, self.samples.len() as u64)?;
        reject_infinite("the waveform", &self.samples)
    }

    /// Reads a WAV file's bytes: integers of 8, 16, 24 or 32 bits, or floats of 32 bits; several
    /// channels are mixed to their mean. Integers of `b` bits are divided by `2^(b-1)`.
    ///
    /// # Errors
    /// [`DataError::Decode`] if it is no WAV file, one of another encoding (A-law, ADPCM, 64-bit
    /// floats, …), or holds less sound than it promises; and as [`check`](Self::check).
    pub fn from_wav(bytes: &[u8]) -> Result<Self, DataError> {
        wav::read(bytes)
    }

    /// Reads what a program has in its hand: the bytes of a file. An array is refused, since it
    /// does not say its sample rate.
    ///
    /// # Errors
    /// [`DataError::WrongKind`]; and as [`from_bytes`](Self::from_bytes).
    pub fn read(raw: Raw<'_>) -> Result<Self, DataError> {
        match raw {
            Raw::Bytes(bytes) => Self::from_bytes(bytes),
            other => Err(DataError::WrongKind {
                wanted: "a WAV file, which says its sample rate,",
                got: other.kind(),
            }),
        }
    }

    /// Reads a file's bytes, told by its first ones: WAV, and with the feature `codecs` FLAC, MP3 and
    /// Ogg Vorbis.
    ///
    /// # Errors
    /// [`DataError::Decode`] if it is none of these, cut, damaged, or of a format that was not
    /// compiled in; and as [`check`](Self::check).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DataError> {
        match compressed(bytes) {
            None => Self::from_wav(bytes),
            #[cfg(feature = "codecs")]
            Some(what) => codecs::read(what, bytes),
            #[cfg(not(feature = "codecs"))]
            Some(what) => Err(DataError::Decode {
                what: format!("{what} audio"),
                reason: "it needs the feature \"codecs\", which was not compiled in".to_owned(),
            }),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError::Io`] with the path if the file cannot be read; and as
    /// [`from_bytes`](Self::from_bytes).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        Self::from_bytes(&fs::read(path).map_err(|source| DataError::io(path, source))?)
    }

    /// The waveform as a WAV file of 32-bit floats, one channel; [`from_wav`](Self::from_wav)
    /// gives it back bit for bit.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn to_wav(&self) -> Result<Vec<u8>, DataError> {
        self.check()?;
        wav::write(self)
    }

    /// How long it lasts, in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// How long it is, in whole milliseconds; what batches of like lengths go by.
    pub(crate) fn milliseconds(&self) -> usize {
        (self.samples.len() as u64 * 1000 / u64::from(self.rate.max(1))) as usize
    }

    /// The same sound at another rate: `ceil(samples · rate / self.rate)` samples, in step with
    /// the original (no delay). What the new rate cannot carry is filtered out.
    ///
    /// # Errors
    /// As [`check`](Self::check), of this waveform and of the result.
    pub fn resample(&self, rate: u32) -> Result<Self, DataError> {
        self.check()?;
        // Before anything is computed: a small sound can be a large one at another rate.
        let samples = self.samples.len() as u64 * u64::from(rate);
        check_format(rate, samples.div_ceil(u64::from(self.rate)))?;
        if rate == self.rate {
            return Ok(self.clone());
        }
        Self::new(resample::resample(&self.samples, self.rate, rate)?, rate)
    }

    /// The largest magnitude of a sample.
    pub fn peak(&self) -> f32 {
        self.samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
    }

    /// The root of the mean square of the samples.
    pub fn rms(&self) -> f32 {
        let sum: f64 = self.samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        (sum / self.samples.len().max(1) as f64).sqrt() as f32
    }

    /// The same sound, scaled so that its [`rms`](Self::rms) is `level`; silence stays silence.
    #[must_use]
    pub fn with_rms(self, level: f32) -> Self {
        let rms = self.rms();
        self.scaled(level, rms)
    }

    /// The same sound, scaled so that its [`peak`](Self::peak) is `level`; silence stays silence.
    #[must_use]
    pub fn with_peak(self, level: f32) -> Self {
        let peak = self.peak();
        self.scaled(level, peak)
    }

    fn scaled(mut self, wanted: f32, found: f32) -> Self {
        // In f64: the quotient of two f32 may be too large for one.
        let factor = f64::from(wanted) / f64::from(found);
        if factor.is_finite() {
            for sample in &mut self.samples {
                *sample = (f64::from(*sample) * factor) as f32;
            }
        }
        self
    }
}

/// The name of a compressed format, told by a file's first bytes.
fn compressed(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'f', b'L', b'a', b'C', ..] => Some("FLAC"),
        [b'O', b'g', b'g', b'S', ..] => Some("Ogg"),
        // A tag before the sound, or the eleven bits that every frame begins with.
        [b'I', b'D', b'3', ..] => Some("MP3"),
        [0xFF, second, ..] if second & 0xE6 == 0xE2 => Some("MP3"),
        _ => None,
    }
}

/// Checks a rate, and a number of samples at that rate.
fn check_format(rate: u32, samples: u64) -> Result<(), DataError> {
    let what = "the sample rate in hertz";
    if rate < Waveform::MIN_RATE {
        let least = u64::from(Waveform::MIN_RATE);
        return Err(DataError::TooShort { what, least, got: u64::from(rate) });
    }
    if rate > Waveform::MAX_RATE {
        let limit = u64::from(Waveform::MAX_RATE);
        return Err(DataError::TooLarge { what, limit, got: u64::from(rate) });
    }
    if samples == 0 {
        return Err(DataError::Empty { what: "the waveform".to_owned() });
    }
    let seconds = samples.div_ceil(u64::from(rate));
    if seconds > Waveform::MAX_SECONDS {
        let (what, limit) = ("the length of the waveform in seconds", Waveform::MAX_SECONDS);
        return Err(DataError::TooLarge { what, limit, got: seconds });
    }
    if samples > Waveform::MAX_SAMPLES {
        let (what, limit) = ("the length of the waveform in samples", Waveform::MAX_SAMPLES);
        return Err(DataError::TooLarge { what, limit, got: samples });
    }
    Ok(())
}
