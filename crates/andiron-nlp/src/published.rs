//! Encoders as others publish them: a folder with `config.json`, weights and `tokenizer.json`.

pub(crate) mod entries;

use crate::{
    batch::TokenBatch,
    tokenizer::{Tokenizer, TokenizerError},
};
use andiron_core::{ConfigError, Model, ModelConfig, Network, WeightsError, weights};
use andiron_weights::{Renamed, folder::Folder};
use burn::tensor::{Device, Tensor};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// An encoder's configuration that Hugging Face's `config.json` can describe.
pub trait PublishedEncoder:
    ModelConfig<Model: Model<Input = TokenBatch, Output = Tensor<3>>>
{
    /// What `model_type` in `config.json` says of such an encoder.
    const MODEL_TYPES: &'static [&'static str];
    /// What stands before the names in a file that holds a head too.
    const PREFIX: &'static str;
    /// The tensors that such a file may hold beside the encoder's, without the prefix. Any other
    /// is refused, for it may change what the network gives.
    const SURPLUS: &'static [&'static str];

    /// Reads a `config.json`. A field that the network depends on and that says what is not
    /// supported is an error; any other unknown field is passed over.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    fn from_hugging_face(config: &Value) -> Result<Self, ConfigError>;

    /// Rows of the table of tokens.
    fn n_tokens(&self) -> usize;

    /// The longest text in tokens.
    fn max_length(&self) -> usize;

    /// Width of a token's vector.
    fn d_model(&self) -> usize;
}

/// A published folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishedError {
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
    #[error("{path} cannot be used")]
    Config {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: ConfigError,
    },
    /// No network of this kind is known here.
    #[error("{path} is of model type {got:?}; known are {known:?}")]
    UnknownModel {
        /// The file.
        path: PathBuf,
        /// What it says, or what it lacks.
        got: String,
        /// The model types known.
        known: Vec<&'static str>,
    },
    /// The tokenizer cannot be read.
    #[error("the tokenizer cannot be used")]
    Tokenizer(#[from] TokenizerError),
    /// The tokenizer knows tokens for which the network has no vector.
    #[error("{path} has {tokenizer} tokens, but the network knows {network} only")]
    Vocabulary {
        /// The tokenizer's file.
        path: PathBuf,
        /// Token numbers of the tokenizer.
        tokenizer: usize,
        /// Token numbers of the network.
        network: usize,
    },
    /// The weights cannot be used.
    #[error("the weights cannot be used")]
    Weights(#[from] WeightsError),
}

impl PublishedError {
    /// A field of the file `path` that says what is not supported.
    pub(crate) fn unsupported(path: &Path, field: &str, got: &Value, reason: &str) -> Self {
        let source = ConfigError::Kind {
            field: field.to_owned(),
            got: andiron_core::data::shortened(got),
            reason: reason.to_owned(),
        };
        Self::Config { path: path.into(), source }
    }
}

/// The content of a JSON file.
pub(crate) fn read_json(path: &Path) -> Result<Value, PublishedError> {
    let text =
        std::fs::read(path).map_err(|source| PublishedError::Io { path: path.into(), source })?;
    serde_json::from_slice(&text)
        .map_err(|source| PublishedError::Json { path: path.into(), source })
}

/// As [`read_json`], for a file that need not be there.
pub(crate) fn read_json_if_any(path: &Path) -> Result<Option<Value>, PublishedError> {
    match read_json(path) {
        Err(PublishedError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// An encoder from a folder with `config.json` and weights, as [`Folder`] reads them. What a head's file holds
/// beside the encoder is left out.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn load_network<C: PublishedEncoder>(
    dir: &Path,
    device: &Device,
) -> Result<Network<C>, PublishedError> {
    let path = dir.join("config.json");
    let config = C::from_hugging_face(&read_json(&path)?)
        .map_err(|source| PublishedError::Config { path, source })?;
    load_weights(config, dir, device)
}

/// As [`load_network`], for a configuration that was read before.
///
/// # Errors
/// As [`load_network`].
pub fn load_weights<C: PublishedEncoder>(
    config: C,
    dir: &Path,
    device: &Device,
) -> Result<Network<C>, PublishedError> {
    let fail = |source| PublishedError::Config { path: dir.join("config.json"), source };
    let network = Network::blank(config, device).map_err(fail)?;
    let folder = Folder::open(dir).map_err(WeightsError::from)?;
    let source = Renamed::new(folder, encoder_name::<C>).map_err(WeightsError::from)?;
    Ok(weights::load_from(network, &source)?)
}

/// As [`load_network`], with the tokenizer of the folder's `tokenizer.json`.
///
/// # Errors
/// As [`load_network`]; [`PublishedError::Vocabulary`] if the two do not belong together.
pub fn load<C: PublishedEncoder>(
    dir: &Path,
    device: &Device,
) -> Result<(Network<C>, Tokenizer), PublishedError> {
    let path = dir.join("tokenizer.json");
    let tokenizer = Tokenizer::from_file(&path)?;
    let network = load_network::<C>(dir, device)?;
    let (known, network_knows) = (tokenizer.n_tokens(), network.config.n_tokens());
    if known > network_knows {
        let network = network_knows;
        return Err(PublishedError::Vocabulary { path, tokenizer: known, network });
    }
    Ok((network, tokenizer))
}

/// The encoder's name for a tensor of a published file; none for one that is left out.
fn encoder_name<C: PublishedEncoder>(name: &str) -> Option<String> {
    let name = modern(name.strip_prefix(C::PREFIX).unwrap_or(name));
    (!C::SURPLUS.contains(&name.as_str())).then_some(name)
}

/// Today's name of a tensor: the first checkpoints, which TensorFlow wrote, call the parameters of a
/// normalisation otherwise.
pub(crate) fn modern(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((rest, "gamma")) => format!("{rest}.weight"),
        Some((rest, "beta")) => format!("{rest}.bias"),
        _ => name.to_owned(),
    }
}

/// The longest text in tokens that the folder's tokenizer was made for, where it says so.
pub(crate) fn tokenizer_length(dir: &Path) -> Result<Option<usize>, PublishedError> {
    let tokenizer = read_json_if_any(&dir.join("tokenizer_config.json"))?.unwrap_or_default();
    // A tokenizer without a limit says 1e30.
    let length = tokenizer.get("model_max_length").and_then(Value::as_f64);
    Ok(length.filter(|length| (1.0..1e9).contains(length)).map(|length| length as usize))
}
