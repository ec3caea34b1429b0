//! Convolutions over time and frequency with statistics pooling: the strong audio classifier.
//!
//! Paper: Hershey et al. 2017, "CNN architectures for large-scale audio classification",
//! <https://arxiv.org/abs/1609.09430>: two-dimensional convolutions over log-mel bands; Snyder et
//! al. 2018, "X-vectors", <https://doi.org/10.1109/ICASSP.2018.8461375>, section 2.1: mean and
//! deviation over time as the description of a clip.
//! Differs from them: four small strided blocks in place of VGG or ResNet, and every layer is
//! masked to the clip's length, so that padding changes nothing.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_speech::{AudioBatch, frontend::Frames, models::mel_cnn::MelCnnConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let model = MelCnnConfig::new(40, 5).init(&device)?;
//! let clip = |frames: usize| Frames { values: vec![0.5; frames * 40], width: 40 };
//! let batch = AudioBatch::of(&[clip(97), clip(33)], 40, &device);
//! assert_eq!(model.forward(batch).dims(), [2, 5]);
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
    tensor::{Bool, Device, Tensor, assert_shape, s},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings of a [`MelCnn`].
#[derive(Config, Debug)]
pub struct MelCnnConfig {
    /// Mel bands of a frame; 1 or more.
    pub n_mels: usize,
    /// Labels to choose from; 2 or more.
    pub n_classes: usize,
    /// Channels of each block; every block halves time and frequency. One block or more.
    #[config(default = "vec![16, 32, 64, 96]")]
    pub channels: Vec<usize>,
    /// Share of the pooled numbers that a training step does not see; 0 to 0.9.
    #[config(default = 0.3)]
    pub dropout: f64,
}

/// Strided convolutions, pooling over time, one linear map; built by [`MelCnnConfig`].
#[derive(Module, Debug)]
pub struct MelCnn {
    blocks: Vec<Block>,
    output: Linear,
    #[module(skip)]
    n_mels: usize,
    #[module(skip)]
    dropout: f64,
}

/// A convolution that halves both axes, and its normalisation.
#[derive(Module, Debug)]
struct Block {
    conv: Conv2d,
    norm: BatchNorm,
}

impl Block {
    fn new(channels_in: usize, channels_out: usize, device: &Device) -> Self {
        let conv = Conv2dConfig::new([channels_in, channels_out], [3, 3])
            .with_stride([2, 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_bias(false);
        Self { conv: conv.init(device), norm: BatchNormConfig::new(channels_out).init(device) }
    }
}

impl ModelConfig for MelCnnConfig {
    const ARCHITECTURE: &'static str = "mel-cnn";
    type Model = MelCnn;

    fn init(&self, device: &Device) -> Result<MelCnn, ConfigError> {
        ConfigError::at_least("n_classes", 2, self.n_classes)?;
        sizes(MAX_WIDTH, [("n_mels", self.n_mels), ("n_classes", self.n_classes)])?;
        sizes(MAX_LAYERS, [("channels: blocks", self.channels.len())])?;
        ConfigError::within("dropout", 0.0, 0.9, self.dropout)?;
        let (mut blocks, mut channels_in, mut bands) = (Vec::new(), 1, self.n_mels);
        for channels in &self.channels {
            sizes(MAX_WIDTH, [("channels", *channels)])?;
            blocks.push(Block::new(channels_in, *channels, device));
            (channels_in, bands) = (*channels, bands.div_ceil(2));
        }
        let output = LinearConfig::new(2 * channels_in * bands, self.n_classes).init(device);
        Ok(MelCnn { blocks, output, n_mels: self.n_mels, dropout: self.dropout })
    }
}

impl Model for MelCnn {
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
        let mut mask = batch.mask;
        let mut x = batch.features.unsqueeze_dim::<4>(1) * over_time(&mask);
        for block in &self.blocks {
            x = conv2d_norm_act(x, &block.conv, &block.norm, Activation::Relu);
            // Frame t of a block is centred on frame 2t below: it exists where that does. Behind
            // the end the next block must see zeros, as it would if the clip were alone.
            mask = mask.slice(s![.., ..;2]);
            x = x * over_time(&mask);
        }
        let pooled = dropout(pooled(x, &mask), self.dropout);
        let bias = self.output.bias.as_ref().map(|bias| bias.val());
        linear(pooled, self.output.weight.val(), bias, Activation::None)
    }
}

/// Mean and deviation over the frames that exist (Snyder et al. 2018, section 2.1).
///
/// # Shapes
/// - x: `[batch, channels, bands, frames]`, zero where the mask is false
/// - output: `[batch, 2 · channels · bands]`
fn pooled(x: Tensor<4>, mask: &Tensor<2, Bool>) -> Tensor<2> {
    let [clips, channels, bands, _] = x.dims();
    let mask = over_time(mask);
    let count = mask.clone().sum_dim(3);
    let mean = x.clone().sum_dim(3) / count.clone();
    let off = (x - mean.clone()) * mask;
    // The constant keeps the slope of the root finite where nothing varies.
    let deviation = ((off.clone() * off).sum_dim(3) / count + 1e-5).sqrt();
    Tensor::cat(vec![mean, deviation], 1).reshape([clips, 2 * channels * bands])
}

/// What [`Recipe::prepare`] takes, with its defaults.
#[derive(Debug, Serialize, Deserialize)]
struct Options {
    #[serde(flatten)]
    clip: LogMelOptions,
    channels: Vec<usize>,
    dropout: f64,
}

impl Recipe<AudioClassification> for MelCnnConfig {
    /// Options: those of [`LogMelOptions`], `channels`, `dropout`.
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<AudioClassification>>,
    ) -> Result<(AudioClassification, Self), DataError> {
        let clip = LogMelOptions::default();
        let defaults = Options { clip, channels: vec![16, 32, 64, 96], dropout: 0.3 };
        let Options { clip, channels, dropout } = overlay(&defaults, options)?;
        let task = clip.task(train)?;
        let config = Self::new(task.width(), task.labels.count())
            .with_channels(channels)
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
    use crate::{frontend::Frames, tasks::audio_classification::tones};
    use andiron_core::testing::Contract;
    use serde_json::json;

    #[test]
    fn keeps_the_contract() {
        let options = json!({"n_mels": 11, "clip_mean": true, "channels": [3, 5], "dropout": 0.1});
        let examples = tones();
        let (task, config) = MelCnnConfig::prepare(&options, &examples).unwrap();
        Contract::new(task, config, examples).overfits_in(60, 0.02).check();
    }

    #[test]
    fn what_stands_behind_a_clips_end_changes_nothing() {
        let device = Device::flex();
        let model = MelCnnConfig::new(7, 3).with_channels(vec![4, 6, 5]).init(&device).unwrap();
        let clip = |frames: usize| {
            let values = (0..frames * 7).map(|n| (n as f32 * 0.37).sin()).collect();
            Frames { values, width: 7 }
        };
        for frames in [1, 2, 5, 16, 33] {
            let alone = model.forward(AudioBatch::of(&[clip(frames)], 7, &device));
            let mut batch = AudioBatch::of(&[clip(frames), clip(50)], 7, &device);
            // Not only zeros: whatever stands there is not heard.
            let noise = batch.features.ones_like() * 9.0;
            let heard = batch.mask.clone().unsqueeze_dim::<3>(1).expand([2, 7, 50]);
            batch.features = noise.mask_where(heard, batch.features);
            let padded = model.forward(batch).slice(s![0..1, ..]);
            let off = (alone - padded).abs().max().into_scalar::<f32>();
            assert!(off < 1e-5, "{frames} frames: {off}");
        }
    }

    #[test]
    fn settings_are_refused_by_name() {
        let refused = |config: MelCnnConfig| {
            config.init(&Device::flex()).map(|_| ()).unwrap_err().to_string()
        };
        let good = MelCnnConfig::new(9, 3).with_channels(vec![2]);
        assert!(good.init(&Device::flex()).is_ok());
        for (config, text) in [
            (MelCnnConfig::new(0, 3), "n_mels must be at least 1, but is 0"),
            (MelCnnConfig::new(9, 1), "n_classes must be at least 2, but is 1"),
            (good.clone().with_channels(vec![]), "channels: blocks must be at least 1, but is 0"),
            (good.clone().with_channels(vec![4, 0]), "channels must be at least 1, but is 0"),
            (good.with_dropout(-0.1), "dropout must lie in 0..=0.9, but is -0.1"),
        ] {
            assert_eq!(refused(config), text);
        }
    }
}
