//! MobileNetV2: inverted residual blocks with linear bottlenecks.
//!
//! Paper: Sandler, Howard, Zhu, Zhmoginov & Chen 2018, <https://arxiv.org/abs/1801.04381>, table 2.
//! Differs from it: the last map is linear on the mean, not a convolution. First weights of the
//! convolutions in each channel alone are drawn by their own number of outputs, where torchvision
//! takes those of all channels.
//!
//! Weights are saved under torchvision's names (`features.2.conv.0.0.weight`).
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_vision::{backbone::Ends, layers::inverted_residual::Stage, models::mobilenet_v2::MobileNetV2Config};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let stages = vec![Stage::new(4, 1).with_expansion(1), Stage::new(6, 2).with_stride(2)];
//! let small = MobileNetV2Config::new(Ends::new(3, 5)).with_stem(8).with_stages(stages).with_d_head(10);
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

/// Settings of a [`MobileNetV2`].
#[derive(Config, Debug)]
pub struct MobileNetV2Config {
    /// What it sees, what it answers, and what of it is trained.
    pub ends: Ends,
    /// Channels behind the first convolution; 1 or more.
    #[config(default = 32)]
    pub stem: usize,
    /// The blocks; those of the paper's table 2 unless said otherwise.
    #[config(default = "stages()")]
    pub stages: Vec<Stage>,
    /// Length of an image's vector; 1 or more.
    #[config(default = 1280)]
    pub d_head: usize,
    /// What is put around an image before a convolution: torchvision's way unless said otherwise,
    /// transformers' default is [`Border::Same`].
    #[config(default = "Border::Even")]
    pub border: Border,
    /// What the normalisations add to the variance; above 0, to 1.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Probability of dropout before the head, 0 to 1.
    #[config(default = 0.2)]
    pub dropout: f64,
}

/// Table 2 of the paper: t, c, n and s.
fn stages() -> Vec<Stage> {
    let table = [
        [1, 16, 1, 1],
        [6, 24, 2, 2],
        [6, 32, 3, 2],
        [6, 64, 4, 2],
        [6, 96, 3, 1],
        [6, 160, 3, 2],
        [6, 320, 1, 1],
    ];
    let stage = |[expansion, channels, blocks, stride]: &[usize; 4]| {
        Stage::new(*channels, *blocks).with_stride(*stride).with_expansion(*expansion)
    };
    table.iter().map(stage).collect()
}

impl MobileNetV2Config {
    /// torchvision's `mobilenet_v2` for the thousand classes of ImageNet, 3.5 million parameters;
    /// images of 224 pixels.
    pub fn mobilenet_v2() -> Self {
        Self::new(Ends::new(3, 1000))
    }

    /// Whether the block at this place has a convolution that widens.
    fn widens(&self, at: usize) -> bool {
        let mut first = 0;
        for stage in &self.stages {
            first += stage.blocks;
            if at < first {
                return stage.expansion > 1;
            }
        }
        true
    }

    /// torchvision's name of what stands inside the block at this place.
    fn block_name(&self, at: usize, inside: &str) -> Option<String> {
        let (part, leaf) = inside.split_once('.')?;
        let (kind, leaf) = leaf.split_once('.')?;
        let first = usize::from(self.widens(at));
        let name = match (part, kind) {
            ("expand", "conv") => "0.0".to_owned(),
            ("expand", "norm") => "0.1".to_owned(),
            ("depthwise", "conv") => format!("{first}.0"),
            ("depthwise", "norm") => format!("{first}.1"),
            ("project", "conv") => (first + 1).to_string(),
            ("project", "norm") => (first + 2).to_string(),
            _ => return None,
        };
        Some(format!("features.{}.conv.{name}.{leaf}", at + 1))
    }
}

/// A convolution, inverted residual blocks, the mean over the image, and one linear map; built by
/// [`MobileNetV2Config`].
#[derive(Module, Debug)]
pub struct MobileNetV2 {
    stem: ConvNorm,
    blocks: Vec<InvertedResidual>,
    last: ConvNorm,
    classifier: Option<Linear>,
    #[module(skip)]
    head: HeadTraining,
}

impl ModelConfig for MobileNetV2Config {
    const ARCHITECTURE: &'static str = "mobilenet-v2";
    type Model = MobileNetV2;

    fn init(&self, device: &Device) -> Result<MobileNetV2, ConfigError> {
        self.ends.check()?;
        ConfigError::at_least("stem", 1, self.stem)?;
        ConfigError::at_least("d_head", 1, self.d_head)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        ConfigError::within("epsilon", f64::from(f32::MIN_POSITIVE), 1.0, self.epsilon)?;
        backbone::no_lora(&self.ends.adaptation)?;
        let (border, epsilon) = (self.border, self.epsilon);
        let blocks = blocks(&self.stages, self.stem, border, epsilon, device)?;
        let narrow = self.stages.last().map_or(self.stem, |stage| stage.channels);
        let conv = |channels, kernel, stride| {
            border.around(channels, kernel, stride, 1).with_norm(epsilon, device)
        };
        let model = MobileNetV2 {
            stem: conv([self.ends.channels, self.stem], 3, 2),
            blocks,
            last: conv([narrow, self.d_head], 1, 1),
            classifier: backbone::head(self.d_head, self.ends.n_classes, device)?,
            head: self.ends.training(self.dropout),
        };
        backbone::adapt(self, model)
    }

    fn weight_name(&self, path: &str) -> String {
        if let Some((at, inside)) = path.strip_prefix("blocks.").and_then(|p| p.split_once('.')) {
            let name = at.parse().ok().and_then(|at: usize| self.block_name(at, inside));
            return name.unwrap_or_else(|| path.to_owned());
        }
        let behind = self.stages.iter().map(|stage| stage.blocks).sum::<usize>() + 1;
        let name = |place: usize, leaf: &str| match leaf.split_once('.') {
            Some(("conv", leaf)) => format!("features.{place}.0.{leaf}"),
            Some((_, leaf)) => format!("features.{place}.1.{leaf}"),
            None => path.to_owned(),
        };
        match path.split_once('.') {
            Some(("stem", leaf)) => name(0, leaf),
            Some(("last", leaf)) => name(behind, leaf),
            // torchvision counts the dropout before it.
            Some(("classifier", leaf)) => format!("classifier.1.{leaf}"),
            _ => path.to_owned(),
        }
    }
}

impl BackboneConfig for MobileNetV2Config {
    const HEAD: &'static str = "classifier";

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

impl FeatureMaps for MobileNetV2 {
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

impl Backbone for MobileNetV2 {
    fn features(&self, images: Tensor<4>) -> Tensor<2> {
        pooled(self.maps(images))
    }

    fn head(&self) -> Option<&Linear> {
        self.classifier.as_ref()
    }

    fn with_head(self, classifier: Option<Linear>) -> Self {
        Self { classifier, ..self }
    }

    fn training(&self) -> HeadTraining {
        self.head
    }
}

impl Model for MobileNetV2 {
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
    use andiron_core::{Network, testing, weights};

    fn tiny() -> MobileNetV2Config {
        let stages = vec![
            Stage::new(4, 1).with_expansion(1),
            Stage::new(6, 2).with_stride(2).with_expansion(2),
        ];
        let config = MobileNetV2Config::new(Ends::new(1, 3)).with_stem(4).with_stages(stages);
        config.with_d_head(10).with_dropout(0.0)
    }

    #[test]
    fn keeps_the_contract() {
        testing::Contract::new(samples::task(13, 10, 1), tiny(), samples::examples(1))
            .without(testing::Law::Padding, "images are resized to one size")
            .overfits_in(120, 1e-2)
            .check();
    }

    #[test]
    fn settings_are_checked() {
        let refusal = |config: MobileNetV2Config| {
            let refused = config.init(&Device::flex()).map(|_| ());
            refused.unwrap_err().to_string()
        };
        for (config, wanted) in [
            (MobileNetV2Config::new(Ends::new(0, 3)), "channels must be at least 1, but is 0"),
            (MobileNetV2Config::new(Ends::new(1, 1)), "n_classes must be at least 2, but is 1"),
            (tiny().with_stem(0), "stem must be at least 1, but is 0"),
            (tiny().with_d_head(0), "d_head must be at least 1, but is 0"),
            (tiny().with_dropout(-0.5), "dropout must lie in 0..=1, but is -0.5"),
            (tiny().with_stages(vec![]), "the length of stages must be at least 1, but is 0"),
        ] {
            assert_eq!(refusal(config), wanted);
        }
        assert!(refusal(tiny().with_epsilon(0.0)).starts_with("epsilon must "));
    }

    #[test]
    fn a_block_that_does_not_widen_counts_from_its_second_convolution() {
        let config = tiny();
        for (path, wanted) in [
            ("stem.conv.weight", "features.0.0.weight"),
            ("blocks.0.depthwise.norm.bias", "features.1.conv.0.1.bias"),
            ("blocks.0.project.conv.weight", "features.1.conv.1.weight"),
            ("blocks.2.expand.conv.weight", "features.3.conv.0.0.weight"),
            ("blocks.2.project.norm.running_var", "features.3.conv.3.running_var"),
            ("last.norm.weight", "features.4.1.weight"),
            ("classifier.bias", "classifier.1.bias"),
        ] {
            assert_eq!(config.weight_name(path), wanted);
        }
    }

    /// torchvision documents 3,504,872 parameters
    /// (<https://docs.pytorch.org/vision/stable/models/generated/torchvision.models.mobilenet_v2.html>).
    #[test]
    fn the_published_one_has_the_size_of_torchvision() {
        let network = Network::blank(MobileNetV2Config::mobilenet_v2(), &Device::flex()).unwrap();
        let tensors = weights::tensors(&network);
        let learnt = tensors.iter().filter(|(name, _)| !name.contains("running_"));
        let count: usize = learnt.map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(count, 3_504_872);
    }
}
