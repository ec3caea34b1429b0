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
    /// What each token weighs in its text, `[batch, length]`, 0 in the padding; none where all
    /// weigh alike. Only a network that takes a bag heeds it.
    pub weights: Option<Tensor<2>>,
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
            weights: None,
        }
    }

    /// The batch of `rows`, one a text, of tokens with what each weighs.
    ///
    /// ```
    /// use andiron_nlp::batch::TextBatch;
    /// use burn::tensor::Device;
    ///
    /// let batch = TextBatch::weighted(&[vec![(5, 0.6), (6, 0.8)], vec![(8, 1.0)]], &Device::flex());
    /// let weights = batch.weights.map(|weights| weights.into_data().iter::<f32>().collect());
    /// assert_eq!(weights, Some(vec![0.6, 0.8, 1.0, 0.0]));
    /// ```
    pub fn weighted(rows: &[Vec<(i32, f32)>], device: &Device) -> Self {
        let ids: Vec<Vec<i32>> =
            rows.iter().map(|row| row.iter().map(|(id, _)| *id).collect()).collect();
        let batch = Self::of(&ids, device);
        let [n, width] = batch.ids.dims();
        let mut weights = vec![0.0_f32; n * width];
        for (at, row) in rows.iter().enumerate() {
            for (place, (_, weight)) in row.iter().enumerate() {
                weights[at * width + place] = *weight;
            }
        }
        let weights = Tensor::from_data(TensorData::new(weights, [n, width]), device);
        Self { weights: Some(weights), ..batch }
    }
}

/// Several texts as a published encoder takes them, padded to the longest.
///
/// ```
/// use andiron_nlp::batch::TokenBatch;
/// use burn::tensor::Device;
///
/// let (first, second) = (vec![101, 7, 102, 8, 102], vec![101, 9, 102]);
/// let segments = [vec![0, 0, 0, 1, 1], vec![0, 0, 0]];
/// let batch = TokenBatch::of(&[first, second], &segments, &Device::flex());
/// assert_eq!(batch.ids.dims(), [2, 5]);
/// let ids: Vec<i32> = batch.ids.into_data().iter::<i32>().collect();
/// assert_eq!(ids[5..], [101, 9, 102, 0, 0]);
/// ```
#[derive(Debug, Clone)]
pub struct TokenBatch {
    /// Token numbers, `[batch, length]`; 0 where the mask is false, where no network looks.
    pub ids: Tensor<2, Int>,
    /// True where a token stands, false in the padding behind it, `[batch, length]`.
    pub mask: Tensor<2, Bool>,
    /// Which of a pair of texts a token is of, `[batch, length]`; 0 in the padding.
    pub segments: Tensor<2, Int>,
}

impl TokenBatch {
    /// The batch of `rows`, one a text, each with its segments; a text without has segment 0
    /// throughout. It is at least one token wide, so that no axis is empty.
    pub fn of(rows: &[Vec<u32>], segments: &[Vec<u32>], device: &Device) -> Self {
        let width = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let shape = [rows.len(), width];
        let mut ids = vec![0_i32; rows.len() * width];
        let mut mask = vec![false; rows.len() * width];
        let mut kinds = vec![0_i32; rows.len() * width];
        for (at, row) in rows.iter().enumerate() {
            let start = at * width;
            for (place, id) in row.iter().enumerate() {
                ids[start + place] = *id as i32;
            }
            mask[start..start + row.len()].fill(true);
            for (place, kind) in segments.get(at).into_iter().flatten().take(row.len()).enumerate()
            {
                kinds[start + place] = *kind as i32;
            }
        }
        Self {
            ids: Tensor::from_data(TensorData::new(ids, shape), device),
            mask: Tensor::from_data(TensorData::new(mask, shape), device),
            segments: Tensor::from_data(TensorData::new(kinds, shape), device),
        }
    }
}

/// Several texts as a published encoder takes them, with the tokens of which something is asked.
///
/// ```
/// use andiron_nlp::batch::{PickedTokens, TokenBatch};
/// use burn::tensor::Device;
///
/// let device = Device::flex();
/// let tokens = TokenBatch::of(&[vec![5, 4, 7], vec![4]], &[], &device);
/// let picked = PickedTokens::of(tokens, &[vec![1], vec![0]]);
/// let places: Vec<i32> = picked.places.into_data().iter::<i32>().collect();
/// assert_eq!(places, [1, 3]);
/// ```
#[derive(Debug, Clone)]
pub struct PickedTokens {
    /// The texts.
    pub tokens: TokenBatch,
    /// The tokens, counted through the batch: row times length and place, `[picked]`; text by text.
    pub places: Tensor<1, Int>,
}

impl PickedTokens {
    /// The tokens at `places` of each text of `tokens`; at least one in all, so that no axis is
    /// empty.
    pub fn of(tokens: TokenBatch, places: &[Vec<usize>]) -> Self {
        let [_, length] = tokens.ids.dims();
        let flat: Vec<i32> = places
            .iter()
            .enumerate()
            .flat_map(|(row, places)| places.iter().map(move |place| (row * length + place) as i32))
            .collect();
        let count = flat.len();
        let places = Tensor::from_data(TensorData::new(flat, [count]), &tokens.ids.device());
        Self { tokens, places }
    }
}

impl From<TextBatch> for TokenBatch {
    /// Texts that are no pairs: all of the first segment.
    fn from(TextBatch { ids, mask, .. }: TextBatch) -> Self {
        let segments = ids.zeros_like();
        Self { ids, mask, segments }
    }
}
