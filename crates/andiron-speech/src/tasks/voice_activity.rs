//! When somebody speaks: from a sound to segments with start, end and mean probability.
//!
//! A network gives a probability for each frame of a few hundredths of a second;
//! [`SegmentationConfig`] says how frames become segments. [`VoiceStream`] gives the same segments
//! from sound that comes in pieces.

mod evaluator;
mod published;
mod segments;
mod stream;

pub use evaluator::VoiceActivityEvaluator;
pub(crate) use published::start;
pub use published::{PUBLISHED, PublishedError, from_path};
pub use segments::{SegmentationConfig, Segmenter, Span, VoiceSegment};
pub use stream::VoiceStream;

use crate::{
    Waveform,
    frontend::{LOUDEST_HEARD, reject_loud},
    line,
    models::silero_vad::SileroVadConfig,
};
use andiron_core::{
    Asked, BaseModel, ConfigError, DataError, Dataset, EvalError, Evaluator as _, Example, Loss,
    Model, ModelEntry, Predictor, PublishedEntry, Raw, Registered, Report, Solve, Task,
    data::{ExampleOf, shortened},
};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stream::Framer;

/// A sound with the spans in which somebody speaks.
pub type VoiceExample = Example<Waveform, Vec<Span>>;

/// A network that hears speech frame after frame, each frame with the samples before it.
///
/// Its forward pass, over `[batch, frames, context + frame]`, is [`advance`](Self::advance) from the
/// beginning, and gives the logits `[batch, frames]`.
pub trait SpeechDetector: Model<Input = Tensor<3>, Output = Tensor<2>> {
    /// What it carries from one frame to the next.
    type State: Send;

    /// The next frames of sounds, behind those that gave `state`; none is the beginning. How the
    /// frames of one sound are cut into calls changes no result, to the last bit.
    ///
    /// # Shapes
    /// - frames: `[batch, frames, context + frame]`
    /// - output: `[batch, frames]`, logits
    fn advance(&self, frames: Tensor<3>, state: Option<Self::State>) -> (Tensor<2>, Self::State);
}

/// When somebody speaks; the value is the preprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoiceActivity {
    /// The rate that a sound is resampled to, in hertz.
    pub rate: u32,
    /// Samples of a frame, for which there is one probability; 1 to a million.
    pub frame: usize,
    /// Samples before a frame that the network sees with it; at most a million.
    pub context: usize,
    /// How probabilities become segments.
    pub segmentation: SegmentationConfig,
}

/// The answer: as JSON `{"segments": [{"start", "end", "probability"}], "probabilities": [numbers],
/// "frame": seconds}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VoiceSegments {
    /// The spans in which somebody speaks, in order.
    pub segments: Vec<VoiceSegment>,
    /// The probability of speech in each frame.
    pub probabilities: Vec<f32>,
    /// Seconds of a frame.
    pub frame: f64,
}

impl VoiceActivity {
    /// Frames of `frame` samples at `rate` hertz, with `context` samples before each; segments as
    /// [`SegmentationConfig::default`] makes them.
    pub fn new(rate: u32, frame: usize, context: usize) -> Self {
        Self { rate, frame, context, segmentation: SegmentationConfig::default() }
    }

    /// The same with other segments.
    #[must_use]
    pub fn with_segmentation(self, segmentation: SegmentationConfig) -> Self {
        Self { segmentation, ..self }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (low, high) = (f64::from(Waveform::MIN_RATE), f64::from(Waveform::MAX_RATE));
        ConfigError::within("rate", low, high, f64::from(self.rate))?;
        ConfigError::at_least("frame", 1, self.frame)?;
        ConfigError::within("frame", 1.0, 1e6, self.frame as f64)?;
        ConfigError::within("context", 0.0, 1e6, self.context as f64)?;
        self.segmentation.check()
    }

    /// Seconds of a frame.
    pub fn seconds(&self) -> f64 {
        self.frame as f64 / f64::from(self.rate)
    }

    /// For each of `count` frames whether its middle lies in one of the `spans`.
    fn truth(&self, spans: &[Span], count: usize) -> Vec<bool> {
        let middle = |frame: usize| (frame as f64 + 0.5) * self.seconds();
        (0..count).map(|frame| spans.iter().any(|span| span.holds(middle(frame)))).collect()
    }

    /// All frames of a sound, row-major `[frames, context + frame]`.
    fn frames(&self, wave: &Waveform) -> Result<Vec<f32>, DataError> {
        self.check()?;
        let mut framer = Framer::new(self);
        let mut frames = Vec::new();
        let wave = wave.resample(self.rate)?;
        reject_loud(&wave.samples, LOUDEST_HEARD)?;
        framer.push(&wave.samples, &mut frames);
        framer.finish(&mut frames);
        Ok(frames)
    }
}

/// Tensors to learn from: clips side by side, each padded to the longest.
#[derive(Debug, Clone)]
pub struct VoiceBatch {
    /// `[batch, frames, context + frame]`; zero behind a clip's end.
    pub frames: Tensor<3>,
    /// 1 where somebody speaks, else 0: `[batch, frames]`.
    pub truth: Tensor<2>,
    /// 1 where a clip has a frame, else 0: `[batch, frames]`.
    pub mask: Tensor<2>,
    /// How many frames the clips have in all.
    pub count: usize,
}

impl Task for VoiceActivity {
    const NAME: &'static str = "voice-activity";
    type Input = Waveform;
    type Target = Vec<Span>;
    type Prediction = VoiceSegments;
    type Batch = VoiceBatch;

    fn batch(&self, examples: &[VoiceExample], device: &Device) -> Result<VoiceBatch, DataError> {
        let width = self.context + self.frame;
        let clips = examples
            .iter()
            .map(|example| self.frames(&example.input))
            .collect::<Result<Vec<_>, _>>()?;
        let longest = clips.iter().map(|clip| clip.len() / width).max().unwrap_or(0);
        let mut frames = vec![0.0; clips.len() * longest * width];
        let mut truth = vec![0.0; clips.len() * longest];
        let mut mask = vec![0.0; clips.len() * longest];
        let mut count = 0;
        for (at, (clip, example)) in clips.iter().zip(examples).enumerate() {
            let own = clip.len() / width;
            count += own;
            frames[at * longest * width..][..clip.len()].copy_from_slice(clip);
            mask[at * longest..][..own].fill(1.0);
            let speech = self.truth(&example.target, own);
            for (value, is) in truth[at * longest..][..own].iter_mut().zip(speech) {
                *value = if is { 1.0 } else { 0.0 };
            }
        }
        let flat = |values, width| {
            Tensor::<2>::from_data(TensorData::new(values, [clips.len(), width]), device)
        };
        Ok(VoiceBatch {
            frames: flat(frames, longest * width).reshape([clips.len(), longest, width]),
            truth: flat(truth, longest),
            mask: flat(mask, longest),
            count,
        })
    }

    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        Some(example.input.milliseconds())
    }
}

impl<M: SpeechDetector> Solve<M> for VoiceActivity {
    /// Binary cross-entropy, the mean over all frames of all clips:
    /// `−y log σ(z) − (1 − y) log(1 − σ(z))`.
    fn learn(&self, model: &M, batch: VoiceBatch) -> Loss {
        let logits = model.forward(batch.frames);
        // log(1 + e^z) − y z, which is the same and does not overflow.
        let softplus =
            logits.clone().clamp_min(0.0) + (logits.clone().abs().neg().exp() + 1.0).log();
        let each = (softplus - logits * batch.truth) * batch.mask;
        let by_clip = each.sum_dim(1).sum_dim(0).reshape([1]);
        Loss::new(by_clip / batch.count.max(1) as f64, batch.count)
    }

    fn answer(
        &self,
        model: &M,
        inputs: &[Waveform],
        device: &Device,
    ) -> Result<Vec<VoiceSegments>, DataError> {
        let one = |wave: &Waveform| {
            let wave = wave.resample(self.rate)?;
            let mut stream = VoiceStream::new(self.clone(), model.clone(), device)?.keeping();
            let mut segments = stream.push(&wave.samples)?;
            segments.extend(stream.finish()?);
            let probabilities = stream.into_probabilities();
            Ok(VoiceSegments { segments, probabilities, frame: self.seconds() })
        };
        inputs.iter().map(one).collect()
    }
}

/// What a recipe for this task takes, with its defaults; times are in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VoiceOptions {
    /// The folder or file with published weights to start from; none starts from nothing.
    pub base: Option<BaseModel>,
    /// As [`SegmentationConfig`] has them.
    #[serde(flatten)]
    pub segmentation: SegmentationConfig,
}

impl VoiceOptions {
    /// How probabilities become segments.
    pub fn segmentation(&self) -> SegmentationConfig {
        self.segmentation.clone()
    }
}

/// The architectures that hear speech.
pub static SPEECH_DETECTORS: &[ModelEntry<VoiceActivity>] = &[ModelEntry::of::<SileroVadConfig>()];

impl Registered for VoiceActivity {
    const MEDIA: Option<&'static str> = Some(line::FILE);
    const ASKED: Option<Asked<Self>> = Some(|task, line| {
        line::check(line, &["segments"])?;
        Ok(task.clone())
    });

    fn models() -> &'static [ModelEntry<Self>] {
        SPEECH_DETECTORS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
    }

    /// Takes the bytes of a WAV file. An array is refused: it does not say its sample rate.
    fn read(raw: Raw<'_>) -> Result<Waveform, DataError> {
        Waveform::read(raw)
    }

    /// The field `segments`: a list of objects with `start` and `end` in seconds.
    fn target(line: &Value) -> Result<Vec<Span>, DataError> {
        let wanted = "a list of objects with `start` and `end` in seconds";
        let got = line.get("segments").unwrap_or(&Value::Null);
        let spans: Option<Vec<Span>> = serde_json::from_value(got.clone()).ok();
        spans.filter(|spans| spans.iter().all(Span::is_one)).ok_or_else(|| DataError::Field {
            field: "segments".to_owned(),
            wanted,
            got: if got.is_null() { "missing".to_owned() } else { shortened(got) },
        })
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        VoiceActivityEvaluator::default().evaluate(predictor, data)
    }
}

/// Six sounds in which a tone comes and goes, at 2 kHz and of different lengths, for the models'
/// tests.
#[cfg(test)]
pub(crate) fn spoken() -> Vec<VoiceExample> {
    [
        (900, 200, 500),
        (401, 0, 130),
        (1_200, 640, 1_100),
        (777, 300, 777),
        (350, 128, 256),
        (64, 0, 0),
    ]
    .map(|(samples, from, to)| {
        let wave = (0..samples).map(|n| {
            let quiet = 0.02 * (n as f32 * 2.1).sin();
            if (from..to).contains(&n) { 0.5 * (n as f32 * 0.6).sin() + quiet } else { quiet }
        });
        let input = Waveform { samples: wave.collect(), rate: 2_000 };
        let span = Span { start: f64::from(from) / 2e3, end: f64::from(to) / 2e3 };
        Example { input, target: if from < to { vec![span] } else { Vec::new() } }
    })
    .to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_frame_is_speech_if_its_middle_is() {
        let task = VoiceActivity::new(1_000, 100, 0);
        let spans = [Span { start: 0.05, end: 0.15 }, Span { start: 0.36, end: 0.5 }];
        assert_eq!(task.truth(&spans, 6), [true, false, false, false, true, false]);
    }

    #[test]
    fn a_batch_holds_each_clip_and_nothing_behind_it() {
        let task = VoiceActivity::new(2_000, 64, 8);
        let batch = task.batch(&spoken(), &Device::flex()).unwrap();
        assert_eq!(batch.frames.dims(), [6, 19, 72]);
        assert_eq!(
            batch.count,
            [900, 401, 1_200, 777, 350, 64].map(|n: usize| n.div_ceil(64)).iter().sum::<usize>()
        );
        let sum = batch.mask.sum().into_scalar::<f32>();
        assert_eq!(sum as usize, batch.count);
    }

    #[test]
    fn a_setting_that_is_misspelt_is_refused() {
        let mut task = serde_json::to_value(VoiceActivity::new(2_000, 64, 8)).unwrap();
        assert!(serde_json::from_value::<VoiceActivity>(task.clone()).is_ok());
        task["segmentation"]["treshold"] = json!(0.9);
        let refused = serde_json::from_value::<VoiceActivity>(task).unwrap_err();
        assert!(refused.to_string().contains("treshold"), "{refused}");
        // As options they stand beside others.
        let defaults = VoiceOptions::default();
        let chosen = andiron_core::overlay(&defaults, &json!({"threshold": 0.75})).unwrap();
        assert_eq!((chosen.segmentation.threshold, chosen.base), (0.75, None));
        assert!(andiron_core::overlay(&defaults, &json!({"treshold": 0.75})).is_err());
    }

    #[test]
    fn targets_are_read_or_refused() {
        let read = |line: Value| VoiceActivity::target(&line);
        let spans = read(json!({"segments": [{"start": 0.5, "end": 1}]})).unwrap();
        assert_eq!(spans, [Span { start: 0.5, end: 1.0 }]);
        assert!(read(json!({"segments": []})).unwrap().is_empty());
        for wrong in [
            json!({}),
            json!({"segments": 3}),
            json!({"segments": [{"start": 2, "end": 1}]}),
            json!({"segments": [{"start": -1, "end": 1}]}),
        ] {
            assert!(matches!(read(wrong), Err(DataError::Field { .. })));
        }
    }

    #[test]
    fn a_damaged_task_is_refused_before_use() {
        let good = VoiceActivity::new(2_000, 64, 8);
        assert!(good.check().is_ok());
        for bad in [
            VoiceActivity { rate: 3, ..good.clone() },
            VoiceActivity { frame: 0, ..good.clone() },
            VoiceActivity { context: usize::MAX, ..good },
        ] {
            assert!(bad.frames(&spoken()[0].input).is_err());
        }
    }
}
