//! Randomness that belongs to the caller: a thread-local stream, and the dropout that draws from it.
//!
//! `burn`'s own dropout draws from one generator for the whole process, whose state can neither be
//! read nor saved, so a run that is resumed, or that shares the process with another, differs from
//! one that is not. Here every draw is a function of the seed given to [`training`].

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use std::cell::Cell;

/// Increment of SplitMix64's counter: 2^64 divided by the golden ratio, made odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Words of the stream that one piece of a mask takes; a piece is the unit of parallel work.
const WORDS_PER_PIECE: usize = 1 << 13;

thread_local! {
    /// The stream of this thread; `None` outside [`training`].
    static STREAM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// One step of SplitMix64: moves `state` on and returns 64 random bits.
///
/// Paper: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators",
/// <https://doi.org/10.1145/2660193.2660195>. Not for secrets: the state follows from any output.
pub fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(GOLDEN);
    finalise(*state)
}

/// The output function of SplitMix64, a bijection ("mix variant 13").
fn finalise(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// A seed for one random stream, from the seed of a run and the numbers that name the stream
/// (step, micro-batch, worker, …), in that order.
///
/// The same arguments always give the same seed, on every platform. Streams whose numbers differ
/// in one place get different seeds: each step of the hash is a bijection of the word mixed in.
///
/// ```
/// use andiron_kernels::mix;
/// let (seed, step) = (7, 1_000);
/// assert_ne!(mix(seed, &[step, 0]), mix(seed, &[step, 1]));
/// assert_ne!(mix(seed, &[0, step]), mix(seed, &[step, 0]));
/// ```
pub fn mix(seed: u64, words: &[u64]) -> u64 {
    words.iter().fold(finalise(seed.wrapping_add(GOLDEN)), |hash, word| {
        finalise((hash ^ word).wrapping_add(GOLDEN))
    })
}

/// Runs `f` as a training step: layers that are random ([`dropout`]) act in it, and only in it,
/// and draw from the stream that `seed` starts.
///
/// The scope is the calling thread's: code that `f` sends to other threads is outside it. Scopes
/// nest, each with a stream of its own; the outer one goes on where it stopped, also after a panic.
pub fn training<R>(seed: u64, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<u64>);
    impl Drop for Restore {
        fn drop(&mut self) {
            STREAM.set(self.0);
        }
    }
    let _restore = Restore(STREAM.replace(Some(seed)));
    f()
}

/// Whether this thread is inside [`training`].
pub fn is_training() -> bool {
    STREAM.get().is_some()
}

/// The next 64 random bits of the stream that [`training`] started, and of no other: a seed for
/// whatever else a training step draws. `None` outside, where nothing is random.
///
/// ```
/// use andiron_kernels::{draw, training};
///
/// assert_eq!(draw(), None);
/// let two = || training(3, || (draw(), draw()));
/// assert_eq!(two(), two());
/// assert_ne!(two().0, two().1);
/// ```
pub fn draw() -> Option<u64> {
    let mut state = STREAM.get()?;
    let word = split_mix(&mut state);
    STREAM.set(Some(state));
    Some(word)
}

/// Sets each value to zero with probability `p` and divides the rest by `1 - p`, so that the
/// expected value stays; inside [`training`]. Outside, returns `x` as it is.
///
/// Paper: Srivastava et al. 2014, <https://jmlr.org/papers/v15/srivastava14a.html>.
/// Differs from it: scales in training ("inverted"), not in inference. `p` is exact to 2⁻³².
/// The mask depends on the stream alone, not on the number of threads.
///
/// ```
/// use andiron_kernels::{dropout, training};
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<2>::ones([2, 3], &Device::flex());
/// assert_eq!(dropout(x.clone(), 0.5).to_data(), x.to_data());
/// let once = training(3, || dropout(x.clone(), 0.5).to_data());
/// assert_eq!(once, training(3, || dropout(x, 0.5).to_data()));
/// ```
///
/// # Panics
///
/// If `p` is not in 0..=1: a network checks its configuration when it is built.
pub fn dropout<const D: usize>(x: Tensor<D>, p: f64) -> Tensor<D> {
    assert!((0.0..=1.0).contains(&p), "the probability of dropout must be in 0..=1, but is {p}");
    let Some(state) = STREAM.get() else { return x };
    if p == 0.0 {
        return x;
    }
    let shape = x.shape();
    let (mask, state) = mask(state, shape.num_elements(), 1.0 - p);
    STREAM.set(Some(state));
    let options = (&x.device(), x.dtype());
    x * Tensor::from_data(TensorData::new(mask, shape), options)
}

/// `n` values, each `1 / keep` with probability `keep` and zero otherwise, and the stream after
/// them. SplitMix64 counts in equal steps, so every piece starts where it stands, in any order.
fn mask(state: u64, n: usize, keep: f64) -> (Vec<f32>, u64) {
    // Two values a word. `keep` is in 0..1, so the threshold is below 2^32; at 0 nothing is kept
    // and the scale is not used.
    let threshold = (keep * 2f64.powi(32)) as u64;
    let scale = if keep > 0.0 { (1.0 / keep) as f32 } else { 0.0 };
    let after = |words: usize| state.wrapping_add(GOLDEN.wrapping_mul(words as u64));
    let value = |bits: u64| if bits < threshold { scale } else { 0.0 };
    let mut mask = vec![0.0f32; n];
    let fill = |(index, piece): (usize, &mut [f32])| {
        let mut state = after(index * WORDS_PER_PIECE);
        for pair in piece.chunks_mut(2) {
            let word = split_mix(&mut state);
            pair[0] = value(word & 0xFFFF_FFFF);
            if let Some(second) = pair.get_mut(1) {
                *second = value(word >> 32);
            }
        }
    };
    let piece = 2 * WORDS_PER_PIECE;
    if n <= piece {
        fill((0, &mut mask));
    } else {
        mask.par_chunks_mut(piece).enumerate().for_each(fill);
    }
    (mask, after(n.div_ceil(2)))
}
