//! Keywords in a stream: an [`AudioClassification`](crate::AudioClassification) asked again and again of the last second.
//!
//! [`KeywordSpotting`] is the task: such a classifier with its [`KeywordConfig`], saved together, asked
//! of whole sounds. [`KeywordStream`] slides a window over sound that comes in pieces, averages the probabilities of
//! the last few windows, and reports a label that reaches a threshold, at most once in a while.
//! [`measure`] counts hits and false accepts; [`keyword_clips`] and [`mixed_stream`] make of single
//! words what is learnt from and tried on.

mod made;
mod measure;
mod stream;
mod task;

pub use made::{MixConfig, OTHER, keyword_clips, mixed_stream};
pub use measure::{KeywordReport, TrueKeyword, measure};
pub use stream::KeywordStream;
pub use task::{KEYWORD_SPOTTERS, KeywordSpotting, KeywordTarget, Keywords};

use andiron_core::ConfigError;
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

    /// Checks every field, for a classifier that knows these `labels`.
    ///
    /// # Errors
    /// [`ConfigError`] names the field, or the background label that is none.
    pub fn fits(&self, labels: &[String]) -> Result<(), ConfigError> {
        self.check()?;
        match self.background.iter().find(|label| !labels.contains(label)) {
            Some(field) => {
                Err(ConfigError::Unknown { field: field.clone(), known: labels.to_vec() })
            }
            None => Ok(()),
        }
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
