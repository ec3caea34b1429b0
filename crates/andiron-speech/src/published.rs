//! Networks for sound as others publish them, with their weights.

use andiron_core::{
    BaseModel, ConfigError, Layout, ModelConfig, Network, TrainError, WeightsError,
};
use andiron_weights::ReadError;
use burn::tensor::Device;
use std::path::{Path, PathBuf};

/// Something published that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishedError {
    /// A description or a setting asks for what is not supported.
    #[error("{path} cannot be used")]
    Config {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: ConfigError,
    },
    /// The weights cannot be used.
    #[error("the weights cannot be used")]
    Weights(#[from] WeightsError),
}

impl From<ReadError> for PublishedError {
    fn from(error: ReadError) -> Self {
        Self::Weights(error.into())
    }
}

/// The name that `layout` goes by: what the caller says, or its `config.json`.
pub(crate) fn name_in(layout: &Layout) -> Option<&str> {
    layout.named().or_else(|| layout.config()?.get("architecture")?.as_str())
}

/// Where a training starts: from the published weights of `base`, which `load` reads, or from nothing.
pub(crate) fn start<C: ModelConfig>(
    config: C,
    base: Option<BaseModel>,
    load: impl Fn(C, &Path, &Device) -> Result<Network<C>, PublishedError>,
    seed: u64,
    device: &Device,
) -> Result<Network<C>, TrainError> {
    match base {
        Some(base) => load(config, &base.folder, device).map_err(|source| base.unloaded(source)),
        None => Ok(Network::init(config, seed, device)?),
    }
}
