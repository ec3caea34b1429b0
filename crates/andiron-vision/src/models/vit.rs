//! Vision transformer: an image as a sequence of square patches.
//!
//! Paper: Dosovitskiy et al. 2021, <https://arxiv.org/abs/2010.11929>, equations 1 to 4.
//! Differs from it: the head is one linear map, as in fine-tuning; the mean of the patches may stand
//! for the class token (appendix D.3). First weights are normal and not cut off.
//!
//! Weights are saved under transformers' names
//! (`vit.encoder.layer.0.attention.attention.query.weight`).
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_vision::{backbone::Ends, models::vit::ViTConfig};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let small = ViTConfig::new(Ends::new(3, 5), 8, 12).with_patch(4).with_d_model(12).with_n_heads(3);
//! let model = small.with_n_layers(2).with_d_hidden(20).init(&device)?;
//! assert_eq!(model.forward(Tensor::zeros([2, 3, 8, 12], &device)).dims(), [2, 5]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    backbone::{self, Backbone, BackboneConfig, Ends, HeadTraining},
    layers::pre_norm::{LayerSizes, NORMAL, PreNormLayer, normalise},
};
use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::{Activation, conv2d_act, dropout};
use burn::{
    config::Config,
    module::{Module, Param},
    nn::{
        LayerNorm, LayerNormConfig, Linear,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor, assert_shape, ops::ConvOptions},
};

/// How the vectors of the patches become one.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum VitPooling {
    /// The class token's, behind the last normalisation (equation 4).
    ClassToken,
    /// The mean of the patches', each normalised.
    Mean,
    /// The mean of the patches', normalised then: timm's `fc_norm`.
    MeanThenNorm,
}

/// Settings of a [`ViT`].
#[derive(Config, Debug)]
pub struct ViTConfig {
    /// What it sees, what it answers, and what of it is trained.
    pub ends: Ends,
    /// Height of an image in pixels, a multiple of `patch`.
    pub height: usize,
    /// Width of an image in pixels, a multiple of `patch`.
    pub width: usize,
    /// Side of a patch in pixels; 1 or more.
    #[config(default = 16)]
    pub patch: usize,
    /// Width of a patch's vector, a multiple of `n_heads`; also the length of an image's vector.
    #[config(default = 768)]
    pub d_model: usize,
    /// Heads of each attention; 1 or more.
    #[config(default = 12)]
    pub n_heads: usize,
    /// Layers; 1 or more.
    #[config(default = 12)]
    pub n_layers: usize,
    /// Width between the two linear maps of a layer; 1 or more.
    #[config(default = 3072)]
    pub d_hidden: usize,
    /// Whether the maps to queries, keys and values have a bias.
    #[config(default = true)]
    pub input_bias: bool,
    /// Whether a token of its own goes through the layers with the patches.
    #[config(default = true)]
    pub class_token: bool,
    /// How the vectors become one.
    #[config(default = "VitPooling::ClassToken")]
    pub pooling: VitPooling,
    /// Added to the variance by the normalisations.
    #[config(default = 1e-12)]
    pub epsilon: f64,
    /// Probability of dropout in training, 0 to 1.
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl ViTConfig {
    /// ViT-B/16 for the thousand classes of ImageNet, 86.6 million parameters; images of 224 pixels.
    pub fn vit_b_16() -> Self {
        Self::new(Ends::new(3, 1000), 224, 224)
    }

    /// ViT-S/16 of Touvron et al. 2021, <https://arxiv.org/abs/2012.12877>, 22.1 million parameters.
    pub fn vit_s_16() -> Self {
        Self::vit_b_16().with_d_model(384).with_n_heads(6).with_d_hidden(1536)
    }

    /// ViT-Ti/16 of Touvron et al. 2021, <https://arxiv.org/abs/2012.12877>, 5.7 million parameters.
    pub fn vit_ti_16() -> Self {
        Self::vit_b_16().with_d_model(192).with_n_heads(3).with_d_hidden(768)
    }

    fn sizes(&self) -> LayerSizes {
        LayerSizes {
            d_model: self.d_model,
            n_heads: self.n_heads,
            d_hidden: self.d_hidden,
            input_bias: self.input_bias,
            dropout: if self.ends.adaptation.is_frozen() { 0.0 } else { self.dropout },
            epsilon: self.epsilon,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.ends.check()?;
        ConfigError::at_least("patch", 1, self.patch)?;
        ConfigError::at_least("height", 1, self.height)?;
        ConfigError::at_least("width", 1, self.width)?;
        ConfigError::multiple("height", self.height, "patch", self.patch)?;
        ConfigError::multiple("width", self.width, "patch", self.patch)?;
        ConfigError::at_least("n_layers", 1, self.n_layers)?;
        self.sizes().check()?;
        if self.pooling == VitPooling::ClassToken && !self.class_token {
            return Err(ConfigError::Kind {
                field: "pooling".to_owned(),
                got: "ClassToken".to_owned(),
                reason: "the network has no class token".to_owned(),
            });
        }
        Ok(())
    }
}

/// Patches, layers of attention, and one linear map; built by [`ViTConfig`].
#[derive(Module, Debug)]
pub struct ViT {
    patches: Conv2d,
    class_token: Option<Param<Tensor<3>>>,
    positions: Param<Tensor<3>>,
    layers: Vec<PreNormLayer>,
    norm: LayerNorm,
    classifier: Option<Linear>,
    #[module(skip)]
    size: [usize; 2],
    #[module(skip)]
    pooling: VitPooling,
    #[module(skip)]
    epsilon: f64,
    #[module(skip)]
    dropout: f64,
    #[module(skip)]
    head: HeadTraining,
}

impl ModelConfig for ViTConfig {
    const ARCHITECTURE: &'static str = "vit";
    type Model = ViT;

    fn init(&self, device: &Device) -> Result<ViT, ConfigError> {
        self.check()?;
        let (d, patch, sizes) = (self.d_model, self.patch, self.sizes());
        let n_patches = (self.height / patch) * (self.width / patch);
        let length = n_patches + usize::from(self.class_token);
        let model = ViT {
            patches: Conv2dConfig::new([self.ends.channels, d], [patch, patch])
                .with_stride([patch, patch])
                .with_initializer(NORMAL)
                .init(device),
            class_token: self.class_token.then(|| NORMAL.init([1, 1, d], device)),
            positions: NORMAL.init([1, length, d], device),
            layers: (0..self.n_layers).map(|_| sizes.init(device)).collect(),
            norm: LayerNormConfig::new(d).with_epsilon(self.epsilon).init(device),
            classifier: backbone::head(d, self.ends.n_classes, device)?,
            size: [self.height, self.width],
            pooling: self.pooling,
            epsilon: self.epsilon,
            dropout: sizes.dropout,
            head: self.ends.training(0.0),
        };
        backbone::adapt(self, model)
    }

    /// transformers' names.
    fn weight_name(&self, path: &str) -> String {
        if let Some((at, inside)) = path.strip_prefix("layers.").and_then(|p| p.split_once('.')) {
            let Some((part, leaf)) = inside.rsplit_once('.') else { return path.to_owned() };
            let part = match part {
                "before" => "layernorm_before",
                "query" => "attention.attention.query",
                "key" => "attention.attention.key",
                "value" => "attention.attention.value",
                "mixed" => "attention.output.dense",
                "after" => "layernorm_after",
                "wide" => "intermediate.dense",
                "narrow" => "output.dense",
                other => other,
            };
            return format!("vit.encoder.layer.{at}.{part}.{leaf}");
        }
        match path.split_once('.') {
            Some(("patches", leaf)) => format!("vit.embeddings.patch_embeddings.projection.{leaf}"),
            Some(("norm", leaf)) => format!("vit.layernorm.{leaf}"),
            None if path == "class_token" => "vit.embeddings.cls_token".to_owned(),
            None if path == "positions" => "vit.embeddings.position_embeddings".to_owned(),
            _ => path.to_owned(),
        }
    }
}

impl BackboneConfig for ViTConfig {
    const HEAD: &'static str = "classifier";

    fn n_features(&self) -> usize {
        self.d_model
    }

    fn ends(&self) -> &Ends {
        &self.ends
    }

    fn with_ends(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }

    fn size(&self) -> Option<[usize; 2]> {
        Some([self.height, self.width])
    }
}

impl Backbone for ViT {
    fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let [d, channels, patch, _] = self.patches.weight.dims();
        let [height, width] = self.size;
        assert_shape!(images, [_, channels, height, width]);
        let [batch, ..] = images.dims();
        // Equation 1: a linear map of each patch is a convolution as large as its step.
        let options = ConvOptions::new([patch, patch], [0, 0], [1, 1], 1);
        let (weight, bias) = (&self.patches.weight, self.patches.bias.as_ref().map(Param::val));
        let x = conv2d_act(images, weight.val(), bias, options, Activation::None);
        let mut x = x.flatten::<3>(2, 3).swap_dims(1, 2);
        if let Some(token) = &self.class_token {
            x = Tensor::cat(vec![token.val().expand([batch, 1, d]), x], 1);
        }
        let x = dropout(x + self.positions.val(), self.dropout);
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x));
        let [_, length, _] = x.dims();
        let first = usize::from(self.class_token.is_some());
        let patches = |x: Tensor<3>| x.slice([0..batch, first..length, 0..d]).mean_dim(1);
        let vector = match self.pooling {
            VitPooling::ClassToken => {
                normalise(&self.norm, x.slice([0..batch, 0..1, 0..d]), self.epsilon)
            }
            VitPooling::Mean => patches(normalise(&self.norm, x, self.epsilon)),
            VitPooling::MeanThenNorm => normalise(&self.norm, patches(x), self.epsilon),
        };
        vector.reshape([batch, d])
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

impl Model for ViT {
    type Input = Tensor<4>;
    type Output = Tensor<2>;

    /// # Shapes
    /// - images: `[batch, channels, height, width]`, normalised
    /// - output: `[batch, n_classes]`, logits; without a head `[batch, d_model]`
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        backbone::answer(self, images)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::samples;
    use andiron_core::testing;

    fn tiny() -> ViTConfig {
        let config =
            ViTConfig::new(Ends::new(1, 3), 6, 9).with_patch(3).with_d_model(12).with_n_heads(3);
        config.with_n_layers(2).with_d_hidden(14)
    }

    fn keeps_the_contract(config: ViTConfig) {
        testing::Contract::new(samples::task(9, 6, 1), config, samples::examples(1))
            .without(testing::Law::Padding, "images are resized to one size")
            .overfits_in(150, 1e-2)
            .check();
    }

    #[test]
    fn keeps_the_contract_with_a_class_token() {
        keeps_the_contract(tiny());
    }

    #[test]
    fn keeps_the_contract_with_the_mean() {
        keeps_the_contract(tiny().with_class_token(false).with_pooling(VitPooling::Mean));
    }

    #[test]
    fn settings_are_checked() {
        let refusal = |config: ViTConfig| {
            let refused = config.init(&Device::flex()).map(|_| ());
            refused.unwrap_err().to_string()
        };
        for (config, wanted) in [
            (
                ViTConfig::new(Ends::new(0, 3), 6, 9).with_patch(3),
                "channels must be at least 1, but is 0",
            ),
            (
                ViTConfig::new(Ends::new(1, 1), 6, 9).with_patch(3),
                "n_classes must be at least 2, but is 1",
            ),
            (
                ViTConfig::new(Ends::new(1, 3), 0, 9).with_patch(3),
                "height must be at least 1, but is 0",
            ),
            (
                ViTConfig::new(Ends::new(1, 3), 6, 0).with_patch(3),
                "width must be at least 1, but is 0",
            ),
            (tiny().with_patch(0), "patch must be at least 1, but is 0"),
            (tiny().with_n_layers(0), "n_layers must be at least 1, but is 0"),
            (tiny().with_d_model(0), "d_model must be at least 1, but is 0"),
            (tiny().with_n_heads(0), "n_heads must be at least 1, but is 0"),
            (tiny().with_d_hidden(0), "d_hidden must be at least 1, but is 0"),
            (tiny().with_dropout(2.0), "dropout must lie in 0..=1, but is 2"),
            (tiny().with_epsilon(2.0), "epsilon must lie in 0..=1, but is 2"),
            (
                tiny().with_class_token(false),
                "setting \"pooling\" cannot be ClassToken: the network has no class token",
            ),
        ] {
            assert_eq!(refusal(config), wanted);
        }
        assert!(refusal(tiny().with_patch(2)).contains("width"));
        assert!(refusal(tiny().with_n_heads(5)).contains("n_heads"));
    }
}
