//! Published networks that make vectors: what the task reads of others.

use super::ImageEmbedding;
use crate::{
    models::{
        efficientnet_lite::EfficientNetLiteConfig, mobilenet_v2::MobileNetV2Config,
        resnet::ResNetConfig, vit::ViTConfig,
    },
    published::{PublishedBackbone, PublishedError, fit, is_of, load_network, read_base},
};
use andiron_core::{ConfigError, Layout, Predictor, PublishedEntry, Recipe};
use burn::tensor::Device;
use std::path::Path;

/// A network that the task reads.
struct Entry {
    is: fn(&Layout) -> bool,
    load: fn(&Path, Option<&str>, &Device) -> Result<Loaded, PublishedError>,
}

type Loaded = Predictor<ImageEmbedding>;

impl Entry {
    const fn of<C>() -> Self
    where
        C: PublishedBackbone + Recipe<ImageEmbedding>,
    {
        Self { is: is_of::<C>, load: from_path::<C> }
    }
}

static ENTRIES: &[Entry] = &[
    Entry::of::<EfficientNetLiteConfig>(),
    Entry::of::<MobileNetV2Config>(),
    Entry::of::<ResNetConfig>(),
    Entry::of::<ViTConfig>(),
];

/// What the task reads of others: networks without a head, and classifiers by those who ask for it.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &["ViTModel", "ResNetModel", "MobileNetV2Model"],
    fit: |layout| {
        let known = ENTRIES.iter().any(|entry| (entry.is)(layout));
        known.then(|| fit(layout, "Model", false))
    },
    load: |layout, device| {
        let entry = ENTRIES.iter().find(|entry| (entry.is)(layout));
        let entry = entry.expect("a layout that fits one of the entries is loaded");
        Ok(Box::new((entry.load)(layout.path(), layout.named(), device)?))
    },
    keeps: None,
}];

/// Loads a published network without its head: a folder that says what it is, or the weights of the
/// [`Preset`](crate::published::Preset) that goes by `name`.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_path<C>(
    path: &Path,
    name: Option<&str>,
    device: &Device,
) -> Result<Predictor<ImageEmbedding>, PublishedError>
where
    C: PublishedBackbone + Recipe<ImageEmbedding>,
{
    let base = read_base::<C>(path, name)?;
    let (task, config) = (ImageEmbedding::new(base.transform), base.config.for_classes(0));
    let fail = |source: ConfigError| PublishedError::Config { path: path.into(), source };
    config.fits(&task).map_err(fail)?;
    let network = load_network(config, path, device)?;
    Ok(Predictor::new(task, network, device))
}
