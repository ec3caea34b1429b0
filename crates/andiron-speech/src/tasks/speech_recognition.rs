//! What is said in a sound, as text with times.
//!
//! An algorithm is a [`Method`], which holds what belongs to it (vocabulary, front end, settings) and
//! is saved with the task, and an implementation of [`Solve`] for its network.
//!
//! ```no_run
//! use andiron_core::Predictor;
//! use andiron_speech::{SpeechRecognition, Waveform, whisper};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let (listener, network) = whisper::from_folder("assets/whisper-tiny-en", &device)?;
//! let predictor = Predictor::new(SpeechRecognition::from(listener), network, &device);
//! let transcript = &predictor.predict(&[Waveform::from_file("hello.wav")?])?[0];
//! println!("{}\n{}", transcript.text, transcript.to_srt());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asked;
pub(crate) mod ctc;
mod evaluator;
mod recipe;
mod transcript;

pub use ctc::ConformerOptions;
pub use evaluator::{Normalizer, SpeechEvaluator};
pub use recipe::WhisperOptions;
pub use transcript::{Segment, Transcript, TranscriptFormat};

use crate::{
    AudioBatch, Waveform,
    ctc::CtcListener,
    frontend::Frames,
    line,
    models::conformer::ConformerConfig,
    models::whisper::{Whisper, WhisperBatch, WhisperConfig},
    whisper::{self, WhisperListener},
};
use andiron_core::{
    Asked, ConfigError, DataError, Dataset, EvalError, Evaluator, Loss, Model as _, ModelEntry,
    Predictor, PublishedEntry, Raw, Registered, Report, Solve, Task,
    data::{ExampleOf, text_field},
    loss,
};
use andiron_kernels::{draw, mix};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is said in a sound; the value is the preprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechRecognition {
    /// By which algorithm, with all that belongs to it.
    pub method: Method,
    /// The file that a transcript is written to beside its parts, see [`Transcript::written`]; none
    /// leaves that out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<TranscriptFormat>,
}

/// An algorithm for [`SpeechRecognition`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// [`Whisper`]: an encoder and a decoder.
    Whisper(Box<WhisperListener>),
    /// [`Conformer`](crate::models::conformer::Conformer): a character or nothing for each frame.
    Ctc(Box<CtcListener>),
}

impl Method {
    /// What it is called in a bundle.
    fn name(&self) -> &'static str {
        match self {
            Self::Whisper(_) => "whisper",
            Self::Ctc(_) => "ctc",
        }
    }

    /// The frames and the tokens that a network learns of an example, and how many tokens stand
    /// before what it learns. `others` may be mixed in by the drawing of `seed`.
    fn lesson(
        &self,
        example: &ExampleOf<SpeechRecognition>,
        others: &[&Waveform],
        seed: Option<u64>,
    ) -> Result<(Frames, Vec<u32>, usize), DataError> {
        match self {
            Self::Whisper(listener) => {
                let (tokens, before) = listener.lesson(&example.target)?;
                Ok((listener.frames(&example.input)?, tokens, before))
            }
            Self::Ctc(listener) => {
                let (wave, text) = (&example.input, &example.target);
                let (frames, tokens) = listener.drawn(wave, text, others, seed)?;
                Ok((frames, tokens, 0))
            }
        }
    }
}

impl From<WhisperListener> for SpeechRecognition {
    fn from(listener: WhisperListener) -> Self {
        Self { method: Method::Whisper(Box::new(listener)), format: None }
    }
}

/// Sounds with what is said in them, to learn from.
#[derive(Debug, Clone)]
pub struct Utterances {
    /// The sounds' frames, each padded to the longest.
    pub audio: AudioBatch,
    /// The tokens of each transcript, those that stand before it and behind it included.
    pub tokens: Vec<Vec<u32>>,
    /// How many tokens stand before each transcript.
    pub before: Vec<usize>,
}

impl SpeechRecognition {
    /// The transcripts with their files, where a format is set.
    fn written(&self, mut transcripts: Vec<Transcript>) -> Vec<Transcript> {
        if let Some(format) = self.format {
            for transcript in &mut transcripts {
                transcript.written = Some(transcript.write(format));
            }
        }
        transcripts
    }

    /// The listener of a Whisper.
    ///
    /// # Errors
    /// [`ConfigError::Disagree`] if the task is set up for another algorithm.
    pub fn whisper(&self) -> Result<&WhisperListener, ConfigError> {
        match &self.method {
            Method::Whisper(listener) => Ok(listener),
            other => Err(ConfigError::Disagree {
                field: "the algorithm",
                network: "whisper".to_owned(),
                task: other.name().to_owned(),
            }),
        }
    }
}

impl Task for SpeechRecognition {
    const NAME: &'static str = "speech-recognition";
    type Input = Waveform;
    type Target = String;
    type Prediction = Transcript;
    type Batch = Utterances;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Utterances, DataError> {
        // A seed comes in training only.
        let seed = draw();
        let heard = examples.par_iter().enumerate().map(|(at, example)| {
            let others = examples.iter().enumerate().filter(|(other, _)| *other != at);
            let others: Vec<&Waveform> = others.map(|(_, example)| &example.input).collect();
            self.method.lesson(example, &others, seed.map(|seed| mix(seed, &[at as u64])))
        });
        let heard = heard.collect::<Vec<Result<_, DataError>>>();
        let (mut clips, mut tokens, mut before) = (Vec::new(), Vec::new(), Vec::new());
        for (at, heard) in heard.into_iter().enumerate() {
            let (frames, ids, count) = heard.map_err(|error| error.at(at, None))?;
            clips.push(frames);
            tokens.push(ids);
            before.push(count);
        }
        let width = clips.first().map_or(1, |clip| clip.width);
        Ok(Utterances { audio: AudioBatch::of(&clips, width, device), tokens, before })
    }

    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        Some(example.input.milliseconds())
    }
}

impl Solve<Whisper> for SpeechRecognition {
    /// The mean of `−ln p(token | sound, those before it)` over the tokens of the transcripts and
    /// their ends.
    fn learn(&self, model: &Whisper, batch: Utterances) -> Loss {
        let Utterances { audio, tokens, before } = batch;
        let device = audio.features.device();
        let listener = self.whisper().expect("Recipe::fits has seen that it is one");
        let (rows, longest) = (tokens.len(), tokens.iter().map(Vec::len).max().unwrap_or(1) - 1);
        let cells = |first: usize| -> Vec<i32> {
            (0..rows)
                .flat_map(|row| (first..first + longest).map(move |at| (row, at)))
                .map(|(row, at)| tokens[row].as_slice().get(at).map_or(0, |id| *id as i32))
                .collect()
        };
        let counted: Vec<bool> = (0..rows)
            .flat_map(|row| (1..=longest).map(move |at| (row, at)))
            .map(|(row, at)| at >= before[row] && at < tokens[row].len())
            .collect();
        let shape = [rows, longest];
        let ids = Tensor::<2, Int>::from_data(TensorData::new(cells(0), shape), &device);
        let truth = Tensor::<2, Int>::from_data(TensorData::new(cells(1), shape), &device);
        let counted = Tensor::<2, Bool>::from_data(TensorData::new(counted, shape), &device);
        let audio = window(audio.features, listener.window());
        let logits = model.forward(WhisperBatch { audio, ids });
        loss::sequence_cross_entropy(logits, truth, counted)
    }

    fn answer(
        &self,
        model: &Whisper,
        inputs: &[Waveform],
        device: &Device,
    ) -> Result<Vec<Transcript>, DataError> {
        Ok(self.written(self.whisper()?.transcribe(model, inputs, device)?))
    }
}

/// Frames brought to the network's length: cut, or zeros behind them.
fn window(features: Tensor<3>, length: usize) -> Tensor<3> {
    let [clips, width, frames] = features.dims();
    if frames >= length {
        return features.slice(s![.., .., 0..length]);
    }
    let rest = Tensor::zeros([clips, width, length - frames], &features.device());
    Tensor::cat(vec![features, rest], 2)
}

/// The architectures that transcribe.
pub static SPEECH_RECOGNIZERS: &[ModelEntry<SpeechRecognition>] =
    &[ModelEntry::of::<ConformerConfig>(), ModelEntry::of::<WhisperConfig>()];

/// What others publish and the task reads.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: whisper::ARCHITECTURES,
    fit: whisper::fit,
    load: |layout, device| {
        let (listener, network) = whisper::from_folder(layout.path(), device)?;
        let task = SpeechRecognition::from(listener);
        Ok(Box::new(Predictor::<SpeechRecognition>::new(task, network, device)))
    },
    keeps: None,
}];

impl Registered for SpeechRecognition {
    const MEDIA: Option<&'static str> = Some(line::FILE);
    const ASKED: Option<Asked<Self>> = Some(asked::asked);

    fn models() -> &'static [ModelEntry<Self>] {
        SPEECH_RECOGNIZERS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
    }

    /// Takes the bytes of a WAV file. An array is refused: it does not say its sample rate.
    fn read(raw: Raw<'_>) -> Result<Waveform, DataError> {
        Waveform::read(raw)
    }

    fn target(line: &Value) -> Result<String, DataError> {
        text_field(line, "text")
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        SpeechEvaluator::default().evaluate(predictor, data)
    }
}
