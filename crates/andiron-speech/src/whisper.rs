//! How a [`Whisper`] is asked what was said, window by window, and
//! what others publish of it.
//!
//! - [`WhisperListener`]: vocabulary, windows and settings: what a task holds beside the network.
//! - [`Live`]: the same of a sound that comes in pieces.
//! - [`WhisperDecoding`]: greedy search, beam and samples; when a text is tried again.
//! - [`Vocabulary`]: a published `tokenizer.json`.
//!
//! Paper: Radford et al. 2022, <https://arxiv.org/abs/2212.04356>, sections 2.3 and 4.5. What is
//! decided where follows openai-whisper, so that texts are equal.

mod course;
mod decoding;
mod frames;
mod language;
mod live;
mod published;
mod rules;
mod search;
mod vocabulary;

pub use decoding::WhisperDecoding;
pub use frames::{HOP, RATE};
pub use live::{Heard, Live, Partial};
pub use published::{
    ARCHITECTURES, WhisperError, describe, from_folder, load_weights, of_config_json,
};
pub use vocabulary::{Marks, Vocabulary, VocabularyError};

use crate::{
    Waveform,
    frontend::Frames,
    models::whisper::{Whisper, WhisperConfig},
    tasks::speech_recognition::{Segment, Transcript},
};
use andiron_core::{ConfigError, DataError};
use burn::tensor::{Device, Int, Tensor, TensorData};
use course::{Course, Decided};
use frames::Levelled;
pub(crate) use published::{fit, home_files};
use rayon::prelude::*;
use rules::{Rules, Times};
use search::{Ask, Search};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Windows of different sounds that are heard at once at the most.
const AT_ONCE: usize = 8;

/// What belongs to a Whisper beside its weights: vocabulary, sizes of its windows, settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhisperListener {
    /// Text and marks as tokens.
    pub vocabulary: Vocabulary,
    /// Whether the language stands before a text.
    pub multilingual: bool,
    /// Mel bands of a frame.
    pub n_mels: usize,
    /// Frames behind the encoder's convolutions: a window has twice as many mel frames, of ten
    /// milliseconds each.
    pub n_frames: usize,
    /// The longest text in tokens, what stands before it included.
    pub max_length: usize,
    /// Tokens that are never written.
    pub suppress: Vec<u32>,
    /// How text is searched for.
    #[serde(default)]
    pub decoding: WhisperDecoding,
}

impl WhisperListener {
    /// Whether a network can answer with this.
    ///
    /// # Errors
    /// [`ConfigError`] names what network and task say differently, or the setting that cannot be
    /// used.
    pub fn fits(&self, config: &WhisperConfig) -> Result<(), ConfigError> {
        ConfigError::agree("the number of mel bands", config.n_mels, self.n_mels)?;
        ConfigError::agree("the number of frames", config.n_frames, self.n_frames)?;
        ConfigError::agree("the longest text", config.max_length, self.max_length)?;
        let n_tokens = self.vocabulary.n_tokens();
        ConfigError::at_least("the number of tokens", n_tokens, config.n_tokens)?;
        self.vocabulary.marks().fit(config.n_tokens)?;
        self.check()
    }

    /// Checks every setting.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        // The marks before a text, one token and its end.
        ConfigError::at_least("max_length", 12, self.max_length)?;
        self.decoding.check()?;
        let marks = self.vocabulary.marks();
        let unable = |field: &str, got: &str, reason: &str| ConfigError::Kind {
            field: field.to_owned(),
            got: got.to_owned(),
            reason: reason.to_owned(),
        };
        let translates = self.multilingual && marks.translate.is_some();
        if self.decoding.translate && !translates {
            let reason = "the network knows one language, and translates nothing";
            return Err(unable("translate", "true", reason));
        }
        match &self.decoding.language {
            Some(code) if self.multilingual => self.vocabulary.language(code).map(drop),
            // One with marks of languages that are not used is published as one of English. One
            // without any was trained from nothing, and speaks what it was trained on.
            Some(code) if code != "en" && !marks.languages.is_empty() => {
                Err(unable("language", &format!("{code:?}"), "the network hears English alone"))
            }
            _ => Ok(()),
        }
    }

    /// Whether every text is English: it is set to hear it or to translate, or the network hears
    /// nothing else.
    pub(crate) fn writes_english(&self) -> bool {
        let published = !self.multilingual && !self.vocabulary.marks().languages.is_empty();
        let said = self.decoding.language.as_deref() == Some("en");
        said || published || (self.multilingual && self.decoding.translate)
    }

    /// How many mel frames a window has.
    pub fn window(&self) -> usize {
        2 * self.n_frames
    }

    /// Log-mel frames of a sound, levelled over all of it; as many as it has whole hops. The broken
    /// hop at its end counts for the level.
    ///
    /// # Errors
    /// [`DataError`] for a sound that cannot be used.
    pub fn frames(&self, wave: &Waveform) -> Result<Frames, DataError> {
        Ok(Levelled::of(wave, self.n_mels)?.frames)
    }

    /// The first window of a sound, in which its language is heard: with the frames of silence behind
    /// its end, where a text is heard with zeros.
    ///
    /// # Errors
    /// [`DataError`] for a sound that cannot be used.
    pub fn opening(&self, wave: &Waveform) -> Result<Frames, DataError> {
        Ok(Levelled::of(wave, self.n_mels)?.opening(self.window()))
    }

    /// Windows of frames from their beginnings on, as the network takes them; zeros behind the end.
    ///
    /// # Shapes
    /// - output: `[windows, n_mels, 2 · n_frames]`
    pub fn windows(&self, starts: &[(&Frames, usize)], device: &Device) -> Tensor<3> {
        let mut values = Vec::with_capacity(starts.len() * self.n_mels * self.window());
        for (frames, from) in starts {
            frames::window(frames, *from, self.window(), &mut values);
        }
        let shape = [starts.len(), self.n_mels, self.window()];
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// The marks that begin a transcript in the language of the mark `language`.
    fn beginning(&self, language: Option<u32>) -> Vec<u32> {
        let marks = self.vocabulary.marks();
        let mut all = vec![marks.start];
        if self.multilingual {
            let what = if self.decoding.translate { marks.translate } else { marks.transcribe };
            all.extend(language);
            all.extend(what);
        }
        if !self.decoding.timestamps {
            all.push(marks.no_timestamps);
        }
        all
    }

    /// The tokens from which a network learns a text without times, and how many of them stand before
    /// what it learns.
    ///
    /// # Errors
    /// [`DataError::TooLarge`] for a text over the network's length, [`DataError::Config`] for a
    /// multilingual one whose language is not set.
    pub fn lesson(&self, text: &str) -> Result<(Vec<u32>, usize), DataError> {
        let without = WhisperDecoding { timestamps: false, ..self.decoding.clone() };
        let code = without.language.clone().unwrap_or_else(|| "no language".to_owned());
        let language = match self.multilingual {
            true => Some(self.vocabulary.language(&code)?),
            false => None,
        };
        let mut ids = Self { decoding: without, ..self.clone() }.beginning(language);
        let before = ids.len();
        ids.extend(self.vocabulary.ids(text)?);
        ids.push(self.vocabulary.marks().end);
        // The last is only a truth.
        if ids.len() > self.max_length + 1 {
            let what = "the length of the transcript in tokens";
            let (limit, got) = ((self.max_length + 1) as u64, ids.len() as u64);
            return Err(DataError::TooLarge { what, limit, got });
        }
        Ok((ids, before))
    }

    fn rules(&self) -> Result<Rules, DataError> {
        let marks = self.vocabulary.marks();
        let mut blank = self.vocabulary.ids(" ")?;
        blank.push(marks.end);
        let times = self.decoding.timestamps.then(|| Times {
            initial: self
                .decoding
                .max_initial_timestamp
                .map(|seconds| (seconds * 50.0).round() as u32),
        });
        Ok(Rules {
            suppress: self.suppress.clone(),
            blank,
            end: marks.end,
            times,
            timestamps: marks.timestamps,
            no_timestamps: marks.no_timestamps,
        })
    }

    /// What is said in each sound. What else is asked changes neither a sound's texts nor their times:
    /// it decides how the sums of a batch are rounded, which moves probabilities by less than 1e-4, and
    /// could move a choice between two tokens that are so nearly equal.
    ///
    /// # Errors
    /// [`DataError`] for a sound or a setting that cannot be used.
    pub fn transcribe(
        &self,
        model: &Whisper,
        waves: &[Waveform],
        device: &Device,
    ) -> Result<Vec<Transcript>, DataError> {
        self.check()?;
        let all = waves.par_iter().map(|wave| Levelled::of(wave, self.n_mels));
        let all = all.collect::<Result<Vec<Levelled>, DataError>>()?;
        let course = Course::new(self)?;
        let mut courses = vec![course; waves.len()];
        let mut segments: Vec<Vec<Segment>> = vec![Vec::new(); waves.len()];
        loop {
            let open = (0..waves.len()).filter(|at| courses[*at].seek < all[*at].frames.len());
            let open: Vec<usize> = open.take(AT_ONCE).collect();
            if open.is_empty() {
                break;
            }
            let starts = open.iter().map(|at| (&all[*at].frames, courses[*at].seek));
            let encoded = model.encode(self.windows(&starts.collect::<Vec<_>>(), device));
            let mut now: Vec<Course> = open.iter().map(|at| courses[*at].clone()).collect();
            let sounds: Vec<&Levelled> = open.iter().map(|at| &all[*at]).collect();
            self.detect(model, &sounds, &mut now, device);
            let decided = self.decide(model, encoded, &now, device)?;
            for ((at, mut course), decided) in open.into_iter().zip(now).zip(decided) {
                let size = self.window().min(all[at].frames.len() - course.seek);
                segments[at].extend(course.take(&decided, size, self)?);
                courses[at] = course;
            }
        }
        let transcript = |(course, segments): (Course, Vec<Segment>)| {
            let language = course.language.map(|(code, _)| code);
            let language = language.or_else(|| self.decoding.language.clone());
            Transcript { language, ..Transcript::of(segments) }
        };
        Ok(courses.into_iter().zip(segments).map(transcript).collect())
    }

    /// The text of one window of each course: the first that passes, of as many temperatures as it
    /// takes.
    ///
    /// # Shapes
    /// - encoded: `[windows, n_frames, d_model]`
    fn decide(
        &self,
        model: &Whisper,
        encoded: Tensor<3>,
        courses: &[Course],
        device: &Device,
    ) -> Result<Vec<Decided>, DataError> {
        let rules = self.rules()?;
        let befores: Vec<_> =
            courses.iter().map(|course| course.before(self, model.max_length())).collect();
        let mut decided: Vec<Option<Decided>> = vec![None; courses.len()];
        let mut open: Vec<usize> = (0..courses.len()).collect();
        for (tried, temperature) in self.decoding.temperatures.iter().enumerate() {
            let search = Search {
                model,
                rules: &rules,
                settings: &self.decoding,
                temperature: *temperature,
                no_speech: self.vocabulary.marks().no_speech,
                room: model.max_length() / 2,
            };
            // A batch has rows of one length.
            let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for at in open.drain(..) {
                groups.entry(befores[at].0.len()).or_default().push(at);
            }
            let last = tried + 1 == self.decoding.temperatures.len();
            for group in groups.into_values() {
                let asks: Vec<Ask> = group
                    .iter()
                    .map(|at| {
                        let (before, start) = befores[*at].clone();
                        let seed = self.seed(courses[*at].seek, tried);
                        Ask { before, start, seed }
                    })
                    .collect();
                let answers = search.run(some(&encoded, &group), &asks, device);
                for (at, answer) in group.into_iter().zip(answers) {
                    if !last && self.tries_again(&answer)? {
                        open.push(at);
                    }
                    decided[at] = Some(Decided { answer, temperature: *temperature });
                }
            }
            open.sort_unstable();
        }
        Ok(decided.into_iter().flatten().collect())
    }

    /// A random stream of its own for each window and try.
    fn seed(&self, seek: usize, tried: usize) -> u64 {
        let place = ((seek as u64) << 8) | tried as u64;
        andiron_kernels::mix(self.decoding.seed, &[place])
    }

    /// Whether an answer does not pass (the paper's section 4.5).
    fn tries_again(&self, answer: &search::Answer) -> Result<bool, DataError> {
        let decoding = &self.decoding;
        let improbable =
            decoding.log_probability.is_some_and(|least| answer.log_probability < least);
        // Silence is improbable text, and is left alone.
        if improbable && decoding.no_speech.is_some_and(|limit| answer.no_speech > limit) {
            return Ok(false);
        }
        let repeats = match decoding.compression_ratio {
            Some(limit) => self.vocabulary.ratio(&answer.tokens)? > limit,
            None => false,
        };
        Ok(improbable || repeats)
    }
}

/// Some of the rows of a batch.
fn some(all: &Tensor<3>, rows: &[usize]) -> Tensor<3> {
    if rows.iter().copied().eq(0..all.dims()[0]) {
        return all.clone();
    }
    let numbers: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    all.clone().select(0, Tensor::<1, Int>::from_ints(&numbers[..], &all.device()))
}

#[cfg(test)]
mod tests;
