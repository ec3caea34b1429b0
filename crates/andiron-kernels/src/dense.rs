//! Convolution over all channels at once, in blocks that stay in the cache.
//!
//! burn writes what the kernel sees at every place of the whole image into one large matrix, with one
//! thread, and multiplies then. Here so much is written as fits into a core's cache, is multiplied at
//! once, and the blocks are shared out among the threads: forwards, for the gradient of the image and
//! for that of the weight.

mod blocks;
mod geometry;

use crate::planned::{Plan, planned};
use burn::{
    backend::flex::{FlexTensor, Layout},
    tensor::{Bytes, DType, Shape, Tensor, module, ops::ConvOptions},
};
pub(crate) use geometry::Geometry;

/// Convolution in two dimensions of `weight` over `x`, every output channel over all input channels;
/// a convolution in groups is burn's.
///
/// Chellapilla et al. 2006, <https://hal.science/inria-00112631>, for convolution as a product of
/// matrices.
///
/// ```
/// use andiron_kernels::dense_conv2d;
/// use burn::tensor::{Device, Tensor, ops::ConvOptions};
///
/// let device = Device::flex();
/// let (x, weight) = (Tensor::ones([2, 3, 5, 7], &device), Tensor::ones([4, 3, 3, 3], &device));
/// let y = dense_conv2d(x, weight, ConvOptions::new([2, 2], [1, 1], [1, 1], 1));
/// assert_eq!(y.dims(), [2, 4, 3, 4]);
/// // Four of the nine taps lie on the image at a corner, in three channels.
/// assert_eq!(y.slice([0..1, 0..1, 0..1, 0..1]).into_scalar::<f32>(), 12.0);
/// ```
///
/// # Shapes
/// - x: `[batch, channels_in, height, width]`
/// - weight: `[channels_out, channels_in, kernel_height, kernel_width]`
/// - output: `[batch, channels_out, height_out, width_out]`
pub fn dense_conv2d(x: Tensor<4>, weight: Tensor<4>, options: ConvOptions<2>) -> Tensor<4> {
    let Some(geometry) = Geometry::of(x.dims(), weight.dims(), &options) else {
        return module::conv2d(x, weight, None, options);
    };
    planned(&x, &weight, Plan::Dense(geometry))
        .unwrap_or_else(|| module::conv2d(x, weight, None, options))
}

fn batch(x: &FlexTensor) -> usize {
    x.layout().shape()[0]
}

fn values(x: &FlexTensor) -> &[f32] {
    &x.storage::<f32>()[..x.layout().num_elements()]
}

fn tensor(values: Vec<f32>, shape: [usize; 4]) -> FlexTensor {
    let shape = Shape::from(shape.to_vec());
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

/// The convolution itself.
pub(crate) fn value(x: &FlexTensor, weight: &FlexTensor, geometry: Geometry) -> FlexTensor {
    let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
    let [rows, columns] = geometry.output;
    let y = blocks::forward(&geometry, values(&x), values(&weight));
    tensor(y, [batch(&x), geometry.channels_out, rows, columns])
}

/// The gradient of the image.
pub(crate) fn of_x(weight: &FlexTensor, gradient: &FlexTensor, geometry: Geometry) -> FlexTensor {
    let (weight, gradient) = (weight.to_contiguous(), gradient.to_contiguous());
    let [rows, columns] = geometry.input;
    let x = blocks::backwards(&geometry, values(&weight), values(&gradient));
    tensor(x, [batch(&gradient), geometry.channels_in, rows, columns])
}

/// The gradient of the weight.
pub(crate) fn of_weight(x: &FlexTensor, gradient: &FlexTensor, geometry: Geometry) -> FlexTensor {
    let (x, gradient) = (x.to_contiguous(), gradient.to_contiguous());
    let [rows, columns] = geometry.kernel;
    let weight = blocks::of_weight(&geometry, values(&x), values(&gradient));
    tensor(weight, [geometry.channels_out, geometry.channels_in, rows, columns])
}
