//! Networks for images as others publish them, with their weights.
//!
//! Three forms are read:
//!
//! - a folder of transformers: `config.json` with a `model_type`, weights, and
//!   `preprocessor_config.json`, which says how pixels are prepared;
//! - a folder of timm: `config.json` with an `architecture`, which is the name of a [`Preset`];
//! - bare weights, as torchvision and the EfficientNet-Lite checkpoints come, a `.pth` or
//!   `.safetensors`: the caller names the [`Preset`]. A `config.json` beside them that says
//!   `{"architecture": "efficientnet-lite0"}` makes a folder of the second form of it.
//!
//! ```no_run
//! use andiron_vision::{models::efficientnet_lite::EfficientNetLiteConfig, published};
//! use burn::tensor::Device;
//!
//! let config = EfficientNetLiteConfig::lite0();
//! let path = "efficientnet-lite0-57934424.pth".as_ref();
//! let network = published::load_network(config, path, &Device::flex())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod efficientnet_lite;
mod entry;
mod mobilenet_v2;
mod preprocessor;
mod preset;
mod resnet;
mod thirds;
mod timm;
mod vit;

pub(crate) use entry::Entry;
pub use entry::{Served, from_path};
pub use preset::Preset;

use crate::{
    backbone::{BackboneConfig, for_classes, is_head},
    transform::ImageTransform,
};
use andiron_core::{ConfigError, Labels, Layout, Network, WeightsError, weights};
use andiron_weights::{Renamed, fields::label_names, folder::Folder};
use burn::tensor::Device;
use serde_json::Value;
use std::path::{Path, PathBuf};
use thirds::Thirds;

/// The configuration of a network that others publish weights for.
pub trait PublishedBackbone: BackboneConfig {
    /// What `model_type` in transformers' `config.json` says of such a network.
    const MODEL_TYPES: &'static [&'static str];

    /// The networks that are known by a name, since their weights come without a description.
    const PRESETS: &'static [Preset<Self>];

    /// Reads transformers' `config.json`. A field that the network depends on and that says what is
    /// not supported is an error; any other unknown field is passed over.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    fn from_hugging_face(config: &Value) -> Result<Self, ConfigError>;

    /// The name by which [`weight_name`](andiron_core::ModelConfig::weight_name) knows the tensor
    /// that some other home calls `name`; none where the name is no other home's.
    fn own_name(&self, name: &str) -> Option<String>;

    /// Tensors, by their own names, that a file may hold and that change no answer.
    const SURPLUS: &'static [&'static str] = &[];
}

/// Something published that cannot be used.
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
    /// A description asks for what is not supported, or lacks a field.
    #[error("{path} cannot be used")]
    Config {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: ConfigError,
    },
    /// No network of this kind is known here.
    #[error("{path} is of model type or architecture {got:?}; known are {known:?}")]
    UnknownModel {
        /// The file.
        path: PathBuf,
        /// What it says, or what it lacks.
        got: String,
        /// What is known.
        known: Vec<&'static str>,
    },
    /// The weights cannot be used.
    #[error("the weights cannot be used")]
    Weights(#[from] WeightsError),
}

/// What is known of a published network before its weights are read.
#[derive(Debug, Clone)]
pub struct Base<C> {
    /// The network.
    pub config: C,
    /// Its labels; class numbers from 0 where nobody says what they are called.
    pub labels: Vec<String>,
    /// How images become numbers.
    pub transform: ImageTransform,
}

/// Whether `layout` is a network of the configuration `C`, told from what it says of itself, or
/// what the caller says of it.
pub(crate) fn is_of<C: PublishedBackbone>(layout: &Layout) -> bool {
    match name_in(layout) {
        Some(name) => Preset::<C>::find(name).is_some(),
        None => layout.model_type().is_some_and(|kind| C::MODEL_TYPES.contains(&kind)),
    }
}

/// The name of a preset that `layout` goes by.
pub(crate) fn name_in(layout: &Layout) -> Option<&str> {
    layout.named().or_else(|| layout.config()?.get("architecture")?.as_str())
}

/// Reads what is said of a published network, and no weights. `name` is that of a [`Preset`], for
/// weights without a description.
///
/// # Errors
/// [`PublishedError`] names the file or field that cannot be used.
pub fn read_base<C: PublishedBackbone>(
    path: &Path,
    name: Option<&str>,
) -> Result<Base<C>, PublishedError> {
    let file = path.join("config.json");
    if let Some(name) = name {
        return Ok(preset::<C>(path, name)?.base());
    }
    let config = read_json(&file)?;
    let fail = |source| PublishedError::Config { path: file.clone(), source };
    if let Some(name) = config.get("architecture").and_then(Value::as_str) {
        return timm::base(preset::<C>(&file, name)?, &config).map_err(fail);
    }
    let got = config.get("model_type").and_then(Value::as_str).unwrap_or("missing");
    if !C::MODEL_TYPES.contains(&got) {
        let (path, got) = (file, got.to_owned());
        return Err(PublishedError::UnknownModel { path, got, known: C::MODEL_TYPES.to_vec() });
    }
    let labels = label_names(&config).map_err(fail)?;
    let network = for_classes(C::from_hugging_face(&config).map_err(fail)?, labels.len());
    let file = path.join("preprocessor_config.json");
    let transform = preprocessor::transform(&read_json(&file)?);
    let transform = transform.map_err(|source| PublishedError::Config { path: file, source })?;
    Ok(Base { config: network, labels, transform })
}

fn preset<C: PublishedBackbone>(
    path: &Path,
    name: &str,
) -> Result<&'static Preset<C>, PublishedError> {
    Preset::find(name).ok_or_else(|| PublishedError::UnknownModel {
        path: path.into(),
        got: name.to_owned(),
        known: C::PRESETS.iter().map(|preset| preset.names[0]).collect(),
    })
}

/// The content of a JSON file.
pub(crate) fn read_json(path: &Path) -> Result<Value, PublishedError> {
    let text =
        std::fs::read(path).map_err(|source| PublishedError::Io { path: path.into(), source })?;
    serde_json::from_slice(&text)
        .map_err(|source| PublishedError::Json { path: path.into(), source })
}

/// A network of `config` with the weights in the file or folder `path`, as [`Folder`] reads them,
/// by whichever names. Without a head in the configuration, that of the file is passed over.
///
/// # Errors
/// [`PublishedError`] names the file or the setting that cannot be used; tensors that are missing,
/// surplus or misshapen are named all at once.
pub fn load_network<C: PublishedBackbone>(
    config: C,
    path: &Path,
    device: &Device,
) -> Result<Network<C>, PublishedError> {
    let blank = blank(config, path, device)?;
    let source = weights_of(&blank.config, path, blank.config.ends().n_classes == 0)?;
    Ok(weights::load_from(blank, &source)?)
}

/// As [`load_network`], for training on: the head is drawn by `seed`, unless the network is to give
/// the `same_answers`.
///
/// # Errors
/// As [`load_network`].
pub fn start<C: PublishedBackbone>(
    config: C,
    path: &Path,
    same_answers: bool,
    seed: u64,
    device: &Device,
) -> Result<Network<C>, PublishedError> {
    let blank = blank(config, path, device)?;
    let source = weights_of(&blank.config, path, !same_answers)?;
    let fresh = |name: &str| (is_head::<C>(name) && !same_answers) || name.contains(".lora.");
    let network = weights::load_around(blank, &source, &fresh)?;
    let fail = |source| PublishedError::Config { path: path.into(), source };
    network.completed(seed, device).map_err(fail)
}

fn blank<C: PublishedBackbone>(
    config: C,
    path: &Path,
    device: &Device,
) -> Result<Network<C>, PublishedError> {
    let fail = |source| PublishedError::Config { path: path.into(), source };
    Network::blank(config, device).map_err(fail)
}

/// The tensors of a file by our names, perhaps without the head's.
fn weights_of<C: PublishedBackbone>(
    config: &C,
    path: &Path,
    without_head: bool,
) -> Result<Renamed<Thirds<Folder>>, WeightsError> {
    let head = config.weight_name(&format!("{}.", C::HEAD));
    let rename = |name: &str| {
        let own = config.own_name(name).unwrap_or_else(|| name.to_owned());
        let hidden = (without_head && own.starts_with(&head)) || C::SURPLUS.contains(&&*own);
        (!hidden).then_some(own)
    };
    Ok(Renamed::new(Thirds(Folder::open(path)?), rename)?)
}

/// The labels of a [`Base`], checked.
///
/// # Errors
/// [`PublishedError::Config`] for labels that are none, such as one twice.
pub(crate) fn labels<C>(path: &Path, base: &Base<C>) -> Result<Labels, PublishedError> {
    Labels::in_order(base.labels.clone()).map_err(|error| PublishedError::Config {
        path: path.into(),
        source: ConfigError::Kind {
            field: "id2label".to_owned(),
            got: format!("{} labels", base.labels.len()),
            reason: error.to_string(),
        },
    })
}
