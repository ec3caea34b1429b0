//! Convolution, batch normalisation and activation as one operation, in training and out of it.
//!
//! Outside training the normalisation is a scale and a shift for each channel. They go into the
//! weight and the bias of the convolution where that is the lesser work (early layers: small
//! weight, large image) and onto its output elsewhere (late layers). Which of the two depends on
//! the size of one image, never of the batch, so a batch equals its members one by one.

use crate::{
    activation::Activation,
    batch_norm::{batch_norm_act, fold_of},
    dense::dense_conv2d,
    depthwise::depthwise_conv2d,
};
use burn::{
    module::Param,
    nn::{
        BatchNorm, PaddingConfig2d,
        conv::{Conv1d, Conv2d},
    },
    tensor::{Tensor, assert_shape, module, ops::ConvOptions},
};

/// `activation(conv(x) + bias)` on bare tensors: for a normalisation that was folded once, by
/// [`FoldedNorm::into_conv`], or that never was.
///
/// # Shapes
/// - x: `[batch, channels_in, height, width]`
/// - weight: `[channels_out, channels_in / groups, kernel_height, kernel_width]`
/// - bias: `[channels_out]`
/// - output: `[batch, channels_out, height_out, width_out]`
pub fn conv2d_act(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions<2>,
    activation: Activation,
) -> Tensor<4> {
    activation.apply(convolution(x, weight, bias, options))
}

/// `activation(norm(conv(x)))`, the block of most convolutional networks, in both modes.
///
/// With autodiff the normalisation uses the batch's statistics and updates the running ones (unless
/// its `training` flag is off, as in frozen layers), as burn's module does. Without, it uses the
/// running ones, folded: see [`FoldedNorm`].
///
/// Paper: Ioffe & Szegedy 2015, <https://arxiv.org/abs/1502.03167>, algorithm 2 (folding: step 11).
///
/// ```
/// use andiron_kernels::{Activation, conv2d_norm_act};
/// use burn::nn::{BatchNormConfig, conv::Conv2dConfig};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex();
/// let conv = Conv2dConfig::new([3, 4], [3, 3]).with_bias(false).init(&device);
/// let norm = BatchNormConfig::new(4).init(&device);
/// let x = Tensor::<4>::ones([2, 3, 7, 9], &device);
/// assert_eq!(conv2d_norm_act(x, &conv, &norm, Activation::Relu).dims(), [2, 4, 5, 7]);
/// ```
///
/// # Shapes
/// - x: `[batch, channels_in, height, width]`
/// - output: `[batch, channels_out, height_out, width_out]`
pub fn conv2d_norm_act(
    x: Tensor<4>,
    conv: &Conv2d,
    norm: &BatchNorm,
    activation: Activation,
) -> Tensor<4> {
    let weight = conv.weight.val();
    if x.is_autodiff() || weight.is_autodiff() || norm.gamma.val().is_autodiff() {
        let x = conv2d(x, conv);
        return match fold_of(&x, norm, activation) {
            Some(fold) => batch_norm_act(x, norm, fold),
            None => activation.apply(norm.forward(x)),
        };
    }
    let [_, _, height, width] = x.dims();
    let norm = FoldedNorm::of(norm);
    let bias = conv.bias.as_ref().map(Param::val);
    let pixels = height * width / (conv.stride[0] * conv.stride[1]);
    if weight.shape().num_elements() > weight.dims()[0] * pixels {
        let (scale, shift) = norm.with_bias(bias);
        let bare = Conv2d { bias: None, ..conv.clone() };
        return activation.apply(affine(conv2d(x, &bare), scale, shift));
    }
    let (weight, bias) = norm.into_conv(weight, bias);
    let folded = Conv2d {
        weight: Param::initialized(conv.weight.id, weight),
        bias: Some(Param::initialized(conv.weight.id, bias)),
        ..conv.clone()
    };
    activation.apply(conv2d(x, &folded))
}

/// The module's convolution: by [`depthwise_conv2d`] where it goes channel by channel, by
/// [`dense_conv2d`] where it goes over all.
///
/// # Shapes
/// - x: `[batch, channels_in, height, width]`
/// - output: `[batch, channels_out, height_out, width_out]`
pub fn conv2d(x: Tensor<4>, conv: &Conv2d) -> Tensor<4> {
    let [top, left, bottom, right] = match conv.padding {
        PaddingConfig2d::Explicit(top, left, bottom, right) => [top, left, bottom, right],
        PaddingConfig2d::Valid => [0; 4],
        PaddingConfig2d::Same => return conv.forward(x),
    };
    let padding = [(top, bottom), (left, right)];
    let options = ConvOptions::new_with_padding(conv.stride, padding, conv.dilation, conv.groups);
    convolution(x, conv.weight.val(), conv.bias.as_ref().map(Param::val), options)
}

fn convolution(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions<2>,
) -> Tensor<4> {
    let ([_, channels, ..], [channels_out, ..]) = (x.dims(), weight.dims());
    let y = if options.groups == 1 {
        dense_conv2d(x, weight, options)
    } else if options.groups == channels && channels_out == channels {
        depthwise_conv2d(x, weight, options)
    } else {
        return module::conv2d(x, weight, bias, options);
    };
    match bias {
        Some(bias) => y + bias.reshape([1, channels_out, 1, 1]),
        None => y,
    }
}

/// [`conv2d_norm_act`] over one axis: for sequences and sound.
///
/// # Shapes
/// - x: `[batch, channels_in, length]`
/// - output: `[batch, channels_out, length_out]`
pub fn conv1d_norm_act(
    x: Tensor<3>,
    conv: &Conv1d,
    norm: &BatchNorm,
    activation: Activation,
) -> Tensor<3> {
    let weight = conv.weight.val();
    if x.is_autodiff() || weight.is_autodiff() || norm.gamma.val().is_autodiff() {
        return activation.apply(norm.forward(conv.forward(x)));
    }
    let norm = FoldedNorm::of(norm);
    let bias = conv.bias.as_ref().map(Param::val);
    // Always onto the output: sequences differ in length, and a choice that depends on the length
    // would let the padded and the bare sequence differ in their last bits.
    let (scale, shift) = norm.with_bias(bias);
    let bare = Conv1d { bias: None, ..conv.clone() };
    activation.apply(affine(bare.forward(x), scale, shift))
}

/// A batch normalisation outside training, as what it then is: `x · scale + shift` for a channel.
///
/// `scale = gamma / √(running variance + epsilon)`, `shift = beta - running mean · scale`.
#[derive(Clone, Debug)]
pub struct FoldedNorm {
    /// Factor of each channel, `[channels]`.
    pub scale: Tensor<1>,
    /// What is added to each channel then, `[channels]`.
    pub shift: Tensor<1>,
}

impl FoldedNorm {
    /// Folds the running statistics of `norm`, on the device of its parameters.
    pub fn of(norm: &BatchNorm) -> Self {
        let gamma = norm.gamma.val();
        let device = gamma.device();
        let mean = norm.running_mean.value_sync().to_device(&device);
        let variance = norm.running_var.value_sync().to_device(&device);
        let scale = gamma / (variance + norm.epsilon).sqrt();
        let shift = norm.beta.val() - mean * scale.clone();
        Self { scale, shift }
    }

    /// Weight and bias of a convolution that normalises its output too.
    ///
    /// # Shapes
    /// - weight in and out: `[channels_out, ..]`
    /// - bias in and out: `[channels_out]`
    pub fn into_conv<const D: usize>(
        self,
        weight: Tensor<D>,
        bias: Option<Tensor<1>>,
    ) -> (Tensor<D>, Tensor<1>) {
        let (scale, bias) = self.with_bias(bias);
        let mut shape = [1; D];
        shape[0] = scale.dims()[0];
        (weight * scale.reshape(shape), bias)
    }

    /// Scale and shift that stand for adding `bias` first and normalising then.
    fn with_bias(self, bias: Option<Tensor<1>>) -> (Tensor<1>, Tensor<1>) {
        match bias {
            Some(bias) => {
                let shift = bias * self.scale.clone() + self.shift;
                (self.scale, shift)
            }
            None => (self.scale, self.shift),
        }
    }
}

/// `x · scale + shift` for each channel, the second axis.
fn affine<const D: usize>(x: Tensor<D>, scale: Tensor<1>, shift: Tensor<1>) -> Tensor<D> {
    let [channels] = scale.dims();
    assert_shape!(x, [_, channels, ..]);
    let mut shape = [1; D];
    shape[1] = channels;
    x * scale.reshape(shape) + shift.reshape(shape)
}
