//! How Whisper's text is searched for.

use andiron_core::ConfigError;
use serde::{Deserialize, Serialize};

/// Settings of the search; a field left out has its default, which is the paper's, section 4.5, with
/// greedy search in place of a beam.
///
/// ```
/// use andiron_speech::whisper::WhisperDecoding;
///
/// // The most probable token each time, no times, no second try: the fastest, and repeatable.
/// let plain = WhisperDecoding::greedy();
/// assert_eq!(plain.temperatures, [0.0]);
/// assert!(WhisperDecoding { beam: 0, ..plain }.check().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhisperDecoding {
    /// The language that is spoken, by its code; none detects it in the first window. A model of
    /// English alone hears English.
    pub language: Option<String>,
    /// Whether what is said is put into English.
    pub translate: bool,
    /// Whether times are written with the text. Without them each window is one segment, and what
    /// is cut by its end is heard in halves.
    pub timestamps: bool,
    /// How many continuations are kept at temperature 0, 1 or more; 1 is greedy.
    pub beam: usize,
    /// How long a beam waits: for `beam · patience` finished texts (Kasai et al. 2022,
    /// <https://arxiv.org/abs/2204.05424>); above 0, default 1.
    pub patience: f64,
    /// How finished texts are compared: by their logarithm of the probability over
    /// `((5 + length) / 6)` to this power (Wu et al. 2016, <https://arxiv.org/abs/1609.08144>,
    /// equation 14), 0 to 1; none divides by the length.
    pub length_penalty: Option<f64>,
    /// How many texts are drawn above temperature 0, the best of which is taken; 1 or more.
    pub best_of: usize,
    /// The temperatures that are tried one after the other until a text passes, each 0 or more;
    /// one or more of them.
    pub temperatures: Vec<f64>,
    /// A text does not pass if zlib makes it smaller than by this factor: it repeats itself. None
    /// lets all pass.
    pub compression_ratio: Option<f64>,
    /// A text does not pass if the mean logarithm of its tokens' probabilities is below this; none
    /// lets all pass.
    pub log_probability: Option<f64>,
    /// A window whose probability of silence is above this is left out, unless its text passes by
    /// `log_probability`; none leaves out nothing.
    pub no_speech: Option<f64>,
    /// Whether the text so far stands before each window, unless it was drawn above temperature 0.5.
    pub condition_on_previous: bool,
    /// What might have been said before the beginning: names and spellings to expect.
    pub prompt: Option<String>,
    /// The first mark of time is at most this, in seconds; none lets it be any.
    pub max_initial_timestamp: Option<f64>,
    /// Decides what is drawn above temperature 0: equal seeds give equal texts, whatever else is
    /// asked for at the same time.
    pub seed: u64,
}

impl Default for WhisperDecoding {
    fn default() -> Self {
        Self {
            language: None,
            translate: false,
            timestamps: true,
            beam: 1,
            patience: 1.0,
            length_penalty: None,
            best_of: 5,
            temperatures: vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
            compression_ratio: Some(2.4),
            log_probability: Some(-1.0),
            no_speech: Some(0.6),
            condition_on_previous: true,
            prompt: None,
            max_initial_timestamp: Some(1.0),
            seed: 0,
        }
    }
}

impl WhisperDecoding {
    /// One pass over each window: the most probable token each time, no times, no earlier text.
    pub fn greedy() -> Self {
        Self {
            timestamps: false,
            temperatures: vec![0.0],
            condition_on_previous: false,
            ..Self::default()
        }
    }

    /// Checks every field but the language, which the vocabulary knows.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("beam", 1, self.beam)?;
        ConfigError::within("beam", 1.0, 64.0, self.beam as f64)?;
        ConfigError::within("patience", f64::MIN_POSITIVE, 64.0, self.patience)?;
        if let Some(penalty) = self.length_penalty {
            ConfigError::within("length_penalty", 0.0, 1.0, penalty)?;
        }
        ConfigError::at_least("best_of", 1, self.best_of)?;
        ConfigError::within("best_of", 1.0, 64.0, self.best_of as f64)?;
        ConfigError::at_least("temperatures", 1, self.temperatures.len())?;
        for temperature in &self.temperatures {
            ConfigError::within("temperatures", 0.0, 100.0, *temperature)?;
        }
        for (field, limit) in [
            ("compression_ratio", self.compression_ratio),
            ("log_probability", self.log_probability),
            ("no_speech", self.no_speech),
        ] {
            if let Some(limit) = limit {
                ConfigError::within(field, f64::MIN, f64::MAX, limit)?;
            }
        }
        if let Some(seconds) = self.max_initial_timestamp {
            ConfigError::within("max_initial_timestamp", 0.0, 30.0, seconds)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn settings_are_refused_by_name() {
        let refused = |change: fn(&mut WhisperDecoding)| {
            let mut settings = WhisperDecoding::default();
            settings.check().unwrap();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        type Change = fn(&mut WhisperDecoding);
        let changes: [(Change, &str); 9] = [
            (|s| s.beam = 0, "beam must be at least 1, but is 0"),
            (|s| s.beam = 1000, "beam must"),
            (|s| s.patience = 0.0, "patience must"),
            (|s| s.length_penalty = Some(2.0), "length_penalty must"),
            (|s| s.best_of = 0, "best_of must be at least 1, but is 0"),
            (|s| s.temperatures.clear(), "temperatures must be at least 1, but is 0"),
            (|s| s.temperatures.push(-0.1), "temperatures must"),
            (|s| s.no_speech = Some(f64::NAN), "no_speech must"),
            (|s| s.max_initial_timestamp = Some(-1.0), "max_initial_timestamp must"),
        ];
        for (change, start) in changes {
            let text = refused(change);
            assert!(text.starts_with(start), "{text}");
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let settings: WhisperDecoding = serde_json::from_str(r#"{"beam": 5}"#).unwrap();
        assert_eq!(settings, WhisperDecoding { beam: 5, ..Default::default() });
        assert!(serde_json::from_str::<WhisperDecoding>(r#"{"beams": 5}"#).is_err());
    }
}
