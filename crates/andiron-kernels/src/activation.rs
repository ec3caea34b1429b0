//! The functions that stand between two linear maps, as values: what a configuration names.

use crate::gelu::gelu;
use burn::tensor::{Tensor, activation};

/// A function applied to each value; the last argument of the fused operations.
///
/// ```
/// use andiron_kernels::Activation;
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<1>::from_data([-1.0, 0.5, 7.0], &Device::flex());
/// let y: Vec<f32> = Activation::Relu6.apply(x).to_data().try_to_vec().unwrap();
/// assert_eq!(y, [0.0, 0.5, 6.0]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// The value itself.
    #[default]
    None,
    /// `max(0, x)`.
    Relu,
    /// `min(max(0, x), 6)` (Sandler et al. 2018, <https://arxiv.org/abs/1801.04381>).
    Relu6,
    /// `x Φ(x)`, exact: [`gelu`].
    Gelu,
    /// The tanh form that GPT-2 and others were trained with:
    /// `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))` (<https://arxiv.org/abs/1606.08415>, section 2).
    GeluTanh,
    /// `x σ(x)`: [`silu`], also called swish.
    Silu,
    /// `x min(max(0, x + 3), 6) / 6` (Howard et al. 2019, <https://arxiv.org/abs/1905.02244>).
    HardSwish,
    /// The logistic function `σ(x) = 1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// The function of each value of `x`; any shape, and the same shape out.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::None => x,
            Self::Relu => activation::relu(x),
            Self::Relu6 => activation::relu6(x),
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_tanh(x),
            Self::Silu => silu(x),
            Self::HardSwish => x.clone() * activation::relu6(x + 3.0) / 6.0,
            Self::Sigmoid => activation::sigmoid(x),
            Self::Tanh => x.tanh(),
        }
    }
}

/// `x σ(x)`, the sigmoid-weighted linear unit; any shape, and the same shape out.
///
/// Paper: Elfwing, Uchibe & Doya 2018, <https://arxiv.org/abs/1702.03118>, equation 5.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::silu(x)
}

/// The cube is two products here: burn's form takes a power, which costs a call of `powf` a value.
fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    const SQRT_2_OVER_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
    let cubic = (x.clone() * x.clone() * 0.044715 + 1.0) * x.clone() * SQRT_2_OVER_PI;
    (cubic.tanh() + 1.0) * x * 0.5
}
