//! burn's layers as holders of parameters, applied by the kernels' fused operations.

use andiron_kernels::{Activation, linear};
use burn::{module::Param, nn::Linear, tensor::Tensor};

/// `activation(x W + b)`.
pub(crate) fn project<const D: usize>(
    map: &Linear,
    x: Tensor<D>,
    activation: Activation,
) -> Tensor<D> {
    linear(x, map.weight.val(), map.bias.as_ref().map(Param::val), activation)
}
