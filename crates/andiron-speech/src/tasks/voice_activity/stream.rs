//! Sound that comes in pieces.

use super::{Segmenter, SpeechDetector, VoiceActivity, VoiceSegment};
use crate::{
    frontend::{LOUDEST_HEARD, reject_infinite, reject_loud},
    models::silero_vad::SileroVadConfig,
};
use andiron_core::{ConfigError, DataError, Predictor};
use burn::tensor::{Device, Tensor, TensorData};

/// Frames that go through the network at once. More are no faster, and bound the memory.
const AT_ONCE: usize = 256;

/// Cuts sound into frames, each with the samples before it.
#[derive(Debug, Clone)]
pub(super) struct Framer {
    context: usize,
    frame: usize,
    /// The context of the next frame, and what has come of it.
    held: Vec<f32>,
}

impl Framer {
    pub(super) fn new(task: &VoiceActivity) -> Self {
        // Before the beginning there is silence.
        let held = vec![0.0; task.context];
        Self { context: task.context, frame: task.frame, held }
    }

    /// Appends the frames that are whole now, row-major.
    pub(super) fn push(&mut self, samples: &[f32], frames: &mut Vec<f32>) {
        self.held.extend_from_slice(samples);
        let length = self.context + self.frame;
        let mut from = 0;
        while self.held.len() - from >= length {
            frames.extend_from_slice(&self.held[from..from + length]);
            from += self.frame;
        }
        self.held.drain(..from);
    }

    /// Appends the last frame, with silence behind the end, if something is left.
    pub(super) fn finish(&mut self, frames: &mut Vec<f32>) {
        if self.held.len() > self.context {
            self.held.resize(self.context + self.frame, 0.0);
            frames.append(&mut self.held);
        }
    }
}

/// When somebody speaks in sound that comes in pieces of any length: the same segments, to the last
/// bit, as for the whole. Memory does not grow with the sound.
///
/// ```
/// use andiron_core::{ModelConfig, Network};
/// use andiron_speech::{VoiceActivity, models::silero_vad::SileroVadConfig};
/// use andiron_speech::tasks::voice_activity::VoiceStream;
/// use burn::tensor::Device;
///
/// let device = Device::flex();
/// let network = Network::init(SileroVadConfig::v6_16k(), 7, &device)?;
/// let task = VoiceActivity::new(16_000, 512, 64);
/// let mut stream = VoiceStream::new(task, network.model, &device)?;
/// let chunk = [0.0; 320]; // 20 ms
/// for _ in 0..50 {
///     for segment in stream.push(&chunk)? {
///         println!("{:.2} to {:.2} s", segment.start, segment.end);
///     }
/// }
/// assert_eq!(stream.seconds(), 1.0);
/// let last = stream.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VoiceStream<M: SpeechDetector> {
    task: VoiceActivity,
    model: M,
    device: Device,
    framer: Framer,
    state: Option<M::State>,
    segmenter: Segmenter,
    samples: u64,
    last: f32,
    kept: Option<Vec<f32>>,
}

impl<M: SpeechDetector> VoiceStream<M> {
    /// A stream that begins.
    ///
    /// # Errors
    /// [`ConfigError`] for a setting of the task that cannot be used.
    pub fn new(task: VoiceActivity, model: M, device: &Device) -> Result<Self, ConfigError> {
        task.check()?;
        let segmenter = Segmenter::new(task.segmentation.clone(), task.rate, task.frame)?;
        Ok(Self {
            framer: Framer::new(&task),
            segmenter,
            task,
            model: model.valid(),
            device: device.clone().without_autodiff(),
            state: None,
            samples: 0,
            last: 0.0,
            kept: None,
        })
    }

    /// The same, keeping every probability for [`into_probabilities`](Self::into_probabilities):
    /// memory then grows by four bytes a frame.
    pub(super) fn keeping(self) -> Self {
        Self { kept: Some(Vec::new()), ..self }
    }

    pub(super) fn into_probabilities(self) -> Vec<f32> {
        self.kept.unwrap_or_default()
    }

    /// The next samples, at the task's rate: any number of them. Gives the segments that are certain
    /// since: each as soon as no sound to come can change it.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] for a sample that is NaN or infinite, [`DataError::TooLarge`] for one
    /// of more than 2⁴⁰, whose power might be infinite; then none of these was taken.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<VoiceSegment>, DataError> {
        reject_infinite("the sound", samples)?;
        reject_loud(samples, LOUDEST_HEARD)?;
        self.samples += samples.len() as u64;
        let mut found = Vec::new();
        for part in samples.chunks(AT_ONCE * self.task.frame) {
            let mut frames = Vec::new();
            self.framer.push(part, &mut frames);
            self.hear(frames, &mut found);
        }
        Ok(found)
    }

    /// The sound has ended: gives the segments that were still open. What is pushed afterwards is a
    /// sound of its own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn finish(&mut self) -> Result<Vec<VoiceSegment>, ConfigError> {
        let (mut found, mut frames) = (Vec::new(), Vec::new());
        self.framer.finish(&mut frames);
        self.hear(frames, &mut found);
        let task = &self.task;
        let fresh = Segmenter::new(task.segmentation.clone(), task.rate, task.frame)?;
        found.extend(std::mem::replace(&mut self.segmenter, fresh).finish(self.samples));
        (self.framer, self.state, self.samples) = (Framer::new(task), None, 0);
        Ok(found)
    }

    /// How much has been heard since the beginning, in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(self.task.rate)
    }

    /// Whether speech has begun and not ended.
    pub fn is_speaking(&self) -> bool {
        self.segmenter.is_speaking()
    }

    /// The probability of speech in the last whole frame; 0 before there is one.
    pub fn probability(&self) -> f32 {
        self.last
    }

    /// The frames, row-major, through the network and to segments.
    fn hear(&mut self, frames: Vec<f32>, found: &mut Vec<VoiceSegment>) {
        let width = self.task.context + self.task.frame;
        let count = frames.len() / width;
        if count == 0 {
            return;
        }
        let frames = TensorData::new(frames, [1, count, width]);
        let frames = Tensor::<3>::from_data(frames, &self.device);
        let (logits, state) = self.model.advance(frames, self.state.take());
        self.state = Some(state);
        for logit in logits.into_data().iter::<f32>() {
            let probability = 1.0 / (1.0 + (-logit).exp());
            self.last = probability;
            if let Some(kept) = &mut self.kept {
                kept.push(probability);
            }
            found.extend(self.segmenter.push(probability));
        }
    }
}

impl VoiceStream<crate::models::silero_vad::SileroVad> {
    /// A stream of a predictor whose network is a Silero VAD; none if it is another.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(predictor: &Predictor<VoiceActivity>) -> Result<Option<Self>, ConfigError> {
        let network = predictor.network::<SileroVadConfig>();
        network
            .map(|network| {
                Self::new(predictor.task().clone(), network.model.clone(), predictor.device())
            })
            .transpose()
    }
}
