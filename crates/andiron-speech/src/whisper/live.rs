//! Transcription of a sound while it is heard.

use super::{
    HOP, RATE, WhisperListener,
    course::Course,
    frames::{self, BEHIND, Levelled},
};
use crate::{
    frontend::{Frames, mel::LogMelStream},
    models::whisper::WhisperConfig,
    tasks::speech_recognition::{Segment, SpeechRecognition, Transcript},
};
use andiron_core::{ConfigError, DataError, Network, Predictor};

/// What is known after a piece of sound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    /// What is final and was not told before.
    pub segments: Vec<Segment>,
    /// What the window that is still open says so far; none if it was not looked at this time.
    pub partial: Option<Partial>,
}

/// A guess at what an open window says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partial {
    /// The words that this guess and the one before agree on, from the beginning on.
    pub agreed: String,
    /// All of the guess.
    pub text: String,
}

/// A transcription that goes on: sound in pieces of any size, text as soon as it is known.
///
/// The rule: what is said of a window becomes final when the window is full, and then exactly as for a
/// whole sound ([`WhisperListener::transcribe`]), with one difference: the loudest frame, from which
/// the quietest are told, is that of the sound up to the window's end, since that of the whole is not
/// known yet. A sound of one window therefore gives what the whole gives. Until then the open window is heard anew
/// after each [`step`](Self::with_step) of sound, at temperature 0; of two such guesses in a row the
/// words that agree from the beginning on are told apart (LocalAgreement-2: Liu, Spanakis & Niehues
/// 2020, <https://arxiv.org/abs/2005.11185>, section 3.3). They may still change.
///
/// It holds one window of frames, and as much text as stands before a window: no more after hours.
///
/// ```no_run
/// use andiron_core::Predictor;
/// use andiron_speech::{SpeechRecognition, Waveform, whisper::{self, Live}};
/// use burn::tensor::Device;
///
/// let device = Device::flex();
/// let (listener, network) = whisper::from_folder("assets/whisper-tiny-en", &device)?;
/// let predictor = Predictor::new(SpeechRecognition::from(listener), network, &device);
/// let mut live = Live::new(&predictor)?;
/// for piece in Waveform::from_file("hello.wav")?.resample(whisper::RATE)?.samples.chunks(320) {
///     let heard = live.push(piece)?;
///     if let Some(partial) = heard.partial {
///         println!("… {}", partial.text);
///     }
/// }
/// println!("{}", live.finish()?.text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Live {
    predictor: Predictor<SpeechRecognition>,
    listener: WhisperListener,
    stream: LogMelStream,
    /// The frames from that at which the open window begins.
    frames: Frames,
    /// Those behind the end of the sound that reach back into it; none before it has ended.
    behind: Vec<f32>,
    /// The loudest of all windows that were decided about.
    loudest: f32,
    course: Course,
    /// Samples heard so far.
    samples: usize,
    /// Frames of sound after which the open window is heard anew; none does not.
    step: Option<usize>,
    /// Frames of the open window when it was last heard.
    heard: usize,
    guess: String,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("predictor", &self.predictor)
            .field("seconds", &(self.samples as f64 / f64::from(RATE)))
            .finish_non_exhaustive()
    }
}

impl Live {
    /// The beginning of a sound, for a predictor whose network is a Whisper. It is heard anew after
    /// each second.
    ///
    /// # Errors
    /// [`DataError::Config`] for another algorithm, or for a setting that cannot be used.
    pub fn new(predictor: &Predictor<SpeechRecognition>) -> Result<Self, DataError> {
        let listener = predictor.task().whisper()?.clone();
        listener.check()?;
        let live = Self {
            stream: frames::planned(listener.n_mels)?.stream()?,
            frames: Frames { values: Vec::new(), width: listener.n_mels },
            behind: Vec::new(),
            loudest: f32::NEG_INFINITY,
            course: Course::new(&listener)?,
            predictor: predictor.clone(),
            listener,
            samples: 0,
            step: Some(RATE as usize / HOP),
            heard: 0,
            guess: String::new(),
        };
        live.network()?;
        Ok(live)
    }

    /// After how many seconds of sound the open window is heard anew, 0.1 or more; none tells what is
    /// final alone, at the least cost.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`].
    pub fn with_step(self, seconds: Option<f64>) -> Result<Self, ConfigError> {
        let step = match seconds {
            None => None,
            Some(seconds) => {
                ConfigError::within("step", 0.1, f64::MAX, seconds)?;
                Some((seconds * f64::from(RATE)) as usize / HOP)
            }
        };
        Ok(Self { step, ..self })
    }

    fn network(&self) -> Result<&Network<WhisperConfig>, DataError> {
        let got = "asked of a network that is no Whisper";
        let wrong = || DataError::WrongKind { wanted: "a transcription", got };
        self.predictor.network::<WhisperConfig>().ok_or_else(wrong)
    }

    /// Hears the next samples: one channel, [`RATE`] a second; any number of them, also none.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] for a sample that is NaN or infinite; nothing of the piece is heard
    /// then.
    pub fn push(&mut self, samples: &[f32]) -> Result<Heard, DataError> {
        crate::frontend::reject_infinite("the piece of sound", samples)?;
        self.samples += samples.len();
        let made = self.stream.push(samples);
        self.frames.values.extend(made.values);
        let segments = self.full_windows()?;
        let open = self.frames.len();
        let partial = match self.step {
            Some(step) if open >= self.heard + step => Some(self.guess()?),
            _ => None,
        };
        Ok(Heard { segments, partial })
    }

    /// Decides about the windows that are full.
    fn full_windows(&mut self) -> Result<Vec<Segment>, DataError> {
        let mut segments = Vec::new();
        while self.frames.len() >= self.listener.window() {
            segments.extend(self.decide_open()?);
        }
        Ok(segments)
    }

    /// Decides about the open window, full or not, and opens the next.
    fn decide_open(&mut self) -> Result<Vec<Segment>, DataError> {
        let size = self.frames.len().min(self.listener.window());
        let mut course = self.course.clone();
        let decided = self.hear(&self.listener, &mut course, size)?;
        self.loudest = self.loudest_up_to(size);
        let from = course.seek;
        let segments = course.take(&decided, size, &self.listener)?;
        let done = (course.seek - from).min(self.frames.len());
        self.frames.values.drain(..done * self.frames.width);
        self.course = course;
        (self.heard, self.guess) = (0, String::new());
        Ok(segments)
    }

    fn hear(
        &self,
        listener: &WhisperListener,
        course: &mut Course,
        size: usize,
    ) -> Result<super::course::Decided, DataError> {
        let width = self.frames.width;
        let frames = Frames { values: self.frames.values[..size * width].to_vec(), width };
        let behind = self.behind(size).to_vec();
        let window = Levelled::below(self.loudest_up_to(size), frames, behind);
        let device = self.predictor.device();
        let model = &self.network()?.model;
        let encoded = model.encode(listener.windows(&[(&window.frames, 0)], device));
        listener.detect(model, &[&window], std::slice::from_mut(course), device);
        let mut decided = listener.decide(model, encoded, std::slice::from_ref(course), device)?;
        decided.pop().ok_or_else(|| DataError::Empty { what: "the answer".to_owned() })
    }

    /// What is heard behind the first `size` frames: behind a window that is not the last stands more
    /// sound.
    fn behind(&self, size: usize) -> &[f32] {
        if size == self.frames.len() { &self.behind } else { &[] }
    }

    /// The loudest of all that was heard up to the end of a window of `size` frames.
    fn loudest_up_to(&self, size: usize) -> f32 {
        let window = &self.frames.values[..size * self.frames.width];
        window.iter().chain(self.behind(size)).copied().fold(self.loudest, f32::max)
    }

    /// Hears the open window as it is.
    fn guess(&mut self) -> Result<Partial, DataError> {
        let mut listener = self.listener.clone();
        listener.decoding.temperatures = vec![0.0];
        let size = self.frames.len();
        // A language that is heard in part of a window is not decided yet.
        let mut course = self.course.clone();
        let decided = self.hear(&listener, &mut course, size)?;
        let said = course.take(&decided, size, &listener)?;
        let text = Transcript::of(said).text;
        let agreed = agreed(&self.guess, &text).to_owned();
        self.heard = size;
        self.guess.clone_from(&text);
        Ok(Partial { agreed, text })
    }

    /// Ends the sound: what was said in what is left of it, and was not told before.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(mut self) -> Result<Transcript, DataError> {
        let already = self.course.seek + self.frames.len();
        let made = self.stream.push(&[0.0; BEHIND]);
        let mut rest = made.values;
        rest.extend(self.stream.finish().values);
        let within = (self.samples / HOP).saturating_sub(already) * self.frames.width;
        self.behind = rest.split_off(within.min(rest.len()));
        self.frames.values.extend(rest);
        let mut segments = Vec::new();
        while !self.frames.is_empty() {
            segments.extend(self.decide_open()?);
        }
        let language = self.course.language.map(|(code, _)| code);
        let language = language.or(self.listener.decoding.language);
        Ok(Transcript { language, ..Transcript::of(segments) })
    }

    /// How many frames are held.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.frames.len()
    }
}

/// The words that both texts begin with, as the second writes them.
fn agreed<'a>(first: &str, second: &'a str) -> &'a str {
    let mut end = 0;
    let mut words = first.split_whitespace();
    for word in second.split_whitespace() {
        if words.next() != Some(word) {
            break;
        }
        // Both are parts of one text.
        end = word.as_ptr() as usize - second.as_ptr() as usize + word.len();
    }
    &second[..end]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::Waveform;
    use andiron_core::{Example, Recipe as _};
    use burn::tensor::Device;
    use serde_json::json;

    /// A network that knows nothing, with windows of so many seconds.
    fn predictor(seconds: f64) -> Predictor<SpeechRecognition> {
        let options = json!({
            "seconds": seconds, "n_mels": 7, "d_model": 8, "n_heads": 2, "n_layers": 1,
            "max_length": 14
        });
        let wave = Waveform::new(vec![0.1; 4_000], 16_000).unwrap();
        let train = vec![Example { input: wave, target: "a".to_owned() }];
        let (task, config) = WhisperConfig::prepare(&options, &train).unwrap();
        let device = Device::flex();
        Predictor::new(task, Network::init(config, 5, &device).unwrap(), &device)
    }

    fn sound(samples: usize) -> Vec<f32> {
        // It grows, so that the loudest frame of each window is another.
        let value = |n: usize| (n as f32 * 0.05).sin() * (0.1 + n as f32 / samples as f32);
        (0..samples).map(value).collect()
    }

    #[test]
    fn words_that_agree_from_the_beginning_on() {
        assert_eq!(agreed("one two three", "one two  four"), "one two");
        assert_eq!(agreed("", "one"), "");
        assert_eq!(agreed("one", "one"), "one");
        assert_eq!(agreed("ones", "one"), "");
    }

    #[test]
    fn a_sound_of_one_window_gives_what_the_whole_gives() {
        let predictor = predictor(2.0);
        for length in [0, 100, 159, 160, 16_123, 31_999] {
            let samples = sound(length.max(1));
            let samples = &samples[..length];
            let mut live = Live::new(&predictor).unwrap().with_step(Some(0.5)).unwrap();
            let mut partials = 0;
            for piece in samples.chunks(320) {
                let heard = live.push(piece).unwrap();
                assert!(heard.segments.is_empty());
                partials += usize::from(heard.partial.is_some());
            }
            assert_eq!(partials, (length / HOP).saturating_sub(2) / 50, "{length}");
            let found = live.finish().unwrap();
            if length == 0 {
                assert_eq!(found, Transcript::default());
                continue;
            }
            let whole = Waveform::new(samples.to_vec(), RATE).unwrap();
            assert_eq!(found, predictor.predict(&[whole]).unwrap()[0], "{length}");
        }
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let predictor = predictor(0.5);
        let samples = sound(40_000);
        let of = |size: usize| {
            let mut live = Live::new(&predictor).unwrap().with_step(None).unwrap();
            let mut segments = Vec::new();
            for piece in samples.chunks(size) {
                segments.extend(live.push(piece).unwrap().segments);
            }
            segments.extend(live.finish().unwrap().segments);
            segments
        };
        let wanted = of(40_000);
        assert!(wanted.len() > 2, "{wanted:?}");
        for size in [1, 77, 320, 9_000] {
            assert_eq!(of(size), wanted, "pieces of {size}");
        }
    }

    #[test]
    fn a_piece_that_is_no_sound_is_refused_and_not_heard() {
        let mut live = Live::new(&predictor(0.5)).unwrap();
        live.push(&sound(700)).unwrap();
        let refused = live.push(&[0.0, f32::NAN]).unwrap_err();
        assert!(matches!(refused, DataError::NotFinite { at: 1, .. }), "{refused:?}");
        assert_eq!(live.samples, 700);
        assert!(Live::new(&predictor(0.5)).unwrap().with_step(Some(0.0)).is_err());
    }

    #[test]
    fn guesses_are_made_at_temperature_zero_whatever_the_text_is_drawn_at() {
        let predictor = predictor(2.0);
        let partials = |temperature: f64| {
            let mut listener = predictor.task().whisper().unwrap().clone();
            listener.decoding.temperatures = vec![temperature];
            let predictor = predictor.with_task(SpeechRecognition::from(listener));
            let mut live = Live::new(&predictor).unwrap().with_step(Some(0.5)).unwrap();
            let heard = sound(31_000);
            let partials = heard.chunks(320).filter_map(|piece| live.push(piece).unwrap().partial);
            partials.collect::<Vec<_>>()
        };
        let cold = partials(0.0);
        assert!(cold.len() == 3 && !cold[0].text.is_empty(), "{cold:?}");
        assert_eq!(cold, partials(3.0));
    }

    #[test]
    fn no_more_than_a_window_is_held() {
        let mut live = Live::new(&predictor(2.0)).unwrap().with_step(None).unwrap();
        let ten_seconds = sound(10 * RATE as usize);
        for _ in 0..6 {
            for piece in ten_seconds.chunks(320) {
                live.push(piece).unwrap();
                assert!(live.held() < live.listener.window(), "{} frames are held", live.held());
            }
        }
    }
}
