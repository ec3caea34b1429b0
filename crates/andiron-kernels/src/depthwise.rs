//! Depthwise convolution: every channel is convolved with a kernel of its own.
//!
//! burn's gradient of such a weight runs a whole convolution for each channel, one after the other.
//! Here a plane is laid out once so that every tap of the kernel is a shift of one flat vector, also
//! with strides: value, gradient of the input and gradient of the weight are sums and products of
//! long vectors, whatever the width of the image.

mod plane;

use crate::{
    planned::{Plan, planned},
    sweep::run,
};
use burn::{
    backend::flex::{FlexTensor, Layout},
    tensor::{Bytes, DType, Shape, Tensor, module, ops::ConvOptions},
};
pub(crate) use plane::Geometry;
use plane::{Backwards, Forward, OfWeight};
use rayon::prelude::*;

/// Values that make the work of one piece.
const WORTH_A_PIECE: usize = 1 << 13;

/// Convolution in two dimensions of `weight` over `x`, each channel by itself where there are as
/// many groups as channels; any other convolution is burn's.
///
/// Paper: Howard et al. 2017, <https://arxiv.org/abs/1704.04861>, equation 3.
///
/// ```
/// use andiron_kernels::depthwise_conv2d;
/// use burn::tensor::{Device, Tensor, ops::ConvOptions};
///
/// let device = Device::flex();
/// let (x, weight) = (Tensor::ones([2, 3, 5, 7], &device), Tensor::ones([3, 1, 3, 3], &device));
/// let options = ConvOptions::new([2, 2], [1, 1], [1, 1], 3);
/// let y = depthwise_conv2d(x, weight, options);
/// assert_eq!(y.dims(), [2, 3, 3, 4]);
/// // Four of the nine taps lie on the image at a corner.
/// assert_eq!(y.slice([0..1, 0..1, 0..1, 0..1]).into_scalar::<f32>(), 4.0);
/// ```
///
/// # Shapes
/// - x: `[batch, channels, height, width]`
/// - weight: `[channels, 1, kernel_height, kernel_width]`
/// - output: `[batch, channels, height_out, width_out]`
pub fn depthwise_conv2d(x: Tensor<4>, weight: Tensor<4>, options: ConvOptions<2>) -> Tensor<4> {
    let Some(geometry) = Geometry::of(x.dims(), weight.dims(), &options) else {
        return module::conv2d(x, weight, None, options);
    };
    planned(&x, &weight, Plan::Depthwise(geometry))
        .unwrap_or_else(|| module::conv2d(x, weight, None, options))
}

/// Batch and channels of a tensor of four axes.
fn planes(x: &FlexTensor) -> [usize; 2] {
    let shape = x.layout().shape();
    [shape[0], shape[1]]
}

fn values(x: &FlexTensor) -> &[f32] {
    &x.storage::<f32>()[..x.layout().num_elements()]
}

fn tensor(values: Vec<f32>, shape: [usize; 4]) -> FlexTensor {
    let shape = Shape::from(shape.to_vec());
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

/// Calls `work(first plane, its part of out)` in parallel, each with `length` values a plane.
fn each_plane(out: &mut [f32], length: usize, work: impl Fn(usize, &mut [f32]) + Send + Sync) {
    let planes = (WORTH_A_PIECE / length.max(1)).max(1);
    let parts = out.par_chunks_mut(planes * length.max(1)).enumerate();
    parts.for_each(|(at, out)| work(at * planes, out));
}

// Neither generic nor inlined, so that they are compiled with the optimisation of this crate.
#[inline(never)]
pub(crate) fn value(x: &FlexTensor, weight: &FlexTensor, geometry: Geometry) -> FlexTensor {
    let [batch, channels] = planes(x);
    let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
    let (x, weight) = (values(&x), values(&weight));
    let length = geometry.output_length();
    let mut all = vec![0.0; batch * channels * length];
    each_plane(&mut all, length, |first, out| {
        run(Forward { geometry, first, channels, x, weight, out });
    });
    tensor(all, [batch, channels, geometry.output[0], geometry.output[1]])
}

#[inline(never)]
pub(crate) fn of_x(weight: &FlexTensor, gradient: &FlexTensor, geometry: Geometry) -> FlexTensor {
    let [batch, channels] = planes(gradient);
    let (weight, gradient) = (weight.to_contiguous(), gradient.to_contiguous());
    let (weight, gradient) = (values(&weight), values(&gradient));
    let length = geometry.input_length();
    let mut all = vec![0.0; batch * channels * length];
    each_plane(&mut all, length, |first, out| {
        run(Backwards { geometry, first, channels, weight, gradient, out });
    });
    tensor(all, [batch, channels, geometry.input[0], geometry.input[1]])
}

#[inline(never)]
pub(crate) fn of_weight(x: &FlexTensor, gradient: &FlexTensor, geometry: Geometry) -> FlexTensor {
    let [batch, channels] = planes(x);
    let (x, gradient) = (x.to_contiguous(), gradient.to_contiguous());
    let (x, gradient) = (values(&x), values(&gradient));
    let [rows, columns] = geometry.kernel;
    let mut all = vec![0.0; channels * rows * columns];
    // One channel a piece: a kernel is small, but all planes of its channel are read for it.
    all.par_chunks_mut(rows * columns).enumerate().for_each(|(first, out)| {
        run(OfWeight { geometry, first, batch, channels, x, gradient, out });
    });
    tensor(all, [channels, 1, rows, columns])
}
