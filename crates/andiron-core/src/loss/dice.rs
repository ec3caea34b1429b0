//! How far the classes of many places, as those of the pixels of an image, overlap with the truth.

use crate::Loss;
use burn::tensor::{Int, Tensor, activation::softmax};

/// Dice loss of logits with class numbers (Milletari et al. 2016, <https://arxiv.org/abs/1606.04797>,
/// equation 3, with plain sums in the denominator as Sudre et al. 2017,
/// <https://arxiv.org/abs/1707.03237>).
///
/// With `p` the softmax of the rows and `y` the truth as ones and zeros, over all rows:
///
/// ```text
/// L = 1 − 1/K · Σ_k (2 Σ p_k y_k + 1) / (Σ p_k + Σ y_k + 1)
/// ```
///
/// The ones make a class that is nowhere, and of which nothing is said, no loss. The loss is one of
/// the batch and no mean over its rows: batches of other sizes weigh by their rows all the same.
///
/// # Shapes
/// - logits: `[rows, classes]`
/// - truth: `[rows]`, each below `classes`
pub fn dice_loss(logits: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
    let [rows, classes] = logits.dims();
    let hot = truth.one_hot::<2>(classes).float();
    let said = softmax(logits, 1);
    let both = (said.clone() * hot.clone()).sum_dim(0);
    let either = said.sum_dim(0) + hot.sum_dim(0);
    let overlap = (both * 2.0 + 1.0) / (either + 1.0);
    Loss::new(overlap.mean().neg() + 1.0, rows)
}
