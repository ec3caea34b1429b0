//! How the networks that others publish are set up for images of one's own: from published weights,
//! or from nothing.

use super::{ImageClassification, ImageOptions, frozen, recipe::task};
use crate::{
    backbone::{BackboneConfig, Ends, for_channels, for_classes},
    data::ImageExample,
    models::{
        efficientnet_lite::EfficientNetLiteConfig, mobilenet_v2::MobileNetV2Config, vit::ViTConfig,
    },
    published::{self, PublishedBackbone},
    start::{StartOptions, base_of},
};
use andiron_core::{
    ConfigError, DataError, Dataset, Fitted, GradientTrainer, Network, Recipe, TrainError,
    Trainer as _, overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

impl StartOptions {
    /// Task and network on a base, or of a preset's size.
    pub(super) fn prepare<C: PublishedBackbone>(
        &self,
        image: &ImageOptions,
        train: &dyn Dataset<ImageExample>,
    ) -> Result<(ImageClassification, C), DataError> {
        let (task, config) = match self.based::<C, _>([
            ("width", image.width.is_some()),
            ("height", image.height.is_some()),
            ("channels", image.channels.is_some()),
            ("prepare", image.prepare.is_some()),
        ])? {
            Some(base) => (task(image, train, Some(base.transform))?, base.config),
            None => {
                let config = self.sized::<C>()?;
                let mut image = image.clone();
                if let Some([height, width]) = config.size()
                    && image.prepare.is_none()
                {
                    (image.height, image.width) = (Some(height), Some(width));
                }
                let task = task(&image, train, None)?;
                let config = for_channels(config, task.transform.channels());
                (task, config)
            }
        };
        let config = for_classes(config, task.labels.count());
        Ok((task, self.adapt(config)))
    }
}

/// The options that the recipes have in common.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct BackboneOptions {
    #[serde(flatten)]
    image: ImageOptions,
    #[serde(flatten)]
    start: StartOptions,
}

/// The network of `config` from the option `base`, whose outputs are used if its labels are those of
/// the task, in this order; without the option, from nothing.
pub(super) fn start<C: PublishedBackbone>(
    config: C,
    task: &ImageClassification,
    options: &Value,
    seed: u64,
    device: &Device,
) -> Result<Network<C>, TrainError> {
    let Some(from) = base_of(options) else {
        return Ok(Network::init(config, seed, device)?);
    };
    let preset = options.get("preset").and_then(Value::as_str);
    let fail = |source| from.unloaded(source);
    let base = published::read_base::<C>(&from.folder, preset).map_err(fail)?;
    let same = base.labels == task.labels.names();
    published::start(config, &from.folder, same, seed, device).map_err(fail)
}

/// Trains the network; the vectors of a frozen one are made once, and not at each step, unless its
/// images are changed at each.
pub(super) fn fit<C: BackboneConfig>(
    trainer: &GradientTrainer,
    task: ImageClassification,
    network: Network<C>,
    data: [&dyn Dataset<ImageExample>; 2],
    device: &Device,
) -> Result<Fitted<ImageClassification>, TrainError> {
    let [train, valid] = data;
    match network.config.ends().adaptation.is_frozen() && task.augment.is_none() {
        true => frozen::fit(trainer, task, network, data, device),
        false => trainer.fit(task, network, train, valid, device),
    }
}

/// `start` and `fit` of a [`Recipe`] for a network that others publish.
macro_rules! from_published {
    () => {
        fn start(
            self,
            task: &ImageClassification,
            options: &serde_json::Value,
            seed: u64,
            device: &burn::tensor::Device,
        ) -> Result<andiron_core::Network<Self>, andiron_core::TrainError> {
            crate::tasks::image_classification::backbone_recipe::start(
                self, task, options, seed, device,
            )
        }

        fn fit(
            trainer: &andiron_core::GradientTrainer,
            task: ImageClassification,
            network: andiron_core::Network<Self>,
            train: &dyn andiron_core::Dataset<crate::data::ImageExample>,
            valid: &dyn andiron_core::Dataset<crate::data::ImageExample>,
            device: &burn::tensor::Device,
        ) -> Result<andiron_core::Fitted<ImageClassification>, andiron_core::TrainError> {
            crate::tasks::image_classification::backbone_recipe::fit(
                trainer,
                task,
                network,
                [train, valid],
                device,
            )
        }
    };
}
pub(super) use from_published;

/// Task and network of a recipe whose sizes are a preset's.
fn prepare<C: PublishedBackbone>(
    options: &Value,
    train: &dyn Dataset<ImageExample>,
) -> Result<(ImageClassification, C), DataError> {
    let BackboneOptions { image, mut start } = overlay(&BackboneOptions::default(), options)?;
    if !start.is_given() {
        start.preset = Some(C::PRESETS[0].names[0].to_owned());
    }
    start.prepare(&image, train)
}

/// Whether the network takes the task's images and tells its labels apart.
fn fits<C: BackboneConfig>(config: &C, task: &ImageClassification) -> Result<(), ConfigError> {
    let usual = [task.transform.height(), task.transform.width()];
    let [height, width] = config.size().unwrap_or(usual);
    let Ends { channels, n_classes, .. } = config.ends();
    task.fits([*channels, height, width], *n_classes)
}

impl Recipe<ImageClassification> for EfficientNetLiteConfig {
    /// `options` are [`ImageOptions`] and [`StartOptions`]; Lite0 from nothing unless said
    /// otherwise.
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ImageExample>,
    ) -> Result<(ImageClassification, Self), DataError> {
        prepare(options, train)
    }

    fn fits(&self, task: &ImageClassification) -> Result<(), ConfigError> {
        fits(self, task)
    }

    from_published!();
}

impl Recipe<ImageClassification> for MobileNetV2Config {
    /// `options` are [`ImageOptions`] and [`StartOptions`].
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ImageExample>,
    ) -> Result<(ImageClassification, Self), DataError> {
        prepare(options, train)
    }

    fn fits(&self, task: &ImageClassification) -> Result<(), ConfigError> {
        fits(self, task)
    }

    from_published!();
}

/// The options of a [`ViTConfig`]. The sizes are those of a network that starts from nothing, and
/// small: it has few images to learn from.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ViTOptions {
    #[serde(flatten)]
    image: ImageOptions,
    #[serde(flatten)]
    start: StartOptions,
    patch: Option<usize>,
    d_model: Option<usize>,
    n_heads: Option<usize>,
    n_layers: Option<usize>,
    d_hidden: Option<usize>,
}

impl Recipe<ImageClassification> for ViTConfig {
    /// `options` are [`ImageOptions`], [`StartOptions`], and for a network that starts from nothing
    /// `patch` (default 4), `d_model` (64), `n_heads` (4), `n_layers` (4) and `d_hidden` (128). Width
    /// and height are rounded up to whole patches unless they are given.
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ImageExample>,
    ) -> Result<(ImageClassification, Self), DataError> {
        let (image, start) = <(ImageOptions, StartOptions)>::default();
        let (patch, d_model, n_heads, n_layers, d_hidden) = (None, None, None, None, None);
        let none = ViTOptions { image, start, patch, d_model, n_heads, n_layers, d_hidden };
        let given: ViTOptions = overlay(&none, options)?;
        let ViTOptions { mut image, start, .. } = given.clone();
        if start.is_given() {
            for (field, size) in [
                ("patch", given.patch),
                ("d_model", given.d_model),
                ("n_heads", given.n_heads),
                ("n_layers", given.n_layers),
                ("d_hidden", given.d_hidden),
            ] {
                start.alone(field, size.is_none())?;
            }
            return start.prepare(&image, train);
        }
        let patch = given.patch.unwrap_or(4);
        ConfigError::at_least("patch", 1, patch)?;
        let mut made = task(&image, train, None)?;
        if image.prepare.is_none() {
            let whole = |side: usize| side.div_ceil(patch) * patch;
            image.width.get_or_insert(whole(made.transform.width()));
            image.height.get_or_insert(whole(made.transform.height()));
            made = task(&image, train, None)?;
        }
        let task = made;
        let (transform, n_classes) = (&task.transform, task.labels.count());
        let (height, width) = (transform.height(), transform.width());
        let config = Self::new(Ends::new(transform.channels(), n_classes), height, width)
            .with_patch(patch)
            .with_d_model(given.d_model.unwrap_or(64))
            .with_n_heads(given.n_heads.unwrap_or(4))
            .with_n_layers(given.n_layers.unwrap_or(4))
            .with_d_hidden(given.d_hidden.unwrap_or(128))
            .with_epsilon(1e-6);
        Ok((task, start.adapt(config)))
    }

    fn fits(&self, task: &ImageClassification) -> Result<(), ConfigError> {
        fits(self, task)
    }

    from_published!();
}
