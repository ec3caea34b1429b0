//! What networks that write text have in common, whatever is inside.

use crate::batch::TextBatch;
use andiron_core::Model;
use andiron_kernels::KvCache;
use burn::tensor::{Device, Int, Tensor, activation::log_softmax};

/// How many tokens of a text get logits at once: a vocabulary is wide.
const ROWS_AT_ONCE: usize = 256;

/// A network that gives the logits of the next token at every place: for whole texts, which is how
/// it learns ([`Model::forward`], padding behind the text), and token by token, which is how it
/// writes.
pub trait Decoder: Model<Input = TextBatch, Output = Tensor<3>> {
    /// Token numbers that it knows.
    fn n_tokens(&self) -> usize;

    /// How many tokens it can read at the most.
    fn max_length(&self) -> usize;

    /// A cache without a token, for rows with so many empty slots in front.
    fn cache(&self, padding: &[usize]) -> KvCache;

    /// Reads the next tokens of every row and keeps what it needs of them in `cache`.
    ///
    /// # Shapes
    /// - ids: `[batch, len]`; what stands in an empty slot does not matter, as long as it is a token
    /// - output: `[batch, len, d_model]`, for [`logits`](Self::logits)
    fn read(&self, ids: Tensor<2, Int>, cache: &mut KvCache) -> Tensor<3>;

    /// The logits of the token behind each place.
    ///
    /// # Shapes
    /// - hidden: `[batch, len, d_model]`
    /// - output: `[batch, len, n_tokens]`
    fn logits(&self, hidden: Tensor<3>) -> Tensor<3>;
}

/// The logits of the token behind the last of `ids`, `[batch, n_tokens]`.
pub(crate) fn next<M: Decoder>(model: &M, ids: Tensor<2, Int>, cache: &mut KvCache) -> Tensor<2> {
    let [_, len] = ids.dims();
    let hidden = model.read(ids, cache);
    model.logits(hidden.narrow(1, len - 1, 1)).squeeze_dim(1)
}

/// The natural logarithms of the probabilities that `model` gives the last `counted` of `ids`, each
/// after those before it; `counted` is below the number of `ids`.
pub(crate) fn log_probabilities<M: Decoder>(
    model: &M,
    ids: &[u32],
    counted: usize,
    device: &Device,
) -> Vec<f32> {
    let numbers: Vec<i32> = ids.iter().map(|id| *id as i32).collect();
    let ids = Tensor::<1, Int>::from_ints(&numbers[..], device);
    let first = numbers.len() - 1 - counted;
    let before = ids.clone().narrow(0, 0, numbers.len() - 1).unsqueeze::<2>();
    let hidden = model.read(before, &mut model.cache(&[0]));
    let mut found = Vec::with_capacity(counted);
    for from in (first..numbers.len() - 1).step_by(ROWS_AT_ONCE) {
        let len = ROWS_AT_ONCE.min(numbers.len() - 1 - from);
        let logits = model.logits(hidden.clone().narrow(1, from, len));
        let truth = ids.clone().narrow(0, from + 1, len).reshape([1, len, 1]);
        found.extend(log_softmax(logits, 2).gather(2, truth).into_data().iter::<f32>());
    }
    found
}
