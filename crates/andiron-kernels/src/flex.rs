//! The way into burn's CPU backend, where the fused bodies run.

use burn::{
    backend::DispatchDevice,
    tensor::{DType, Tensor},
};

/// Whether a tensor lives on Flex and records no gradient: what every fused body asks first.
/// It looks at the device alone, because unwrapping would consume the tensor, and a spare clone of
/// it would forbid writing in place.
pub(crate) fn is_plain<const D: usize>(x: &Tensor<D>) -> bool {
    matches!(x.device().as_dispatch(), DispatchDevice::Flex(_))
}

/// [`is_plain`], and in single precision.
pub(crate) fn is_plain_f32<const D: usize>(x: &Tensor<D>) -> bool {
    is_plain(x) && x.dtype() == DType::F32
}

/// Whether a tensor lives on Flex under autodiff, in single precision: what a body with a gradient
/// of its own asks.
pub(crate) fn is_recorded_f32<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device();
    device.is_autodiff()
        && x.dtype() == DType::F32
        && matches!(device.inner().as_dispatch(), DispatchDevice::Flex(_))
}
