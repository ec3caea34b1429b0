//! What an encoder of voices learns by.

use super::to_length_one;
use andiron_core::Loss;
use burn::tensor::{Bool, Int, Tensor, TensorData, activation};
use serde::{Deserialize, Serialize};

/// Which of the two losses of generalized end-to-end training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SimilarityLoss {
    /// Equation 6: each sound has to choose its speaker among all of the batch. The paper's choice
    /// where any words are spoken.
    #[default]
    Softmax,
    /// Equation 7: near its speaker, far from the nearest other. The paper's choice for a fixed
    /// phrase.
    Contrast,
}

/// Keeps the scale above zero, as the paper asks.
const LEAST_SCALE: f64 = 1e-6;

/// Generalized end-to-end loss (Wan et al. 2018, <https://arxiv.org/abs/1710.10467>).
///
/// With `e_i` the vectors, `s_i` their speakers, `c_k` the mean of speaker `k`'s vectors, without
/// `e_i` where `k = s_i` (equations 1, 8 and 9), `w` the scale and `b` the offset:
///
/// ```text
/// S_ik = w · cos(e_i, c_k) + b                                                     equation 5
/// softmax:   L_i = −S_i,s_i + log Σ_k exp S_ik                                     equation 6
/// contrast:  L_i = 1 − σ(S_i,s_i) + max_{k ≠ s_i} σ(S_ik)                          equation 7
/// L = mean of L_i over the sounds of speakers with two or more
/// ```
///
/// The paper's equation 10 sums; the mean does not depend on how many speak. Sounds of a speaker with
/// no other serve as others do; a batch in which nobody speaks twice, or only one does, has the loss
/// 0.
///
/// # Shapes
/// - vectors: `[batch, width]`, each of length 1
/// - speakers: one number a vector
/// - scale, offset: `[1]`
///
/// # Panics
/// If there is not one speaker a vector.
pub fn ge2e_loss(
    vectors: Tensor<2>,
    speakers: &[usize],
    scale: Tensor<1>,
    offset: Tensor<1>,
    kind: SimilarityLoss,
) -> Loss {
    let ([batch, _], device) = (vectors.dims(), vectors.device());
    assert_eq!(speakers.len(), batch, "one speaker a vector");
    let mut names = speakers.to_vec();
    names.sort_unstable();
    names.dedup();
    let count = names.len();
    let own: Vec<usize> =
        speakers.iter().map(|speaker| names.partition_point(|name| name < speaker)).collect();
    let sizes: Vec<usize> =
        (0..count).map(|at| own.iter().filter(|speaker| **speaker == at).count()).collect();
    let counted: Vec<i32> =
        (0..batch).filter(|at| sizes[own[*at]] > 1).map(|at| at as i32).collect();
    if counted.is_empty() || count < 2 {
        // Nothing to learn, said in a way that every parameter hears of.
        let nothing = (vectors * 0.0).sum_dim(1).sum_dim(0).reshape([1]);
        return Loss::new(nothing + (scale + offset) * 0.0, 1);
    }
    let is_own = |at: usize| own[at / count] == at % count;
    let flags: Vec<bool> = (0..batch * count).map(is_own).collect();
    let flags = Tensor::<2, Bool>::from_data(TensorData::new(flags, [batch, count]), &device);
    // A centre is a direction, so sums do as well as means.
    let sums = flags.clone().float().transpose().matmul(vectors.clone());
    let index = |values: Vec<i32>| Tensor::<1, Int>::from_ints(values.as_slice(), &device);
    let own_sums =
        sums.clone().select(0, index(own.iter().map(|speaker| *speaker as i32).collect()));
    let rest = own_sums - vectors.clone();
    let dots = vectors.clone().matmul(to_length_one(sums).transpose());
    let of_own = (vectors * to_length_one(rest)).sum_dim(1).expand([batch, count]);
    let cosines = dots.mask_where(flags.clone(), of_own);
    let scale = scale.clamp_min(LEAST_SCALE).reshape([1, 1]);
    let all = cosines * scale + offset.reshape([1, 1]);
    let each = match kind {
        SimilarityLoss::Softmax => {
            let logs = activation::log_softmax(all, 1);
            (logs * flags.float()).sum_dim(1).neg()
        }
        SimilarityLoss::Contrast => {
            let all = activation::sigmoid(all);
            let near = (all.clone() * flags.clone().float()).sum_dim(1);
            // Each is above 0, so a masked one is never the greatest.
            let far = all.mask_fill(flags, 0.0).max_dim(1);
            far - near + 1.0
        }
    };
    let n = counted.len();
    let each = each.select(0, index(counted));
    Loss::new(each.sum_dim(0).reshape([1]) / n as f64, n)
}
