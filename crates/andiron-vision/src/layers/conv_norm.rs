//! A convolution without bias and the normalisation behind it: most of what networks for images
//! are made of.

use andiron_kernels::{Activation, conv2d_norm_act};
use burn::{
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};

/// What a convolution is told by; the square kernel and the stride are those of both axes.
#[derive(Debug, Clone)]
pub(crate) struct Convolution {
    /// Channels in and out.
    pub(crate) channels: [usize; 2],
    /// Side of the kernel.
    pub(crate) kernel: usize,
    /// Step between two places.
    pub(crate) stride: usize,
    /// Groups of channels that do not see each other.
    pub(crate) groups: usize,
    /// What is put around the image.
    pub(crate) padding: PaddingConfig2d,
}

impl Convolution {
    /// One whose padding is half the kernel on every side, as PyTorch's networks have it.
    pub(crate) fn new(channels: [usize; 2], kernel: usize, stride: usize) -> Self {
        let pad = kernel / 2;
        let padding = PaddingConfig2d::Explicit(pad, pad, pad, pad);
        Self { channels, kernel, stride, groups: 1, padding }
    }

    /// Weights after He et al. 2015, <https://arxiv.org/abs/1502.01852>, equation 14, by the number
    /// of outputs, as torchvision draws them.
    pub(crate) fn init(self, device: &Device) -> Conv2d {
        Conv2dConfig::new(self.channels, [self.kernel, self.kernel])
            .with_stride([self.stride, self.stride])
            .with_groups(self.groups)
            .with_padding(self.padding)
            .with_bias(false)
            .with_initializer(Initializer::KaimingNormal {
                gain: std::f64::consts::SQRT_2,
                fan_out_only: true,
            })
            .init(device)
    }

    /// The same with a normalisation that adds `epsilon` to the variance.
    pub(crate) fn with_norm(self, epsilon: f64, device: &Device) -> ConvNorm {
        let norm = BatchNormConfig::new(self.channels[1]).with_epsilon(epsilon).init(device);
        ConvNorm { conv: self.init(device), norm }
    }
}

/// A convolution and the normalisation of its output.
#[derive(Module, Debug)]
pub(crate) struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    /// `activation(norm(conv(x)))`.
    ///
    /// # Shapes
    /// - x: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, height_out, width_out]`
    pub(crate) fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        conv2d_norm_act(x, &self.conv, &self.norm, activation)
    }

    /// Channels that it takes.
    pub(crate) fn channels(&self) -> usize {
        self.conv.weight.dims()[1] * self.conv.groups
    }
}

/// The mean over all places of each channel, whatever the size of the image.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels]`
pub(crate) fn pooled(x: Tensor<4>) -> Tensor<2> {
    x.flatten::<3>(2, 3).mean_dim(2).flatten::<2>(1, 2)
}
