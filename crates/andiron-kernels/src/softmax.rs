//! Softmax over the last axis, with values that take no part.

use burn::tensor::{Bool, Tensor, activation};

/// `exp(x) / Σ exp(x)` over the last axis, where `hidden` values take no part: their weight is zero.
///
/// A row whose values are all hidden gives zeros, and passes no gradient, where the quotient would
/// be 0/0. What a hidden value holds does not matter, NaN and infinities included.
///
/// # Shapes
/// - x: `[.., width]`
/// - hidden: as x, or 1 where x has more (the mask is repeated); true hides a value
/// - output: as x
pub fn masked_softmax<const D: usize>(x: Tensor<D>, hidden: Option<Tensor<D, Bool>>) -> Tensor<D> {
    let Some(hidden) = hidden else {
        return activation::softmax(x, D - 1);
    };
    let hidden = hidden.expand(x.shape());
    // The lowest finite number, not -∞: a hidden row would give (-∞) - (-∞) = NaN. Such a row gets
    // equal weights for a moment; the second filling takes them away, and the gradient with them.
    let lowest = x.dtype().finfo().map_or(f64::from(f32::MIN), |info| info.min);
    let weights = activation::softmax(x.mask_fill(hidden.clone(), lowest), D - 1);
    weights.mask_fill(hidden, 0.0)
}
