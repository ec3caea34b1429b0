//! Residual network: the strong classifier, and the shape of most networks for images since.
//!
//! Paper: He, Zhang, Ren & Sun 2015, <https://arxiv.org/abs/1512.03385>; a block adds what it
//! computes to what it was given, `y = relu(F(x) + x)` (equation 1).
//! Differs from it: where a block changes the size, `x` goes through a convolution of 1 × 1 (the
//! paper's option B) in the small networks too.
//!
//! Weights are saved under torchvision's names (`layer1.0.conv1.weight`).
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_vision::models::resnet::ResNetConfig;
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let model = ResNetConfig::small(1, 5).init(&device)?;
//! assert_eq!(model.forward(Tensor::zeros([2, 1, 9, 13], &device)).dims(), [2, 5]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    backbone::{self, Backbone, BackboneConfig, Ends, HeadTraining},
    explain::FeatureMaps,
    layers::conv_norm::{Convolution, pooled},
};
use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::{Activation, conv2d_norm_act};
use burn::{
    config::Config,
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, Linear, PaddingConfig2d,
        conv::Conv2d,
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Tensor, activation::relu, assert_shape},
};

/// How the first layer meets the image.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Stem {
    /// A convolution of 3 × 3 that keeps the size: for images of up to about 20 pixels, or of 32
    /// where time does not matter (section 4.2 of the paper).
    Small,
    /// A convolution of 3 × 3 and a pooling that leave half of each side: a quarter of the work.
    Medium,
    /// A convolution of 7 × 7 and a pooling that leave a quarter of each side (section 3.3).
    Large,
}

/// Settings of a [`ResNet`].
#[derive(Config, Debug)]
pub struct ResNetConfig {
    /// What it sees, what it answers, and what of it is trained.
    pub ends: Ends,
    /// Channels of each stage; 1 or more. Every stage but the first halves the image's sides.
    #[config(default = "vec![24, 48, 96]")]
    pub widths: Vec<usize>,
    /// Blocks of each stage; 1 or more, as many numbers as `widths`.
    #[config(default = "vec![1, 1, 1]")]
    pub blocks: Vec<usize>,
    /// The first layer.
    #[config(default = "Stem::Small")]
    pub stem: Stem,
    /// How many times `widths` the channels are that a block of three convolutions gives
    /// (section 4.1, the bottleneck; there 4); 1 or more. None is blocks of two convolutions.
    pub expansion: Option<usize>,
}

impl ResNetConfig {
    /// The paper's form for small images (section 4.2) with one block a stage, 8 layers, and
    /// half as many channels again: three stages of 24, 48 and 96 for 16, 32 and 64.
    pub fn small(channels: usize, n_classes: usize) -> Self {
        Self::new(Ends::new(channels, n_classes))
    }

    /// The 18 layers of the paper's table 1, for images of 224 pixels.
    pub fn resnet18(channels: usize, n_classes: usize) -> Self {
        Self::new(Ends::new(channels, n_classes))
            .with_widths(vec![64, 128, 256, 512])
            .with_blocks(vec![2, 2, 2, 2])
            .with_stem(Stem::Large)
    }

    /// The 34 layers of the paper's table 1, for images of 224 pixels.
    pub fn resnet34(channels: usize, n_classes: usize) -> Self {
        Self::resnet18(channels, n_classes).with_blocks(vec![3, 4, 6, 3])
    }

    /// The 50 layers of the paper's table 1, for images of 224 pixels. As torchvision has it, the
    /// convolution of 3 × 3 halves the sides, and not the first of a block
    /// (<https://ngc.nvidia.com/catalog/model-scripts/nvidia:resnet_50_v1_5_for_pytorch>).
    pub fn resnet50(channels: usize, n_classes: usize) -> Self {
        Self::resnet34(channels, n_classes).with_expansion(Some(4))
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.ends.check()?;
        ConfigError::at_least("the length of widths", 1, self.widths.len())?;
        let (stages, given) = (self.widths.len(), self.blocks.len());
        if given != stages {
            let (field, got) = ("blocks".to_owned(), format!("{:?}", self.blocks));
            let reason = format!("widths has {stages} stages, so {stages} numbers are wanted");
            return Err(ConfigError::Kind { field, got, reason });
        }
        for (width, blocks) in self.widths.iter().zip(&self.blocks) {
            ConfigError::at_least("widths", 1, *width)?;
            ConfigError::at_least("blocks", 1, *blocks)?;
        }
        ConfigError::at_least("expansion", 1, self.expansion.unwrap_or(1))?;
        backbone::no_lora(&self.ends.adaptation)
    }

    /// The stages, and how many channels the last one gives.
    fn layers(&self, device: &Device) -> (Vec<Vec<Block>>, usize) {
        let mut before = self.widths[0];
        let mut layers = Vec::with_capacity(self.widths.len());
        for (stage, (width, blocks)) in self.widths.iter().zip(&self.blocks).enumerate() {
            let mut layer = Vec::with_capacity(*blocks);
            for block in 0..*blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                layer.push(Block::new([before, *width], self.expansion, stride, device));
                before = *width * self.expansion.unwrap_or(1);
            }
            layers.push(layer);
        }
        (layers, before)
    }
}

/// Two convolutions of 3 × 3, or one between two of 1 × 1, and the way around them.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm>,
    downsample: Option<Downsample>,
}

/// What brings a block's input to the size of its output.
#[derive(Module, Debug)]
struct Downsample {
    conv: Conv2d,
    norm: BatchNorm,
}

/// Stages of residual blocks, the mean over the image, and one linear map; built by
/// [`ResNetConfig`].
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    maxpool: Option<MaxPool2d>,
    layers: Vec<Vec<Block>>,
    fc: Option<Linear>,
    #[module(skip)]
    head: HeadTraining,
}

/// A convolution without bias, since a normalisation follows; `[channels in, channels out]`.
fn conv(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Conv2d {
    Convolution::new(channels, kernel, stride).init(device)
}

fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).init(device)
}

impl ModelConfig for ResNetConfig {
    const ARCHITECTURE: &'static str = "resnet";
    type Model = ResNet;

    fn init(&self, device: &Device) -> Result<ResNet, ConfigError> {
        self.check()?;
        let first = self.widths[0];
        let (kernel, stride, maxpool) = match self.stem {
            Stem::Small => (3, 1, None),
            Stem::Medium => (3, 1, Some(MaxPool2dConfig::new([2, 2]))),
            Stem::Large => {
                let pool = MaxPool2dConfig::new([3, 3])
                    .with_strides([2, 2])
                    .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
                (7, 2, Some(pool))
            }
        };
        let (layers, features) = self.layers(device);
        let model = ResNet {
            conv1: conv([self.ends.channels, first], kernel, stride, device),
            bn1: norm(first, device),
            maxpool: maxpool.map(|pool| pool.init()),
            layers,
            fc: backbone::head(features, self.ends.n_classes, device)?,
            head: self.ends.training(0.0),
        };
        backbone::adapt(self, model)
    }

    /// torchvision's names: stages count from 1 and are no list, and what brings a block's input
    /// to size is one.
    fn weight_name(&self, path: &str) -> String {
        let path = path.replace("downsample.conv.", "downsample.0.");
        let path = path.replace("downsample.norm.", "downsample.1.");
        let stage = path.strip_prefix("layers.").and_then(|rest| rest.split_once('.'));
        match stage.and_then(|(stage, rest)| Some((stage.parse::<usize>().ok()?, rest))) {
            Some((stage, rest)) => format!("layer{}.{rest}", stage + 1),
            None => path,
        }
    }
}

impl BackboneConfig for ResNetConfig {
    const HEAD: &'static str = "fc";

    fn n_features(&self) -> usize {
        self.widths.last().map_or(0, |width| width * self.expansion.unwrap_or(1))
    }

    fn ends(&self) -> &Ends {
        &self.ends
    }

    fn with_ends(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }
}

impl Block {
    fn new(
        [before, width]: [usize; 2],
        expansion: Option<usize>,
        stride: usize,
        device: &Device,
    ) -> Self {
        let after = width * expansion.unwrap_or(1);
        let (kernel, first, second) = match expansion {
            Some(_) => (1, 1, stride),
            None => (3, stride, 1),
        };
        Self {
            conv1: conv([before, width], kernel, first, device),
            bn1: norm(width, device),
            conv2: conv([width, width], 3, second, device),
            bn2: norm(width, device),
            conv3: expansion.map(|_| conv([width, after], 1, 1, device)),
            bn3: expansion.map(|_| norm(after, device)),
            downsample: (stride != 1 || before != after).then(|| Downsample {
                conv: conv([before, after], 1, stride, device),
                norm: norm(after, device),
            }),
        }
    }

    /// Equation 1 of the paper, or 2 where the size changes.
    ///
    /// # Shapes
    /// - x: `[batch, channels, height, width]`
    /// - output: `[batch, channels_out, height_out, width_out]`
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let around = match &self.downsample {
            Some(Downsample { conv, norm }) => {
                conv2d_norm_act(x.clone(), conv, norm, Activation::None)
            }
            None => x.clone(),
        };
        let x = conv2d_norm_act(x, &self.conv1, &self.bn1, Activation::Relu);
        let x = match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                let x = conv2d_norm_act(x, &self.conv2, &self.bn2, Activation::Relu);
                conv2d_norm_act(x, conv3, bn3, Activation::None)
            }
            _ => conv2d_norm_act(x, &self.conv2, &self.bn2, Activation::None),
        };
        relu(x + around)
    }
}

impl FeatureMaps for ResNet {
    fn maps(&self, images: Tensor<4>) -> Tensor<4> {
        let [_, channels, _, _] = self.conv1.weight.dims();
        assert_shape!(images, [_, channels, _, _]);
        let mut x = conv2d_norm_act(images, &self.conv1, &self.bn1, Activation::Relu);
        if let Some(maxpool) = &self.maxpool {
            x = maxpool.forward(x);
        }
        for block in self.layers.iter().flatten() {
            x = block.forward(x);
        }
        x
    }

    fn logits(&self, maps: Tensor<4>) -> Tensor<2> {
        backbone::scores(self, pooled(maps))
    }
}

impl Backbone for ResNet {
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

impl Model for ResNet {
    type Input = Tensor<4>;
    type Output = Tensor<2>;

    /// # Shapes
    /// - images: `[batch, channels, height, width]`, normalised; any height and width
    /// - output: `[batch, n_classes]`, logits; without a head `[batch, n_features]`
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

    fn tiny() -> ResNetConfig {
        ResNetConfig::small(1, 3).with_widths(vec![4, 6]).with_blocks(vec![1, 2])
    }

    #[test]
    fn keeps_the_contract() {
        testing::Contract::new(samples::task(9, 7, 1), tiny(), samples::examples(1))
            .without(testing::Law::Padding, "images are resized to one size")
            .overfits_in(80, 1e-2)
            .check();
    }

    #[test]
    fn keeps_the_contract_with_a_pooling_stem() {
        let config = tiny().with_stem(Stem::Medium);
        let config = backbone::for_channels(config, 3);
        testing::Contract::new(samples::task(13, 10, 3), config, samples::examples(3))
            .without(testing::Law::Padding, "images are resized to one size")
            .overfits_in(80, 1e-2)
            .check();
    }

    #[test]
    fn keeps_the_contract_with_bottlenecks() {
        let config = tiny().with_expansion(Some(2));
        testing::Contract::new(samples::task(9, 7, 1), config, samples::examples(1))
            .without(testing::Law::Padding, "images are resized to one size")
            .overfits_in(80, 1e-2)
            .check();
    }

    /// Bundles that were saved before there were bottlenecks say nothing of them.
    #[test]
    fn an_older_configuration_is_read() {
        let older = serde_json::json!({
            "ends": Ends::new(1, 3), "widths": [4, 6], "blocks": [1, 2],
            "stem": "Small"
        });
        let read: ResNetConfig = serde_json::from_value(older).unwrap();
        assert_eq!(read.to_string(), tiny().to_string());
    }

    #[test]
    fn settings_are_checked() {
        let refusal = |config: ResNetConfig| {
            let refused = config.init(&Device::flex()).map(|_| ());
            refused.unwrap_err().to_string()
        };
        let usual = || ResNetConfig::small(1, 3);
        assert_eq!(refusal(ResNetConfig::small(0, 3)), "channels must be at least 1, but is 0");
        assert_eq!(refusal(ResNetConfig::small(1, 1)), "n_classes must be at least 2, but is 1");
        let none = usual().with_widths(vec![]).with_blocks(vec![]);
        assert_eq!(refusal(none), "the length of widths must be at least 1, but is 0");
        assert_eq!(
            refusal(usual().with_widths(vec![4, 0, 4])),
            "widths must be at least 1, but is 0"
        );
        assert_eq!(
            refusal(usual().with_blocks(vec![1, 0, 1])),
            "blocks must be at least 1, but is 0"
        );
        assert_eq!(
            refusal(usual().with_expansion(Some(0))),
            "expansion must be at least 1, but is 0"
        );
        let lora = Ends::new(1, 3).with_adaptation(Adaptation::lora(2, 4.0));
        let lora = usual().with_ends(lora);
        assert!(refusal(lora).starts_with("setting \"adaptation\" cannot be lora"));
        assert_eq!(
            refusal(usual().with_blocks(vec![1])),
            "setting \"blocks\" cannot be [1]: widths has 3 stages, so 3 numbers are wanted"
        );
    }

    #[test]
    fn every_stem_takes_any_size() {
        let device = Device::flex();
        for (stem, [height, width]) in [
            (Stem::Small, [1, 1]),
            (Stem::Small, [5, 2]),
            (Stem::Medium, [2, 3]),
            (Stem::Large, [1, 1]),
        ] {
            let model = tiny().with_stem(stem).init(&device).unwrap();
            assert_eq!(model.forward(Tensor::zeros([2, 1, height, width], &device)).dims(), [2, 3]);
        }
    }

    /// torchvision documents 11,689,512, 21,797,672 and 25,557,032 parameters with 1,000 classes
    /// (<https://docs.pytorch.org/vision/stable/models/resnet.html>). burn counts the running
    /// statistics too: two numbers a normalised channel.
    #[test]
    fn the_large_ones_have_the_size_and_the_names_of_torchvision() {
        let device = Device::flex();
        for (config, documented) in [
            (ResNetConfig::resnet18(3, 1000), 11_689_512),
            (ResNetConfig::resnet34(3, 1000), 21_797_672),
            (ResNetConfig::resnet50(3, 1000), 25_557_032),
        ] {
            let model = config.init(&device).unwrap();
            let network = Network { config, model };
            let tensors = weights::tensors(&network);
            let learnt = |name: &str| !name.contains("running_");
            let count: usize = tensors
                .iter()
                .filter(|(name, _)| learnt(name))
                .map(|(_, shape)| shape.iter().product::<usize>())
                .sum();
            assert_eq!(count, documented);
            let wide = network.config.n_features();
            for (name, shape) in [
                ("conv1.weight", vec![64, 3, 7, 7]),
                ("bn1.running_var", vec![64]),
                ("layer2.0.conv2.weight", vec![128, 128, 3, 3]),
                ("layer2.0.downsample.0.weight", vec![wide / 4, wide / 8, 1, 1]),
                ("layer2.0.downsample.1.bias", vec![wide / 4]),
                ("layer4.1.bn2.weight", vec![512]),
                ("fc.weight", vec![1000, wide]),
            ] {
                assert!(tensors.contains(&(name.to_owned(), shape)), "{name}");
            }
        }
    }
}
