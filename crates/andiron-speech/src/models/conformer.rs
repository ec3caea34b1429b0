//! Conformer with a linear map on top: logits of characters over time, for connectionist temporal
//! classification.
//!
//! Paper: Gulati et al. 2020, <https://arxiv.org/abs/2005.08100>; the subsampling in front: Dong, Xu &
//! Xu 2018, <https://doi.org/10.1109/ICASSP.2018.8462506>.
//! Differs from it: no relative positions in the attention (as torchaudio's; the convolutions know
//! the order), and in the convolution module each frame is normalised by itself in place of batch
//! normalisation, so that neither padding nor the rest of a batch changes an answer.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_speech::{AudioBatch, frontend::Frames, models::conformer::ConformerConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let model = ConformerConfig::new(20, 12).with_d_model(8).with_n_heads(2).init(&device)?;
//! let clip = |frames: usize| Frames { values: vec![0.5; frames * 20], width: 20 };
//! let heard = model.forward(AudioBatch::of(&[clip(9), clip(5)], 20, &device));
//! // A frame of four, rounded up.
//! assert_eq!(heard.logits.dims(), [2, 3, 12]);
//! let frames = heard.mask.int().sum_dim(1).into_data();
//! assert_eq!(frames.iter::<i64>().collect::<Vec<_>>(), [3, 2]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    AudioBatch,
    layers::{MAX_LAYERS, MAX_WIDTH, over_time, sizes},
};
use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::{
    Activation, AttentionOptions, attention, conv2d_act, depthwise_conv2d, dropout, normalise,
    project,
};
use burn::{
    config::Config,
    module::{Module, Param},
    nn::{
        LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig1d, PaddingConfig2d,
        conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig},
    },
    tensor::{Bool, Device, Tensor, activation::sigmoid, assert_shape, ops::ConvOptions, s},
};

/// Added to the variance by the normalisations; torch's.
const EPSILON: f64 = 1e-5;
/// Convolutions in front, each of which halves the frames.
const HALVINGS: usize = 2;

/// How many frames come out for so many that go in.
pub fn frames_out(frames: usize) -> usize {
    (0..HALVINGS).fold(frames, |frames, _| frames.div_ceil(2))
}

/// Settings of a [`Conformer`].
#[derive(Config, Debug)]
pub struct ConformerConfig {
    /// Numbers of a frame; 1 or more.
    pub n_mels: usize,
    /// Characters and the blank, which is number 0; 2 or more.
    pub n_tokens: usize,
    /// Width of a frame inside, a multiple of `n_heads`.
    #[config(default = 144)]
    pub d_model: usize,
    /// Heads of each attention; 1 or more.
    #[config(default = 4)]
    pub n_heads: usize,
    /// Blocks; 1 or more.
    #[config(default = 4)]
    pub n_layers: usize,
    /// Width between the two linear maps of a feed-forward module; 1 or more.
    #[config(default = 288)]
    pub d_hidden: usize,
    /// Frames that the convolution of a block sees; odd.
    #[config(default = 15)]
    pub kernel: usize,
    /// Channels of the convolutions in front; 1 or more.
    #[config(default = 32)]
    pub channels: usize,
    /// Probability of dropout in training, 0 to 0.9.
    #[config(default = 0.1)]
    pub dropout: f64,
}

/// What a [`Conformer`] hears.
#[derive(Debug, Clone)]
pub struct Emissions {
    /// `[batch, frames, n_tokens]`, logits.
    pub logits: Tensor<3>,
    /// Where a sound has a frame, `[batch, frames]`.
    pub mask: Tensor<2, Bool>,
}

/// Convolutions that halve time, blocks of attention and convolution, one linear map; built by
/// [`ConformerConfig`].
#[derive(Module, Debug)]
pub struct Conformer {
    halves: Vec<Conv2d>,
    input: Linear,
    blocks: Vec<Block>,
    output: Linear,
    #[module(skip)]
    n_mels: usize,
    #[module(skip)]
    dropout: f64,
}

/// Section 2.4 of the paper: half a feed-forward module, attention, convolution, half another.
#[derive(Module, Debug)]
struct Block {
    first: FeedForward,
    attention_norm: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    mixed: Linear,
    convolution: Convolution,
    second: FeedForward,
    norm: LayerNorm,
    #[module(skip)]
    n_heads: usize,
    #[module(skip)]
    dropout: f64,
}

/// Section 2.3.
#[derive(Module, Debug)]
struct FeedForward {
    norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
    #[module(skip)]
    dropout: f64,
}

/// Section 2.2.
#[derive(Module, Debug)]
struct Convolution {
    norm: LayerNorm,
    gated: Linear,
    depthwise: Conv1d,
    depthwise_norm: LayerNorm,
    pointwise: Linear,
    #[module(skip)]
    kernel: usize,
    #[module(skip)]
    dropout: f64,
}

fn norm(width: usize, device: &Device) -> LayerNorm {
    LayerNormConfig::new(width).with_epsilon(EPSILON).init(device)
}

impl ModelConfig for ConformerConfig {
    const ARCHITECTURE: &'static str = "conformer-ctc";
    type Model = Conformer;

    fn init(&self, device: &Device) -> Result<Conformer, ConfigError> {
        ConfigError::at_least("n_tokens", 2, self.n_tokens)?;
        let widths = [
            ("n_mels", self.n_mels),
            ("n_tokens", self.n_tokens),
            ("d_model", self.d_model),
            ("n_heads", self.n_heads),
            ("d_hidden", self.d_hidden),
            ("kernel", self.kernel),
            ("channels", self.channels),
        ];
        sizes(MAX_WIDTH, widths)?;
        sizes(MAX_LAYERS, [("n_layers", self.n_layers)])?;
        ConfigError::multiple("d_model", self.d_model, "n_heads", self.n_heads)?;
        ConfigError::multiple("kernel - 1", self.kernel - 1, "two", 2)?;
        ConfigError::within("dropout", 0.0, 0.9, self.dropout)?;
        let half = |channels_in| {
            Conv2dConfig::new([channels_in, self.channels], [3, 3])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        let halves = (0..HALVINGS).map(|at| half(if at == 0 { 1 } else { self.channels }));
        let width = self.channels * frames_out(self.n_mels);
        Ok(Conformer {
            halves: halves.collect(),
            input: LinearConfig::new(width, self.d_model).init(device),
            blocks: (0..self.n_layers).map(|_| Block::new(self, device)).collect(),
            output: LinearConfig::new(self.d_model, self.n_tokens).init(device),
            n_mels: self.n_mels,
            dropout: self.dropout,
        })
    }
}

impl Model for Conformer {
    type Input = AudioBatch;
    type Output = Emissions;

    /// # Shapes
    /// - features: `[batch, n_mels, frames]`, each band around zero
    /// - mask: `[batch, frames]`, a frame or more in every row
    /// - logits: `[batch, ⌈⌈frames / 2⌉ / 2⌉, n_tokens]`
    fn forward(&self, batch: AudioBatch) -> Emissions {
        let n_mels = self.n_mels;
        let [clips, _, frames] = batch.features.dims();
        assert_shape!(batch.features, [_, n_mels, _]);
        assert_shape!(batch.mask, [clips, frames]);
        let mut mask = batch.mask;
        let mut x = batch.features.unsqueeze_dim::<4>(1) * over_time(&mask);
        for half in &self.halves {
            let bias = half.bias.as_ref().map(Param::val);
            let options = ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
            x = conv2d_act(x, half.weight.val(), bias, options, Activation::Relu);
            // Frame t is centred on frame 2t below: it exists where that does. Behind the end the
            // next convolution must see zeros, as it would if the sound were alone.
            mask = mask.slice(s![.., ..;2]);
            x = x * over_time(&mask);
        }
        // [batch, channels, bands, frames] to [batch, frames, channels · bands].
        let [_, channels, bands, frames] = x.dims();
        let x = x.reshape([clips, channels * bands, frames]).swap_dims(1, 2);
        let mut x = dropout(project(&self.input, x, Activation::None), self.dropout);
        for block in &self.blocks {
            x = block.forward(x, &mask);
        }
        Emissions { logits: project(&self.output, x, Activation::None), mask }
    }
}

impl Block {
    fn new(config: &ConformerConfig, device: &Device) -> Self {
        let d = config.d_model;
        let map = || LinearConfig::new(d, d).init(device);
        Self {
            first: FeedForward::new(config, device),
            attention_norm: norm(d, device),
            query: map(),
            key: map(),
            value: map(),
            mixed: map(),
            convolution: Convolution::new(config, device),
            second: FeedForward::new(config, device),
            norm: norm(d, device),
            n_heads: config.n_heads,
            dropout: config.dropout,
        }
    }

    /// # Shapes
    /// - x and output: `[batch, frames, d_model]`
    fn forward(&self, x: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let x = x.clone() + self.first.forward(x) * 0.5;
        let x = x.clone() + self.attend(normalise(&self.attention_norm, x, EPSILON), mask);
        let x = x.clone() + self.convolution.forward(x, mask);
        let x = x.clone() + self.second.forward(x) * 0.5;
        normalise(&self.norm, x, EPSILON)
    }

    fn attend(&self, x: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let [batch, frames, d_model] = x.dims();
        let heads = |map: &Linear| {
            project(map, x.clone(), Activation::None)
                .reshape([batch, frames, self.n_heads, d_model / self.n_heads])
                .swap_dims(1, 2)
        };
        let (query, key, value) = (heads(&self.query), heads(&self.key), heads(&self.value));
        let options = AttentionOptions::default();
        let mixed = attention(query, key, value, Some(mask.clone()), &options);
        let mixed = mixed.swap_dims(1, 2).reshape([batch, frames, d_model]);
        dropout(project(&self.mixed, mixed, Activation::None), self.dropout)
    }
}

impl FeedForward {
    fn new(config: &ConformerConfig, device: &Device) -> Self {
        let (d, hidden) = (config.d_model, config.d_hidden);
        Self {
            norm: norm(d, device),
            wide: LinearConfig::new(d, hidden).init(device),
            narrow: LinearConfig::new(hidden, d).init(device),
            dropout: config.dropout,
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let wide = project(&self.wide, normalise(&self.norm, x, EPSILON), Activation::Silu);
        let narrow = project(&self.narrow, dropout(wide, self.dropout), Activation::None);
        dropout(narrow, self.dropout)
    }
}

impl Convolution {
    fn new(config: &ConformerConfig, device: &Device) -> Self {
        let (d, kernel) = (config.d_model, config.kernel);
        let depthwise = Conv1dConfig::new(d, d, kernel)
            .with_groups(d)
            .with_padding(PaddingConfig1d::Explicit(kernel / 2, kernel / 2));
        Self {
            norm: norm(d, device),
            gated: LinearConfig::new(d, 2 * d).init(device),
            depthwise: depthwise.init(device),
            depthwise_norm: norm(d, device),
            pointwise: LinearConfig::new(d, d).init(device),
            kernel,
            dropout: config.dropout,
        }
    }

    fn forward(&self, x: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let [batch, frames, d] = x.dims();
        let gated = project(&self.gated, normalise(&self.norm, x, EPSILON), Activation::None);
        let [value, gate] = [0..d, d..2 * d].map(|part| gated.clone().slice(s![.., .., part]));
        let x = value * sigmoid(gate);
        // Behind a sound's end stands what a convolution alone would see there.
        let x = x * mask.clone().float().unsqueeze_dim::<3>(2);
        let x = x.swap_dims(1, 2).reshape([batch, d, 1, frames]);
        let weight = self.depthwise.weight.val().reshape([d, 1, 1, self.kernel]);
        let options = ConvOptions::new([1, 1], [0, self.kernel / 2], [1, 1], d);
        let x = depthwise_conv2d(x, weight, options).reshape([batch, d, frames]).swap_dims(1, 2);
        let x = match &self.depthwise.bias {
            Some(bias) => x + bias.val().reshape([1, 1, d]),
            None => x,
        };
        let x = Activation::Silu.apply(normalise(&self.depthwise_norm, x, EPSILON));
        dropout(project(&self.pointwise, x, Activation::None), self.dropout)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        frontend::Frames,
        tasks::speech_recognition::ctc::tests::{spelled, tiny},
    };
    use andiron_core::{Recipe, testing::Contract};

    #[test]
    fn keeps_the_contract() {
        let examples = spelled();
        let (task, config) = ConformerConfig::prepare(&tiny(), &examples).unwrap();
        Contract::new(task, config, examples).overfits_in(250, 1e-2).check();
    }

    #[test]
    fn what_stands_behind_a_sounds_end_changes_nothing() {
        let device = Device::flex();
        let config = ConformerConfig::new(7, 5).with_d_model(6).with_n_heads(3).with_n_layers(2);
        let model = config.with_kernel(5).with_channels(3).init(&device).unwrap();
        let clip = |frames: usize| {
            let values = (0..frames * 7).map(|n| (n as f32 * 0.37).sin()).collect();
            Frames { values, width: 7 }
        };
        for frames in [1, 2, 5, 16, 33] {
            let alone = model.forward(AudioBatch::of(&[clip(frames)], 7, &device)).logits;
            let mut batch = AudioBatch::of(&[clip(frames), clip(50)], 7, &device);
            // Not only zeros: whatever stands there is not heard.
            let noise = batch.features.ones_like() * 9.0;
            let heard = batch.mask.clone().unsqueeze_dim::<3>(1).expand([2, 7, 50]);
            batch.features = noise.mask_where(heard, batch.features);
            let padded = model.forward(batch).logits.slice(s![0..1, 0..frames_out(frames), ..]);
            let off = (alone - padded).abs().max().into_scalar::<f32>();
            assert!(off < 1e-5, "{frames} frames: {off}");
        }
    }

    #[test]
    fn settings_are_refused_by_name() {
        let good = || ConformerConfig::new(9, 5);
        assert!(good().init(&Device::flex()).is_ok());
        for (config, text) in [
            (ConformerConfig::new(0, 5), "n_mels must be at least 1, but is 0"),
            (ConformerConfig::new(9, 1), "n_tokens must be at least 2, but is 1"),
            (good().with_d_model(0), "d_model must be at least 1, but is 0"),
            (good().with_d_model(10), "d_model must be a multiple of n_heads (4), but is 10"),
            (good().with_n_heads(0), "n_heads must be at least 1, but is 0"),
            (good().with_n_layers(0), "n_layers must be at least 1, but is 0"),
            (good().with_d_hidden(0), "d_hidden must be at least 1, but is 0"),
            (good().with_kernel(0), "kernel must be at least 1, but is 0"),
            (good().with_kernel(4), "kernel - 1 must be a multiple of two (2), but is 3"),
            (good().with_channels(0), "channels must be at least 1, but is 0"),
            (good().with_dropout(1.0), "dropout must lie in 0..=0.9, but is 1"),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), text);
        }
    }
}
