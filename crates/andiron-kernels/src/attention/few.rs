//! Attention of one to a few queries, as each token of a text that is being written needs, on Flex in
//! single precision.
//!
//! Keys and values are then read once for each query, so the time is that of reading them: here where
//! they lie, by all threads, a head each.

use super::{AttentionOptions, long::Rows, scale};
use crate::{
    few_rows::add_lines,
    sweep::{Body, madd, run},
};
use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::{Bool, Tensor, TensorData},
};
use rayon::prelude::*;
use std::ops::Range;

/// Up to so many queries are done here.
pub(super) const MOST: usize = 4;
/// Products from which on the heads are shared out among the threads.
const WORTH_THREADS: usize = 1 << 16;
/// Sums that grow beside each other in a dot product.
const LANES: usize = 16;
/// Values that are added together.
const TOGETHER: usize = 8;

/// `softmax(scale · query · keyᵀ) · value`; every tensor plain and in single precision.
///
/// # Shapes
/// As [`attention`](super::attention).
pub(super) fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    visible: Option<Tensor<2, Bool>>,
    options: &AttentionOptions,
) -> Tensor<4> {
    let [batch, n_heads, len_q, d_head] = query.dims();
    let [_, n_kv_heads, len_k, d_value] = value.dims();
    let device = query.device();
    let visible: Option<Vec<bool>> =
        visible.map(|visible| visible.into_data().iter::<bool>().collect());
    let query = (query * scale(options, d_head)).into_data();
    let query: &[f32] = query.as_slice().expect("the query was seen to be in single precision");
    const SEEN: &str = "the device was seen to be Flex";
    let lines = |x: Tensor<4>| Lines::of(x.try_into_primitive::<Flex>().expect(SEEN));
    let (keys, values) = (lines(key), lines(value));
    let heads = Heads { options, visible, keys, values, sizes: [len_q, len_k] };
    let mut out = vec![0.0_f32; batch * n_heads * len_q * d_value];
    let of_head = (len_q * d_value).max(1);
    let work = |(at, out): (usize, &mut [f32])| {
        let (row, head) = (at / n_heads, at % n_heads / (n_heads / n_kv_heads));
        let query = &query[at * len_q * d_head..][..len_q * d_head];
        heads.mix(query, d_head, row, head, out);
    };
    if out.len() * len_k > WORTH_THREADS {
        out.par_chunks_mut(of_head).enumerate().for_each(work);
    } else {
        out.chunks_mut(of_head).enumerate().for_each(work);
    }
    Tensor::from_data(TensorData::new(out, [batch, n_heads, len_q, d_value]), &device)
}

/// Vectors of heads as they lie in memory, each in one piece.
struct Lines {
    tensor: FlexTensor,
    /// From one row, head and key to the next.
    steps: [usize; 3],
    start: usize,
    width: usize,
}

impl Lines {
    /// Copies only where a vector does not lie in one piece.
    fn of(tensor: FlexTensor) -> Self {
        let steps_of = |tensor: &FlexTensor| -> Option<[usize; 3]> {
            let strides = tensor.layout().strides();
            let step = |axis: usize| usize::try_from(strides[axis]).ok();
            let whole = strides[3] == 1 || tensor.layout().shape()[3] == 1;
            whole.then_some([step(0)?, step(1)?, step(2)?])
        };
        let (tensor, steps) = match steps_of(&tensor) {
            Some(steps) => (tensor, steps),
            None => {
                let tensor = tensor.to_contiguous();
                let steps = steps_of(&tensor).expect("vectors of a contiguous tensor are whole");
                (tensor, steps)
            }
        };
        let (start, width) = (tensor.layout().start_offset(), tensor.layout().shape()[3]);
        Self { tensor, steps, start, width }
    }

    #[inline(always)]
    fn line<'a>(&self, values: &'a [f32], [row, head, key]: [usize; 3]) -> &'a [f32] {
        let [by_row, by_head, by_key] = self.steps;
        &values[self.start + row * by_row + head * by_head + key * by_key..][..self.width]
    }
}

/// What all heads share.
struct Heads<'a> {
    options: &'a AttentionOptions,
    /// `[batch, len_k]`.
    visible: Option<Vec<bool>>,
    keys: Lines,
    values: Lines,
    /// Queries and keys.
    sizes: [usize; 2],
}

impl Heads<'_> {
    /// The keys that a query may see, those of padding among them.
    fn range(&self, query: usize) -> Range<usize> {
        let [len_q, len_k] = self.sizes;
        // Both sequences end together.
        let place = query + len_k;
        let end = if self.options.causal { (place + 1).saturating_sub(len_q) } else { len_k };
        let first =
            self.options.window.map_or(0, |window| (place + 1).saturating_sub(len_q + window));
        first.min(end)..end.min(len_k)
    }

    /// The queries of one head.
    // Neither inlined nor generic, so that it is compiled with the optimisation of this crate.
    #[inline(never)]
    fn mix(&self, query: &[f32], d_head: usize, row: usize, head: usize, out: &mut [f32]) {
        let [len_q, len_k] = self.sizes;
        let width = out.len() / len_q.max(1);
        for (at, (query, out)) in
            query.chunks(d_head.max(1)).zip(out.chunks_mut(width.max(1))).enumerate()
        {
            let mut keys: Vec<usize> = self.range(at).collect();
            if let Some(visible) = &self.visible {
                keys.retain(|key| visible[row * len_k + key]);
            }
            // A query that sees nothing gives zeros.
            if keys.is_empty() {
                continue;
            }
            run(OneQuery { heads: self, query, row, head, keys: &keys, out });
        }
    }
}

struct OneQuery<'a> {
    heads: &'a Heads<'a>,
    query: &'a [f32],
    row: usize,
    head: usize,
    keys: &'a [usize],
    out: &'a mut [f32],
}

impl Body for OneQuery<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { heads, query, row, head, keys, out } = self;
        let stored: &[f32] = heads.keys.tensor.storage();
        // A loop: what a closure of `map` calls would not have the CPU's instructions.
        let mut scores = vec![0.0; keys.len()];
        for (score, key) in scores.iter_mut().zip(keys) {
            *score = dot::<FUSED>(query, heads.keys.line(stored, [row, head, *key]));
        }
        let width = scores.len();
        Rows { values: &mut scores, width }.run::<FUSED>();
        let stored: &[f32] = heads.values.tensor.storage();
        let line = |key: usize| heads.values.line(stored, [row, head, key]);
        let (keys, rest) = keys.as_chunks::<TOGETHER>();
        let (weights, rest_weights) = scores.as_chunks::<TOGETHER>();
        for (keys, weights) in keys.iter().zip(weights) {
            add_lines::<FUSED, TOGETHER>(out, keys.map(line), *weights);
        }
        for (key, weight) in rest.iter().zip(rest_weights) {
            add_lines::<FUSED, 1>(out, [line(*key)], [*weight]);
        }
    }
}

#[inline(always)]
fn dot<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum = madd::<FUSED>(*a, *b, *sum);
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum = madd::<FUSED>(*a, *b, *sum);
    }
    let mut length = LANES;
    while length > 1 {
        length /= 2;
        for lane in 0..length {
            sums[lane] += sums[lane + length];
        }
    }
    sums[0]
}
