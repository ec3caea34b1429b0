//! The linear map with everything that follows it at once.

use crate::activation::Activation;
use burn::tensor::{Tensor, assert_shape, module};

/// `activation(x · weight + bias)` over the last axis.
///
/// ```
/// use andiron_kernels::{Activation, linear};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_data([[1.0, 2.0]], &device);
/// let weight = Tensor::<2>::from_data([[1.0, -1.0, 0.0], [0.5, -1.0, 2.0]], &device);
/// let bias = Tensor::<1>::from_data([0.0, 1.0, 1.0], &device);
/// let y: Vec<f32> = linear(x, weight, Some(bias), Activation::Relu).to_data().try_to_vec().unwrap();
/// assert_eq!(y, [2.0, 0.0, 5.0]);
/// ```
///
/// # Shapes
/// - x: `[.., d_in]`
/// - weight: `[d_in, d_out]`, as `burn::nn::Linear` holds it (PyTorch's is the transpose)
/// - bias: `[d_out]`
/// - output: `[.., d_out]`
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<D> {
    let [d_in, d_out] = weight.dims();
    assert_shape!(x, [.., d_in]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [d_out]);
    }
    activation.apply(module::linear(x, weight, bias))
}
