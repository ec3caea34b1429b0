//! U-Net: a class for each pixel, from features that are made small, made large again, and joined
//! with those of their size on the way.
//!
//! Paper: Ronneberger, Fischer & Brox 2015, <https://arxiv.org/abs/1505.04597>, figure 1.
//! Differs from it: convolutions are padded, so that an image of any size gets a mask of its size, and
//! normalised (Ioffe & Szegedy 2015, <https://arxiv.org/abs/1502.03167>); the width is a setting. Squares of
//! pixels may be channels of one place inside, and places squares of pixels again at the end (Shi et al.
//! 2016, <https://arxiv.org/abs/1609.05158>): a network has a quarter of
//! the places, or fewer, for an image that is large for its objects.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_vision::models::unet::UNetConfig;
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let model = UNetConfig::new(3, 5).with_width(4).init(&device)?;
//! assert_eq!(model.forward(Tensor::zeros([2, 3, 29, 18], &device)).dims(), [2, 5, 29, 18]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::{Activation, conv_transpose2d, conv2d, conv2d_norm_act};
use burn::{
    config::Config,
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig},
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Tensor, assert_shape},
};

/// Settings of a [`UNet`].
#[derive(Config, Debug)]
pub struct UNetConfig {
    /// Channels of an image; 1 or more.
    pub channels: usize,
    /// Classes of a pixel; 2 or more.
    pub n_classes: usize,
    /// Channels at full size, 1 or more; each halving of the image doubles them. The paper has 64.
    #[config(default = 16)]
    pub width: usize,
    /// How often the image is halved, 1 or more; the paper has 4. Its sides must be 2 to this power
    /// or more.
    #[config(default = 3)]
    pub depth: usize,
    /// The side in pixels of the squares that are one place inside the network, 1 to 8; none is 1, as in
    /// the paper. The least side of an image grows as much.
    pub patch: Option<usize>,
}

impl UNetConfig {
    fn side(&self) -> usize {
        self.patch.unwrap_or(1)
    }

    /// The least height and width of an image, in pixels, for settings that [`init`](ModelConfig::init)
    /// takes.
    pub fn least_side(&self) -> usize {
        self.side() << self.depth
    }
}

/// Two convolutions of 3 × 3.
#[derive(Module, Debug)]
struct Double {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
}

/// Twice the size and half the channels, joined with the features of that size.
#[derive(Module, Debug)]
struct Rise {
    up: ConvTranspose2d,
    convs: Double,
}

/// The way down, the way up, and a map from features to classes; built by [`UNetConfig`].
#[derive(Module, Debug)]
pub struct UNet {
    down: Vec<Double>,
    pool: MaxPool2d,
    up: Vec<Rise>,
    head: Conv2d,
    #[module(skip)]
    side: usize,
}

impl Double {
    fn new(before: usize, width: usize, device: &Device) -> Self {
        let conv = |before: usize| {
            Conv2dConfig::new([before, width], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                // He et al. 2015, <https://arxiv.org/abs/1502.01852>, as the paper's section 3 asks.
                .with_initializer(Initializer::KaimingNormal {
                    gain: std::f64::consts::SQRT_2,
                    fan_out_only: false,
                })
                .init(device)
        };
        let norm = || BatchNormConfig::new(width).init(device);
        Self { conv1: conv(before), bn1: norm(), conv2: conv(width), bn2: norm() }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = conv2d_norm_act(x, &self.conv1, &self.bn1, Activation::Relu);
        conv2d_norm_act(x, &self.conv2, &self.bn2, Activation::Relu)
    }
}

impl ModelConfig for UNetConfig {
    const ARCHITECTURE: &'static str = "unet";
    type Model = UNet;

    fn init(&self, device: &Device) -> Result<UNet, ConfigError> {
        ConfigError::at_least("channels", 1, self.channels)?;
        ConfigError::at_least("n_classes", 2, self.n_classes)?;
        ConfigError::at_least("width", 1, self.width)?;
        ConfigError::within("depth", 1.0, 8.0, self.depth as f64)?;
        ConfigError::within("patch", 1.0, 8.0, self.side() as f64)?;
        let pixels = self.side() * self.side();
        let width = |level: usize| self.width << level;
        let step = |level: usize| {
            let before = if level == 0 { self.channels * pixels } else { width(level - 1) };
            Double::new(before, width(level), device)
        };
        let rise = |level: usize| Rise {
            up: ConvTranspose2dConfig::new([width(level + 1), width(level)], [2, 2])
                .with_stride([2, 2])
                .init(device),
            convs: Double::new(2 * width(level), width(level), device),
        };
        Ok(UNet {
            down: (0..=self.depth).map(step).collect(),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            up: (0..self.depth).rev().map(rise).collect(),
            head: Conv2dConfig::new([self.width, self.n_classes * pixels], [1, 1]).init(device),
            side: self.side(),
        })
    }
}

/// Zeros at the right and below, where an odd side lost its last row when it was halved.
fn grown(x: Tensor<4>, height: usize, width: usize) -> Tensor<4> {
    let [_, _, rows, columns] = x.dims();
    if (rows, columns) == (height, width) {
        return x;
    }
    x.pad((0, width - columns, 0, height - rows), 0.0)
}

/// Squares of pixels, `side` high and wide, as channels, those of a colour together. Zeros stand at the
/// right and below where the last squares are not whole.
fn as_channels(x: Tensor<4>, side: usize) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let (rows, columns) = (height.div_ceil(side), width.div_ceil(side));
    grown(x, rows * side, columns * side)
        .reshape([batch, channels, rows, side, columns, side])
        .permute([0, 1, 3, 5, 2, 4])
        .reshape([batch, channels * side * side, rows, columns])
}

/// What [`as_channels`] did, undone.
fn as_squares(x: Tensor<4>, side: usize, [height, width]: [usize; 2]) -> Tensor<4> {
    let [batch, channels, rows, columns] = x.dims();
    let channels = channels / (side * side);
    let x = x
        .reshape([batch, channels, side, side, rows, columns])
        .permute([0, 1, 4, 2, 5, 3])
        .reshape([batch, channels, rows * side, columns * side]);
    x.slice([0..batch, 0..channels, 0..height, 0..width])
}

impl Model for UNet {
    type Input = Tensor<4>;
    type Output = Tensor<4>;

    /// # Shapes
    /// - images: `[batch, channels, height, width]`, normalised
    /// - output: `[batch, n_classes, height, width]`, logits
    fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let side = self.side;
        let channels = self.down[0].conv1.weight.dims()[1] / (side * side);
        assert_shape!(images, [_, channels, _, _]);
        let [_, _, height, width] = images.dims();
        let least = side << self.up.len();
        assert!(
            height >= least && width >= least,
            "both sides of an image must be at least {least}, but are {height} and {width}"
        );
        let mut passed = Vec::with_capacity(self.up.len());
        let mut x = if side == 1 { images } else { as_channels(images, side) };
        for (level, double) in self.down.iter().enumerate() {
            if level > 0 {
                passed.push(x.clone());
                x = self.pool.forward(x);
            }
            x = double.forward(x);
        }
        for (rise, skip) in self.up.iter().zip(passed.into_iter().rev()) {
            let [_, _, height, width] = skip.dims();
            let risen = grown(conv_transpose2d(x, &rise.up), height, width);
            x = rise.convs.forward(Tensor::cat(vec![skip, risen], 1));
        }
        let logits = conv2d(x, &self.head);
        if side == 1 { logits } else { as_squares(logits, side, [height, width]) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::samples;
    use andiron_core::testing;

    #[test]
    fn keeps_the_contract() {
        let config = UNetConfig::new(1, 3).with_width(4).with_depth(2);
        testing::Contract::new(samples::segmentation(21, 14, 1), config, samples::masked(1))
            .without(testing::Law::Padding, "images are put into one frame")
            .overfits_in(150, 1e-2)
            .check();
    }

    #[test]
    fn keeps_the_contract_on_squares_of_pixels() {
        let config = UNetConfig::new(1, 3).with_width(6).with_depth(2).with_patch(Some(2));
        testing::Contract::new(samples::segmentation(21, 14, 1), config, samples::masked(1))
            .without(testing::Law::Padding, "images are put into one frame")
            .overfits_in(150, 1e-2)
            .check();
    }

    #[test]
    fn squares_are_channels_inside_and_pixels_outside() {
        let device = Device::flex();
        let (side, [height, width]) = (3, [7, 11]);
        let of = |[batch, channels, height, width]: [usize; 4]| {
            let n = (batch * channels * height * width) as i64;
            Tensor::arange(0..n, &device).float().reshape([batch, channels, height, width])
        };
        let (x, values) = (of([2, 2, height, width]), |x: Tensor<4>| -> Vec<f32> {
            x.into_data().try_to_vec().unwrap()
        });
        let inside = as_channels(x.clone(), side);
        assert_eq!(inside.dims(), [2, 18, 3, 4]);
        for (at, value) in values(inside.clone()).into_iter().enumerate() {
            let (column, row, channel) = (at % 4, at / 4 % 3, at / 12 % 18);
            let (y, x) = (row * side + channel % 9 / 3, column * side + channel % 3);
            let plane = at / 216 * 2 + channel / 9;
            let pixel = (plane * height + y) * width + x;
            let wanted = if y < height && x < width { pixel as f32 } else { 0.0 };
            assert_eq!(value, wanted);
        }
        assert_eq!(values(as_squares(inside, side, [height, width])), values(x.clone()));

        // The network of squares is the network of their channels.
        let config = UNetConfig::new(2, 3).with_width(2).with_depth(1).with_patch(Some(side));
        let model = config.init(&device).unwrap();
        assert_eq!(config.least_side(), 6);
        let bare = UNet { side: 1, ..model.clone() };
        let wanted = as_squares(bare.forward(as_channels(x.clone(), side)), side, [height, width]);
        let logits = model.forward(x);
        assert_eq!(logits.dims(), [2, 3, height, width]);
        assert_eq!(values(logits), values(wanted));
        let written = r#"{"channels": 1, "n_classes": 2, "width": 4, "depth": 1}"#;
        assert_eq!(serde_json::from_str::<UNetConfig>(written).unwrap().least_side(), 2);
    }

    #[test]
    fn settings_are_checked() {
        let refusal =
            |config: UNetConfig| config.init(&Device::flex()).map(|_| ()).unwrap_err().to_string();
        assert_eq!(refusal(UNetConfig::new(0, 3)), "channels must be at least 1, but is 0");
        assert_eq!(refusal(UNetConfig::new(1, 1)), "n_classes must be at least 2, but is 1");
        let usual = || UNetConfig::new(1, 2);
        assert_eq!(refusal(usual().with_width(0)), "width must be at least 1, but is 0");
        assert_eq!(refusal(usual().with_depth(0)), "depth must lie in 1..=8, but is 0");
        assert_eq!(refusal(usual().with_depth(9)), "depth must lie in 1..=8, but is 9");
        let patch = |side| usual().with_patch(Some(side));
        assert_eq!(refusal(patch(0)), "patch must lie in 1..=8, but is 0");
        assert_eq!(refusal(patch(9)), "patch must lie in 1..=8, but is 9");
    }

    #[test]
    fn a_mask_has_the_size_of_its_image_whatever_it_is() {
        let device = Device::flex();
        let model = UNetConfig::new(1, 3).with_width(2).with_depth(3).init(&device).unwrap();
        for [height, width] in [[8, 8], [9, 15], [31, 8], [17, 22]] {
            let logits = model.forward(Tensor::zeros([2, 1, height, width], &device));
            assert_eq!(logits.dims(), [2, 3, height, width]);
        }
    }
}
