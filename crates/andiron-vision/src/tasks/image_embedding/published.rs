//! Published networks that make vectors: what the task reads of others.

use super::ImageEmbedding;
use crate::{
    backbone::for_classes,
    models::{
        efficientnet_lite::EfficientNetLiteConfig, mobilenet_v2::MobileNetV2Config,
        resnet::ResNetConfig, vit::ViTConfig,
    },
    published::{Base, Entry, PublishedBackbone, PublishedError, Served},
};
use andiron_core::PublishedEntry;
use std::path::Path;

static ENTRIES: &[Entry<ImageEmbedding>] = &[
    Entry::of::<EfficientNetLiteConfig>(),
    Entry::of::<MobileNetV2Config>(),
    Entry::of::<ResNetConfig>(),
    Entry::of::<ViTConfig>(),
];

/// What the task reads of others: networks without a head, and classifiers by those who ask for it.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &["ViTModel", "ResNetModel", "MobileNetV2Model"],
    fit: |layout| Entry::fit(ENTRIES, layout),
    load: |layout, device| Ok(Box::new(Entry::load(ENTRIES, layout, device)?)),
    keeps: None,
}];

/// Without its head.
impl Served for ImageEmbedding {
    const ENDING: &'static str = "Model";
    const HEADED: bool = false;

    fn served<C: PublishedBackbone>(base: Base<C>, _: &Path) -> Result<(Self, C), PublishedError> {
        Ok((Self::new(base.transform), for_classes(base.config, 0)))
    }
}
