//! Decoders as others publish them: a folder of the hub, or a GGUF file.
//!
//! ```no_run
//! use andiron_core::Predictor;
//! use andiron_nlp::{chat::Message, published_decoder, tasks::text_generation::Request};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let (task, network) = published_decoder::from_gguf("SmolLM2-135M-Instruct.Q4_1.gguf", &device)?;
//! let predictor = Predictor::new(task, network, &device);
//! let request = Request::chat([Message::new("user", "What is the capital of France?")]);
//! println!("{}", predictor.predict(&[request])?[0].text);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod gguf;
mod gguf_tokenizer;
mod home;

pub use gguf::{from_gguf, network_from_gguf, tokenizer_from_gguf};
pub(crate) use home::home_files;

use crate::{
    chat::{ChatError, ChatTemplate},
    decoder::Decoder,
    models::{gpt2::Gpt2Config, llama::LlamaConfig},
    tasks::text_generation::TextGeneration,
    tokenizer::{Tokenizer, TokenizerError},
};
use andiron_core::{ConfigError, ModelConfig, Network, WeightsError, weights};
use andiron_weights::{ReadError, Renamed};
use burn::tensor::Device;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A published decoder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecoderError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is no JSON.
    #[error("{path} is no JSON")]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// The configuration asks for what is not supported, or lacks a field.
    #[error("the configuration in {path} cannot be used")]
    Config {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: ConfigError,
    },
    /// The file of weights cannot be opened.
    #[error("the weights cannot be read")]
    Read(#[from] ReadError),
    /// The weights do not fit the network.
    #[error("the weights cannot be used")]
    Weights(#[from] WeightsError),
    /// The tokenizer cannot be read.
    #[error("the tokenizer cannot be used")]
    Tokenizer(#[from] TokenizerError),
    /// The tokenizer knows tokens for which the network has no vector.
    #[error("{path}: the tokenizer has {tokenizer} tokens, but the network knows {network} only")]
    Vocabulary {
        /// The file.
        path: PathBuf,
        /// Token numbers of the tokenizer.
        tokenizer: usize,
        /// Token numbers of the network.
        network: usize,
    },
    /// The chat template cannot be read.
    #[error("the chat template in {path} cannot be used")]
    Chat {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: ChatError,
    },
}

impl DecoderError {
    fn config(path: &Path) -> impl Fn(ConfigError) -> Self + '_ {
        |source| Self::Config { path: path.into(), source }
    }
}

/// A decoder's configuration that a folder of the hub can describe.
pub trait PublishedDecoder: ModelConfig<Model: Decoder> {
    /// The names that `architectures` in `config.json` gives such a decoder.
    const ARCHITECTURES: &'static [&'static str];
    /// What `model_type` there says of it.
    const MODEL_TYPES: &'static [&'static str];

    /// Reads a `config.json`. A field that the network depends on and that says what is not
    /// supported is an error; any other unknown field is passed over.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    fn from_config_json(config: &Value) -> Result<Self, ConfigError>;

    /// The longest text in tokens.
    fn max_length(&self) -> usize;

    /// Token numbers.
    fn n_tokens(&self) -> usize;

    /// The same decoder with another probability of dropout in training, 0 to 1.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for one that the network cannot have.
    fn dropping(self, dropout: f64) -> Result<Self, ConfigError>;

    /// Our name for a tensor of a published file; none for one that is left out because it holds
    /// nothing learnt, or the same as another.
    fn name_of(&self, name: &str) -> Option<String>;
}

impl PublishedDecoder for LlamaConfig {
    const ARCHITECTURES: &'static [&'static str] =
        &["LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"];
    const MODEL_TYPES: &'static [&'static str] = &["llama", "mistral", "qwen2", "qwen3"];

    fn from_config_json(config: &Value) -> Result<Self, ConfigError> {
        Self::from_hugging_face(config)
    }

    fn max_length(&self) -> usize {
        self.max_length
    }

    fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// A Llama drops nothing.
    fn dropping(self, dropout: f64) -> Result<Self, ConfigError> {
        ConfigError::within("dropout", 0.0, 0.0, dropout)?;
        Ok(self)
    }

    fn name_of(&self, name: &str) -> Option<String> {
        let left_out =
            name.ends_with(".rotary_emb.inv_freq") || (self.tied && name == "lm_head.weight");
        (!left_out).then(|| name.to_owned())
    }
}

impl PublishedDecoder for Gpt2Config {
    const ARCHITECTURES: &'static [&'static str] = &["GPT2LMHeadModel"];
    const MODEL_TYPES: &'static [&'static str] = &["gpt2"];

    fn from_config_json(config: &Value) -> Result<Self, ConfigError> {
        Self::from_hugging_face(config)
    }

    fn max_length(&self) -> usize {
        self.max_length
    }

    fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    fn dropping(self, dropout: f64) -> Result<Self, ConfigError> {
        ConfigError::within("dropout", 0.0, 1.0, dropout)?;
        Ok(self.with_dropout(dropout))
    }

    fn name_of(&self, name: &str) -> Option<String> {
        // The causal mask and its value are no parameters.
        let mask = name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
        if mask || name == "lm_head.weight" {
            return None;
        }
        let bare = name.strip_prefix("transformer.").unwrap_or(name);
        Some(format!("transformer.{bare}"))
    }
}

/// A decoder with its tokenizer, from a folder with `config.json`, weights, `tokenizer.json` and,
/// where they are there, `tokenizer_config.json`, `chat_template.jinja` and
/// `generation_config.json`.
///
/// # Errors
/// [`DecoderError`] names the file, field or tensor that cannot be used.
pub fn from_folder<C: PublishedDecoder>(
    dir: impl AsRef<Path>,
    device: &Device,
) -> Result<(TextGeneration, Network<C>), DecoderError> {
    let dir = dir.as_ref();
    let (task, config) = describe::<C>(dir)?;
    Ok((task, load_weights(config, dir, device)?))
}

/// What such a folder says but for its weights, which are not read.
///
/// # Errors
/// [`DecoderError`] names the file or field that cannot be used.
pub fn describe<C: PublishedDecoder>(dir: &Path) -> Result<(TextGeneration, C), DecoderError> {
    let path = dir.join("config.json");
    let json = read_json(&path)?;
    let config = C::from_config_json(&json).map_err(DecoderError::config(&path))?;
    let tokenizer_path = dir.join("tokenizer.json");
    let tokenizer = Tokenizer::from_file(&tokenizer_path)?;
    fitting(&tokenizer_path, &tokenizer, config.n_tokens())?;
    let ends = ends(dir, &json, &tokenizer)?;
    let template = template(dir)?;
    let task = TextGeneration::new(tokenizer, config.max_length(), ends)
        .map_err(DecoderError::config(&path))?;
    Ok((TextGeneration { chat_template: template, ..task }, config))
}

/// A network of `config` with the weights of such a folder.
///
/// # Errors
/// [`DecoderError`] names the tensor that cannot be used.
pub fn load_weights<C: PublishedDecoder>(
    config: C,
    dir: &Path,
    device: &Device,
) -> Result<Network<C>, DecoderError> {
    let path = dir.join("config.json");
    let network = Network::blank(config.clone(), device).map_err(DecoderError::config(&path))?;
    let source = Renamed::new(andiron_weights::open(dir)?, |name| config.name_of(name))?;
    Ok(weights::load_from(network, &source)?)
}

fn fitting(path: &Path, tokenizer: &Tokenizer, network: usize) -> Result<(), DecoderError> {
    let known = tokenizer.n_tokens();
    if known > network {
        return Err(DecoderError::Vocabulary { path: path.into(), tokenizer: known, network });
    }
    Ok(())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, DecoderError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DecoderError::Io { path: path.into(), source }),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Value, DecoderError> {
    serde_json::from_slice(bytes).map_err(|source| DecoderError::Json { path: path.into(), source })
}

fn read_json(path: &Path) -> Result<Value, DecoderError> {
    let bytes =
        std::fs::read(path).map_err(|source| DecoderError::Io { path: path.into(), source })?;
    parse(path, &bytes)
}

fn read_json_if_any(path: &Path) -> Result<Value, DecoderError> {
    read(path)?.map_or(Ok(Value::Null), |bytes| parse(path, &bytes))
}

/// The tokens that end a text: by `generation_config.json`, or else by `config.json`; and the
/// tokenizer's own.
fn ends(dir: &Path, config: &Value, tokenizer: &Tokenizer) -> Result<Vec<u32>, DecoderError> {
    let generation = read_json_if_any(&dir.join("generation_config.json"))?;
    let said = [&generation, config].map(|file| &file["eos_token_id"]);
    let mut ends = Vec::new();
    let mut add = |id: Option<u32>| match id {
        Some(id) if !ends.contains(&id) => ends.push(id),
        _ => {}
    };
    // The tokenizer's own first: it is what stands behind a text in training.
    let settings = read_json_if_any(&dir.join("tokenizer_config.json"))?;
    add(special(&settings, "eos_token").and_then(|token| tokenizer.id(&token)));
    let number = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match said.into_iter().find(|value| !value.is_null()) {
        Some(Value::Array(ids)) => ids.iter().for_each(|id| add(number(id))),
        Some(id) => add(number(id)),
        None => {}
    }
    Ok(ends)
}

/// A special token of `tokenizer_config.json`: a text, or an object with its content.
fn special(settings: &Value, name: &str) -> Option<String> {
    let token = &settings[name];
    token.as_str().or_else(|| token["content"].as_str()).map(str::to_owned)
}

fn template(dir: &Path) -> Result<Option<ChatTemplate>, DecoderError> {
    let settings_path = dir.join("tokenizer_config.json");
    let settings = read_json_if_any(&settings_path)?;
    let own = dir.join("chat_template.jinja");
    let (path, source) = match read(&own)? {
        Some(bytes) => {
            let text = String::from_utf8(bytes).map_err(|error| DecoderError::Io {
                path: own.clone(),
                source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
            })?;
            (own, Some(text))
        }
        None => (settings_path, named_template(&settings["chat_template"])),
    };
    let Some(source) = source else { return Ok(None) };
    let template =
        ChatTemplate::new(source).map_err(|source| DecoderError::Chat { path, source })?;
    let tokens = (special(&settings, "bos_token"), special(&settings, "eos_token"));
    Ok(Some(template.with_tokens(tokens.0, tokens.1)))
}

/// The template itself, or the one called `default` of a list of templates with names.
fn named_template(value: &Value) -> Option<String> {
    let default = |entry: &&Value| entry["name"] == "default";
    let one = match value {
        Value::Array(all) => &all.iter().find(default)?["template"],
        one => one,
    };
    one.as_str().map(str::to_owned)
}
