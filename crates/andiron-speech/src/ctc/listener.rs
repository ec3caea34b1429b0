//! How sound becomes frames, and frames text.

use super::{BLANK, Characters, Found, frames_needed, greedy, prefix_beam_search};
use crate::{
    Waveform,
    augment::AudioAugment,
    frontend::{Frames, mel::LogMelConfig},
    models::conformer::{ConformerConfig, frames_out},
    tasks::{
        audio_classification::Scaler,
        speech_recognition::{Segment, Transcript},
    },
};
use andiron_core::{ConfigError, DataError};
use serde::{Deserialize, Serialize};

/// The level that every sound is brought to, as the root of the mean square.
const LEVEL: f32 = 0.1;

/// How text is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CtcDecoding {
    /// Beginnings that are kept; 1 takes the most probable token of each frame, 2 to 1000 search.
    pub beams: usize,
}

/// All that a network of characters needs beside itself: saved in the bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CtcListener {
    /// What it can write.
    pub characters: Characters,
    /// From samples to frames; its rate is the one that a sound is resampled to.
    pub mel: LogMelConfig,
    /// From frames to numbers around zero.
    pub scaler: Scaler,
    /// The longest sound in seconds; above 0, at most [`Waveform::MAX_SECONDS`]. A longer one is
    /// refused: attention takes memory with the square of the length.
    pub max_seconds: f64,
    /// The language that is spoken, as a code of ISO 639-1, which a transcript repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// How text is found.
    pub decoding: CtcDecoding,
    /// How training sounds are changed at random; none leaves them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<AudioAugment>,
}

impl CtcListener {
    /// Whether a network fits.
    ///
    /// # Errors
    /// [`ConfigError`] names what network and task say differently, or the setting that cannot be
    /// used.
    pub fn fits(&self, config: &ConformerConfig) -> Result<(), ConfigError> {
        ConfigError::agree("the number of mel bands", config.n_mels, self.mel.n_mels)?;
        ConfigError::agree("the number of tokens", config.n_tokens, self.characters.n_tokens())?;
        self.check()
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.characters.check()?;
        self.mel.check()?;
        self.scaler.check(self.mel.n_mels)?;
        let longest = Waveform::MAX_SECONDS as f64;
        ConfigError::within("max_seconds", f64::MIN_POSITIVE, longest, self.max_seconds)?;
        ConfigError::within("beams", 1.0, 1_000.0, self.decoding.beams as f64)
    }

    /// The frames of a sound before they are scaled.
    ///
    /// # Errors
    /// [`DataError::TooLarge`] for a sound that is too long; and as [`Waveform::resample`].
    pub fn unscaled(&self, wave: &Waveform) -> Result<Frames, DataError> {
        wave.check()?;
        if wave.seconds() > self.max_seconds {
            return Err(DataError::TooLarge {
                what: "the length of the sound in milliseconds",
                limit: (self.max_seconds * 1e3) as u64,
                got: (wave.seconds() * 1e3).ceil() as u64,
            });
        }
        let wave = wave.resample(self.mel.rate)?.with_rms(LEVEL);
        Ok(self.mel.init()?.compute(&wave.samples))
    }

    /// The frames that the network hears.
    ///
    /// # Errors
    /// As [`unscaled`](Self::unscaled).
    pub fn frames(&self, wave: &Waveform) -> Result<Frames, DataError> {
        let mut frames = self.unscaled(wave)?;
        self.scaler.check(frames.width)?;
        self.scaler.apply(&mut frames);
        Ok(frames)
    }

    /// The tokens of a transcript.
    ///
    /// # Errors
    /// [`DataError::TooShort`] if a sound of so many `frames` is too short to say it.
    pub fn lesson(&self, text: &str, frames: usize) -> Result<Vec<u32>, DataError> {
        let tokens = self.characters.tokens(text);
        let (least, got) = (frames_needed(&tokens), frames_out(frames));
        if least > got {
            return Err(DataError::TooShort {
                what: "the sound in frames of its text",
                least: least as u64,
                got: got as u64,
            });
        }
        Ok(tokens)
    }

    /// Frames and tokens to learn from, the sound changed by the drawing of `seed` if there is one. A
    /// drawing that leaves too little of the sound for its text is not taken.
    ///
    /// # Errors
    /// As [`frames`](Self::frames) and [`lesson`](Self::lesson).
    pub fn drawn(
        &self,
        wave: &Waveform,
        text: &str,
        others: &[&Waveform],
        seed: Option<u64>,
    ) -> Result<(Frames, Vec<u32>), DataError> {
        if let (Some(augment), Some(seed)) = (&self.augment, seed) {
            let heard = augment.draw(wave, others, seed)?;
            if heard.seconds() <= self.max_seconds {
                let mut frames = self.frames(&heard)?;
                if let Ok(tokens) = self.lesson(text, frames.len()) {
                    augment.draw_frames(&mut frames, seed);
                    return Ok((frames, tokens));
                }
            }
        }
        let frames = self.frames(wave)?;
        let tokens = self.lesson(text, frames.len())?;
        Ok((frames, tokens))
    }

    /// What log-probabilities say.
    ///
    /// # Shapes
    /// - log_probabilities: row-major `[frames, n_tokens]`
    pub fn write(&self, log_probabilities: &[f32]) -> Transcript {
        let n_tokens = self.characters.n_tokens();
        let found = match self.decoding.beams {
            0 | 1 => greedy(log_probabilities, n_tokens),
            beams => prefix_beam_search(log_probabilities, n_tokens, beams),
        };
        let text = self.characters.write(&found.tokens);
        let mut transcript = match text.is_empty() {
            true => Transcript::default(),
            false => Transcript::of(vec![self.segment(log_probabilities, found, text)]),
        };
        transcript.language.clone_from(&self.language);
        transcript
    }

    /// The text, from the first frame to the last that is not most probably blank.
    fn segment(&self, log_probabilities: &[f32], found: Found, text: String) -> Segment {
        let spoken = |row: &[f32]| row[1..].iter().any(|value| *value > row[BLANK]);
        let rows: Vec<bool> =
            log_probabilities.chunks_exact(self.characters.n_tokens()).map(spoken).collect();
        let first = rows.iter().position(|spoken| *spoken).unwrap_or(0);
        let last = rows.iter().rposition(|spoken| *spoken).unwrap_or(rows.len().max(1) - 1);
        // Seconds of a frame of the network.
        let seconds = 4.0 * self.mel.hop as f64 / f64::from(self.mel.rate);
        let mut segment = Segment::new(first as f64 * seconds, (last + 1) as f64 * seconds, text);
        segment.log_probability = Some(found.log_probability / rows.len().max(1) as f64);
        segment.tokens = found.tokens;
        segment
    }
}
