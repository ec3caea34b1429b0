//! The loss over all alignments, and its gradient.
//!
//! With `l` the text's tokens, a blank before, between and behind them, `p_t` the softmax of frame
//! `t`'s logits:
//!
//! ```text
//! α[t, s] = p_t(l_s) · (α[t−1, s] + α[t−1, s−1] + α[t−1, s−2])     the last where l_s is no blank
//!                                                                  and not l_{s−2}
//! β[t, s] = Σ_{r = s, s+1, s+2} β[t+1, r] · p_{t+1}(l_r)           likewise
//! p(text) = α[T−1, last] + α[T−1, last − 1]
//! ∂(−ln p(text)) / ∂logit_t(k) = p_t(k) − Σ_{s: l_s = k} α[t, s] β[t, s] / p(text)
//! ```
//!
//! all of it as logarithms, in double precision. Source: Graves et al. 2006,
//! <https://doi.org/10.1145/1143844.1143891>, section 4.1 and equation 16.

use super::{BLANK, search::add};
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

/// Frames that a text needs at least: one a token, and one for the blank between two equal tokens.
pub fn frames_needed(tokens: &[u32]) -> usize {
    tokens.len() + tokens.windows(2).filter(|pair| pair[0] == pair[1]).count()
}

/// `− ln p(text)` of each sound; differentiable, once. As torch's `ctc_loss` with `reduction="none"`
/// and `zero_infinity=True`: a text that needs more frames than there are costs nothing.
///
/// The sums run on the CPU, whatever the device is.
///
/// # Shapes
/// - logits: `[batch, frames, n_tokens]`
/// - frames: how many of them each sound has
/// - texts: the tokens of each text
/// - output: `[batch]`
///
/// ```
/// use andiron_speech::ctc::loss;
/// use burn::tensor::{Device, Tensor};
///
/// // Two frames, each as probably blank as not: three of the four alignments say the token.
/// let logits = Tensor::<3>::zeros([1, 2, 2], &Device::flex());
/// let found = loss(logits, &[2], &[vec![1]]).into_scalar::<f32>();
/// assert!((found + 0.75f32.ln()).abs() < 1e-6);
/// ```
///
/// # Panics
/// If the lists are not as long as the batch, if a sound has more frames than there are, or a token
/// is not below `n_tokens`.
pub fn loss(logits: Tensor<3>, frames: &[usize], texts: &[Vec<u32>]) -> Tensor<1> {
    let [batch, longest, n_tokens] = logits.dims();
    assert_eq!((frames.len(), texts.len()), (batch, batch), "one length and one text a sound");
    assert!(frames.iter().all(|n| *n <= longest), "no sound has more than {longest} frames");
    let within = |token: &u32| (*token as usize) < n_tokens;
    assert!(texts.iter().flatten().all(within), "no token is above {n_tokens}");
    let device = logits.device();
    let values: Vec<f32> = logits.clone().detach().into_data().iter::<f32>().collect();
    let each: Vec<(f32, Vec<f32>)> = (0..batch)
        .into_par_iter()
        .map(|at| {
            let rows = &values[at * longest * n_tokens..][..frames[at] * n_tokens];
            let (loss, mut gradient) = of_one(rows, n_tokens, &texts[at]);
            gradient.resize(longest * n_tokens, 0.0);
            (loss, gradient)
        })
        .collect();
    let (losses, gradients): (Vec<f32>, Vec<Vec<f32>>) = each.into_iter().unzip();
    let losses = Tensor::<1>::from_data(TensorData::new(losses, [batch]), &device);
    let gradients = TensorData::new(gradients.concat(), [batch, longest, n_tokens]);
    let gradients = Tensor::<3>::from_data(gradients, &device);
    // Zero in value; its slope is the gradient that was computed.
    let slope = (logits.clone() - logits.detach()) * gradients;
    losses + slope.sum_dim(2).sum_dim(1).reshape([batch])
}

/// The loss of a sound, and its gradient, `[frames, n_tokens]`; zeros for a text without an alignment.
fn of_one(logits: &[f32], n_tokens: usize, text: &[u32]) -> (f32, Vec<f32>) {
    let frames = logits.len() / n_tokens;
    let nothing = || (0.0, vec![0.0; logits.len()]);
    if frames < frames_needed(text).max(1) {
        return nothing();
    }
    let p = log_softmax(logits, n_tokens);
    let mut labels = vec![BLANK; 2 * text.len() + 1];
    for (at, token) in text.iter().enumerate() {
        labels[2 * at + 1] = *token as usize;
    }
    let n = labels.len();
    let never = f64::NEG_INFINITY;
    let said = |t: usize, s: usize| p[t * n_tokens + labels[s]];
    let alpha = forwards(frames, &labels, said);
    let mut beta = vec![never; n];
    beta[n - 1] = 0.0;
    if n >= 2 {
        beta[n - 2] = 0.0;
    }
    let end = &alpha[(frames - 1) * n..];
    let total = if n >= 2 { add(end[n - 1], end[n - 2]) } else { end[n - 1] };
    if total == never {
        return nothing();
    }
    let mut gradient: Vec<f64> = p.iter().map(|p| p.exp()).collect();
    for t in (0..frames).rev() {
        for s in 0..n {
            let share = (alpha[t * n + s] + beta[s] - total).exp();
            gradient[t * n_tokens + labels[s]] -= share;
        }
        if t > 0 {
            let next: Vec<f64> = (0..n).map(|s| beta[s] + said(t, s)).collect();
            for s in 0..n {
                beta[s] = next[s];
                if s + 1 < n {
                    beta[s] = add(beta[s], next[s + 1]);
                }
                if s + 2 < n && skips(&labels, s + 2) {
                    beta[s] = add(beta[s], next[s + 2]);
                }
            }
        }
    }
    (-total as f32, gradient.into_iter().map(|value| value as f32).collect())
}

/// Whether a place is reached from two before, where a blank may be left out.
fn skips(labels: &[usize], s: usize) -> bool {
    s >= 2 && labels[s] != BLANK && labels[s] != labels[s - 2]
}

/// The logarithm of the probability of all that leads to each place at each frame, `[frames, labels]`.
fn forwards(frames: usize, labels: &[usize], said: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let n = labels.len();
    let mut alpha = vec![f64::NEG_INFINITY; frames * n];
    for (s, alpha) in alpha.iter_mut().enumerate().take(n.min(2)) {
        *alpha = said(0, s);
    }
    for t in 1..frames {
        for s in 0..n {
            let before = &alpha[(t - 1) * n..t * n];
            let mut sum = before[s];
            if s >= 1 {
                sum = add(sum, before[s - 1]);
            }
            if skips(labels, s) {
                sum = add(sum, before[s - 2]);
            }
            alpha[t * n + s] = sum + said(t, s);
        }
    }
    alpha
}

/// The logarithm of the softmax of each row.
fn log_softmax(logits: &[f32], n_tokens: usize) -> Vec<f64> {
    let mut values: Vec<f64> = logits.iter().map(|value| f64::from(*value)).collect();
    for row in values.chunks_exact_mut(n_tokens) {
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum = row.iter().map(|value| (value - most).exp()).sum::<f64>().ln() + most;
        row.iter_mut().for_each(|value| *value -= sum);
    }
    values
}
