//! How a Conformer is set up for recordings, learns them and answers.

use super::{Method, SpeechRecognition, Transcript, Utterances};
use crate::{
    AudioBatch, Waveform,
    augment::AudioAugment,
    ctc::{self, Characters, CtcDecoding, CtcListener},
    frontend::mel::LogMelConfig,
    models::conformer::{Conformer, ConformerConfig, Emissions},
    tasks::audio_classification::Scaler,
};
use andiron_core::{
    ConfigError, DataError, Dataset, Loss, Model as _, Recipe, Solve, data::ExampleOf, overlay,
};
use burn::tensor::{Bool, Device, Tensor, activation::log_softmax};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Sounds that are heard at once.
const AT_ONCE: usize = 8;

impl From<CtcListener> for SpeechRecognition {
    fn from(listener: CtcListener) -> Self {
        Self { method: Method::Ctc(Box::new(listener)), format: None }
    }
}

impl SpeechRecognition {
    /// The listener of a network of characters.
    ///
    /// # Errors
    /// [`ConfigError::Disagree`] if the task is set up for another algorithm.
    pub fn ctc(&self) -> Result<&CtcListener, ConfigError> {
        match &self.method {
            Method::Ctc(listener) => Ok(listener),
            other => Err(ConfigError::Disagree {
                field: "the algorithm",
                network: "ctc".to_owned(),
                task: other.name().to_owned(),
            }),
        }
    }
}

/// How many frames each row has.
fn lengths(mask: Tensor<2, Bool>) -> Vec<usize> {
    let counts = mask.int().sum_dim(1).into_data();
    counts.iter::<i64>().map(|count| count as usize).collect()
}

impl Solve<Conformer> for SpeechRecognition {
    /// The sum of `−ln p(text | sound)`, divided by the number of characters.
    fn learn(&self, model: &Conformer, batch: Utterances) -> Loss {
        let Emissions { logits, mask } = model.forward(batch.audio);
        let count = batch.tokens.iter().map(Vec::len).sum::<usize>().max(1);
        let losses = ctc::loss(logits, &lengths(mask), &batch.tokens);
        Loss::new(losses.sum() / count as f64, count)
    }

    fn answer(
        &self,
        model: &Conformer,
        inputs: &[Waveform],
        device: &Device,
    ) -> Result<Vec<Transcript>, DataError> {
        let listener = self.ctc()?;
        let mut transcripts = Vec::with_capacity(inputs.len());
        for inputs in inputs.chunks(AT_ONCE) {
            let clips =
                inputs.iter().map(|wave| listener.frames(wave)).collect::<Result<Vec<_>, _>>()?;
            let batch = AudioBatch::of(&clips, listener.mel.n_mels, device);
            let Emissions { logits, mask } = model.forward(batch);
            let [_, frames, n_tokens] = logits.dims();
            let values: Vec<f32> = log_softmax(logits, 2).into_data().iter::<f32>().collect();
            let rows = values.chunks_exact(frames * n_tokens);
            for (row, length) in rows.zip(lengths(mask)) {
                transcripts.push(listener.write(&row[..length * n_tokens]));
            }
        }
        Ok(self.written(transcripts))
    }
}

/// What the recipe of a Conformer takes; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConformerOptions {
    /// Samples a second that a sound is resampled to; none is the training split's lowest, at most
    /// 16 kHz.
    pub rate: Option<u32>,
    /// Mel bands, 1 or more.
    pub n_mels: usize,
    /// The longest sound in seconds, above 0.
    pub max_seconds: f64,
    /// The language that is spoken, as a code of ISO 639-1; it decides how an evaluation normalises.
    pub language: Option<String>,
    /// Beginnings that the search keeps; 1 is greedy.
    pub beams: usize,
    /// Width of a frame inside, a multiple of `n_heads`.
    pub d_model: usize,
    /// Heads of each attention, 1 or more.
    pub n_heads: usize,
    /// Blocks, 1 or more.
    pub n_layers: usize,
    /// Width between the two linear maps of a feed-forward module, 1 or more.
    pub d_hidden: usize,
    /// Frames that the convolution of a block sees; odd.
    pub kernel: usize,
    /// Channels of the convolutions in front, 1 or more.
    pub channels: usize,
    /// Probability of dropout in training, 0 to 0.9.
    pub dropout: f64,
    /// How training sounds are changed at random.
    pub augment: Option<AudioAugment>,
}

impl Default for ConformerOptions {
    fn default() -> Self {
        Self {
            rate: None,
            n_mels: 40,
            max_seconds: 30.0,
            language: None,
            beams: 8,
            d_model: 144,
            n_heads: 4,
            n_layers: 4,
            d_hidden: 288,
            kernel: 15,
            channels: 32,
            dropout: 0.1,
            augment: None,
        }
    }
}

impl Recipe<SpeechRecognition> for ConformerConfig {
    /// `options` is a [`ConformerOptions`]. Characters and scale come from the training split.
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<SpeechRecognition>>,
    ) -> Result<(SpeechRecognition, Self), DataError> {
        let options = overlay(&ConformerOptions::default(), options)?;
        // One at a time: together their sounds may be more than memory holds.
        let (mut lowest, mut texts) = (None, Vec::with_capacity(train.len()));
        for index in 0..train.len() {
            let example = train.get(index)?;
            let rate = example.input.rate;
            lowest = Some(lowest.map_or(rate, |lowest: u32| lowest.min(rate)));
            texts.push(example.target);
        }
        let lowest =
            lowest.ok_or_else(|| DataError::Empty { what: "the training split".to_owned() })?;
        let rate = options.rate.unwrap_or(lowest.clamp(Waveform::MIN_RATE, 16_000));
        let mel = LogMelConfig::speech(rate).with_n_mels(options.n_mels);
        let mut listener = CtcListener {
            characters: Characters::of(&texts)?,
            scaler: Scaler { mean: vec![0.0; mel.n_mels], deviation: vec![1.0; mel.n_mels] },
            mel,
            max_seconds: options.max_seconds,
            language: options.language,
            decoding: CtcDecoding { beams: options.beams },
            augment: options.augment,
        };
        listener.check()?;
        listener.scaler = Scaler::measured(listener.mel.n_mels, train.len(), |index| {
            let frames = listener.unscaled(&train.get(index)?.input)?;
            listener.lesson(&texts[index], frames.len())?;
            Ok(frames)
        })?;
        let config = Self::new(listener.mel.n_mels, listener.characters.n_tokens())
            .with_d_model(options.d_model)
            .with_n_heads(options.n_heads)
            .with_n_layers(options.n_layers)
            .with_d_hidden(options.d_hidden)
            .with_kernel(options.kernel)
            .with_channels(options.channels)
            .with_dropout(options.dropout);
        Ok((listener.into(), config))
    }

    fn fits(&self, task: &SpeechRecognition) -> Result<(), ConfigError> {
        task.ctc()?.fits(self)
    }
}

#[cfg(test)]
pub(crate) mod tests;
