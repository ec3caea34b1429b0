//! What goes from window to window: where the next begins, and what was said before.
//!
//! Source: openai-whisper, `transcribe.py`.

use super::{
    Vocabulary, WhisperListener,
    frames::{HOP, RATE},
    search::Answer,
};
use crate::tasks::speech_recognition::Segment;
use andiron_core::DataError;

/// Mel frames from one mark of time to the next.
const FRAMES_A_MARK: usize = 2;
/// Seconds from one mark of time to the next.
const SECONDS_A_MARK: f64 = (FRAMES_A_MARK * HOP) as f64 / RATE as f64;
/// Above this temperature a text says too little to go on with.
const HOT: f64 = 0.5;

/// Where the transcription of a sound stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    /// The mel frame at which the next window begins.
    pub(super) seek: usize,
    /// The code and the mark of the language, once it is known.
    pub(super) language: Option<(String, u32)>,
    /// What the next window goes on with: tokens said before, the newest last.
    said: Vec<u32>,
}

/// A decision about a window, after all temperatures that were tried.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub(super) answer: Answer,
    pub(super) temperature: f64,
}

impl Course {
    /// The beginning of a sound.
    pub(super) fn new(listener: &WhisperListener) -> Result<Self, DataError> {
        let decoding = &listener.decoding;
        let mut course = Self::default();
        if let Some(prompt) = &decoding.prompt {
            course.said = listener.vocabulary.ids(&format!(" {}", prompt.trim()))?;
        }
        if let Some(code) = decoding.language.as_ref().filter(|_| listener.multilingual) {
            course.language = Some((code.clone(), listener.vocabulary.language(code)?));
        }
        Ok(course)
    }

    /// The tokens before the next window's text, and where the transcript begins among them; `most`
    /// is how many tokens the network can read.
    pub(super) fn before(&self, listener: &WhisperListener, most: usize) -> (Vec<u32>, usize) {
        let marks = listener.vocabulary.marks();
        let mut before = Vec::new();
        if let Some(previous) = marks.previous.filter(|_| !self.said.is_empty()) {
            let kept = self.said.len().min((most / 2).saturating_sub(1));
            before.push(previous);
            before.extend(&self.said[self.said.len() - kept..]);
        }
        let start = before.len();
        before.extend(listener.beginning(self.language.as_ref().map(|(_, mark)| *mark)));
        (before, start)
    }

    /// Takes what was decided about the next window, of which `size` mel frames belong to the sound,
    /// and goes on; gives the window's segments.
    pub(super) fn take(
        &mut self,
        decided: &Decided,
        size: usize,
        listener: &WhisperListener,
    ) -> Result<Vec<Segment>, DataError> {
        let Answer { tokens, log_probability, no_speech } = &decided.answer;
        let decoding = &listener.decoding;
        let silent = decoding.no_speech.is_some_and(|limit| *no_speech > limit);
        if silent && decoding.log_probability.is_none_or(|least| *log_probability <= least) {
            self.seek += size;
            return Ok(Vec::new());
        }
        let offset = (self.seek * HOP) as f64 / f64::from(RATE);
        let begin = listener.vocabulary.marks().timestamps;
        let parts = cut(tokens, begin, size);
        self.seek += parts.advance;
        let mut segments = Vec::new();
        for (from, to, tokens) in parts.segments {
            let text = listener.vocabulary.text(tokens)?;
            if from == to || text.trim().is_empty() {
                continue;
            }
            segments.push(Segment {
                // To the thousandth, which no mark is finer than.
                start: rounded(offset + from),
                end: rounded(offset + to),
                text,
                log_probability: Some(*log_probability),
                no_speech_probability: Some(*no_speech),
                tokens: tokens.to_vec(),
            });
        }
        self.said.extend(segments.iter().flat_map(|segment| &segment.tokens));
        if !decoding.condition_on_previous || decided.temperature > HOT {
            self.said.clear();
        }
        // No more is ever read.
        let surplus = self.said.len().saturating_sub(listener.max_length / 2);
        self.said.drain(..surplus);
        Ok(segments)
    }
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

/// A window's text, cut at its marks of time.
#[derive(Debug, PartialEq)]
struct Parts<'a> {
    /// From and to in seconds within the window, and the tokens.
    segments: Vec<(f64, f64, &'a [u32])>,
    /// The mel frames that are done with.
    advance: usize,
}

/// Cuts `tokens` where two marks of time follow each other: behind the last such pair the window
/// was cut too, and is heard again. The marks begin with the number `begin`.
fn cut(tokens: &[u32], begin: u32, size: usize) -> Parts<'_> {
    let is_mark = |id: &u32| *id >= begin;
    let mark = |id: u32| id.saturating_sub(begin) as usize;
    let seconds = |mark: usize| mark as f64 * SECONDS_A_MARK;
    let ends_single = matches!(tokens, [.., text, last] if !is_mark(text) && is_mark(last));
    let mut cuts: Vec<usize> =
        (1..tokens.len()).filter(|at| is_mark(&tokens[at - 1]) && is_mark(&tokens[*at])).collect();
    if cuts.is_empty() {
        let last = tokens.iter().rev().find(|id| is_mark(id)).map(|id| mark(*id));
        let length = (size * HOP) as f64 / f64::from(RATE);
        let to = last.filter(|mark| *mark > 0).map_or(length, seconds);
        return Parts { segments: vec![(0.0, to, tokens)], advance: size };
    }
    if ends_single {
        cuts.push(tokens.len());
    }
    let mut segments = Vec::new();
    let mut from = 0;
    for to in cuts {
        let part = &tokens[from..to];
        segments.push((seconds(mark(part[0])), seconds(mark(part[part.len() - 1])), part));
        from = to;
    }
    let advance = if ends_single { size } else { mark(tokens[from - 1]) * FRAMES_A_MARK };
    // A window that ends with a pair at its very beginning would be heard for ever.
    Parts { segments, advance: if advance == 0 { size } else { advance } }
}

/// How many times smaller zlib makes a text; 1 for none.
pub(super) fn compression_ratio(text: &str) -> f64 {
    use std::io::Write as _;
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = out.write_all(text.as_bytes()).and_then(|()| out.finish());
    // Memory takes all that is written.
    let packed = packed.map_or(1, |packed| packed.len());
    text.len() as f64 / packed.max(1) as f64
}

impl Vocabulary {
    /// The compression ratio of what tokens say.
    pub(super) fn ratio(&self, tokens: &[u32]) -> Result<f64, DataError> {
        Ok(compression_ratio(self.text(tokens)?.trim()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Marks begin with 100.
    fn parts(tokens: &[u32], size: usize) -> (Vec<(f64, f64, Vec<u32>)>, usize) {
        let Parts { segments, advance } = cut(tokens, 100, size);
        (segments.into_iter().map(|(a, b, ids)| (a, b, ids.to_vec())).collect(), advance)
    }

    #[test]
    fn a_window_is_cut_where_two_marks_meet() {
        // Two whole segments and a third that is cut off: it is heard again.
        let (segments, advance) = parts(&[100, 1, 150, 150, 2, 3, 200, 210, 4], 3000);
        assert_eq!(segments, [(0.0, 1.0, vec![100, 1, 150]), (1.0, 2.0, vec![150, 2, 3, 200])]);
        assert_eq!(advance, 200);
        // All of them whole.
        let (segments, advance) = parts(&[100, 1, 150, 160, 2, 200], 3000);
        assert_eq!(segments[1], (1.2, 2.0, vec![160, 2, 200]));
        assert_eq!(advance, 3000);
        // One segment, with and without its end.
        assert_eq!(parts(&[100, 1, 2, 125], 2000), (vec![(0.0, 0.5, vec![100, 1, 2, 125])], 2000));
        assert_eq!(parts(&[100, 1, 2], 2000), (vec![(0.0, 20.0, vec![100, 1, 2])], 2000));
        assert_eq!(parts(&[7, 8], 300), (vec![(0.0, 3.0, vec![7, 8])], 300));
        assert_eq!(parts(&[], 300), (vec![(0.0, 3.0, vec![])], 300));
        // Nothing said, and time does not move.
        assert_eq!(parts(&[100, 100], 300).1, 300);
    }

    #[test]
    fn what_repeats_itself_is_packed_small() {
        let plain = "It was the best of times, it was the worst of times.";
        assert!(compression_ratio(plain) < 1.5);
        assert!(compression_ratio(&"again and ".repeat(40)) > 2.4);
        assert_eq!(compression_ratio(""), 0.0);
    }
}
