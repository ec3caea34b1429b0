//! From the probabilities of frames to spans of speech.

use andiron_core::ConfigError;
use serde::{Deserialize, Serialize};

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Where it begins, in seconds from the beginning of the sound; 0 or more.
    pub start: f64,
    /// Where it ends, in seconds; not before its start.
    pub end: f64,
}

impl Span {
    /// Whether the time lies in it; its end does not.
    pub fn holds(&self, seconds: f64) -> bool {
        (self.start..self.end).contains(&seconds)
    }

    /// Whether the two numbers make one.
    pub(super) fn is_one(&self) -> bool {
        self.start >= 0.0 && self.end >= self.start && self.end.is_finite()
    }
}

/// A span in which somebody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VoiceSegment {
    /// Where it begins, in seconds from the beginning of the sound.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
    /// The mean probability of its frames, without those that only pad it; 0 to 1.
    pub probability: f64,
}

/// How probabilities become segments, as `get_speech_timestamps` of the package `silero-vad` 6.2.3
/// has it; times are in seconds.
///
/// Speech begins with a frame of `threshold` or more. It ends where the probability fell below
/// `exit_threshold`, if it does not reach `threshold` again within `min_silence`. What is not longer
/// than `min_speech` is left out, and the rest is padded at both ends by `padding`, or by half of
/// what lies between two. A segment that grows over `max_speech` is cut at the longest silence
/// within it of more than `min_cut_silence`, or where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentationConfig {
    /// The probability that speech begins with; 0 to 1, default 0.5.
    pub threshold: f64,
    /// Below what probability it may end; 0 to 1. None is `threshold` − 0.15, 0.01 at least.
    pub exit_threshold: Option<f64>,
    /// What a segment must be longer than; 0 or more, default 0.25.
    pub min_speech: f64,
    /// How long a silence ends a segment; 0 or more, default 0.1.
    pub min_silence: f64,
    /// What a segment gets at either end; 0 or more, default 0.03.
    pub padding: f64,
    /// What a segment is cut at, its padding included; none is no limit.
    pub max_speech: Option<f64>,
    /// What a silence must be longer than for a long segment to be cut there; default 0.098.
    pub min_cut_silence: f64,
}

impl Default for SegmentationConfig {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            exit_threshold: None,
            min_speech: 0.25,
            min_silence: 0.1,
            padding: 0.03,
            max_speech: None,
            min_cut_silence: 0.098,
        }
    }
}

/// No time in the settings is longer: a day.
const LONGEST: f64 = 86_400.0;

impl SegmentationConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::within("threshold", 0.0, 1.0, self.threshold)?;
        ConfigError::within("exit_threshold", 0.0, 1.0, self.exit())?;
        ConfigError::within("min_speech", 0.0, LONGEST, self.min_speech)?;
        ConfigError::within("min_silence", 0.0, LONGEST, self.min_silence)?;
        ConfigError::within("padding", 0.0, LONGEST, self.padding)?;
        let least = f64::MIN_POSITIVE;
        ConfigError::within("max_speech", least, LONGEST, self.max_speech.unwrap_or(LONGEST))?;
        ConfigError::within("min_cut_silence", 0.0, LONGEST, self.min_cut_silence)
    }

    fn exit(&self) -> f64 {
        self.exit_threshold.unwrap_or((self.threshold - 0.15).max(0.01))
    }
}

/// A place in the sound: its sample, and the sum of the probabilities of the frames before it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    sample: u64,
    sum: f64,
}

/// Speech that has begun.
#[derive(Debug, Clone, Copy)]
struct Open {
    start: Mark,
    /// Where a silence began that may end it.
    quiet: Option<Mark>,
    /// The longest silence within it at which it may be cut: from where to where.
    cut: Option<(Mark, Mark)>,
}

/// Speech that has ended; its start is padded already.
#[derive(Debug, Clone, Copy)]
struct Ended {
    padded: u64,
    end: u64,
    probability: f64,
}

/// Frames in, segments out, each as soon as nothing can change it any more. It holds a few numbers,
/// whatever the length of the sound.
///
/// ```
/// use andiron_speech::tasks::voice_activity::{SegmentationConfig, Segmenter};
///
/// let mut segmenter = Segmenter::new(SegmentationConfig::default(), 16_000, 512)?;
/// let mut found = Vec::new();
/// for frame in 0..60 {
///     let probability = if (20..40).contains(&frame) { 0.9 } else { 0.1 };
///     found.extend(segmenter.push(probability));
/// }
/// found.extend(segmenter.finish(60 * 512));
/// assert_eq!(found.len(), 1);
/// assert_eq!((found[0].start, found[0].end), (0.61, 1.31));
/// # Ok::<(), andiron_core::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Segmenter {
    config: SegmentationConfig,
    rate: f64,
    frame: u64,
    frames: u64,
    sum: f64,
    open: Option<Open>,
    ended: Option<Ended>,
    certain: Vec<VoiceSegment>,
}

impl Segmenter {
    /// Of frames of `frame` samples at `rate` hertz.
    ///
    /// # Errors
    /// As [`SegmentationConfig::check`]; [`ConfigError::TooSmall`] for a rate or a frame of 0.
    pub fn new(config: SegmentationConfig, rate: u32, frame: usize) -> Result<Self, ConfigError> {
        config.check()?;
        ConfigError::at_least("rate", 1, rate as usize)?;
        ConfigError::at_least("frame", 1, frame)?;
        let (rate, frame) = (f64::from(rate), frame as u64);
        Ok(Self {
            config,
            rate,
            frame,
            frames: 0,
            sum: 0.0,
            open: None,
            ended: None,
            certain: vec![],
        })
    }

    /// Whether speech has begun and not ended.
    pub fn is_speaking(&self) -> bool {
        self.open.is_some()
    }

    /// Takes the probability of the next frame, and gives what is certain since.
    pub fn push(&mut self, probability: f32) -> Vec<VoiceSegment> {
        let here = Mark { sample: self.frames * self.frame, sum: self.sum };
        self.step(f64::from(probability), here);
        self.frames += 1;
        self.sum += f64::from(probability);
        // Nothing begins before this.
        let bound = self.open.map_or(here.sample, |open| open.start.sample);
        let far = |ended: &Ended| {
            bound.saturating_sub(ended.end) as f64 >= 2.0 * self.samples(self.config.padding)
        };
        if let Some(ended) = self.ended.filter(far) {
            self.ended = None;
            self.certain.push(self.padded(ended, u64::MAX));
        }
        std::mem::take(&mut self.certain)
    }

    /// What is left at the end of a sound of so many samples.
    pub fn finish(mut self, samples: u64) -> Vec<VoiceSegment> {
        if let Some(open) = self.open.take()
            && samples.saturating_sub(open.start.sample) as f64
                > self.samples(self.config.min_speech)
        {
            self.end(open, Mark { sample: samples, sum: self.sum });
        }
        if let Some(ended) = self.ended.take() {
            self.certain.push(self.padded(ended, samples));
        }
        self.certain
    }

    /// A time in samples; to a millionth, so that 30 ms are 480 of them and not a hair less.
    fn samples(&self, seconds: f64) -> f64 {
        (seconds * self.rate * 1e6).round() / 1e6
    }

    fn step(&mut self, probability: f64, here: Mark) {
        let loud = probability >= self.config.threshold;
        let Some(mut open) = self.open.take() else {
            self.open = loud.then_some(Open { start: here, quiet: None, cut: None });
            return;
        };
        if loud && let Some(quiet) = open.quiet.take() {
            let length = |(from, to): (Mark, Mark)| to.sample - from.sample;
            let silence = length((quiet, here));
            if silence as f64 > self.samples(self.config.min_cut_silence)
                && open.cut.is_none_or(|cut| silence > length(cut))
            {
                open.cut = Some((quiet, here));
            }
        }
        let around = self.frame as f64 + 2.0 * self.samples(self.config.padding);
        let most = self.config.max_speech.map(|seconds| self.samples(seconds) - around);
        if most.is_some_and(|most| (here.sample - open.start.sample) as f64 > most) {
            let Some((from, to)) = open.cut else {
                return self.end(open, here);
            };
            self.end(open, from);
            open = Open { start: to, quiet: None, cut: None };
        }
        if probability < self.config.exit() {
            let quiet = *open.quiet.get_or_insert(here);
            if (here.sample - quiet.sample) as f64 >= self.samples(self.config.min_silence) {
                let length = quiet.sample.saturating_sub(open.start.sample) as f64;
                if length > self.samples(self.config.min_speech) {
                    self.end(open, quiet);
                }
                return;
            }
        }
        self.open = Some(open);
    }

    /// What has begun ends. With it is known what lies behind the one before.
    fn end(&mut self, open: Open, end: Mark) {
        let start = open.start.sample;
        let padding = self.samples(self.config.padding);
        let mut padded = (start as f64 - padding).max(0.0) as u64;
        if let Some(before) = self.ended.take() {
            let silence = start.saturating_sub(before.end);
            let certain = if (silence as f64) < 2.0 * padding {
                padded = start - silence / 2;
                self.segment(before, before.end + silence / 2)
            } else {
                self.padded(before, u64::MAX)
            };
            self.certain.push(certain);
        }
        let frames = (end.sample - start).div_ceil(self.frame).max(1);
        let probability = (end.sum - open.start.sum) / frames as f64;
        self.ended = Some(Ended { padded, end: end.sample, probability });
    }

    /// A segment behind which nothing is near, in a sound of so many samples.
    fn padded(&self, ended: Ended, samples: u64) -> VoiceSegment {
        let end = (ended.end as f64 + self.samples(self.config.padding)) as u64;
        self.segment(ended, end.min(samples))
    }

    fn segment(&self, ended: Ended, end: u64) -> VoiceSegment {
        VoiceSegment {
            start: ended.padded as f64 / self.rate,
            end: end as f64 / self.rate,
            probability: ended.probability,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_segment_has_the_mean_of_its_own_frames() {
        let config = SegmentationConfig { min_speech: 0.0, padding: 0.0, ..Default::default() };
        let mut segmenter = Segmenter::new(config, 1_000, 100).unwrap();
        let mut found = Vec::new();
        for probability in [0.0, 0.5, 1.0, 0.75, 0.25, 0.0, 0.0] {
            found.extend(segmenter.push(probability));
        }
        assert!(!segmenter.is_speaking());
        assert_eq!(found, [VoiceSegment { start: 0.1, end: 0.4, probability: 0.75 }]);
        assert!(segmenter.finish(700).is_empty());
    }

    #[test]
    fn settings_are_refused_by_name() {
        let refused = |config: SegmentationConfig| config.check().unwrap_err().to_string();
        let good = SegmentationConfig::default();
        for (config, start) in [
            (SegmentationConfig { threshold: 1.5, ..good.clone() }, "threshold must"),
            (SegmentationConfig { threshold: f64::NAN, ..good.clone() }, "threshold must"),
            (SegmentationConfig { exit_threshold: Some(-0.1), ..good.clone() }, "exit_threshold"),
            (SegmentationConfig { min_speech: -1.0, ..good.clone() }, "min_speech must"),
            (SegmentationConfig { min_silence: 1e9, ..good.clone() }, "min_silence must"),
            (SegmentationConfig { padding: f64::INFINITY, ..good.clone() }, "padding must"),
            (SegmentationConfig { max_speech: Some(0.0), ..good.clone() }, "max_speech must"),
            (SegmentationConfig { min_cut_silence: -0.1, ..good.clone() }, "min_cut_silence must"),
        ] {
            let text = refused(config);
            assert!(text.starts_with(start), "{text}");
        }
        assert!(Segmenter::new(good.clone(), 0, 512).is_err());
        assert!(Segmenter::new(good, 16_000, 0).is_err());
    }
}
