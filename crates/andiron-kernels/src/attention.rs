//! Scaled dot-product attention over sequences of different lengths, with shared key heads.

mod few;
mod long;

use crate::{flex, softmax::masked_softmax};
use burn::tensor::{Bool, Device, Int, Tensor, assert_shape, module, ops::AttentionModuleOptions};

/// How [`attention`] weighs; the default looks both ways and scales by `1/√d_head`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AttentionOptions {
    /// A query sees no key behind its own place. With fewer queries than keys the queries are the
    /// last ones (the first keys come from a cache).
    pub causal: bool,
    /// Factor of the dot products; `None` is `1/√d_head`.
    pub scale: Option<f64>,
    /// A query sees only so many keys up to its own place, the key there counted; `None` is all
    /// (Beltagy et al. 2020, <https://arxiv.org/abs/2004.05150>, section 3.1).
    pub window: Option<usize>,
}

/// `softmax(scale · query · keyᵀ) · value` for each head.
///
/// Paper: Vaswani et al. 2017, <https://arxiv.org/abs/1706.03762>, equation 1; several query heads
/// to a key head: Ainslie et al. 2023, <https://arxiv.org/abs/2305.13245>. Query head `h` uses key
/// head `h / (n_heads / n_kv_heads)`. A query that sees no key gives zeros. What a hidden key or
/// value holds does not matter, as long as it is finite.
///
/// ```
/// use andiron_kernels::{AttentionOptions, attention};
/// use burn::tensor::{Bool, Device, Tensor};
///
/// let device = Device::flex();
/// let query = Tensor::<4>::ones([1, 4, 3, 8], &device);
/// let key = Tensor::<4>::ones([1, 2, 5, 8], &device); // two query heads share a key head
/// let visible = Tensor::<2, Bool>::from_data([[true, true, true, false, false]], &device);
/// let mixed = attention(query, key.clone(), key, Some(visible), &AttentionOptions::default());
/// assert_eq!(mixed.dims(), [1, 4, 3, 8]);
/// ```
///
/// # Shapes
/// - query: `[batch, n_heads, len_q, d_head]`
/// - key: `[batch, n_kv_heads, len_k, d_head]`, with n_heads a multiple of n_kv_heads
/// - value: `[batch, n_kv_heads, len_k, d_value]`
/// - visible: `[batch, len_k]`, true where a key is a token and not padding
/// - output: `[batch, n_heads, len_q, d_value]`
pub fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    visible: Option<Tensor<2, Bool>>,
    options: &AttentionOptions,
) -> Tensor<4> {
    let [batch, n_heads, _, d_head] = query.dims();
    let [_, n_kv_heads, len_k, _] = key.dims();
    assert_shape!(key, [batch, _, len_k, d_head]);
    assert_shape!(value, [batch, n_kv_heads, len_k, _]);
    assert!(
        n_kv_heads > 0 && n_heads % n_kv_heads == 0,
        "the number of query heads must be a multiple of that of key heads, but they are \
         {n_heads} and {n_kv_heads}"
    );
    if let Some(visible) = &visible {
        assert_shape!(visible, [batch, len_k]);
    }
    // Flex has an operation that shares key heads, masks with -∞ and gives zeros for a query that
    // sees nothing. Other backends promise less, and autodiff would spell it out anyway.
    if [&query, &key, &value].into_iter().all(flex::is_plain) {
        let len_q = query.dims()[2];
        let all_seen = visible.is_none() && !options.causal && options.window.is_none();
        let single = [&query, &key, &value].into_iter().all(flex::is_plain_f32);
        if single && (1..=few::MOST).contains(&len_q) && len_k > 0 {
            return few::attention(query, key, value, visible, options);
        }
        if all_seen && single && n_heads == n_kv_heads && len_q * len_k > long::MANY {
            return long::attention(query, key, value, scale(options, d_head));
        }
        flex_attention(query, key, value, visible, options)
    } else {
        portable(query, key, value, visible, options)
    }
}

/// The scale in force for heads of this width.
fn scale(options: &AttentionOptions, d_head: usize) -> f64 {
    options.scale.unwrap_or_else(|| 1.0 / (d_head as f64).sqrt())
}

fn flex_attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    visible: Option<Tensor<2, Bool>>,
    options: &AttentionOptions,
) -> Tensor<4> {
    let [batch, _, len_q, d_head] = query.dims();
    let len_k = key.dims()[2];
    let shape = [batch, 1, len_q, len_k];
    // Repeated for the queries, which costs len_q · len_k bytes; the operation itself would repeat
    // a mask of length one for every head too.
    let padding =
        visible.map(|visible| visible.bool_not().reshape([batch, 1, 1, len_k]).expand(shape));
    let device = query.device();
    let past = options.past(len_q, len_k, &device).map(|past| past.expand(shape));
    let mask = match (padding, past) {
        (Some(padding), Some(past)) => Some(padding.bool_or(past)),
        (padding, past) => padding.or(past),
    };
    let options = AttentionModuleOptions {
        scale: Some(scale(options, d_head)),
        is_causal: options.causal,
        ..Default::default()
    };
    module::attention(query, key, value, mask, None, options)
}

/// By differentiable operations. The query heads that share a key head stand in one matrix, so no
/// key is repeated.
pub(crate) fn portable(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    visible: Option<Tensor<2, Bool>>,
    options: &AttentionOptions,
) -> Tensor<4> {
    let [batch, n_heads, len_q, d_head] = query.dims();
    let [_, n_kv_heads, len_k, d_value] = value.dims();
    let rows = n_heads / n_kv_heads * len_q;
    let device = query.device();
    let query = query * scale(options, d_head);
    let scores = query
        .reshape([batch, n_kv_heads, rows, d_head])
        .matmul(key.swap_dims(2, 3))
        .reshape([batch, n_heads, len_q, len_k]);
    let shape = [batch, 1, len_q, len_k];
    let padding = visible.map(|visible| visible.bool_not().reshape([batch, 1, 1, len_k]));
    let future =
        options.causal.then(|| future(len_q, len_k, &device).reshape([1, 1, len_q, len_k]));
    let hidden = [padding, future, options.past(len_q, len_k, &device)]
        .into_iter()
        .flatten()
        .map(|hidden| hidden.expand(shape))
        .reduce(Tensor::bool_or);
    masked_softmax(scores, hidden)
        .reshape([batch, n_kv_heads, rows, len_k])
        .matmul(value)
        .reshape([batch, n_heads, len_q, d_value])
}

impl AttentionOptions {
    /// `[1, 1, len_q, len_k]`, true where a key has left the window; none if no key has.
    fn past(&self, len_q: usize, len_k: usize, device: &Device) -> Option<Tensor<4, Bool>> {
        let window = self.window.filter(|window| *window < len_k)?;
        let (queries, keys) = places(len_q, len_k, device);
        // Hidden where key ≤ query − window.
        Some(keys.lower_equal(queries - window as i64).reshape([1, 1, len_q, len_k]))
    }
}

/// `[len_q, len_k]`, true where a key comes after the query, both sequences ending together.
fn future(len_q: usize, len_k: usize, device: &Device) -> Tensor<2, Bool> {
    let (queries, keys) = places(len_q, len_k, device);
    queries.lower(keys)
}

/// The places of queries and keys, `[len_q, len_k]` each, both sequences ending together.
fn places(len_q: usize, len_k: usize, device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
    let place = |len: usize| Tensor::<1, Int>::arange(0..len as i64, device);
    let queries = (place(len_q) + (len_k as i64 - len_q as i64)).reshape([len_q, 1]);
    let keys = place(len_k).reshape([1, len_k]);
    (queries.expand([len_q, len_k]), keys.expand([len_q, len_k]))
}
