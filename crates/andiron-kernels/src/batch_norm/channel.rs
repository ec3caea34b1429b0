//! The loops over the values of one channel.

use crate::{
    activation::Activation,
    gelu::exp,
    sweep::{Body, madd},
};
use burn::backend::flex::FlexTensor;

/// Sums that grow beside each other, so that no addition waits for the one before.
const LANES: usize = 32;

/// The activations that are folded into the normalisation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fold {
    /// The value itself.
    None,
    /// `max(0, x)`.
    Relu,
    /// `min(max(0, x), 6)`.
    Relu6,
    /// `x σ(x)`.
    Silu,
}

impl Fold {
    pub(super) fn of(activation: Activation) -> Option<Self> {
        match activation {
            Activation::None => Some(Self::None),
            Activation::Relu => Some(Self::Relu),
            Activation::Relu6 => Some(Self::Relu6),
            Activation::Silu => Some(Self::Silu),
            _ => None,
        }
    }
}

/// An activation with its slope.
trait Folded: Copy {
    fn value<const FUSED: bool>(z: f32) -> f32;
    fn slope<const FUSED: bool>(z: f32) -> f32;
}

#[derive(Clone, Copy)]
struct Identity;
impl Folded for Identity {
    #[inline(always)]
    fn value<const FUSED: bool>(z: f32) -> f32 {
        z
    }
    #[inline(always)]
    fn slope<const FUSED: bool>(_: f32) -> f32 {
        1.0
    }
}

/// NaN stays NaN, as it does in burn's.
#[derive(Clone, Copy)]
struct Relu;
impl Folded for Relu {
    #[inline(always)]
    fn value<const FUSED: bool>(z: f32) -> f32 {
        if z < 0.0 { 0.0 } else { z }
    }
    #[inline(always)]
    fn slope<const FUSED: bool>(z: f32) -> f32 {
        if z > 0.0 { 1.0 } else { 0.0 }
    }
}

#[derive(Clone, Copy)]
struct Relu6;
impl Folded for Relu6 {
    #[inline(always)]
    fn value<const FUSED: bool>(z: f32) -> f32 {
        let z = if z < 0.0 { 0.0 } else { z };
        if z > 6.0 { 6.0 } else { z }
    }
    #[inline(always)]
    fn slope<const FUSED: bool>(z: f32) -> f32 {
        if z > 0.0 && z < 6.0 { 1.0 } else { 0.0 }
    }
}

#[derive(Clone, Copy)]
struct Silu;
impl Folded for Silu {
    #[inline(always)]
    fn value<const FUSED: bool>(z: f32) -> f32 {
        z * sigmoid::<FUSED>(z)
    }
    /// `σ + z σ (1 − σ)`.
    #[inline(always)]
    fn slope<const FUSED: bool>(z: f32) -> f32 {
        let s = sigmoid::<FUSED>(z);
        madd::<FUSED>(z * s, 1.0 - s, s)
    }
}

/// `1 / (1 + exp(-z))`, from the exponential of a number that is not above 0.
#[inline(always)]
fn sigmoid<const FUSED: bool>(z: f32) -> f32 {
    // NaN is not below, and goes through.
    let far = if -z.abs() < -87.0 { -87.0 } else { -z.abs() };
    let small = exp::<FUSED>(far);
    let above = if z < 0.0 { small } else { 1.0 };
    above / (1.0 + small)
}

/// Scale, shift, mean and inverse deviation of every channel.
pub(super) struct Statistics(Vec<Channel>);

#[derive(Clone, Copy)]
pub(super) struct Channel {
    /// `gamma / √(variance + epsilon)`.
    scale: f32,
    beta: f32,
    mean: f32,
    inverse: f32,
}

impl Statistics {
    pub(super) fn of(
        gamma: &FlexTensor,
        beta: &FlexTensor,
        statistics: &FlexTensor,
        epsilon: f32,
    ) -> Self {
        let [gamma, beta, both] = [gamma, beta, statistics].map(|x| x.to_contiguous());
        let (gamma, beta) = (super::values(&gamma), super::values(&beta));
        let (mean, variance) = super::values(&both).split_at(gamma.len());
        let channel = |at: usize| {
            let inverse = 1.0 / (variance[at] + epsilon).sqrt();
            Channel { scale: gamma[at] * inverse, beta: beta[at], mean: mean[at], inverse }
        };
        Self((0..gamma.len()).map(channel).collect())
    }

    pub(super) fn channel(&self, at: usize) -> Channel {
        self.0[at]
    }
}

/// Adds the values, or the squares of their distances from a centre.
pub(super) struct Squares<'a> {
    pub(super) x: &'a [f32],
    pub(super) centre: Option<f32>,
    pub(super) sum: &'a mut f64,
}

impl Body for Squares<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        *self.sum += match self.centre {
            None => sums(self.x, self.x, |x, _| [x, 0.0])[0],
            Some(centre) => sums(self.x, self.x, |x, _| [(x - centre) * (x - centre), 0.0])[0],
        };
    }
}

/// Two sums over the pairs of two vectors of equal length, in one order whatever the length of a
/// vector register.
#[inline(always)]
fn sums(x: &[f32], y: &[f32], of: impl Fn(f32, f32) -> [f32; 2]) -> [f64; 2] {
    let mut lanes = [[0.0_f32; LANES]; 2];
    let (x_parts, y_parts) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let (x_rest, y_rest) = (x_parts.remainder(), y_parts.remainder());
    for (x, y) in x_parts.zip(y_parts) {
        for lane in 0..LANES {
            let [a, b] = of(x[lane], y[lane]);
            lanes[0][lane] += a;
            lanes[1][lane] += b;
        }
    }
    for (lane, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        let [a, b] = of(*x, *y);
        lanes[0][lane] += a;
        lanes[1][lane] += b;
    }
    lanes.map(|lanes| lanes.iter().map(|sum| f64::from(*sum)).sum())
}

/// Runs `$go` with the type of the activation.
macro_rules! with_activation {
    ($fold:expr, $go:ident, $($argument:expr),*) => {
        match $fold {
            Fold::None => $go::<Identity, FUSED>($($argument),*),
            Fold::Relu => $go::<Relu, FUSED>($($argument),*),
            Fold::Relu6 => $go::<Relu6, FUSED>($($argument),*),
            Fold::Silu => $go::<Silu, FUSED>($($argument),*),
        }
    };
}

/// `activation(norm(x))`.
pub(super) struct Spread<'a> {
    pub(super) fold: Fold,
    pub(super) channel: Channel,
    pub(super) x: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl Body for Spread<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        with_activation!(self.fold, spread, self.channel, self.x, self.out);
    }
}

#[inline(always)]
fn spread<A: Folded, const FUSED: bool>(channel: Channel, x: &[f32], out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = A::value::<FUSED>(madd::<FUSED>(x - channel.mean, channel.scale, channel.beta));
    }
}

/// Adds the gradient behind the activation, and its products with the normalised values.
pub(super) struct Totals<'a> {
    pub(super) fold: Fold,
    pub(super) channel: Channel,
    pub(super) x: &'a [f32],
    pub(super) gradient: &'a [f32],
    pub(super) sums: &'a mut [f64; 2],
}

impl Body for Totals<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let found = with_activation!(self.fold, totals, self.channel, self.x, self.gradient);
        self.sums.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
    }
}

#[inline(always)]
fn totals<A: Folded, const FUSED: bool>(channel: Channel, x: &[f32], gradient: &[f32]) -> [f64; 2] {
    sums(x, gradient, |x, gradient| {
        let centred = x - channel.mean;
        let z = madd::<FUSED>(centred, channel.scale, channel.beta);
        let inside = gradient * A::slope::<FUSED>(z);
        [inside, inside * (centred * channel.inverse)]
    })
}

/// The gradient of the input. With `d` the gradient behind the activation and `n` the normalised
/// value: `scale (d − mean d − n · mean(d n))`.
pub(super) struct Slope<'a> {
    pub(super) fold: Fold,
    pub(super) channel: Channel,
    /// The means of `d` and of `d n` over the channel.
    pub(super) means: [f32; 2],
    pub(super) x: &'a [f32],
    pub(super) gradient: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl Body for Slope<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        with_activation!(
            self.fold,
            slope,
            self.channel,
            self.means,
            self.x,
            self.gradient,
            self.out
        );
    }
}

#[inline(always)]
fn slope<A: Folded, const FUSED: bool>(
    channel: Channel,
    [mean, projected]: [f32; 2],
    x: &[f32],
    gradient: &[f32],
    out: &mut [f32],
) {
    for ((out, x), gradient) in out.iter_mut().zip(x).zip(gradient) {
        let centred = x - channel.mean;
        let z = madd::<FUSED>(centred, channel.scale, channel.beta);
        let inside = gradient * A::slope::<FUSED>(z) - mean;
        *out = channel.scale * madd::<FUSED>(-projected, centred * channel.inverse, inside);
    }
}
