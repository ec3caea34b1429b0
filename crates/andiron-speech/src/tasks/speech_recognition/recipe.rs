//! How a Whisper is set up for recordings: on a published one, or from nothing.

use super::SpeechRecognition;
use crate::{
    models::whisper::WhisperConfig,
    whisper::{self, Vocabulary, WhisperDecoding, WhisperListener},
};
use andiron_core::{
    BaseModel, ConfigError, DataError, Dataset, Network, Recipe, TrainError, data::ExampleOf,
    overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Encoder frames of a second.
const FRAMES_A_SECOND: f64 = 50.0;

/// What the recipe of a Whisper takes: a published one to start from, or the sizes of one that starts
/// from nothing; a field left out has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WhisperOptions {
    /// A published Whisper to start from, with its vocabulary; none starts from nothing, with a token
    /// for each byte.
    pub base: Option<BaseModel>,
    /// The language that is spoken, for a multilingual base; it stands before every text.
    pub language: Option<String>,
    /// The longest recording in seconds, above 0; default 10. This and the following are for a
    /// network that starts from nothing: a base decides them itself.
    pub seconds: Option<f64>,
    /// Mel bands, 1 or more; default 80.
    pub n_mels: Option<usize>,
    /// Width of a vector, an even multiple of `n_heads`; default 64.
    pub d_model: Option<usize>,
    /// Layers of encoder and decoder, 1 or more; default 2.
    pub n_layers: Option<usize>,
    /// Heads of each attention, 1 or more; default 4.
    pub n_heads: Option<usize>,
    /// The longest text in tokens, 12 or more; default 128.
    pub max_length: Option<usize>,
}

type Recordings<'a> = &'a dyn Dataset<ExampleOf<SpeechRecognition>>;

impl Recipe<SpeechRecognition> for WhisperConfig {
    /// `options` is a [`WhisperOptions`]. What is learnt is text without times, so that is what is
    /// written.
    fn prepare(
        options: &Value,
        train: Recordings<'_>,
    ) -> Result<(SpeechRecognition, Self), DataError> {
        let options = overlay(&WhisperOptions::default(), options)?;
        let (mut listener, config) = match &options.base {
            Some(base) => on_base(&options, base)?,
            None => on_nothing(&options)?,
        };
        listener.decoding.timestamps = false;
        if let Some(language) = options.language {
            listener.decoding.language = Some(language);
        }
        listener.fits(&config)?;
        // One at a time: together their sounds may be more than memory holds.
        for index in 0..train.len() {
            learnable(&listener, &train.get(index)?).map_err(|error| error.at(index, None))?;
        }
        Ok((listener.into(), config))
    }

    fn start(
        self,
        _task: &SpeechRecognition,
        options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        let options: WhisperOptions = overlay(&WhisperOptions::default(), options)?;
        let Some(base) = options.base else { return Ok(Network::init(self, seed, device)?) };
        whisper::load_weights(self, &base.folder, device).map_err(|source| base.unloaded(source))
    }

    fn fits(&self, task: &SpeechRecognition) -> Result<(), ConfigError> {
        task.whisper()?.fits(self)
    }
}

/// Refuses a recording that is longer than a window, or a text that is longer than the network's.
fn learnable(
    listener: &WhisperListener,
    example: &ExampleOf<SpeechRecognition>,
) -> Result<(), DataError> {
    example.input.check()?;
    let limit = listener.n_frames as f64 / FRAMES_A_SECOND;
    if example.input.seconds() > limit {
        return Err(DataError::TooLarge {
            what: "the length of a recording to learn from, in milliseconds,",
            limit: (limit * 1e3) as u64,
            got: (example.input.seconds() * 1e3) as u64,
        });
    }
    listener.lesson(&example.target).map(drop)
}

fn on_base(
    options: &WhisperOptions,
    base: &BaseModel,
) -> Result<(WhisperListener, WhisperConfig), DataError> {
    base.decides([
        ("seconds", options.seconds.map(|seconds| seconds as usize)),
        ("n_mels", options.n_mels),
        ("d_model", options.d_model),
        ("n_layers", options.n_layers),
        ("n_heads", options.n_heads),
        ("max_length", options.max_length),
    ])?;
    whisper::describe(base.folder()?).map_err(|source| base.unread(source))
}

fn on_nothing(options: &WhisperOptions) -> Result<(WhisperListener, WhisperConfig), DataError> {
    let seconds = options.seconds.unwrap_or(10.0);
    ConfigError::within("seconds", 1.0 / FRAMES_A_SECOND, 30.0, seconds)?;
    let vocabulary = Vocabulary::of_bytes();
    let config = WhisperConfig {
        n_mels: options.n_mels.unwrap_or(80),
        n_tokens: vocabulary.n_tokens(),
        d_model: options.d_model.unwrap_or(64),
        n_frames: (seconds * FRAMES_A_SECOND).ceil() as usize,
        max_length: options.max_length.unwrap_or(128),
        n_layers: options.n_layers.unwrap_or(2),
        n_heads: options.n_heads.unwrap_or(4),
        n_decoder_layers: 0,
        d_hidden: 0,
    };
    let listener = WhisperListener {
        multilingual: false,
        n_mels: config.n_mels,
        n_frames: config.n_frames,
        max_length: config.max_length,
        // Its texts may hold any sign.
        suppress: vec![vocabulary.marks().start],
        vocabulary,
        decoding: WhisperDecoding::greedy(),
    };
    Ok((listener, config))
}
