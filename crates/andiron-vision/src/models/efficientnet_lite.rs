//! EfficientNet-Lite: inverted residual blocks in balanced depth and width, for small processors.
//!
//! Paper: Tan & Le 2019, <https://arxiv.org/abs/1905.11946>; the form for small processors:
//! <https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>.
//! Differs from the paper as that form does: `min(max(0, x), 6)` for the function, no squeeze and
//! excitation, first and last layers of one size. Differs from both: no block is left out at random
//! in training.
//!
//! Weights are saved under the names of the `efficientnet_lite_pytorch` checkpoints
//! (`_blocks.3._depthwise_conv.weight`).
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_vision::{
//!     backbone::Ends, layers::inverted_residual::Stage,
//!     models::efficientnet_lite::EfficientNetLiteConfig,
//! };
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let stages = vec![Stage::new(4, 1).with_expansion(1), Stage::new(6, 2).with_stride(2)];
//! let small = EfficientNetLiteConfig::new(Ends::new(3, 5)).with_stem(8).with_stages(stages).with_d_head(10);
//! let model = small.init(&device)?;
//! assert_eq!(model.forward(Tensor::zeros([2, 3, 9, 13], &device)).dims(), [2, 5]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    backbone::{self, Backbone, BackboneConfig, Ends, HeadTraining},
    explain::FeatureMaps,
    layers::{
        conv_norm::{ConvNorm, pooled},
        inverted_residual::{Border, InvertedResidual, Stage, blocks},
    },
};
use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::Activation;
use burn::{
    config::Config,
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor, assert_shape},
};

/// What the normalisations add to the variance, as TensorFlow has it.
const EPSILON: f64 = 1e-3;

/// Settings of an [`EfficientNetLite`].
#[derive(Config, Debug)]
pub struct EfficientNetLiteConfig {
    /// What it sees, what it answers, and what of it is trained.
    pub ends: Ends,
    /// Channels behind the first convolution; 1 or more.
    #[config(default = 32)]
    pub stem: usize,
    /// The blocks; those of Lite0 unless said otherwise.
    #[config(default = "lite_stages(1.0, 1.0)")]
    pub stages: Vec<Stage>,
    /// Length of an image's vector; 1 or more.
    #[config(default = 1280)]
    pub d_head: usize,
    /// Probability of dropout before the head, 0 to 1.
    #[config(default = 0.2)]
    pub dropout: f64,
}

/// The stages of table 1 of the paper, with so many times the channels and blocks.
fn lite_stages(width: f64, depth: f64) -> Vec<Stage> {
    let table = [
        // channels, blocks, kernel, stride, expansion
        [16, 1, 3, 1, 1],
        [24, 2, 3, 2, 6],
        [40, 2, 5, 2, 6],
        [80, 3, 3, 2, 6],
        [112, 3, 5, 1, 6],
        [192, 4, 5, 2, 6],
        [320, 1, 3, 1, 6],
    ];
    let last = table.len() - 1;
    let stage = |(at, [channels, blocks, kernel, stride, expansion]): (usize, &[usize; 5])| Stage {
        channels: scaled(*channels, width),
        // First and last keep their depth.
        blocks: match at {
            at if at == 0 || at == last => *blocks,
            _ => (*blocks as f64 * depth).ceil() as usize,
        },
        kernel: *kernel,
        stride: *stride,
        expansion: *expansion,
    };
    table.iter().enumerate().map(stage).collect()
}

/// `channels` times `width`, rounded to a multiple of eight, and not down by more than a tenth.
fn scaled(channels: usize, width: f64) -> usize {
    let exact = channels as f64 * width;
    let rounded = ((exact + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * exact { rounded + 8 } else { rounded }
}

impl EfficientNetLiteConfig {
    fn scaled_by(width: f64, depth: f64, dropout: f64) -> Self {
        Self::new(Ends::new(3, 1000)).with_stages(lite_stages(width, depth)).with_dropout(dropout)
    }

    /// Lite0 for the thousand classes of ImageNet, 4.7 million parameters; images of 224 pixels.
    pub fn lite0() -> Self {
        Self::scaled_by(1.0, 1.0, 0.2)
    }

    /// Lite1, 5.4 million parameters; images of 240 pixels.
    pub fn lite1() -> Self {
        Self::scaled_by(1.0, 1.1, 0.2)
    }

    /// Lite2, 6.1 million parameters; images of 260 pixels.
    pub fn lite2() -> Self {
        Self::scaled_by(1.1, 1.2, 0.3)
    }

    /// Lite3, 8.2 million parameters; images of 280 pixels.
    pub fn lite3() -> Self {
        Self::scaled_by(1.2, 1.4, 0.3)
    }

    /// Lite4, 13.0 million parameters; images of 300 pixels.
    pub fn lite4() -> Self {
        Self::scaled_by(1.4, 1.8, 0.3)
    }
}

/// A convolution, inverted residual blocks, the mean over the image, and one linear map; built by
/// [`EfficientNetLiteConfig`].
#[derive(Module, Debug)]
pub struct EfficientNetLite {
    stem: ConvNorm,
    blocks: Vec<InvertedResidual>,
    last: ConvNorm,
    fc: Option<Linear>,
    #[module(skip)]
    head: HeadTraining,
}

impl ModelConfig for EfficientNetLiteConfig {
    const ARCHITECTURE: &'static str = "efficientnet-lite";
    type Model = EfficientNetLite;

    fn init(&self, device: &Device) -> Result<EfficientNetLite, ConfigError> {
        self.ends.check()?;
        ConfigError::at_least("stem", 1, self.stem)?;
        ConfigError::at_least("d_head", 1, self.d_head)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        backbone::no_lora(&self.ends.adaptation)?;
        let border = Border::Same;
        let blocks = blocks(&self.stages, self.stem, border, EPSILON, device)?;
        let narrow = self.stages.last().map_or(self.stem, |stage| stage.channels);
        let conv = |channels, kernel, stride| {
            border.around(channels, kernel, stride, 1).with_norm(EPSILON, device)
        };
        let model = EfficientNetLite {
            stem: conv([self.ends.channels, self.stem], 3, 2),
            blocks,
            last: conv([narrow, self.d_head], 1, 1),
            fc: backbone::head(self.d_head, self.ends.n_classes, device)?,
            head: self.ends.training(self.dropout),
        };
        backbone::adapt(self, model)
    }

    fn weight_name(&self, path: &str) -> String {
        let (outside, inside) = match path.strip_prefix("blocks.").and_then(|p| p.split_once('.')) {
            Some((at, inside)) => (format!("_blocks.{at}."), inside),
            None => (String::new(), path),
        };
        let Some((part, leaf)) = inside.split_once('.') else { return path.to_owned() };
        // Each convolution has a name, and the normalisation behind it a number.
        let (conv, norm) = match part {
            "stem" => ("_conv_stem", "_bn0"),
            "last" => ("_conv_head", "_bn1"),
            "expand" => ("_expand_conv", "_bn0"),
            "depthwise" => ("_depthwise_conv", "_bn1"),
            "project" => ("_project_conv", "_bn2"),
            _ => return format!("_{path}"),
        };
        match leaf.split_once('.') {
            Some(("conv", leaf)) => format!("{outside}{conv}.{leaf}"),
            Some(("norm", leaf)) => format!("{outside}{norm}.{leaf}"),
            _ => path.to_owned(),
        }
    }
}

impl BackboneConfig for EfficientNetLiteConfig {
    const HEAD: &'static str = "fc";

    fn n_features(&self) -> usize {
        self.d_head
    }

    fn ends(&self) -> &Ends {
        &self.ends
    }

    fn with_ends(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }
}

impl FeatureMaps for EfficientNetLite {
    fn maps(&self, images: Tensor<4>) -> Tensor<4> {
        let channels = self.stem.channels();
        assert_shape!(images, [_, channels, _, _]);
        let x = self.stem.forward(images, Activation::Relu6);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.last.forward(x, Activation::Relu6)
    }

    fn logits(&self, maps: Tensor<4>) -> Tensor<2> {
        backbone::scores(self, pooled(maps))
    }
}

impl Backbone for EfficientNetLite {
    fn features(&self, images: Tensor<4>) -> Tensor<2> {
        pooled(self.maps(images))
    }

    fn head(&self) -> Option<&Linear> {
        self.fc.as_ref()
    }

    fn with_head(self, fc: Option<Linear>) -> Self {
        Self { fc, ..self }
    }

    fn training(&self) -> HeadTraining {
        self.head
    }
}

impl Model for EfficientNetLite {
    type Input = Tensor<4>;
    type Output = Tensor<2>;

    /// # Shapes
    /// - images: `[batch, channels, height, width]`, normalised; any height and width
    /// - output: `[batch, n_classes]`, logits; without a head `[batch, d_head]`
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        backbone::answer(self, images)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::samples;
    use andiron_core::{Adaptation, Network, testing, weights};

    fn tiny() -> EfficientNetLiteConfig {
        let stages = vec![
            Stage::new(4, 1).with_expansion(1),
            Stage::new(6, 2).with_stride(2).with_kernel(5).with_expansion(2),
        ];
        EfficientNetLiteConfig::new(Ends::new(1, 3))
            .with_stem(4)
            .with_stages(stages)
            .with_d_head(10)
    }

    #[test]
    fn keeps_the_contract() {
        let config = tiny().with_dropout(0.0);
        testing::Contract::new(samples::task(13, 10, 1), config, samples::examples(1))
            .without(testing::Law::Padding, "images are resized to one size")
            .overfits_in(120, 1e-2)
            .check();
    }

    #[test]
    fn settings_are_checked() {
        let refusal = |config: EfficientNetLiteConfig| {
            let refused = config.init(&Device::flex()).map(|_| ());
            refused.unwrap_err().to_string()
        };
        let with = |stage: Stage| tiny().with_stages(vec![stage]);
        let adapted = |n_classes, adaptation| {
            tiny().with_ends(Ends::new(1, n_classes).with_adaptation(adaptation))
        };
        for (config, wanted) in [
            (EfficientNetLiteConfig::new(Ends::new(0, 3)), "channels must be at least 1, but is 0"),
            (
                EfficientNetLiteConfig::new(Ends::new(1, 1)),
                "n_classes must be at least 2, but is 1",
            ),
            (tiny().with_stem(0), "stem must be at least 1, but is 0"),
            (tiny().with_d_head(0), "d_head must be at least 1, but is 0"),
            (tiny().with_dropout(1.5), "dropout must lie in 0..=1, but is 1.5"),
            (tiny().with_stages(vec![]), "the length of stages must be at least 1, but is 0"),
            (with(Stage::new(0, 1)), "stages.channels must be at least 1, but is 0"),
            (with(Stage::new(4, 0)), "stages.blocks must be at least 1, but is 0"),
            (with(Stage::new(4, 1).with_stride(3)), "stages.stride must lie in 1..=2, but is 3"),
            (
                with(Stage::new(4, 1).with_expansion(0)),
                "stages.expansion must be at least 1, but is 0",
            ),
            (
                with(Stage::new(4, 1).with_kernel(4)),
                "setting \"stages.kernel\" cannot be 4: an odd number was wanted",
            ),
            (
                adapted(3, Adaptation::lora(2, 4.0)),
                "setting \"adaptation\" cannot be lora: a convolutional network has no linear map \
                 beside its head",
            ),
            (
                adapted(0, Adaptation::Frozen {}),
                "setting \"adaptation\" cannot be frozen: a network without a head would have \
                 nothing to train",
            ),
        ] {
            assert_eq!(refusal(config), wanted);
        }
    }

    #[test]
    fn any_size_is_taken() {
        let device = Device::flex();
        let model = tiny().init(&device).unwrap();
        for [height, width] in [[1, 1], [1, 8], [17, 6]] {
            assert_eq!(model.forward(Tensor::zeros([2, 1, height, width], &device)).dims(), [2, 3]);
        }
    }

    /// The trained parameters of `efficientnet_lite_pytorch` 0.1.0, counted there.
    #[test]
    fn the_large_ones_have_the_size_of_the_checkpoints() {
        let device = Device::flex();
        for (config, counted, n_blocks) in [
            (EfficientNetLiteConfig::lite0(), 4_652_008, 16),
            (EfficientNetLiteConfig::lite1(), 5_416_680, 21),
            (EfficientNetLiteConfig::lite2(), 6_092_072, 21),
            (EfficientNetLiteConfig::lite3(), 8_197_096, 24),
            (EfficientNetLiteConfig::lite4(), 13_006_568, 30),
        ] {
            let network = Network::blank(config, &device).unwrap();
            let tensors = weights::tensors(&network);
            let learnt = |name: &str| !name.contains("running_");
            let count: usize = tensors
                .iter()
                .filter(|(name, _)| learnt(name))
                .map(|(_, shape)| shape.iter().product::<usize>())
                .sum();
            assert_eq!((count, network.model.blocks.len()), (counted, n_blocks));
        }
    }
}
