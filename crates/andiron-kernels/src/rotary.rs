//! Rotary position embedding: places as angles, so that a dot product knows the distance alone.
//!
//! Paper: Su et al. 2021, RoFormer, <https://arxiv.org/abs/2104.09864>, equations 15 and 34.

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData, assert_shape},
};

/// Which values of a head are turned together. A checkpoint needs the one it was trained with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RotaryLayout {
    /// Value `i` with `i + d/2`: GPT-NeoX, and Hugging Face's Llama, Mistral, Qwen, Gemma.
    #[default]
    Half,
    /// Value `2i` with `2i + 1`: the paper, GPT-J, and Llama's own files (so GGUF's).
    Interleaved,
}

/// Cosines and sines of the angles of every place, computed in f64 and held on a device.
///
/// A module without parameters: it can be a field of a network and follows it from device to device.
///
/// ```
/// use andiron_kernels::{RotaryLayout, RotaryTable};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex();
/// let table = RotaryTable::new(8, 32, 10_000.0, &device);
/// let x = Tensor::<4>::ones([1, 2, 3, 8], &device);
/// assert_eq!(table.apply(x, 5, RotaryLayout::Half).dims(), [1, 2, 3, 8]); // places 5, 6 and 7
/// ```
#[derive(Module, Debug)]
pub struct RotaryTable {
    /// Cosines, `[max_len, d_rotary / 2]`.
    pub cos: Tensor<2>,
    /// Sines, `[max_len, d_rotary / 2]`.
    pub sin: Tensor<2>,
}

impl RotaryTable {
    /// The table for heads of width `d_head` (an odd last value stays unturned) and `max_len`
    /// places, with the frequencies `theta^(-2i / d_head)`; `theta` is 10 000 in the paper.
    pub fn new(d_head: usize, max_len: usize, theta: f64, device: &Device) -> Self {
        let frequency = |i: usize| theta.powf(-((2 * i) as f64) / d_head as f64);
        let frequencies: Vec<f64> = (0..d_head / 2).map(frequency).collect();
        Self::with_frequencies(&frequencies, max_len, device)
    }

    /// The table for these frequencies, in radians a place: for scaled ones (Llama 3, YaRN) and for
    /// networks that turn only the first `2 · frequencies.len()` values of a head.
    pub fn with_frequencies(frequencies: &[f64], max_len: usize, device: &Device) -> Self {
        let table = |function: fn(f64) -> f64| {
            let values: Vec<f32> = (0..max_len)
                .flat_map(|place| frequencies.iter().map(move |frequency| place as f64 * frequency))
                .map(|angle| function(angle) as f32)
                .collect();
            let shape = [max_len, frequencies.len()];
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// Number of places in the table.
    pub fn max_len(&self) -> usize {
        self.cos.dims()[0]
    }

    /// Turns the heads of a sequence whose first token has the place `start`.
    ///
    /// # Shapes
    /// - x and output: `[batch, n_heads, len, d_head]`, where `start + len` is at most `max_len`
    pub fn apply(&self, x: Tensor<4>, start: usize, layout: RotaryLayout) -> Tensor<4> {
        let len = x.dims()[2];
        let end = start + len;
        assert!(
            end <= self.max_len(),
            "the last place must be below {}, the length of the table, but is {}",
            self.max_len(),
            end.saturating_sub(1)
        );
        let rows = |table: &Tensor<2>| table.clone().narrow(0, start, len);
        rotary(x, rows(&self.cos), rows(&self.sin), layout)
    }
}

/// Turns each pair `(a, b)` of a head to `(a cos - b sin, b cos + a sin)`, by the angle of its place.
///
/// # Shapes
/// - x and output: `[batch, n_heads, len, d_head]`
/// - cos, sin: `[len, d_rotary / 2]`, with d_rotary at most d_head: values beyond stay as they are
pub fn rotary(x: Tensor<4>, cos: Tensor<2>, sin: Tensor<2>, layout: RotaryLayout) -> Tensor<4> {
    let [batch, n_heads, len, d_head] = x.dims();
    let [_, half] = cos.dims();
    assert_shape!(cos, [len, half]);
    assert_shape!(sin, [len, half]);
    let d_rotary = 2 * half;
    assert!(
        d_rotary <= d_head,
        "the angles must be for at most {d_head} values, the width of a head, but are for {d_rotary}"
    );
    let dtype = x.dtype();
    let [cos, sin] = [cos, sin].map(|t| if t.dtype() == dtype { t } else { t.cast(dtype) });
    let rest = (d_rotary < d_head).then(|| x.clone().narrow(3, d_rotary, d_head - d_rotary));
    let x = if rest.is_some() { x.narrow(3, 0, d_rotary) } else { x };
    // Both layouts as `[.., 2, half]` or `[.., half, 2]`: the axis of length two is the pair.
    let (split, axis) = match layout {
        RotaryLayout::Half => ([batch * n_heads, len, 2, half], 2),
        RotaryLayout::Interleaved => ([batch * n_heads, len, half, 2], 3),
    };
    let angle_shape = match layout {
        RotaryLayout::Half => [1, len, 1, half],
        RotaryLayout::Interleaved => [1, len, half, 1],
    };
    let (cos, sin) = (cos.reshape(angle_shape), sin.reshape(angle_shape));
    let pairs = x.reshape(split);
    let a = pairs.clone().narrow(axis, 0, 1);
    let b = pairs.narrow(axis, 1, 1);
    let turned = Tensor::cat(
        vec![a.clone() * cos.clone() - b.clone() * sin.clone(), b * cos + a * sin],
        axis,
    )
    .reshape([batch, n_heads, len, d_rotary]);
    match rest {
        Some(rest) => Tensor::cat(vec![turned, rest], 3),
        None => turned,
    }
}
