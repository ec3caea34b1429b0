//! From a waveform to scaled frames, as settings that are saved with a model.

use super::AudioClassification;
use crate::{
    Waveform,
    augment::AudioAugment,
    frontend::{
        Frames,
        mel::{LogMel, LogMelConfig},
        statistics::{MfccStatistics, MfccStatisticsConfig},
    },
};
use andiron_core::{ConfigError, DataError, Dataset, data::ExampleOf};
use burn::config::Config;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The level that every clip is brought to, as the root of the mean square.
const LEVEL: f32 = 0.1;

/// What becomes of a waveform before the front end.
#[derive(Config, Debug, PartialEq)]
pub struct ClipConfig {
    /// The rate that a clip is resampled to, in hertz.
    pub rate: u32,
    /// How much of a clip is heard, in seconds from the first sound on; what comes after is not
    /// looked at. Above 0, at most [`Waveform::MAX_SECONDS`].
    #[config(default = 4.0)]
    pub max_seconds: f64,
    /// How far below the loudest hundredth of a second the ends of a clip may be, in decibels,
    /// before they are cut off as silence; 1 to 200.
    #[config(default = 40.0)]
    pub silence: f64,
}

impl ClipConfig {
    /// The rate that fits a training split: its lowest, but at most 16 kHz, where speech ends.
    ///
    /// # Errors
    /// [`DataError`] if an example cannot be read, or there is none.
    pub fn rate_of(train: &dyn Dataset<ExampleOf<AudioClassification>>) -> Result<u32, DataError> {
        let mut lowest = None;
        for index in 0..train.len() {
            let rate = train.get(index)?.input.rate;
            lowest = Some(lowest.map_or(rate, |lowest: u32| lowest.min(rate)));
        }
        let lowest = lowest.ok_or(DataError::Empty { what: "the training split".to_owned() })?;
        Ok(lowest.clamp(Waveform::MIN_RATE, 16_000))
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (low, high) = (f64::from(Waveform::MIN_RATE), f64::from(Waveform::MAX_RATE));
        ConfigError::within("rate", low, high, f64::from(self.rate))?;
        let longest = Waveform::MAX_SECONDS as f64;
        ConfigError::within("max_seconds", f64::MIN_POSITIVE, longest, self.max_seconds)?;
        ConfigError::within("silence", 1.0, 200.0, self.silence)
    }

    /// Resamples, cuts and levels a waveform.
    ///
    /// # Errors
    /// [`DataError`] if the waveform or a setting cannot be used.
    pub(super) fn apply(&self, wave: &Waveform) -> Result<Vec<f32>, DataError> {
        self.check()?;
        let mut wave = wave.resample(self.rate)?;
        let sounding = self.sounding(&wave.samples);
        wave.samples.truncate(sounding.end);
        wave.samples.drain(..sounding.start);
        Ok(wave.with_rms(LEVEL).samples)
    }

    /// Where the sound is, at most `max_seconds` of it; at least one sample.
    fn sounding(&self, samples: &[f32]) -> std::ops::Range<usize> {
        let block = (self.rate as usize / 100).max(1);
        let power = |part: &[f32]| -> f64 {
            part.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / part.len() as f64
        };
        let blocks: Vec<f64> = samples.chunks(block).map(power).collect();
        let loudest = blocks.iter().copied().fold(0.0, f64::max);
        let threshold = loudest * 10f64.powf(-self.silence / 10.0);
        // Silence through and through has no block below the threshold, which is zero.
        let loud = |power: &f64| *power >= threshold;
        let first = blocks.iter().position(loud).unwrap_or(0);
        let last = blocks.iter().rposition(loud).unwrap_or(blocks.len() - 1);
        let start = first * block;
        let longest = ((self.max_seconds * f64::from(self.rate)) as usize).max(1);
        start..samples.len().min((last + 1) * block).min(start + longest)
    }
}

/// From samples to frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FrontEnd {
    /// Log-mel bands by time, for networks that look at time and frequency.
    LogMel {
        /// The bands.
        mel: LogMelConfig,
        /// Whether each band's mean over the clip is subtracted: what a microphone or a line
        /// multiplies the spectrum with is a constant in its logarithm, and goes.
        clip_mean: bool,
    },
    /// One frame a clip: the statistics of its cepstra.
    MfccStatistics {
        /// The statistics.
        statistics: MfccStatisticsConfig,
    },
}

impl FrontEnd {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::LogMel { mel, .. } => mel.check(),
            Self::MfccStatistics { statistics } => statistics.check(),
        }
    }

    /// How many numbers a frame has, of settings that were checked.
    pub fn width(&self) -> usize {
        match self {
            Self::LogMel { mel, .. } => mel.n_mels,
            Self::MfccStatistics { statistics } => statistics.width(),
        }
    }

    /// Plans the transforms.
    pub(super) fn init(&self) -> Result<Planned, ConfigError> {
        Ok(match self {
            Self::LogMel { mel, clip_mean } => {
                Planned::LogMel { mel: mel.init()?, clip_mean: *clip_mean }
            }
            Self::MfccStatistics { statistics } => Planned::MfccStatistics(statistics.init()?),
        })
    }
}

/// A front end with its transforms planned.
pub(super) enum Planned {
    LogMel { mel: LogMel, clip_mean: bool },
    MfccStatistics(MfccStatistics),
}

impl Planned {
    pub(super) fn compute(&self, samples: &[f32]) -> Result<Frames, DataError> {
        Ok(match self {
            Self::LogMel { mel, clip_mean } => {
                let mut frames = mel.compute(samples);
                if *clip_mean {
                    frames.subtract(&frames.means());
                }
                frames
            }
            Self::MfccStatistics(statistics) => statistics.compute(samples)?,
        })
    }
}

/// What the recipes of networks over log-mel bands take, with its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogMelOptions {
    /// Samples a second; none is the lowest rate of the training split, at most 16 kHz.
    pub rate: Option<u32>,
    /// See [`ClipConfig`]; default 4.
    pub max_seconds: f64,
    /// See [`ClipConfig`]; default 40.
    pub silence: f64,
    /// Bands; default 40.
    pub n_mels: usize,
    /// See [`FrontEnd`]; default false.
    pub clip_mean: bool,
    /// How training sounds are changed at random; none leaves them as they are.
    pub augment: Option<AudioAugment>,
}

impl Default for LogMelOptions {
    fn default() -> Self {
        Self {
            rate: None,
            max_seconds: 4.0,
            silence: 40.0,
            n_mels: 40,
            clip_mean: false,
            augment: None,
        }
    }
}

impl LogMelOptions {
    /// The task for a training split.
    ///
    /// # Errors
    /// [`DataError`] names the example or the setting that cannot be used.
    pub fn task(
        &self,
        train: &dyn Dataset<ExampleOf<AudioClassification>>,
    ) -> Result<AudioClassification, DataError> {
        let rate = self.rate.map_or_else(|| ClipConfig::rate_of(train), Ok)?;
        let clip =
            ClipConfig::new(rate).with_max_seconds(self.max_seconds).with_silence(self.silence);
        let mel = LogMelConfig::speech(rate).with_n_mels(self.n_mels);
        let frontend = FrontEnd::LogMel { mel, clip_mean: self.clip_mean };
        let task = AudioClassification::of(clip, frontend, train)?;
        Ok(task.with_augment(self.augment.clone())?)
    }
}

/// The mean and the deviation of each number of a frame over the training split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaler {
    /// What is subtracted from each number.
    pub mean: Vec<f32>,
    /// What it is divided by then; above 0.
    pub deviation: Vec<f32>,
}

impl Scaler {
    /// Measures a training split; every frame counts the same.
    ///
    /// # Errors
    /// [`DataError`] names the example or the setting that cannot be used.
    pub fn of(
        clip: &ClipConfig,
        frontend: &FrontEnd,
        train: &dyn Dataset<ExampleOf<AudioClassification>>,
    ) -> Result<Self, DataError> {
        let planned = frontend.init()?;
        Self::measured(frontend.width(), train.len(), |index| {
            planned.compute(&clip.apply(&train.get(index)?.input)?)
        })
    }

    /// Measures `examples` sounds of frames of `width` numbers; every frame counts the same.
    pub(crate) fn measured(
        width: usize,
        examples: usize,
        frames: impl Fn(usize) -> Result<Frames, DataError> + Sync,
    ) -> Result<Self, DataError> {
        // In order, so that the sums are the same for any number of threads.
        let parts = (0..examples)
            .into_par_iter()
            .map(|index| {
                let frames = frames(index).map_err(|error| error.at(index, None))?;
                Ok(sums(&frames))
            })
            .collect::<Result<Vec<_>, DataError>>()?;
        let (mut count, mut sum, mut square) = (0.0, vec![0f64; width], vec![0f64; width]);
        for part in parts {
            count += part.0;
            for column in 0..width {
                sum[column] += part.1[column];
                square[column] += part.2[column];
            }
        }
        if count == 0.0 {
            return Err(DataError::Empty { what: "the training split".to_owned() });
        }
        let mean: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
        let deviation = square.iter().zip(&mean).map(|(square, mean)| {
            let deviation = (square / count - mean * mean).max(0.0).sqrt();
            // A number that never changes says nothing, whatever it is divided by.
            if deviation < 1e-6 { 1.0 } else { deviation as f32 }
        });
        Ok(Self { deviation: deviation.collect(), mean: mean.iter().map(|m| *m as f32).collect() })
    }

    /// Checks that there is a usable pair for each of `width` numbers.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] names what is not so.
    pub fn check(&self, width: usize) -> Result<(), ConfigError> {
        let wanted = width as f64;
        ConfigError::within("scaler.mean: length", wanted, wanted, self.mean.len() as f64)?;
        let length = self.deviation.len() as f64;
        ConfigError::within("scaler.deviation: length", wanted, wanted, length)?;
        let (least, most) = (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
        for value in &self.mean {
            ConfigError::within("scaler.mean", -most, most, f64::from(*value))?;
        }
        for value in &self.deviation {
            ConfigError::within("scaler.deviation", least, most, f64::from(*value))?;
        }
        Ok(())
    }

    /// Scales every frame.
    pub(crate) fn apply(&self, frames: &mut Frames) {
        for row in frames.values.chunks_exact_mut(frames.width) {
            for ((value, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *value = (*value - mean) / deviation;
            }
        }
    }
}

/// The number of frames, and the sum and the sum of squares of each column.
fn sums(frames: &Frames) -> (f64, Vec<f64>, Vec<f64>) {
    let (mut sum, mut square) = (vec![0f64; frames.width], vec![0f64; frames.width]);
    for row in frames.rows() {
        for ((value, sum), square) in row.iter().zip(&mut sum).zip(&mut square) {
            *sum += f64::from(*value);
            *square += f64::from(*value).powi(2);
        }
    }
    (frames.len() as f64, sum, square)
}
