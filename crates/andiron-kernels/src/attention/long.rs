//! Attention of many queries to many keys, all of them visible, on Flex in single precision.
//!
//! burn's operation goes tile by tile with a scalar exponential, one head a thread. Here some queries of
//! all heads at once are two products of matrices with a softmax in vectors between them, in place.

use crate::{
    gelu::exp,
    sweep::{Body, run},
};
use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::Tensor,
};
use rayon::prelude::*;

/// Pairs of a query and a key from which on it is done here; burn's own limit between its two ways.
pub(super) const MANY: usize = 1 << 18;
/// Scores of a head at once at the most, so that those of all heads stay in a cache or near it.
const AT_ONCE: usize = 1 << 19;
/// Sums that grow beside each other, so that no addition waits for the one before.
const LANES: usize = 16;

/// `softmax(scale · query · keyᵀ) · value`; every tensor plain, in single precision, with as many heads
/// of keys as of queries.
///
/// # Shapes
/// - query: `[batch, n_heads, len_q, d_head]`
/// - key: `[batch, n_heads, len_k, d_head]`
/// - value: `[batch, n_heads, len_k, d_value]`
/// - output: `[batch, n_heads, len_q, d_value]`
pub(super) fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    scale: f64,
) -> Tensor<4> {
    let [batch, _, len_q, _] = query.dims();
    let len_k = key.dims()[2];
    let rows = (AT_ONCE / len_k.max(1)).clamp(1, len_q.max(1));
    let query = query * scale;
    let mut of_batch = Vec::with_capacity(batch);
    for at in 0..batch {
        let key = key.clone().narrow(0, at, 1).swap_dims(2, 3);
        let value = value.clone().narrow(0, at, 1);
        let query = query.clone().narrow(0, at, 1);
        let parts = (0..len_q).step_by(rows).map(|from| {
            let len = rows.min(len_q - from);
            let scores = query.clone().narrow(2, from, len).matmul(key.clone());
            softmax(scores).matmul(value.clone())
        });
        of_batch.push(Tensor::cat(parts.collect(), 2));
    }
    Tensor::cat(of_batch, 0)
}

/// The softmax of each row.
fn softmax(scores: Tensor<4>) -> Tensor<4> {
    let width = scores.dims()[3];
    let scores = scores.try_into_primitive::<Flex>().expect("the device was seen to be Flex");
    Tensor::from_primitive::<Flex>(rows(scores, width))
}

// Neither inlined nor generic, so that it is compiled with the optimisation of this crate.
#[inline(never)]
fn rows(mut scores: FlexTensor, width: usize) -> FlexTensor {
    // A product is fresh, and nobody else holds it; anything else is copied first.
    if scores.layout().contiguous_offsets().is_none() || scores.try_storage_mut::<f32>().is_none() {
        scores = FlexTensor::from_data(scores.into_data());
    }
    let (start, end) =
        scores.layout().contiguous_offsets().expect("it was laid out in order just now");
    let values = scores.try_storage_mut::<f32>().expect("it was copied if anybody else held it");
    let values = &mut values[start..end];
    let together = (values.len() / width.max(1)).div_ceil(4 * rayon::current_num_threads()).max(1);
    values
        .par_chunks_mut(together * width.max(1))
        .for_each(|values| run(Rows { values, width: width.max(1) }));
    scores
}

/// Rows of scores that become weights.
pub(super) struct Rows<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) width: usize,
}

impl Body for Rows<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for row in self.values.chunks_exact_mut(self.width) {
            let most = largest(row);
            let mut sums = [0.0_f32; LANES];
            let (parts, rest) = row.as_chunks_mut::<LANES>();
            for part in parts {
                for (value, sum) in part.iter_mut().zip(&mut sums) {
                    *value = weight::<FUSED>(*value, most);
                    *sum += *value;
                }
            }
            for (value, sum) in rest.iter_mut().zip(&mut sums) {
                *value = weight::<FUSED>(*value, most);
                *sum += *value;
            }
            let mut length = LANES;
            while length > 1 {
                length /= 2;
                for lane in 0..length {
                    sums[lane] += sums[lane + length];
                }
            }
            let share = 1.0 / sums[0];
            for value in row {
                *value *= share;
            }
        }
    }
}

/// `exp(x - most)`. A comparison, not a maximum, so that NaN stays NaN.
#[inline(always)]
fn weight<const FUSED: bool>(x: f32, most: f32) -> f32 {
    let below = x - most;
    exp::<FUSED>(if below < -87.0 { -87.0 } else { below })
}

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    let (parts, rest) = row.as_chunks::<LANES>();
    for part in parts {
        for (most, value) in most.iter_mut().zip(part) {
            *most = if *value > *most { *value } else { *most };
        }
    }
    for (most, value) in most.iter_mut().zip(rest) {
        *most = if *value > *most { *value } else { *most };
    }
    most.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instruction_set_gives_the_shares_of_each_row() {
        let width = 37;
        let scores: Vec<f32> = (0..3 * width).map(|n| (n as f32 * 0.7).sin() * 40.0).collect();
        let (mut portable, mut chosen) = (scores.clone(), scores.clone());
        Rows { values: &mut portable, width }.run::<false>();
        run(Rows { values: &mut chosen, width });
        for (at, row) in scores.chunks(width).enumerate() {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let shares: Vec<f64> = row.iter().map(|x| f64::from(x - most).exp()).collect();
            let sum: f64 = shares.iter().sum();
            for (place, share) in shares.iter().enumerate() {
                for got in [portable[at * width + place], chosen[at * width + place]] {
                    assert!((f64::from(got) - share / sum).abs() < 1e-6);
                }
            }
        }
        let mut bad = vec![1.0, f32::NAN, 2.0];
        run(Rows { values: &mut bad, width: 3 });
        assert!(bad.iter().all(|value| value.is_nan()));
    }
}
