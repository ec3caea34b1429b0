//! Texts as tensors: what every model of this crate takes.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Several texts, each a row of token numbers, padded to the longest.
///
/// ```
/// use andiron_nlp::batch::TextBatch;
/// use burn::tensor::Device;
///
/// let batch = TextBatch::of(&[vec![5, 6, 7], vec![8]], &Device::flex());
/// assert_eq!(batch.ids.dims(), [2, 3]);
/// let mask: Vec<bool> = batch.mask.into_data().iter::<bool>().collect();
/// assert_eq!(mask, [true, true, true, true, false, false]);
/// ```
#[derive(Debug, Clone)]
pub struct TextBatch {
    /// Token numbers, 0 or more, `[batch, length]`; 0 where the mask is false.
    pub ids: Tensor<2, Int>,
    /// True where a token stands, false in the padding behind it, `[batch, length]`.
    pub mask: Tensor<2, Bool>,
}

impl TextBatch {
    /// The batch of `rows`, one a text. It is at least one token wide, so that no axis is empty.
    pub fn of(rows: &[Vec<i32>], device: &Device) -> Self {
        let width = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let shape = [rows.len(), width];
        let mut ids = vec![0; rows.len() * width];
        let mut mask = vec![false; rows.len() * width];
        for (at, row) in rows.iter().enumerate() {
            let start = at * width;
            ids[start..start + row.len()].copy_from_slice(row);
            mask[start..start + row.len()].fill(true);
        }
        Self {
            ids: Tensor::from_data(TensorData::new(ids, shape), device),
            mask: Tensor::from_data(TensorData::new(mask, shape), device),
        }
    }
}
