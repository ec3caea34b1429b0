//! Whisper as others publish it: a folder as Hugging Face has it, or CTranslate2's.

mod home;
mod renamed;

pub(crate) use home::home_files;

use super::{Vocabulary, VocabularyError, WhisperDecoding, WhisperListener};
use crate::models::whisper::WhisperConfig;
use andiron_core::{
    ConfigError, DataError, Fit, Layout, Network, WeightsError,
    data::shortened,
    weights::{self, Source},
};
use andiron_weights::{
    ReadError, Renamed,
    ctranslate2::CTranslate2,
    fields::{Fields, refused},
};
use burn::tensor::Device;
use renamed::Unfused;
use serde_json::{Value, json};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// What `architectures` in `config.json` says of such a folder.
pub const ARCHITECTURES: &[&str] = &["WhisperForConditionalGeneration"];
/// The file of weights in a folder of CTranslate2's.
const MODEL_BIN: &str = "model.bin";
/// The kind that such a file says it is of.
const KIND: &str = "WhisperSpec";
/// So many tokens and no fewer has a published vocabulary with languages.
const MULTILINGUAL: usize = 51_865;

/// A published Whisper that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WhisperError {
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
    /// The vocabulary cannot be used.
    #[error("the vocabulary cannot be used")]
    Vocabulary(#[from] VocabularyError),
    /// The vocabulary does not split what has to be split.
    #[error("the vocabulary in {path} cannot be used")]
    Tokens {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: DataError,
    },
    /// The file of weights cannot be opened.
    #[error("the weights cannot be read")]
    Read(#[from] ReadError),
    /// The weights do not fit the network.
    #[error("the weights cannot be used")]
    Weights(#[from] WeightsError),
}

impl WhisperError {
    fn config(path: &Path) -> impl Fn(ConfigError) -> Self + '_ {
        |source| Self::Config { path: path.into(), source }
    }
}

/// Whether `layout` is a Whisper.
pub(crate) fn fit(layout: &Layout) -> Option<Fit> {
    let named = match layout.architecture() {
        Some(name) => ARCHITECTURES.contains(&name),
        None => layout.model_type() == Some("whisper"),
    };
    let ours = named || (layout.has(MODEL_BIN) && is_model_bin(&layout.path().join(MODEL_BIN)));
    ours.then_some(Fit::Meant)
}

/// Whether a file begins as CTranslate2 writes a Whisper.
fn is_model_bin(path: &Path) -> bool {
    let mut head = [0; 6 + KIND.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head[6..] == *KIND.as_bytes()
}

/// A Whisper with its vocabulary, from a folder with `tokenizer.json` and either `config.json` and
/// weights as Hugging Face has them, or CTranslate2's `model.bin`.
///
/// # Errors
/// [`WhisperError`] names the file, field or tensor that cannot be used.
pub fn from_folder(
    dir: impl AsRef<Path>,
    device: &Device,
) -> Result<(WhisperListener, Network<WhisperConfig>), WhisperError> {
    let dir = dir.as_ref();
    let (listener, config) = describe(dir)?;
    Ok((listener, load_weights(config, dir, device)?))
}

/// What such a folder says but for its weights, which are not read.
///
/// # Errors
/// [`WhisperError`] names the file or field that cannot be used.
pub fn describe(dir: &Path) -> Result<(WhisperListener, WhisperConfig), WhisperError> {
    let path = dir.join("config.json");
    let model_bin = dir.join(MODEL_BIN);
    let (config, said) = if is_model_bin(&model_bin) {
        let said = read_if_any(&path)?;
        let config = of_shapes(&CTranslate2::open(&model_bin)?);
        (config.map_err(WhisperError::config(&model_bin))?, said)
    } else {
        let json = read_json(&path)?;
        let config = of_config_json(&json).map_err(WhisperError::config(&path))?;
        let said = match read_if_any(&dir.join("generation_config.json"))? {
            Value::Null => json,
            said => said,
        };
        (config, said)
    };
    let tokenizer = dir.join("tokenizer.json");
    let vocabulary = Vocabulary::from_file(&tokenizer)?;
    let multilingual = said["is_multilingual"].as_bool().unwrap_or(config.n_tokens >= MULTILINGUAL);
    let suppress = [&said["suppress_tokens"], &said["suppress_ids"]]
        .into_iter()
        .find(|value| value.is_array())
        .map(|value| numbers("suppress_tokens", value).map_err(WhisperError::config(&path)));
    let suppress = match suppress {
        Some(read) => read?,
        None => vocabulary
            .unspoken()
            .map_err(|source| WhisperError::Tokens { path: tokenizer.clone(), source })?,
    };
    // A network of English alone is not asked which language it hears.
    let language = (!multilingual).then(|| "en".to_owned());
    let listener = WhisperListener {
        vocabulary,
        multilingual,
        n_mels: config.n_mels,
        n_frames: config.n_frames,
        max_length: config.max_length,
        suppress,
        decoding: WhisperDecoding { language, ..Default::default() },
    };
    listener.fits(&config).map_err(WhisperError::config(&tokenizer))?;
    Ok((listener, config))
}

/// A network of `config` with the weights of such a folder.
///
/// # Errors
/// [`WhisperError`] names the tensor that cannot be used.
pub fn load_weights(
    config: WhisperConfig,
    dir: &Path,
    device: &Device,
) -> Result<Network<WhisperConfig>, WhisperError> {
    let network = Network::blank(config, device);
    let network = network.map_err(WhisperError::config(&dir.join("config.json")))?;
    let model_bin = dir.join(MODEL_BIN);
    if is_model_bin(&model_bin) {
        let source = Unfused::new(CTranslate2::open(&model_bin)?)?;
        return Ok(weights::load_from(network, &source)?);
    }
    let name = |name: &str| {
        // The logits are by the tokens' own vectors.
        let tied = name == "proj_out.weight";
        (!tied).then(|| format!("model.{}", name.strip_prefix("model.").unwrap_or(name)))
    };
    let source = Renamed::new(andiron_weights::open(dir)?, name)?;
    Ok(weights::load_from(network, &source)?)
}

/// Reads Hugging Face's `config.json` of a Whisper. A field that the network depends on and that asks
/// for what is not supported is an error; other unknown fields are passed over.
///
/// # Errors
/// [`ConfigError::Kind`] names the field.
pub fn of_config_json(config: &Value) -> Result<WhisperConfig, ConfigError> {
    let fields = Fields::of(config)?;
    fields.model_type(&["whisper"])?;
    fields.only("activation_function", &json!("gelu"))?;
    fields.only("scale_embedding", &json!(false))?;
    fields.only("tie_word_embeddings", &json!(true))?;
    fields.absent("quantization_config")?;
    let same = |one: &str, other: &str| {
        let (wanted, got) = (fields.size(one)?, fields.size(other)?);
        let reason = format!("it must be as {one}, {wanted}");
        if got == wanted { Ok(got) } else { Err(refused(other, fields.get(other), &reason)) }
    };
    Ok(WhisperConfig {
        n_mels: fields.size_or("num_mel_bins", 80)?,
        n_tokens: fields.size("vocab_size")?,
        d_model: fields.size("d_model")?,
        n_frames: fields.size_or("max_source_positions", 1500)?,
        max_length: fields.size_or("max_target_positions", 448)?,
        n_layers: fields.layers("encoder_layers")?,
        n_decoder_layers: fields.layers("decoder_layers")?,
        n_heads: same("encoder_attention_heads", "decoder_attention_heads")?,
        d_hidden: same("encoder_ffn_dim", "decoder_ffn_dim")?,
    })
}

/// The sizes that the variables of a `model.bin` have.
fn of_shapes(file: &CTranslate2) -> Result<WhisperConfig, ConfigError> {
    if file.kind() != KIND {
        return Err(refused("kind", Some(&json!(file.kind())), &format!("supported is {KIND}")));
    }
    let extent = |name: &str, axis: usize| {
        let shape = file.entry(name).map(|entry| entry.shape);
        let extent = shape.as_ref().and_then(|shape| shape.get(axis)).copied();
        extent.ok_or_else(|| refused(name, Some(&json!(shape)), "a tensor was wanted"))
    };
    let layers = |side: &str| {
        let is_there =
            |at: &usize| file.entry(&format!("{side}/layer_{at}/ffn/linear_0/weight")).is_some();
        (0..).take_while(is_there).count()
    };
    let heads = |name: &str| match file.integer(name) {
        Ok(Some(heads)) if heads > 0 => Ok(heads as usize),
        Ok(other) => Err(refused(name, other.map(|n| json!(n)).as_ref(), "a number was wanted")),
        Err(error) => Err(refused(name, Some(&json!(error.to_string())), "a number was wanted")),
    };
    let n_heads = heads("encoder/num_heads")?;
    if heads("decoder/num_heads")? != n_heads {
        return Err(refused("decoder/num_heads", None, "it must be as encoder/num_heads"));
    }
    Ok(WhisperConfig {
        n_mels: extent("encoder/conv1/weight", 1)?,
        n_tokens: extent("decoder/embeddings/weight", 0)?,
        d_model: extent("decoder/embeddings/weight", 1)?,
        n_frames: extent("encoder/position_encodings/encodings", 0)?,
        max_length: extent("decoder/position_encodings/encodings", 0)?,
        n_layers: layers("encoder"),
        n_decoder_layers: layers("decoder"),
        n_heads,
        d_hidden: extent("decoder/layer_0/ffn/linear_0/weight", 0)?,
    })
}

fn numbers(field: &str, value: &Value) -> Result<Vec<u32>, ConfigError> {
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let all = value.as_array().and_then(|all| all.iter().map(number).collect::<Option<_>>());
    all.ok_or_else(|| ConfigError::Kind {
        field: field.to_owned(),
        got: shortened(value),
        reason: "token numbers were wanted".to_owned(),
    })
}

fn read_json(path: &Path) -> Result<Value, WhisperError> {
    let bytes =
        std::fs::read(path).map_err(|source| WhisperError::Io { path: path.into(), source })?;
    serde_json::from_slice(&bytes)
        .map_err(|source| WhisperError::Json { path: path.into(), source })
}

/// Null where there is no such file.
fn read_if_any(path: &Path) -> Result<Value, WhisperError> {
    match read_json(path) {
        Err(WhisperError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(Value::Null)
        }
        read => read,
    }
}
