//! Normalisation over the last axis, alone and after a residual addition.

use burn::tensor::{DType, Tensor, assert_shape, module};

/// Layer normalisation over the last axis: `(x - mean) / √(variance + epsilon) · gamma + beta`,
/// with the biased variance.
///
/// Paper: Ba, Kiros & Hinton 2016, <https://arxiv.org/abs/1607.06450>, equation 3.
///
/// # Shapes
/// - x and output: `[.., width]`
/// - gamma, beta: `[width]`
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    epsilon: f64,
) -> Tensor<D> {
    let [width] = gamma.dims();
    assert_shape!(x, [.., width]);
    module::layer_norm(x, gamma, beta, epsilon)
}

/// The sum `x + residual` and its layer normalisation, as the pair (normalised, sum): a network
/// with the norm before its layers goes on with both, one with the norm behind them with the first.
///
/// # Shapes
/// - x, residual and both outputs: `[.., width]`
/// - gamma, beta: `[width]`
pub fn add_layer_norm<const D: usize>(
    x: Tensor<D>,
    residual: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    epsilon: f64,
) -> (Tensor<D>, Tensor<D>) {
    let sum = x + residual;
    (layer_norm(sum.clone(), gamma, beta, epsilon), sum)
}

/// Root-mean-square normalisation over the last axis: `x / √(mean(x²) + epsilon) · gamma`.
///
/// Paper: Zhang & Sennrich 2019, <https://arxiv.org/abs/1910.07467>, equation 4.
/// Differs from it: has `epsilon`, as every published network does. For half-precision `x` the
/// mean is taken in f32, as the square of 256 is not a finite f16.
///
/// # Shapes
/// - x and output: `[.., width]`
/// - gamma: `[width]`
pub fn rms_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, epsilon: f64) -> Tensor<D> {
    let [width] = gamma.dims();
    assert_shape!(x, [.., width]);
    let dtype = x.dtype();
    let wide = match dtype {
        DType::F16 | DType::BF16 => x.clone().cast(DType::F32),
        _ => x.clone(),
    };
    let rms = (wide.square().mean_dim(D - 1) + epsilon).sqrt();
    let rms = if rms.dtype() == dtype { rms } else { rms.cast(dtype) };
    x / rms * gamma.unsqueeze()
}

/// The sum `x + residual` and its root-mean-square normalisation, as the pair (normalised, sum).
///
/// # Shapes
/// - x, residual and both outputs: `[.., width]`
/// - gamma: `[width]`
pub fn add_rms_norm<const D: usize>(
    x: Tensor<D>,
    residual: Tensor<D>,
    gamma: Tensor<1>,
    epsilon: f64,
) -> (Tensor<D>, Tensor<D>) {
    let sum = x + residual;
    (rms_norm(sum.clone(), gamma, epsilon), sum)
}
