//! Losses, each a mean over a counted number of terms, which may have weights.

mod dice;

pub use dice::dice_loss;

use crate::Loss;
use burn::tensor::{
    Bool, Int, Tensor,
    activation::{log_sigmoid, log_softmax},
};

/// Options of [`cross_entropy`].
#[derive(Debug, Clone, Default)]
pub struct CrossEntropy {
    /// One weight a class; none weighs all alike.
    pub class_weights: Option<Vec<f32>>,
    /// Share of the truth that is spread evenly over all classes, 0 to 1 (Szegedy et al. 2016,
    /// section 7).
    pub label_smoothing: f64,
}

/// Cross-entropy of logits with class numbers.
///
/// With `z` the logits of a row, `y` its class, `w` the class weights, `ε` the smoothing and `K`
/// the number of classes:
///
/// ```text
/// ℓ = (1 − ε) · w_y · (−log softmax(z)_y)  +  ε/K · Σ_k w_k · (−log softmax(z)_k)
/// L = Σ ℓ / Σ w_y
/// ```
///
/// as PyTorch's `CrossEntropyLoss` has it.
///
/// # Shapes
/// - logits: `[batch, classes]`
/// - truth: `[batch]`, each below `classes`
pub fn cross_entropy(logits: Tensor<2>, truth: Tensor<1, Int>, options: &CrossEntropy) -> Loss {
    let [count, classes] = logits.dims();
    let device = logits.device();
    let log_p = log_softmax(logits, 1);
    let index = truth.unsqueeze_dim::<2>(1);
    let own = log_p.clone().gather(1, index.clone()).neg();
    let smoothing = options.label_smoothing;
    let weights = options
        .class_weights
        .as_ref()
        .map(|weights| Tensor::<1>::from_floats(weights.as_slice(), &device).unsqueeze_dim::<2>(0));
    let row_weights =
        weights.clone().map(|weights| weights.expand([count, classes]).gather(1, index));
    let own = match &row_weights {
        Some(row_weights) => own * row_weights.clone(),
        None => own,
    };
    let rows = if smoothing == 0.0 {
        own
    } else {
        let spread = match weights {
            Some(weights) => log_p * weights,
            None => log_p,
        };
        own * (1.0 - smoothing) + spread.sum_dim(1).neg() * (smoothing / classes as f64)
    };
    match row_weights {
        Some(row_weights) => {
            let weight = row_weights.sum();
            let sum = weight.clone().into_scalar::<f64>();
            Loss::new(rows.sum() / weight, count).with_weight(sum)
        }
        None => Loss::new(rows.mean(), count),
    }
}

/// Cross-entropy of logits with truths that are shares of the classes, as mixed examples have them.
///
/// With `z` the logits of a row, `t` its shares, `w` the class weights, `ε` the smoothing, `K` the
/// number of classes and `n` the number of rows:
///
/// ```text
/// L = −1/n · Σ Σ_k w_k · ((1 − ε) t_k + ε/K) · log softmax(z)_k
/// ```
///
/// as PyTorch's `CrossEntropyLoss` has it: the mean is over the rows, whatever their weights.
///
/// # Shapes
/// - logits, truth: `[batch, classes]`, each row of `truth` 0 or more and 1 in all
pub fn soft_cross_entropy(logits: Tensor<2>, truth: Tensor<2>, options: &CrossEntropy) -> Loss {
    let [count, classes] = logits.dims();
    let smoothing = options.label_smoothing;
    let truth = match smoothing {
        0.0 => truth,
        _ => truth * (1.0 - smoothing) + smoothing / classes as f64,
    };
    let truth = match &options.class_weights {
        None => truth,
        Some(weights) => {
            let weights = Tensor::<1>::from_floats(weights.as_slice(), &logits.device());
            truth * weights.unsqueeze_dim::<2>(0)
        }
    };
    let rows = (log_softmax(logits, 1) * truth).sum_dim(1).neg();
    Loss::new(rows.mean(), count)
}

/// Options of [`focal_loss`] and [`binary_focal_loss`].
#[derive(Debug, Clone, Default)]
pub struct Focal {
    /// How strongly easy terms are passed over, 0 or more; 0 is cross-entropy, 2 the paper's choice.
    pub focus: f64,
    /// One weight a class: of its rows, or of its true places where there are several labels; none
    /// weighs all alike.
    pub class_weights: Option<Vec<f32>>,
}

/// Focal loss of logits with class numbers (Lin et al. 2017, <https://arxiv.org/abs/1708.02002>,
/// equation 5, over a softmax): what is nearly right adds little.
///
/// With `p` the softmax of a row at its class `y`, `w` the class weights and `γ` the focus:
///
/// ```text
/// ℓ = w_y · (1 − p)^γ · (−log p)
/// L = Σ ℓ / Σ w_y
/// ```
///
/// # Shapes
/// - logits: `[batch, classes]`
/// - truth: `[batch]`, each below `classes`
pub fn focal_loss(logits: Tensor<2>, truth: Tensor<1, Int>, options: &Focal) -> Loss {
    let [count, classes] = logits.dims();
    let device = logits.device();
    let index = truth.unsqueeze_dim::<2>(1);
    let rows = focused(log_softmax(logits, 1).gather(1, index.clone()), options.focus);
    match &options.class_weights {
        None => Loss::new(rows.mean(), count),
        Some(weights) => {
            let weights = Tensor::<1>::from_floats(weights.as_slice(), &device);
            let weights = weights.unsqueeze_dim::<2>(0).expand([count, classes]).gather(1, index);
            let weight = weights.clone().sum();
            let sum = weight.clone().into_scalar::<f64>();
            Loss::new((rows * weights).sum() / weight, count).with_weight(sum)
        }
    }
}

/// Focal loss of logits with truths in 0..=1, mean over all elements; with focus 0 and no weights it
/// is [`binary_cross_entropy`], with weights PyTorch's `BCEWithLogitsLoss` with `pos_weight`:
///
/// ```text
/// ℓ = w · y · (1 − p)^γ · (−log p)  +  (1 − y) · p^γ · (−log(1 − p)),    p = σ(z)
/// ```
///
/// # Shapes
/// - logits, truth: `[batch, labels]`
pub fn binary_focal_loss(logits: Tensor<2>, truth: Tensor<2>, options: &Focal) -> Loss {
    let [batch, labels] = logits.dims();
    let device = logits.device();
    let right = focused(log_sigmoid(logits.clone()), options.focus) * truth.clone();
    let wrong = focused(log_sigmoid(logits.neg()), options.focus) * (truth.neg() + 1.0);
    let right = match &options.class_weights {
        None => right,
        Some(weights) => {
            let weights = Tensor::<1>::from_floats(weights.as_slice(), &device);
            right * weights.unsqueeze_dim::<2>(0)
        }
    };
    let count = batch * labels;
    Loss::new((right + wrong).sum_dim(1).sum() / count.max(1) as f64, count)
}

/// `(1 − p)^γ · (−log p)` of `log p`.
fn focused(log_p: Tensor<2>, focus: f64) -> Tensor<2> {
    if focus == 0.0 {
        return log_p.neg();
    }
    // The power has no derivative at 0 for a focus below 1.
    let missed = (log_p.clone().exp().neg() + 1.0).clamp_min(1e-12);
    missed.powf_scalar(focus) * log_p.neg()
}

/// Cross-entropy over the positions of sequences that count: padding is left out of the mean.
///
/// # Shapes
/// - logits: `[batch, length, classes]`
/// - truth: `[batch, length]`; what stands where `counted` is false is not read
/// - counted: `[batch, length]`
pub fn sequence_cross_entropy(
    logits: Tensor<3>,
    truth: Tensor<2, Int>,
    counted: Tensor<2, Bool>,
) -> Loss {
    let [batch, length, _] = logits.dims();
    let count = counted.clone().int().sum().into_scalar::<i64>().max(0) as usize;
    let truth = truth.mask_fill(counted.clone().bool_not(), 0);
    let own = log_softmax(logits, 2).gather(2, truth.unsqueeze_dim(2)).neg();
    let own = own.reshape([batch, length]).mask_fill(counted.bool_not(), 0.0);
    // By rows first: a whole-tensor sum of four million elements is not the same twice.
    let total = own.sum_dim(1).sum();
    Loss::new(total / count.max(1) as f64, count)
}

/// Binary cross-entropy of logits with truths in 0..=1, mean over all elements:
/// `−y·log σ(z) − (1 − y)·log σ(−z)`, which does not overflow and has its derivative at 0 too.
///
/// # Shapes
/// - logits, truth: `[batch, labels]`
pub fn binary_cross_entropy(logits: Tensor<2>, truth: Tensor<2>) -> Loss {
    let [batch, labels] = logits.dims();
    let terms = log_sigmoid(logits.clone()) * truth.clone()
        + log_sigmoid(logits.neg()) * (truth.neg() + 1.0);
    let count = batch * labels;
    Loss::new(terms.sum_dim(1).sum().neg() / count.max(1) as f64, count)
}

/// Mean of the squared differences over all elements.
///
/// # Shapes
/// - output, truth: `[batch, values]`
pub fn mean_squared_error(output: Tensor<2>, truth: Tensor<2>) -> Loss {
    let [batch, values] = output.dims();
    let difference = output - truth;
    let count = batch * values;
    let total = (difference.clone() * difference).sum_dim(1).sum();
    Loss::new(total / count.max(1) as f64, count)
}
