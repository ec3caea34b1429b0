//! Two convolutions and two linear maps: the fast classifier of small images.
//!
//! Paper: LeCun, Bottou, Bengio & Haffner 1998, section II, <https://doi.org/10.1109/5.726791>.
//! Differs from it: kernels of 3 with padding in place of 5 without, the largest value in place
//! of a trained mean for pooling, ReLU in place of the hyperbolic tangent, batch normalisation
//! (<https://arxiv.org/abs/1502.03167>), dropout before the last map, and logits in place of
//! radial units.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_vision::models::small_cnn::SmallCnnConfig;
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let model = SmallCnnConfig::new(1, 9, 13, 5).init(&device)?;
//! assert_eq!(model.forward(Tensor::zeros([2, 1, 9, 13], &device)).dims(), [2, 5]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::explain::FeatureMaps;
use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::{Activation, conv2d_norm_act, dropout, linear};
use burn::{
    config::Config,
    module::{Module, Param},
    nn::{
        BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Tensor, assert_shape},
};

/// Settings of a [`SmallCnn`].
#[derive(Config, Debug)]
pub struct SmallCnnConfig {
    /// Channels of an image; 1 or more.
    pub channels: usize,
    /// Height of an image in pixels; 4 or more.
    pub height: usize,
    /// Width of an image in pixels; 4 or more.
    pub width: usize,
    /// Labels to choose from; 2 or more.
    pub n_classes: usize,
    /// Channels of the two convolutions; 1 or more each.
    #[config(default = "[16, 32]")]
    pub widths: [usize; 2],
    /// Width of the hidden linear map; 1 or more.
    #[config(default = 64)]
    pub d_hidden: usize,
    /// Share of the hidden values that is dropped in training, 0 to 1.
    #[config(default = 0.25)]
    pub dropout: f64,
}

/// Twice convolution, normalisation, ReLU and halving; then a hidden and a last linear map; built
/// by [`SmallCnnConfig`].
#[derive(Module, Debug)]
pub struct SmallCnn {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    pool: MaxPool2d,
    fc1: Linear,
    fc2: Linear,
    #[module(skip)]
    size: [usize; 3],
    #[module(skip)]
    dropout: f64,
}

impl ModelConfig for SmallCnnConfig {
    const ARCHITECTURE: &'static str = "small-cnn";
    type Model = SmallCnn;

    fn init(&self, device: &Device) -> Result<SmallCnn, ConfigError> {
        let [first, second] = self.widths;
        ConfigError::at_least("channels", 1, self.channels)?;
        ConfigError::at_least("height", 4, self.height)?;
        ConfigError::at_least("width", 4, self.width)?;
        ConfigError::at_least("n_classes", 2, self.n_classes)?;
        ConfigError::at_least("widths", 1, first.min(second))?;
        ConfigError::at_least("d_hidden", 1, self.d_hidden)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        let conv = |channels| {
            Conv2dConfig::new(channels, [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device)
        };
        // Halved twice, the remainder cut off.
        let features = second * (self.height / 4) * (self.width / 4);
        Ok(SmallCnn {
            conv1: conv([self.channels, first]),
            bn1: BatchNormConfig::new(first).init(device),
            conv2: conv([first, second]),
            bn2: BatchNormConfig::new(second).init(device),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            fc1: LinearConfig::new(features, self.d_hidden).init(device),
            fc2: LinearConfig::new(self.d_hidden, self.n_classes).init(device),
            size: [self.channels, self.height, self.width],
            dropout: self.dropout,
        })
    }
}

impl Model for SmallCnn {
    type Input = Tensor<4>;
    type Output = Tensor<2>;

    /// # Shapes
    /// - images: `[batch, channels, height, width]`, normalised
    /// - output: `[batch, n_classes]`, logits
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.logits(self.maps(images))
    }
}

impl FeatureMaps for SmallCnn {
    fn maps(&self, images: Tensor<4>) -> Tensor<4> {
        let [channels, height, width] = self.size;
        assert_shape!(images, [_, channels, height, width]);
        let x = conv2d_norm_act(images, &self.conv1, &self.bn1, Activation::Relu);
        let x = self.pool.forward(x);
        conv2d_norm_act(x, &self.conv2, &self.bn2, Activation::Relu)
    }

    fn logits(&self, maps: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(maps).flatten::<2>(1, 3);
        let hidden = through(&self.fc1, x, Activation::Relu);
        through(&self.fc2, dropout(hidden, self.dropout), Activation::None)
    }
}

fn through(map: &Linear, x: Tensor<2>, activation: Activation) -> Tensor<2> {
    linear(x, map.weight.val(), map.bias.as_ref().map(Param::val), activation)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::samples;
    use andiron_core::testing;

    fn tiny() -> SmallCnnConfig {
        SmallCnnConfig::new(1, 7, 9, 3).with_widths([4, 6]).with_d_hidden(8).with_dropout(0.1)
    }

    #[test]
    fn keeps_the_contract() {
        testing::Contract::new(samples::task(9, 7, 1), tiny(), samples::examples(1))
            .without(testing::Law::Padding, "images are resized to one size")
            .overfits_in(120, 1e-2)
            .check();
    }

    #[test]
    fn settings_are_checked() {
        let refusal = |config: SmallCnnConfig| {
            let refused = config.init(&Device::flex()).map(|_| ());
            refused.unwrap_err().to_string()
        };
        assert_eq!(
            refusal(SmallCnnConfig::new(0, 7, 9, 3)),
            "channels must be at least 1, but is 0"
        );
        assert_eq!(refusal(SmallCnnConfig::new(1, 3, 9, 3)), "height must be at least 4, but is 3");
        assert_eq!(refusal(SmallCnnConfig::new(1, 7, 3, 3)), "width must be at least 4, but is 3");
        assert_eq!(
            refusal(SmallCnnConfig::new(1, 7, 9, 1)),
            "n_classes must be at least 2, but is 1"
        );
        assert_eq!(refusal(tiny().with_widths([4, 0])), "widths must be at least 1, but is 0");
        assert_eq!(refusal(tiny().with_d_hidden(0)), "d_hidden must be at least 1, but is 0");
        let refused = refusal(tiny().with_dropout(f64::NAN));
        assert_eq!(refused, "dropout must lie in 0..=1, but is NaN");
    }
}
