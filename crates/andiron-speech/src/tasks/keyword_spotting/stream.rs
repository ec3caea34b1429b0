//! Windows of sound that comes in pieces, and what is reported of them.

use super::{Keyword, KeywordConfig};
use crate::{AudioClassification, Waveform, frontend::reject_infinite};
use andiron_core::{Choice, ConfigError, DataError, Predictor};
use std::collections::VecDeque;

/// Keywords in sound that comes in pieces of any length; the same as for the whole. Memory does not
/// grow with the sound.
#[derive(Debug)]
pub struct KeywordStream {
    predictor: Predictor<AudioClassification>,
    windows: Windows,
}

impl KeywordStream {
    /// A stream of sound at `rate` hertz, which need not be the model's.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used: also a background label that the model
    /// does not know, and a hop of less than a sample.
    pub fn new(
        predictor: Predictor<AudioClassification>,
        config: KeywordConfig,
        rate: u32,
    ) -> Result<Self, ConfigError> {
        let windows = Windows::new(predictor.task().labels.names(), config, rate)?;
        Ok(Self { predictor, windows })
    }

    /// The next samples: any number of them. Gives the keywords heard since.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] for a sample that is NaN or infinite; then none of these was taken.
    /// Another [`DataError`] if a window cannot be heard, as one whose samples are too large to be
    /// resampled: then all were taken, that window counts as silence, and the keywords of the others
    /// come with the next.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<Keyword>, DataError> {
        let predictor = &self.predictor;
        self.windows.push(samples, |window| Ok(predictor.predict(&[window])?.remove(0)))
    }
}

/// The windows of a sound, whatever network hears them.
#[derive(Debug)]
pub(super) struct Windows {
    labels: Vec<String>,
    config: KeywordConfig,
    rate: u32,
    window: usize,
    hop: usize,
    /// The sound from the next window's beginning on.
    held: Vec<f32>,
    /// How many windows came before that.
    windows: u64,
    /// Keywords that were heard and not told yet.
    found: Vec<Keyword>,
    /// The probabilities of the last windows, in the order of the labels.
    recent: VecDeque<Vec<f64>>,
    /// Before this nothing is reported, in samples.
    quiet_until: u64,
}

impl Windows {
    pub(super) fn new(
        labels: &[String],
        config: KeywordConfig,
        rate: u32,
    ) -> Result<Self, ConfigError> {
        config.fits(labels)?;
        let (low, high) = (f64::from(Waveform::MIN_RATE), f64::from(Waveform::MAX_RATE));
        ConfigError::within("rate", low, high, f64::from(rate))?;
        let samples = |seconds: f64| (seconds * f64::from(rate)).round() as usize;
        let (window, hop) = (samples(config.window), samples(config.hop));
        ConfigError::at_least("hop, in samples,", 1, hop)?;
        Ok(Self {
            labels: labels.to_vec(),
            config,
            rate,
            window,
            hop,
            held: Vec::new(),
            windows: 0,
            found: Vec::new(),
            recent: VecDeque::new(),
            quiet_until: 0,
        })
    }

    /// Samples of a window.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// As [`KeywordStream::push`], of windows that `hear` tells about.
    pub(super) fn push(
        &mut self,
        samples: &[f32],
        mut hear: impl FnMut(Waveform) -> Result<Choice, DataError>,
    ) -> Result<Vec<Keyword>, DataError> {
        reject_infinite("the sound", samples)?;
        let mut failed = None;
        // In pieces, so that what is held stays short whatever comes at once.
        for part in samples.chunks(self.window) {
            self.held.extend_from_slice(part);
            while self.held.len() >= self.window {
                let probabilities = self.probabilities(&mut hear).unwrap_or_else(|error| {
                    failed.get_or_insert(error);
                    vec![0.0; self.labels.len()]
                });
                let end = self.windows * self.hop as u64 + self.window as u64;
                let keyword = self.decide(probabilities, end);
                self.found.extend(keyword);
                self.windows += 1;
                self.held.drain(..self.hop);
            }
        }
        match failed {
            None => Ok(std::mem::take(&mut self.found)),
            Some(error) => Err(error),
        }
    }

    /// The probabilities of the window that stands at the beginning of what is held, in the order of
    /// the labels.
    fn probabilities(
        &self,
        hear: &mut impl FnMut(Waveform) -> Result<Choice, DataError>,
    ) -> Result<Vec<f64>, DataError> {
        let wave = Waveform { samples: self.held[..self.window].to_vec(), rate: self.rate };
        if wave.rms() < self.config.silence {
            return Ok(vec![0.0; self.labels.len()]);
        }
        let choice = hear(wave)?;
        let of = |label: &String| f64::from(choice.scores.get(label).copied().unwrap_or(0.0));
        Ok(self.labels.iter().map(of).collect())
    }

    /// Takes the probabilities of the window that ends with sample number `end`.
    fn decide(&mut self, probabilities: Vec<f64>, end: u64) -> Option<Keyword> {
        self.recent.push_back(probabilities);
        if self.recent.len() > self.config.smoothing {
            self.recent.pop_front();
        }
        if end < self.quiet_until {
            return None;
        }
        // Windows before the beginning count as silence.
        let mean = |at: usize| {
            self.recent.iter().map(|one| one[at]).sum::<f64>() / self.config.smoothing as f64
        };
        let best = (0..self.labels.len())
            .filter(|at| !self.config.background.contains(&self.labels[*at]))
            .map(|at| (at, mean(at)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let (at, score) = best.filter(|(_, score)| *score >= self.config.threshold)?;
        let time = end as f64 / f64::from(self.rate);
        let quiet = (self.config.refractory * f64::from(self.rate)).round() as u64;
        self.quiet_until = end + quiet.max(1);
        self.recent.clear();
        Some(Keyword { label: self.labels[at].clone(), time, score })
    }
}
