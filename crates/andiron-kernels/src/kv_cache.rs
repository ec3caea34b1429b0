//! The keys and values of the tokens that a decoder has read, so that it reads each only once.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Slots are added by so many at the least.
const BLOCK: usize = 64;

/// Keys and values of every layer for a batch of rows, in buffers that are written in place and
/// doubled when they are full.
///
/// All rows have equally many slots; a shorter row begins with empty ones, which no query sees.
///
/// ```
/// use andiron_kernels::KvCache;
/// use burn::tensor::{Device, Tensor};
///
/// let mut cache = KvCache::new(1, &[0, 2]);
/// let token = |len| Tensor::<4>::ones([2, 3, len, 4], &Device::flex());
/// cache.append(0, token(5), token(5));
/// cache.advance(5);
/// let (keys, _) = cache.append(0, token(1), token(1));
/// assert_eq!(keys.dims(), [2, 3, 6, 4]);
/// ```
#[derive(Debug, Clone)]
pub struct KvCache {
    layers: Vec<Option<[Tensor<4>; 2]>>,
    /// Empty slots in front of each row.
    padding: Vec<usize>,
    length: usize,
    capacity: usize,
}

impl KvCache {
    /// A cache without a token, for as many rows as `padding` has numbers: so many slots in front of
    /// the row will be empty.
    pub fn new(n_layers: usize, padding: &[usize]) -> Self {
        Self { layers: vec![None; n_layers], padding: padding.to_vec(), length: 0, capacity: 0 }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.padding.len()
    }

    /// How many slots are filled: the slot of the next token.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Puts the keys and values of the next tokens behind those of `layer`, and gives all of them.
    ///
    /// # Shapes
    /// - key, value: `[batch, n_kv_heads, len, d_head]`
    /// - output: `[batch, n_kv_heads, length + len, d_head]`
    pub fn append(
        &mut self,
        layer: usize,
        key: Tensor<4>,
        value: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let [batch, n_heads, len, d_head] = key.dims();
        assert_eq!(batch, self.padding.len(), "the cache is for another number of rows");
        let end = self.length + len;
        if end > self.capacity {
            self.capacity = end.max(2 * self.capacity).next_multiple_of(BLOCK);
        }
        let shape = [batch, n_heads, self.capacity, d_head];
        let buffers = self.layers[layer].take();
        let [keys, values] = match buffers {
            Some([keys, values]) => {
                [grown(keys, shape, self.length), grown(values, shape, self.length)]
            }
            None => [Tensor::zeros(shape, &key.device()), Tensor::zeros(shape, &key.device())],
        };
        let place = [0..batch, 0..n_heads, self.length..end, 0..d_head];
        // Nobody else holds the buffers now, so this writes in place.
        let keys = keys.slice_assign(place.clone(), key);
        let values = values.slice_assign(place, value);
        let seen = (keys.clone().narrow(2, 0, end), values.clone().narrow(2, 0, end));
        self.layers[layer] = Some([keys, values]);
        seen
    }

    /// Counts `len` tokens as read, once every layer has appended them.
    pub fn advance(&mut self, len: usize) {
        self.length += len;
    }

    /// Goes on with other rows: the first with what `rows[0]` has read, the second with that of
    /// `rows[1]`, and so on; a row may be there several times, or not at all. For a search that
    /// keeps the best of many continuations.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn select(&mut self, rows: &[usize]) {
        if rows.iter().copied().eq(0..self.padding.len()) {
            return;
        }
        self.padding = rows.iter().map(|row| self.padding[*row]).collect();
        let numbers: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
        for layer in self.layers.iter_mut().flatten() {
            let numbers = Tensor::<1, Int>::from_ints(&numbers[..], &layer[0].device());
            *layer = layer.clone().map(|buffer| buffer.select(0, numbers.clone()));
        }
    }

    /// Which slots hold a token, once `len` more are filled: `[batch, length + len]`; none if all do.
    pub fn visible(&self, len: usize, device: &Device) -> Option<Tensor<2, Bool>> {
        if self.padding.iter().all(|empty| *empty == 0) {
            return None;
        }
        let width = self.length + len;
        let mask: Vec<bool> = self
            .padding
            .iter()
            .flat_map(|empty| (0..width).map(move |slot| slot >= *empty))
            .collect();
        Some(Tensor::from_data(TensorData::new(mask, [self.padding.len(), width]), device))
    }

    /// The places of the next `len` tokens in their own rows, `[batch, len]`; 0 for an empty slot.
    pub fn places(&self, len: usize, device: &Device) -> Tensor<2, Int> {
        let places: Vec<i32> = self
            .padding
            .iter()
            .flat_map(|empty| {
                (self.length..self.length + len).map(move |slot| slot.saturating_sub(*empty) as i32)
            })
            .collect();
        Tensor::from_data(TensorData::new(places, [self.padding.len(), len]), device)
    }
}

/// The same `filled` slots in a buffer of `shape`.
fn grown(buffer: Tensor<4>, shape: [usize; 4], filled: usize) -> Tensor<4> {
    let [batch, n_heads, capacity, d_head] = buffer.dims();
    if capacity == shape[2] {
        return buffer;
    }
    let place = [0..batch, 0..n_heads, 0..filled, 0..d_head];
    Tensor::zeros(shape, &buffer.device()).slice_assign(place, buffer.narrow(2, 0, filled))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn numbers(from: usize, shape: [usize; 4]) -> Tensor<4> {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (from..from + count).map(|n| n as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn what_was_appended_stays_when_the_buffer_grows() {
        let mut cache = KvCache::new(2, &[0, 1]);
        let mut parts = Vec::new();
        for (at, len) in [3, 1, 60, 5, 70].into_iter().enumerate() {
            let part = numbers(1000 * at, [2, 3, len, 2]);
            parts.push(part.clone());
            let wanted = Tensor::cat(parts.clone(), 2).into_data();
            for layer in 0..2 {
                let (keys, values) = cache.append(layer, part.clone(), part.clone() * -1.0);
                assert_eq!(keys.into_data(), wanted);
                assert_eq!((values * -1.0).into_data(), wanted);
            }
            cache.advance(len);
        }
        assert_eq!(cache.length(), 139);
    }

    #[test]
    fn rows_are_taken_in_another_order() {
        let mut cache = KvCache::new(1, &[0, 1, 2]);
        let part = numbers(0, [3, 2, 5, 2]);
        cache.append(0, part.clone(), part.clone());
        cache.advance(5);
        cache.select(&[2, 0, 2, 1]);
        let more = numbers(100, [4, 2, 1, 2]);
        let (keys, values) = cache.append(0, more.clone(), more.clone());
        let row = |at: usize| part.clone().narrow(0, at, 1);
        let wanted = Tensor::cat(vec![row(2), row(0), row(2), row(1)], 0);
        let wanted = Tensor::cat(vec![wanted, more], 2).into_data();
        assert_eq!((keys.into_data(), values.into_data()), (wanted.clone(), wanted));
        let places: Vec<i32> = cache.places(1, &Device::flex()).into_data().iter::<i32>().collect();
        assert_eq!(places, [3, 5, 3, 4]);
    }

    #[test]
    fn empty_slots_are_hidden_and_have_no_place() {
        let device = Device::flex();
        let mut cache = KvCache::new(0, &[2, 0, 1]);
        let visible: Vec<bool> =
            cache.visible(3, &device).unwrap().into_data().iter::<bool>().collect();
        assert_eq!(visible, [false, false, true, true, true, true, false, true, true]);
        cache.advance(3);
        let places: Vec<i32> = cache.places(2, &device).into_data().iter::<i32>().collect();
        assert_eq!(places, [1, 2, 3, 4, 2, 3]);
        assert!(KvCache::new(0, &[0, 0]).visible(4, &device).is_none());
    }
}
