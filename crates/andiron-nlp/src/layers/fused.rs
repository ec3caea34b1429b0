//! burn's layers as holders of parameters, applied by the kernels' fused operations.

use andiron_kernels::{Activation, add_layer_norm, layer_norm, linear};
use burn::{
    module::Param,
    nn::{LayerNorm, Linear},
    tensor::Tensor,
};

/// `activation(x W + b)`.
pub(crate) fn project<const D: usize>(
    map: &Linear,
    x: Tensor<D>,
    activation: Activation,
) -> Tensor<D> {
    linear(x, map.weight.val(), map.bias.as_ref().map(Param::val), activation)
}

/// Layer normalisation of `x`.
pub(crate) fn normalise(norm: &LayerNorm, x: Tensor<3>, epsilon: f64) -> Tensor<3> {
    layer_norm(x, norm.gamma.val(), norm.beta.as_ref().map(Param::val), epsilon)
}

/// Layer normalisation of `x + residual`.
pub(crate) fn add_normalise(
    norm: &LayerNorm,
    x: Tensor<3>,
    residual: Tensor<3>,
    epsilon: f64,
) -> Tensor<3> {
    let beta = norm.beta.as_ref().map(Param::val);
    add_layer_norm(x, residual, norm.gamma.val(), beta, epsilon).0
}
