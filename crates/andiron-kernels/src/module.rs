//! burn's layers as holders of parameters, applied by the kernels' fused operations. To what comes in
//! double precision they are applied in double precision, whatever the parameters have.

use crate::{Activation, add_layer_norm, layer_norm, linear};
use burn::{
    module::Param,
    nn::{LayerNorm, Linear},
    tensor::{DType, Tensor},
};

/// The parameter, in double precision if `x` is.
fn like<const N: usize, const D: usize>(parameter: &Param<Tensor<N>>, x: &Tensor<D>) -> Tensor<N> {
    let parameter = parameter.val();
    if x.dtype() == DType::F64 { parameter.cast(DType::F64) } else { parameter }
}

/// `activation(x W + b)`: [`linear`](fn@linear) with the parameters of `map`.
///
/// # Shapes
/// - x: `[.., d_in]`
/// - output: `[.., d_out]`
pub fn project<const D: usize>(map: &Linear, x: Tensor<D>, activation: Activation) -> Tensor<D> {
    let (weight, bias) = (like(&map.weight, &x), map.bias.as_ref().map(|bias| like(bias, &x)));
    linear(x, weight, bias, activation)
}

/// Layer normalisation of `x`: [`layer_norm`] with the parameters of `norm`.
///
/// # Shapes
/// - x and output: `[.., width]`
pub fn normalise<const D: usize>(norm: &LayerNorm, x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    let (gamma, beta) = (like(&norm.gamma, &x), norm.beta.as_ref().map(|beta| like(beta, &x)));
    layer_norm(x, gamma, beta, epsilon)
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
    let (gamma, beta) = (like(&norm.gamma, &x), norm.beta.as_ref().map(|beta| like(beta, &x)));
    add_layer_norm(x, residual, gamma, beta, epsilon).0
}
