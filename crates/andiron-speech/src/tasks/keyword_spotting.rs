//! Keywords in a stream: an [`AudioClassification`] asked again and again of the last second.
//!
//! [`KeywordStream`] slides a window over sound that comes in pieces, averages the probabilities of
//! the last few windows, and reports a label that reaches a threshold, at most once in a while.
//! [`measure`] counts hits and false accepts; [`keyword_clips`] and [`mixed_stream`] make of single
//! words what is learnt from and tried on.

mod made;
mod measure;

pub use made::{MixConfig, OTHER, keyword_clips, mixed_stream};
pub use measure::{KeywordReport, TrueKeyword, measure};

use crate::{AudioClassification, Waveform, frontend::reject_infinite};
use andiron_core::{ConfigError, DataError, Predictor};
use serde::{Deserialize, Serialize};

/// When a keyword is reported.
///
/// Paper: Chen, Parada & Heigold 2014, "Small-footprint keyword spotting using deep neural networks",
/// <https://doi.org/10.1109/ICASSP.2014.6854370>, section 2.3: smoothing of the posteriors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeywordConfig {
    /// Seconds of a window; above 0, at most 60; default 1.
    pub window: f64,
    /// Seconds from one window to the next; above 0, at most `window`; default 0.1.
    pub hop: f64,
    /// Windows whose probabilities are averaged; 1 or more, default 3.
    pub smoothing: usize,
    /// The least mean probability of a keyword that is reported; 0 to 1, default 0.7.
    pub threshold: f64,
    /// Seconds in which nothing is reported after a keyword; 0 to 60, default 1.5. Less than a window
    /// and a keyword would be reported again by its own end.
    pub refractory: f64,
    /// The root of the mean square below which a window is taken for silence, and no network is
    /// asked; 0 to 1, default 0.001, which is -60 dB of full scale.
    pub silence: f32,
    /// Labels that are no keywords: what else may be heard.
    pub background: Vec<String>,
}

impl Default for KeywordConfig {
    fn default() -> Self {
        Self {
            window: 1.0,
            hop: 0.1,
            smoothing: 3,
            threshold: 0.7,
            refractory: 1.5,
            silence: 1e-3,
            background: Vec::new(),
        }
    }
}

impl KeywordConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::within("window", f64::MIN_POSITIVE, 60.0, self.window)?;
        ConfigError::within("hop", f64::MIN_POSITIVE, self.window, self.hop)?;
        ConfigError::within("smoothing", 1.0, 1e4, self.smoothing as f64)?;
        ConfigError::within("threshold", 0.0, 1.0, self.threshold)?;
        ConfigError::within("refractory", 0.0, 60.0, self.refractory)?;
        ConfigError::within("silence", 0.0, 1.0, f64::from(self.silence))
    }
}

/// A keyword that was heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Keyword {
    /// Which.
    pub label: String,
    /// The end of the window in which it was heard, in seconds from the beginning.
    pub time: f64,
    /// The mean probability of the last windows, 0 to 1.
    pub score: f64,
}

/// Keywords in sound that comes in pieces of any length; the same as for the whole. Memory does not
/// grow with the sound.
#[derive(Debug)]
pub struct KeywordStream {
    predictor: Predictor<AudioClassification>,
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
    recent: std::collections::VecDeque<Vec<f64>>,
    /// Before this nothing is reported, in samples.
    quiet_until: u64,
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
        config.check()?;
        let (low, high) = (f64::from(Waveform::MIN_RATE), f64::from(Waveform::MAX_RATE));
        ConfigError::within("rate", low, high, f64::from(rate))?;
        let known = predictor.task().labels.names();
        if let Some(field) = config.background.iter().find(|label| !known.contains(label)) {
            return Err(ConfigError::Unknown { field: field.clone(), known: known.to_vec() });
        }
        let samples = |seconds: f64| (seconds * f64::from(rate)).round() as usize;
        let (window, hop) = (samples(config.window), samples(config.hop));
        ConfigError::at_least("hop, in samples,", 1, hop)?;
        Ok(Self {
            predictor,
            config,
            rate,
            window,
            hop,
            held: Vec::new(),
            windows: 0,
            found: Vec::new(),
            recent: Default::default(),
            quiet_until: 0,
        })
    }

    /// The next samples: any number of them. Gives the keywords heard since.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] for a sample that is NaN or infinite; then none of these was taken.
    /// Another [`DataError`] if a window cannot be heard, as one whose samples are too large to be
    /// resampled: then all were taken, that window counts as silence, and the keywords of the others
    /// come with the next.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<Keyword>, DataError> {
        reject_infinite("the sound", samples)?;
        let mut failed = None;
        // In pieces, so that what is held stays short whatever comes at once.
        for part in samples.chunks(self.window) {
            self.held.extend_from_slice(part);
            while self.held.len() >= self.window {
                let probabilities = self.hear().unwrap_or_else(|error| {
                    failed.get_or_insert(error);
                    self.silent()
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

    /// The probabilities of a window in which nothing is heard.
    fn silent(&self) -> Vec<f64> {
        vec![0.0; self.predictor.task().labels.count()]
    }

    /// Asks the network about the window that stands at the beginning of what is held: the
    /// probabilities in the order of the labels.
    fn hear(&self) -> Result<Vec<f64>, DataError> {
        let labels = self.predictor.task().labels.names();
        let wave = Waveform { samples: self.held[..self.window].to_vec(), rate: self.rate };
        if wave.rms() < self.config.silence {
            return Ok(self.silent());
        }
        let choice = self.predictor.predict(&[wave])?.remove(0);
        let of = |label: &String| f64::from(choice.scores.get(label).copied().unwrap_or(0.0));
        Ok(labels.iter().map(of).collect())
    }

    /// Takes the probabilities of the window that ends with sample number `end`.
    fn decide(&mut self, probabilities: Vec<f64>, end: u64) -> Option<Keyword> {
        let labels = self.predictor.task().labels.names();
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
        let best = (0..labels.len())
            .filter(|at| !self.config.background.contains(&labels[*at]))
            .map(|at| (at, mean(at)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let (at, score) = best.filter(|(_, score)| *score >= self.config.threshold)?;
        let keyword =
            Keyword { label: labels[at].clone(), time: end as f64 / f64::from(self.rate), score };
        let quiet = (self.config.refractory * f64::from(self.rate)).round() as u64;
        self.quiet_until = end + quiet.max(1);
        self.recent.clear();
        Some(keyword)
    }
}
