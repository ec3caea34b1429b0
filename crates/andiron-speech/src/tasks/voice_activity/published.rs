//! What others publish and the task can use.

use super::{VoiceActivity, VoiceOptions};
use crate::models::silero_vad::SileroVadConfig;
pub use crate::published::PublishedError;
use andiron_core::{
    ConfigError, Fit, Layout, Network, Predictor, PublishedEntry, TrainError, overlay, weights,
};
use andiron_weights::folder::Folder;
use burn::tensor::Device;
use serde_json::Value;
use std::path::Path;

/// The name that the network goes by, and its file's.
const NAME: &str = "silero-vad-16k";
const FILE: &str = "silero_vad_16k.safetensors";

/// What the task reads of others: the weights of Silero VAD at 16 kHz, told by their file's name, by
/// a `config.json` beside them that says `{"architecture": "silero-vad-16k"}`, or by the caller.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &[NAME],
    fit: |layout| is_it(layout).then_some(Fit::Meant),
    load: |layout, device| Ok(Box::new(from_path(layout.path(), device)?)),
    keeps: None,
}];

fn is_it(layout: &Layout) -> bool {
    let said = crate::published::name_in(layout);
    let is_file = || layout.path().file_name().is_some_and(|name| name == FILE);
    said.map_or_else(|| layout.has(FILE) || is_file(), |said| said == NAME)
}

/// Loads the published weights from their file, or the folder in which it is the only one.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_path(path: &Path, device: &Device) -> Result<Predictor<VoiceActivity>, PublishedError> {
    let config = SileroVadConfig::v6_16k();
    let task = VoiceActivity::new(config.rate, config.frame, config.context);
    Ok(Predictor::new(task, load(config, path, device)?, device))
}

fn load(
    config: SileroVadConfig,
    path: &Path,
    device: &Device,
) -> Result<Network<SileroVadConfig>, PublishedError> {
    let fail = |source: ConfigError| PublishedError::Config { path: path.into(), source };
    let blank = Network::blank(config, device).map_err(fail)?;
    Ok(weights::load_from(blank, &Folder::open(path)?)?)
}

/// Where a training starts: from the option `base`, or from nothing.
pub(crate) fn start(
    config: SileroVadConfig,
    options: &Value,
    seed: u64,
    device: &Device,
) -> Result<Network<SileroVadConfig>, TrainError> {
    let base = overlay(&VoiceOptions::default(), options)?.base;
    crate::published::start(config, base, load, seed, device)
}
