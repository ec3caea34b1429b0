//! burn's layers as holders of parameters, applied by the kernels' fused operations.

use crate::{Activation, add_layer_norm, layer_norm, linear};
use burn::{
    module::Param,
    nn::{LayerNorm, Linear},
    tensor::Tensor,
};

/// `activation(x W + b)`: [`linear`](fn@linear) with the parameters of `map`.
///
/// # Shapes
/// - x: `[.., d_in]`
/// - output: `[.., d_out]`
pub fn project<const D: usize>(map: &Linear, x: Tensor<D>, activation: Activation) -> Tensor<D> {
    linear(x, map.weight.val(), map.bias.as_ref().map(Param::val), activation)
}

/// Layer normalisation of `x`: [`layer_norm`] with the parameters of `norm`.
///
/// # Shapes
/// - x and output: `[.., width]`
pub fn normalise<const D: usize>(norm: &LayerNorm, x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    layer_norm(x, norm.gamma.val(), norm.beta.as_ref().map(Param::val), epsilon)
}

/// Layer normalisation of `x + residual`: the first of what [`add_layer_norm`] gives.
///
/// # Shapes
/// - x, residual and output: `[.., width]`
pub fn add_normalise<const D: usize>(
    norm: &LayerNorm,
    x: Tensor<D>,
    residual: Tensor<D>,
    epsilon: f64,
) -> Tensor<D> {
    let beta = norm.beta.as_ref().map(Param::val);
    add_layer_norm(x, residual, norm.gamma.val(), beta, epsilon).0
}
