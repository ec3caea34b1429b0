//! Published classifiers: what the task reads of others.

use super::ImageClassification;
use crate::{
    models::{
        efficientnet_lite::EfficientNetLiteConfig, mobilenet_v2::MobileNetV2Config,
        resnet::ResNetConfig, vit::ViTConfig,
    },
    published::{Base, Entry, PublishedBackbone, PublishedError, Served, labels},
};
use andiron_core::PublishedEntry;
use std::path::Path;

static ENTRIES: &[Entry<ImageClassification>] = &[
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
    fit: |layout| Entry::fit(ENTRIES, layout),
    load: |layout, device| Ok(Box::new(Entry::load(ENTRIES, layout, device)?)),
    keeps: None,
}];

/// With its labels, which are the numbers of its classes where nobody says what they are called.
impl Served for ImageClassification {
    const ENDING: &'static str = "ForImageClassification";
    const HEADED: bool = true;

    fn served<C: PublishedBackbone>(
        base: Base<C>,
        path: &Path,
    ) -> Result<(Self, C), PublishedError> {
        Ok((Self::new(labels(path, &base)?, base.transform), base.config))
    }
}
