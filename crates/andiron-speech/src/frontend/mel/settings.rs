//! The settings of log-mel bands, and the dialects that programs have of them.

use super::{
    LogMel,
    bank::{MelNorm, MelScale, triangles},
};
use crate::{
    Waveform,
    frontend::{
        framing::{Edges, Framing},
        stft::{MAX_FFT, Stft},
    },
};
use andiron_core::ConfigError;
use serde::{Deserialize, Serialize};

/// The most bands: a bound on what a configuration from outside can ask for.
pub const MAX_MELS: usize = 1 << 10;

/// Which logarithm is taken of a band.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Logarithm {
    /// The natural one.
    #[default]
    Natural,
    /// To the base of ten.
    Ten,
    /// Decibels: ten times the logarithm to the base of ten, twenty times for magnitudes.
    Decibels,
    /// None: the bands themselves; `floor` is the least all the same.
    None,
}

/// Settings of a [`LogMel`]; the value is saved in the bundle of a model that hears through it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogMelConfig {
    /// Samples a second of the sound; 1 to 768,000.
    pub rate: u32,
    /// Samples of one spectrum; 2 to [`MAX_FFT`].
    pub n_fft: usize,
    /// Samples from one frame to the next; 1 to [`MAX_FFT`].
    pub hop: usize,
    /// Bands; 1 to `n_fft / 2 + 1`, at most [`MAX_MELS`](super::MAX_MELS).
    pub n_mels: usize,
    /// The lower end of the lowest band in hertz; 0 or more.
    pub f_min: f64,
    /// The upper end of the highest band in hertz, above `f_min`; none is half the rate, which is
    /// also the most.
    pub f_max: Option<f64>,
    /// The scale that the bands are spaced on.
    pub scale: MelScale,
    /// The shape of the triangles.
    pub norm: MelNorm,
    /// What a band holds at least, before the logarithm; above 0, at most 1.
    pub floor: f64,
    /// From the sound to frames.
    #[serde(default)]
    pub framing: Framing,
    /// Whether the triangles weigh magnitudes, not powers.
    #[serde(default)]
    pub magnitude: bool,
    /// Which logarithm is taken.
    #[serde(default)]
    pub logarithm: Logarithm,
    /// How far below the loudest band of the whole sound a value may be, in units of the
    /// logarithm, above 0; none is as far as it is.
    #[serde(default)]
    pub range: Option<f64>,
    /// What is added then.
    #[serde(default)]
    pub shift: f64,
    /// What the sum is multiplied by last.
    #[serde(default = "one")]
    pub gain: f64,
}

fn one() -> f64 {
    1.0
}

impl LogMelConfig {
    /// Forty Slaney bands from 20 Hz on, natural logarithm, of windows of `n_fft` samples every
    /// `hop` samples of a sound at `rate` hertz; with mirrored ends.
    pub fn new(rate: u32, n_fft: usize, hop: usize) -> Self {
        Self {
            rate,
            n_fft,
            hop,
            n_mels: 40,
            f_min: 20.0,
            f_max: None,
            scale: MelScale::Slaney,
            norm: MelNorm::Area,
            floor: 1e-10,
            framing: Framing::default(),
            magnitude: false,
            logarithm: Logarithm::Natural,
            range: None,
            shift: 0.0,
            gain: 1.0,
        }
    }

    /// Windows of 32 ms every 10 ms, for speech at `rate` samples a second.
    pub fn speech(rate: u32) -> Self {
        let samples = |milliseconds: u64| (u64::from(rate) * milliseconds / 1_000) as usize;
        Self::new(rate, samples(32).max(2), samples(10).max(1))
    }

    /// Whisper's, at 16 kHz: 80 bands, 128 for large-v3 and its kin. The padding to thirty seconds
    /// is left to the caller: `range` looks at the padded sound.
    pub fn whisper(n_mels: usize) -> Self {
        Self {
            n_mels,
            f_min: 0.0,
            framing: Framing { drop_last: true, ..Framing::default() },
            logarithm: Logarithm::Ten,
            range: Some(8.0),
            shift: 4.0,
            gain: 0.25,
            ..Self::new(16_000, 400, 160)
        }
    }

    /// Kaldi's filter bank (`fbank`) without dither: frames of 25 ms every 10 ms, 23 bands by
    /// default there, often 80.
    pub fn kaldi(rate: u32, n_mels: usize) -> Self {
        let samples = |milliseconds: u64| (u64::from(rate) * milliseconds / 1_000) as usize;
        let length = samples(25).max(2);
        Self {
            n_mels,
            scale: MelScale::Htk,
            norm: MelNorm::MelHeight,
            floor: f64::from(f32::EPSILON),
            framing: Framing::kaldi(length),
            ..Self::new(rate, length.next_power_of_two(), samples(10).max(1))
        }
    }

    /// librosa's `power_to_db(melspectrogram(…))` with its defaults: 128 Slaney bands of windows of
    /// 2048 samples every 512. For `htk=True` the scale, for `norm=None` the norm.
    pub fn librosa(rate: u32) -> Self {
        Self {
            n_mels: 128,
            f_min: 0.0,
            framing: Framing { edges: Edges::Zero, ..Framing::default() },
            logarithm: Logarithm::Decibels,
            range: Some(80.0),
            ..Self::new(rate, 2_048, 512)
        }
    }

    /// Sets the number of bands.
    #[must_use]
    pub fn with_n_mels(self, n_mels: usize) -> Self {
        Self { n_mels, ..self }
    }

    /// Sets the lower end of the lowest band, in hertz.
    #[must_use]
    pub fn with_f_min(self, f_min: f64) -> Self {
        Self { f_min, ..self }
    }

    /// Sets the upper end of the highest band, in hertz.
    #[must_use]
    pub fn with_f_max(self, f_max: Option<f64>) -> Self {
        Self { f_max, ..self }
    }

    /// Sets the mel scale.
    #[must_use]
    pub fn with_scale(self, scale: MelScale) -> Self {
        Self { scale, ..self }
    }

    /// Sets the shape of the triangles.
    #[must_use]
    pub fn with_norm(self, norm: MelNorm) -> Self {
        Self { norm, ..self }
    }

    /// Sets what a band holds at least, before the logarithm.
    #[must_use]
    pub fn with_floor(self, floor: f64) -> Self {
        Self { floor, ..self }
    }

    /// Sets where the frames stand and how they are weighed.
    #[must_use]
    pub fn with_framing(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    /// Sets the logarithm, and how far below the loudest band a value may be.
    #[must_use]
    pub fn with_logarithm(self, logarithm: Logarithm, range: Option<f64>) -> Self {
        Self { logarithm, range, ..self }
    }

    /// The upper end of the highest band, in hertz.
    pub(super) fn top(&self) -> f64 {
        self.f_max.unwrap_or(f64::from(self.rate) / 2.0)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("rate", 1, self.rate as usize)?;
        ConfigError::within("rate", 1.0, f64::from(Waveform::MAX_RATE), f64::from(self.rate))?;
        ConfigError::at_least("n_fft", 2, self.n_fft)?;
        ConfigError::within("n_fft", 2.0, MAX_FFT as f64, self.n_fft as f64)?;
        ConfigError::at_least("hop", 1, self.hop)?;
        ConfigError::within("hop", 1.0, MAX_FFT as f64, self.hop as f64)?;
        self.framing.check(self.n_fft)?;
        ConfigError::at_least("n_mels", 1, self.n_mels)?;
        let most = MAX_MELS.min(self.n_fft / 2 + 1);
        ConfigError::within("n_mels", 1.0, most as f64, self.n_mels as f64)?;
        let half = f64::from(self.rate) / 2.0;
        ConfigError::within("f_min", 0.0, half - f64::EPSILON * half, self.f_min)?;
        let least = self.f_min * (1.0 + f64::EPSILON) + f64::MIN_POSITIVE;
        ConfigError::within("f_max", least, half, self.top())?;
        ConfigError::within("floor", f64::MIN_POSITIVE, 1.0, self.floor)?;
        let most = f64::from(f32::MAX);
        if let Some(range) = self.range {
            ConfigError::within("range", f64::MIN_POSITIVE, most, range)?;
        }
        ConfigError::within("shift", -most, most, self.shift)?;
        ConfigError::within("gain", -most, most, self.gain)
    }

    /// Plans the transform and draws the triangles.
    ///
    /// # Errors
    /// [`ConfigError`] names the field that cannot be used.
    pub fn init(&self) -> Result<LogMel, ConfigError> {
        self.check()?;
        let stft = Stft::framed(self.n_fft, self.hop, &self.framing)?;
        Ok(LogMel { bands: triangles(self), stft, config: self.clone() })
    }

    /// The logarithm of a band.
    pub(super) fn logarithm(&self, band: f64) -> f64 {
        let band = band.max(self.floor);
        match self.logarithm {
            Logarithm::Natural => band.ln(),
            Logarithm::Ten => band.log10(),
            Logarithm::Decibels if self.magnitude => 20.0 * band.log10(),
            Logarithm::Decibels => 10.0 * band.log10(),
            Logarithm::None => band,
        }
    }

    /// What is done to the logarithms of a whole sound last: `range`, `shift` and `gain`.
    pub fn finish(&self, logarithms: &mut [f32]) {
        if let Some(range) = self.range {
            let loudest = logarithms.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let least = (f64::from(loudest) - range) as f32;
            logarithms.iter_mut().for_each(|value| *value = value.max(least));
        }
        if self.shift != 0.0 || self.gain != 1.0 {
            for value in logarithms {
                *value = ((f64::from(*value) + self.shift) * self.gain) as f32;
            }
        }
    }
}
