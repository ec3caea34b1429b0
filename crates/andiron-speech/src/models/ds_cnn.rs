//! Depthwise separable convolutions over log-mel bands: a small network for keywords.
//!
//! Paper: Zhang et al. 2017, "Hello Edge: Keyword spotting on microcontrollers",
//! <https://arxiv.org/abs/1711.07128>, section 4 (DS-CNN), after Howard et al. 2017,
//! <https://arxiv.org/abs/1704.04861>.
//! Differs from it: log-mel bands in place of cepstra, and every layer is masked to the clip's
//! length, so that padding changes nothing.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_speech::{AudioBatch, frontend::Frames, models::ds_cnn::DsCnnConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let model = DsCnnConfig::new(40, 12).init(&device)?;
//! let clip = |frames: usize| Frames { values: vec![0.5; frames * 40], width: 40 };
//! let batch = AudioBatch::of(&[clip(97), clip(33)], 40, &device);
//! assert_eq!(model.forward(batch).dims(), [2, 12]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    AudioBatch, AudioClassification,
    layers::{MAX_LAYERS, MAX_WIDTH, over_time, sizes},
    tasks::audio_classification::LogMelOptions,
};
use andiron_core::{
    ConfigError, DataError, Dataset, Model, ModelConfig, Recipe, data::ExampleOf, overlay,
};
use andiron_kernels::{Activation, conv2d_norm_act, dropout, linear};
use burn::{
    config::Config,
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor, assert_shape, s},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings of a [`DsCnn`]. The defaults are the paper's small network.
#[derive(Config, Debug)]
pub struct DsCnnConfig {
    /// Numbers of a frame, such as mel bands; 1 or more.
    pub n_mels: usize,
    /// Labels to choose from; 2 or more.
    pub n_classes: usize,
    /// Channels of every layer; 1 or more.
    #[config(default = 64)]
    pub channels: usize,
    /// Separable convolutions behind the first one.
    #[config(default = 4)]
    pub n_blocks: usize,
    /// Share of the pooled numbers that a training step does not see; 0 to 0.9.
    #[config(default = 0.2)]
    pub dropout: f64,
}

/// The network; built by [`DsCnnConfig`].
#[derive(Module, Debug)]
pub struct DsCnn {
    first: Convolution,
    blocks: Vec<Separable>,
    output: Linear,
    #[module(skip)]
    n_mels: usize,
    #[module(skip)]
    dropout: f64,
}

/// A convolution, its normalisation and a ReLU.
#[derive(Module, Debug)]
struct Convolution {
    conv: Conv2d,
    norm: BatchNorm,
}

/// A convolution channel by channel, and one over the channels.
#[derive(Module, Debug)]
struct Separable {
    depthwise: Convolution,
    pointwise: Convolution,
}

impl Convolution {
    fn of(conv: Conv2dConfig, channels: usize, device: &Device) -> Self {
        let conv = conv.with_bias(false).init(device);
        Self { conv, norm: BatchNormConfig::new(channels).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d_norm_act(x, &self.conv, &self.norm, Activation::Relu)
    }
}

impl Separable {
    fn new(channels: usize, device: &Device) -> Self {
        let depthwise = Conv2dConfig::new([channels, channels], [3, 3])
            .with_groups(channels)
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let pointwise = Conv2dConfig::new([channels, channels], [1, 1])
            .with_padding(PaddingConfig2d::Explicit(0, 0, 0, 0));
        Self {
            depthwise: Convolution::of(depthwise, channels, device),
            pointwise: Convolution::of(pointwise, channels, device),
        }
    }
}

impl ModelConfig for DsCnnConfig {
    const ARCHITECTURE: &'static str = "ds-cnn";
    type Model = DsCnn;

    fn init(&self, device: &Device) -> Result<DsCnn, ConfigError> {
        ConfigError::at_least("n_classes", 2, self.n_classes)?;
        let widths =
            [("n_mels", self.n_mels), ("n_classes", self.n_classes), ("channels", self.channels)];
        sizes(MAX_WIDTH, widths)?;
        ConfigError::within("n_blocks", 0.0, MAX_LAYERS as f64, self.n_blocks as f64)?;
        ConfigError::within("dropout", 0.0, 0.9, self.dropout)?;
        // Ten frames by four bands, at every second of both: frame t is centred on frame 2t.
        let first = Conv2dConfig::new([1, self.channels], [4, 10])
            .with_stride([2, 2])
            .with_padding(PaddingConfig2d::Explicit(1, 4, 2, 5));
        Ok(DsCnn {
            first: Convolution::of(first, self.channels, device),
            blocks: (0..self.n_blocks).map(|_| Separable::new(self.channels, device)).collect(),
            output: LinearConfig::new(self.channels, self.n_classes).init(device),
            n_mels: self.n_mels,
            dropout: self.dropout,
        })
    }
}

impl Model for DsCnn {
    type Input = AudioBatch;
    type Output = Tensor<2>;

    /// # Shapes
    /// - features: `[batch, n_mels, frames]`, each band around zero
    /// - mask: `[batch, frames]`, a frame or more in every row
    /// - output: `[batch, n_classes]`, logits
    fn forward(&self, batch: AudioBatch) -> Tensor<2> {
        let n_mels = self.n_mels;
        let [clips, _, frames] = batch.features.dims();
        assert_shape!(batch.features, [_, n_mels, _]);
        assert_shape!(batch.mask, [clips, frames]);
        let x = batch.features.unsqueeze_dim::<4>(1) * over_time(&batch.mask);
        let mask = over_time(&batch.mask.slice(s![.., ..;2]));
        let mut x = self.first.forward(x) * mask.clone();
        for block in &self.blocks {
            x = block.pointwise.forward(block.depthwise.forward(x)) * mask.clone();
        }
        let [_, channels, bands, _] = x.dims();
        let count = mask.sum_dim(3) * bands as f64;
        let mean = (x.sum_dim(3).sum_dim(2) / count).reshape([clips, channels]);
        let bias = self.output.bias.as_ref().map(|bias| bias.val());
        linear(dropout(mean, self.dropout), self.output.weight.val(), bias, Activation::None)
    }
}

/// What [`Recipe::prepare`] takes, with its defaults.
#[derive(Debug, Serialize, Deserialize)]
struct Options {
    #[serde(flatten)]
    clip: LogMelOptions,
    channels: usize,
    n_blocks: usize,
    dropout: f64,
}

impl Recipe<AudioClassification> for DsCnnConfig {
    /// Options: those of [`LogMelOptions`], `channels`, `n_blocks`, `dropout`.
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<AudioClassification>>,
    ) -> Result<(AudioClassification, Self), DataError> {
        let clip = LogMelOptions { max_seconds: 1.0, ..LogMelOptions::default() };
        let defaults = Options { clip, channels: 64, n_blocks: 4, dropout: 0.2 };
        let Options { clip, channels, n_blocks, dropout } = overlay(&defaults, options)?;
        let task = clip.task(train)?;
        let config = Self::new(task.width(), task.labels.count())
            .with_channels(channels)
            .with_n_blocks(n_blocks)
            .with_dropout(dropout);
        Ok((task, config))
    }

    fn fits(&self, task: &AudioClassification) -> Result<(), ConfigError> {
        task.fits(self.n_mels, self.n_classes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::tasks::audio_classification::tones;
    use andiron_core::testing::Contract;
    use serde_json::json;

    #[test]
    fn keeps_the_contract() {
        let options = json!({"n_mels": 11, "channels": 6, "n_blocks": 2, "dropout": 0.1});
        let examples = tones();
        let (task, config) =
            <DsCnnConfig as Recipe<AudioClassification>>::prepare(&options, &examples).unwrap();
        Contract::new(task, config, examples).overfits_in(120, 0.03).check();
    }

    #[test]
    fn settings_are_refused_by_name() {
        let refused =
            |config: DsCnnConfig| config.init(&Device::flex()).map(|_| ()).unwrap_err().to_string();
        let good = DsCnnConfig::new(9, 3).with_channels(2);
        assert!(good.init(&Device::flex()).is_ok());
        for (config, text) in [
            (DsCnnConfig::new(0, 3), "n_mels must be at least 1, but is 0"),
            (DsCnnConfig::new(9, 1), "n_classes must be at least 2, but is 1"),
            (good.clone().with_channels(0), "channels must be at least 1, but is 0"),
            (good.with_dropout(1.0), "dropout must lie in 0..=0.9, but is 1"),
        ] {
            assert_eq!(refused(config), text);
        }
    }
}
