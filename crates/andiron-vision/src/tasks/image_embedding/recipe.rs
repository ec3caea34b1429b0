//! How the networks are set up for images of one's own.

use super::ImageEmbedding;
use crate::{
    backbone::{Ends, for_channels, for_classes},
    data::ImageExample,
    models::{
        efficientnet_lite::EfficientNetLiteConfig, mobilenet_v2::MobileNetV2Config,
        resnet::ResNetConfig, vit::ViTConfig,
    },
    published::{self, PublishedBackbone},
    start::{StartOptions, base_of},
    transform::ImageStatistics,
};
use andiron_core::{ConfigError, DataError, Dataset, Network, Recipe, TrainError, overlay};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the recipes take; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbeddingOptions {
    /// Width to which images are resized, in pixels; none takes the most common, at most 64.
    pub width: Option<usize>,
    /// Height to which images are resized, in pixels; none takes the most common, at most 64.
    pub height: Option<usize>,
    /// 1 for grey, 3 for colours; none takes what the images have.
    pub channels: Option<usize>,
    /// Factor of the cosines in the loss; default 20.
    pub scale: f64,
    /// Where the training starts from.
    #[serde(flatten)]
    pub start: StartOptions,
}

impl Default for EmbeddingOptions {
    fn default() -> Self {
        let start = StartOptions::default();
        Self { width: None, height: None, channels: None, scale: 20.0, start }
    }
}

/// Task and network: on a base, of a preset's size, or of the `usual` size for images of so many
/// channels.
fn prepare<C: PublishedBackbone>(
    options: &Value,
    train: &dyn Dataset<ImageExample>,
    usual: impl FnOnce(usize) -> C,
) -> Result<(ImageEmbedding, C), DataError> {
    let given = overlay(&EmbeddingOptions::default(), options)?;
    let EmbeddingOptions { mut width, mut height, channels, scale, start } = given;
    let (transform, config) = match start.based::<C, _>([
        ("width", width.is_some()),
        ("height", height.is_some()),
        ("channels", channels.is_some()),
    ])? {
        Some(base) => (base.transform, base.config),
        None => {
            let sized = if start.is_given() { Some(start.sized::<C>()?) } else { None };
            if let Some([fixed_height, fixed_width]) = sized.as_ref().and_then(|c| c.size()) {
                (width, height) = (Some(fixed_width), Some(fixed_height));
            }
            let transform = ImageStatistics::of(train)?.transform(width, height, channels)?;
            let config = match sized {
                Some(config) => for_channels(config, transform.channels()),
                None => usual(transform.channels()),
            };
            (transform, config)
        }
    };
    let task = ImageEmbedding { scale, ..ImageEmbedding::new(transform) };
    let config = start.adapt(for_classes(config, 0));
    fits(&config, &task)?;
    Ok((task, config))
}

/// The network of `config` with the weights of the option `base`; without it, from nothing.
fn start<C: PublishedBackbone>(
    config: C,
    options: &Value,
    seed: u64,
    device: &Device,
) -> Result<Network<C>, TrainError> {
    let Some(from) = base_of(options) else {
        return Ok(Network::init(config, seed, device)?);
    };
    published::start(config, &from.folder, false, seed, device)
        .map_err(|source| from.unloaded(source))
}

fn fits<C: PublishedBackbone>(config: &C, task: &ImageEmbedding) -> Result<(), ConfigError> {
    let usual = [task.transform.height(), task.transform.width()];
    let [height, width] = config.size().unwrap_or(usual);
    let Ends { channels, n_classes, .. } = config.ends();
    task.fits([*channels, height, width], *n_classes)
}

/// The recipe of a network; `$usual` makes it for so many channels.
macro_rules! recipe {
    ($config:ty, $usual:expr) => {
        impl Recipe<ImageEmbedding> for $config {
            /// `options` is an [`EmbeddingOptions`].
            fn prepare(
                options: &Value,
                train: &dyn Dataset<ImageExample>,
            ) -> Result<(ImageEmbedding, Self), DataError> {
                prepare(options, train, $usual)
            }

            fn start(
                self,
                _: &ImageEmbedding,
                options: &Value,
                seed: u64,
                device: &Device,
            ) -> Result<Network<Self>, TrainError> {
                start(self, options, seed, device)
            }

            fn fits(&self, task: &ImageEmbedding) -> Result<(), ConfigError> {
                fits(self, task)
            }
        }
    };
}

recipe!(ResNetConfig, |channels| Self::small(channels, 0));
recipe!(MobileNetV2Config, |channels| Self::new(Ends::new(channels, 0)));
recipe!(EfficientNetLiteConfig, |channels| Self::new(Ends::new(channels, 0)));
recipe!(ViTConfig, |channels| for_channels(Self::vit_ti_16(), channels));
