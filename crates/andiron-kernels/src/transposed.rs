//! Transposed convolution that only enlarges: its kernel is as large as its stride.

use crate::dense::dense_conv2d;
use burn::{
    nn::conv::ConvTranspose2d,
    tensor::{Tensor, assert_shape, ops::ConvOptions},
};

/// The module's transposed convolution. Where its kernel is as large as its stride, no two places of
/// the input give to one place of the output: then it is a [`dense_conv2d`] of 1 × 1 into one channel
/// for each tap, whose values are put where the taps are. Any other is burn's, whose gradient of the
/// weight is a convolution by a kernel as large as the image.
///
/// Dumoulin & Visin 2016, <https://arxiv.org/abs/1603.07285>, chapter 4; Shi et al. 2016,
/// <https://arxiv.org/abs/1609.05158>, for the order of channels and places.
///
/// ```
/// use andiron_kernels::conv_transpose2d;
/// use burn::nn::conv::ConvTranspose2dConfig;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex();
/// let up = ConvTranspose2dConfig::new([6, 3], [2, 2]).with_stride([2, 2]).init(&device);
/// assert_eq!(conv_transpose2d(Tensor::ones([2, 6, 5, 7], &device), &up).dims(), [2, 3, 10, 14]);
/// ```
///
/// # Shapes
/// - x: `[batch, channels_in, height, width]`
/// - output: `[batch, channels_out, height · stride, width · stride]` where the kernel is as large as
///   the stride, else as burn's
pub fn conv_transpose2d(x: Tensor<4>, conv: &ConvTranspose2d) -> Tensor<4> {
    let weight = conv.weight.val();
    let [channels_in, channels_out, high, wide] = weight.dims();
    let enlarges = conv.stride == [high, wide]
        && conv.groups == 1
        && conv.dilation == [1, 1]
        && [conv.padding, conv.padding_out] == [[0, 0]; 2];
    if !enlarges {
        return conv.forward(x);
    }
    assert_shape!(x, [_, channels_in, _, _]);
    let [batch, _, rows, columns] = x.dims();
    let taps = channels_out * high * wide;
    let weight = weight.reshape([channels_in, taps]).transpose().reshape([taps, channels_in, 1, 1]);
    let y = dense_conv2d(x, weight, ConvOptions::new([1, 1], [0, 0], [1, 1], 1))
        .reshape([batch, channels_out, high, wide, rows, columns])
        .permute([0, 1, 4, 2, 5, 3])
        .reshape([batch, channels_out, rows * high, columns * wide]);
    match &conv.bias {
        Some(bias) => y + bias.val().reshape([1, channels_out, 1, 1]),
        None => y,
    }
}
