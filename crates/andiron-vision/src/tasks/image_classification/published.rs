//! Published classifiers of images: what the task reads of others.

use super::ImageClassification;
use crate::{
    models::{
        efficientnet_lite::EfficientNetLiteConfig, mobilenet_v2::MobileNetV2Config,
        resnet::ResNetConfig, vit::ViTConfig,
    },
    published::{PublishedBackbone, PublishedError, fit, is_of, labels, load_network, read_base},
};
use andiron_core::{ConfigError, Layout, Predictor, PublishedEntry, Recipe};
use burn::tensor::Device;
use std::path::Path;

/// A network that the task reads.
struct Entry {
    is: fn(&Layout) -> bool,
    load: fn(&Path, Option<&str>, &Device) -> Result<Loaded, PublishedError>,
}

type Loaded = Predictor<ImageClassification>;

impl Entry {
    const fn of<C>() -> Self
    where
        C: PublishedBackbone + Recipe<ImageClassification>,
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

/// What the task reads of others.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &[
        "ViTForImageClassification",
        "ResNetForImageClassification",
        "MobileNetV2ForImageClassification",
        "weights named efficientnet-lite0 to -lite4, mobilenet_v2, resnet18, resnet34, resnet50, \
         vit_tiny_patch16_224, vit_small_patch16_224, vit_base_patch16_224 and deit_ of the same",
    ],
    fit: |layout| {
        let known = ENTRIES.iter().any(|entry| (entry.is)(layout));
        known.then(|| fit(layout, "ForImageClassification", true))
    },
    load: |layout, device| {
        let entry = ENTRIES.iter().find(|entry| (entry.is)(layout));
        let entry = entry.expect("a layout that fits one of the entries is loaded");
        Ok(Box::new((entry.load)(layout.path(), layout.named(), device)?))
    },
    keeps: None,
}];

/// Loads a published classifier: a folder that says what it is, or the weights of the
/// [`Preset`](crate::published::Preset) that goes by `name`, whose labels are the numbers of its
/// classes.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_path<C>(
    path: &Path,
    name: Option<&str>,
    device: &Device,
) -> Result<Predictor<ImageClassification>, PublishedError>
where
    C: PublishedBackbone + Recipe<ImageClassification>,
{
    let base = read_base::<C>(path, name)?;
    let task = ImageClassification::new(labels(path, &base)?, base.transform);
    let fail = |source: ConfigError| PublishedError::Config { path: path.into(), source };
    base.config.fits(&task).map_err(fail)?;
    let network = load_network(base.config, path, device)?;
    Ok(Predictor::new(task, network, device))
}
