//! What others publish and the task can use.

use super::{SpeakerEmbedding, SpeakerOptions};
use crate::{
    models::ge2e::Ge2eConfig,
    published::{PublishedError, name_in},
};
use andiron_core::{
    ConfigError, Fit, Layout, Network, Predictor, PublishedEntry, TrainError, overlay, weights,
};
use andiron_weights::folder::Folder;
use burn::tensor::Device;
use serde_json::Value;
use std::path::Path;

/// The name that the network goes by.
const NAME: &str = "resemblyzer";

/// Where the checkpoint has the weights; beside them lies the optimiser's state.
const WEIGHTS: &str = "model_state.";

/// What the task reads of others: Resemblyzer's `pretrained.pt`, told by a `config.json` beside it
/// that says `{"architecture": "resemblyzer"}`, by the name of its folder, or by the caller.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &[NAME],
    fit: |layout| is_it(layout).then_some(Fit::Meant),
    load: |layout, device| Ok(Box::new(from_path(layout.path(), device)?)),
    keeps: None,
}];

fn is_it(layout: &Layout) -> bool {
    let (file, path) = ("pretrained.pt", layout.path());
    let named = |path: &Path| path.file_name().is_some_and(|name| name == NAME);
    match name_in(layout) {
        Some(name) => name == NAME,
        None if layout.is_folder() => named(path) && layout.has(file),
        None => path.ends_with(file) && path.parent().is_some_and(named),
    }
}

/// Loads the published weights from their file, or the folder in which it is the only one.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_path(
    path: &Path,
    device: &Device,
) -> Result<Predictor<SpeakerEmbedding>, PublishedError> {
    let network = load(Ge2eConfig::resemblyzer(), path, device)?;
    Ok(Predictor::new(SpeakerEmbedding::resemblyzer(), network, device))
}

/// From a training's checkpoint, or from a file that holds the weights alone.
fn load(
    config: Ge2eConfig,
    path: &Path,
    device: &Device,
) -> Result<Network<Ge2eConfig>, PublishedError> {
    let fail = |source: ConfigError| PublishedError::Config { path: path.into(), source };
    let blank = Network::blank(config, device).map_err(fail)?;
    let mut weights = Folder::open(path)?;
    if andiron_core::weights::Source::names(&weights).iter().any(|name| name.starts_with(WEIGHTS)) {
        weights = weights.below(WEIGHTS)?;
    }
    Ok(weights::load_from(blank, &weights)?)
}

/// Where a training starts: from the option `base`, or from nothing.
pub(crate) fn start(
    config: Ge2eConfig,
    options: &Value,
    seed: u64,
    device: &Device,
) -> Result<Network<Ge2eConfig>, TrainError> {
    let base = overlay(&SpeakerOptions::default(), options)?.base;
    crate::published::start(config, base, load, seed, device)
}
