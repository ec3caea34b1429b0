//! The Gaussian error linear unit, exact form, done both ways: the model for fused bodies to come.
//!
//! On Flex in single precision the value and its derivative are one vectorised, parallel sweep each;
//! burn's own take the C library's `erf` value by value on one thread. Elsewhere, burn's operation.

use crate::{
    flex,
    sweep::{self, Binary, Unary, madd},
};
use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind, unary},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::{Tensor, activation},
};
use std::f32::consts::FRAC_1_SQRT_2;

/// `x Φ(x) = x/2 (1 + erf(x/√2))`, with Φ the normal distribution function; any shape, and the
/// same shape out.
///
/// Paper: Hendrycks & Gimpel 2016, <https://arxiv.org/abs/1606.08415>, section 2, the exact form.
/// On Flex in single precision the error is at most `4e-7 |x|`. NaN gives NaN, ∞ gives ∞, and -∞
/// gives NaN, as burn's operation and the formula do.
///
/// ```
/// use andiron_kernels::gelu;
/// use burn::tensor::{Device, Tensor};
///
/// let y = gelu(Tensor::<1>::from_data([1.0, 0.0], &Device::flex()));
/// let y: Vec<f32> = y.to_data().try_to_vec().unwrap();
/// assert!((y[0] - 0.841_344_75).abs() < 1e-6 && y[1] == 0.0);
/// ```
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if flex::is_plain_f32(&x) {
        let values = x.try_into_primitive::<Flex>().expect("the device was seen to be Flex");
        Tensor::from_primitive::<Flex>(fused(values))
    } else if flex::is_recorded_f32(&x) {
        Tensor::from_dispatch(Dispatch::fused_gelu(x.into_dispatch()))
    } else {
        activation::gelu(x)
    }
}

/// erf by the rational approximation of degree 13 over 8 that Eigen and XLA use, for |x| < 4;
/// beyond, it rounds to ±1. Largest error 3.4e-7.
///
/// Source: Eigen, `unsupported/Eigen/src/SpecialFunctions`, `generic_fast_erf_float`.
#[inline(always)]
fn erf<const FUSED: bool>(x: f32) -> f32 {
    const ODD: [f32; 7] = [
        -2.726_142_4e-10,
        2.770_681_5e-8,
        -2.101_024e-6,
        -5.692_506_5e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const EVEN: [f32; 5] =
        [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let square = x * x;
    let odd = polynomial::<FUSED, 7>(ODD, square) * x;
    let quotient = odd / polynomial::<FUSED, 5>(EVEN, square);
    // Without the bound, 1 + erf would be off by an ulp for a large negative x, and x times that
    // is no small number. NaN is not at least 16, and clamps to itself.
    if square >= 16.0 { 1f32.copysign(x) } else { quotient.clamp(-1.0, 1.0) }
}

/// Horner's scheme, the highest power first.
#[inline(always)]
fn polynomial<const FUSED: bool, const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    let mut sum = coefficients[0];
    for &coefficient in &coefficients[1..] {
        sum = madd::<FUSED>(sum, x, coefficient);
    }
    sum
}

/// `exp(x)` for x in -87..=0; relative error below 2e-7.
///
/// Source: Cephes `expf`: `exp(n ln 2 + r) = 2ⁿ exp(r)` with |r| at most ln 2 / 2.
#[inline(always)]
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    const P: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];
    // Adding 1.5 · 2^23 leaves the nearest integer in the low bits, without a call for rounding.
    const SHIFT: f32 = 12_582_912.0;
    let shifted = madd::<FUSED>(x, std::f32::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    // ln 2 in two parts, the first of which times n is exact.
    let r = madd::<FUSED>(n, -0.693_359_4, x);
    let r = madd::<FUSED>(n, 2.121_944_4e-4, r);
    let small = madd::<FUSED>(polynomial::<FUSED, 6>(P, r), r * r, r + 1.0);
    let power = shifted.to_bits().wrapping_add(127) << 23;
    small * f32::from_bits(power)
}

/// gelu itself.
#[derive(Clone, Copy)]
struct Value;

impl Unary for Value {
    #[inline(always)]
    fn value<const FUSED: bool>(self, x: f32) -> f32 {
        0.5 * x * (1.0 + erf::<FUSED>(x * FRAC_1_SQRT_2))
    }
}

/// The derivative `Φ(x) + x φ(x)`, times the gradient that came from above.
#[derive(Clone, Copy)]
struct Derivative;

impl Binary for Derivative {
    #[inline(always)]
    fn value<const FUSED: bool>(self, x: f32, gradient: f32) -> f32 {
        const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;
        let distribution = 0.5 * (1.0 + erf::<FUSED>(x * FRAC_1_SQRT_2));
        let exponent = -0.5 * x * x;
        let density = if exponent > -87.0 { FRAC_1_SQRT_2PI * exp::<FUSED>(exponent) } else { 0.0 };
        gradient * madd::<FUSED>(x, density, distribution)
    }
}

// These two are no generics and are not inlined, so that they are compiled here, with the
// optimisation of this crate, and not with that of the crate that calls the generic `gelu`: a
// development build optimises those less, and the loop would not become vectors.
#[inline(never)]
fn fused(x: FlexTensor) -> FlexTensor {
    sweep::unary(Value, x)
}

#[inline(never)]
fn fused_backward(x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
    sweep::binary(Derivative, &x, &gradient)
}

/// The second way in: an operation of our own, which burn's autodiff records with the gradient
/// given here. [`gelu`] calls it for Flex only, since a backend that is not listed would panic.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait GeluExtension: Backend {
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn fused_gelu_backward(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl GeluExtension for Flex {
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        fused(x)
    }

    fn fused_gelu_backward(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        fused_backward(x, gradient)
    }
}

impl<B: GeluExtension, C: CheckpointStrategy> GeluExtension for Autodiff<B, C> {
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Gelu;
        impl<B: GeluExtension> Backward<B, 1> for Gelu {
            type State = B::FloatTensorPrimitive;

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                grads: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                unary::<B, _>(ops.parents, ops.node, grads, |gradient| {
                    B::fused_gelu_backward(ops.state, gradient)
                });
            }
        }
        match Gelu.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let x = x.into_primitive();
                prepared.finish(x.clone(), B::fused_gelu(x))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::fused_gelu(x.into_primitive())),
        }
    }

    /// burn differentiates once only, so nothing records this.
    fn fused_gelu_backward(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as burn::backend::ops::ActivationOps<Self>>::gelu_backward(x, gradient)
    }
}
