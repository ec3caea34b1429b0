//! One pass over the values of Flex tensors: the frame of every fused elementwise body.
//!
//! A body is plain arithmetic on one `f32`, written once; the compiler makes vectors of it for each
//! instruction set. No value depends on how the sweep is cut into pieces.
#![allow(
    unsafe_code,
    reason = "calls code compiled for instructions that the CPU was seen to have, and fills fresh \
              memory without clearing it first"
)]

use burn::{
    backend::flex::{FlexTensor, Layout},
    tensor::{Bytes, DType, Shape},
};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Values of one piece, the unit of parallel work: 64 KiB, so that a piece stays in a core's cache.
const PIECE: usize = 1 << 14;

/// A function of one value. `FUSED` says whether to use fused multiply-add: see [`madd`].
pub(crate) trait Unary: Copy + Send + Sync {
    /// The function.
    fn value<const FUSED: bool>(self, x: f32) -> f32;
}

/// A function of two values. `FUSED` says whether to use fused multiply-add: see [`madd`].
pub(crate) trait Binary: Copy + Send + Sync {
    /// The function.
    fn value<const FUSED: bool>(self, x: f32, y: f32) -> f32;
}

/// `a · b + c`, rounded once if `FUSED`. On a CPU without that instruction `mul_add` would be a
/// call into the C library for every value.
#[inline(always)]
pub(crate) fn madd<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// The function of every value of an `f32` tensor, written in place if nobody else holds them.
pub(crate) fn unary<F: Unary>(function: F, mut x: FlexTensor) -> FlexTensor {
    let (start, end) = match x.layout().contiguous_offsets() {
        Some(place) => place,
        None => {
            x = x.to_contiguous();
            (0, x.layout().num_elements())
        }
    };
    if let Some(all) = x.try_storage_mut::<f32>() {
        each_piece(&mut all[start..end], |_, values| run(InPlace { function, values }));
        return x;
    }
    let values = &x.storage::<f32>()[start..end];
    fresh(x.layout().shape(), |place, out| {
        let x = &values[place..place + out.len()];
        run(FromOne { function, out, x });
    })
}

/// The function of every pair of values of two `f32` tensors.
///
/// # Panics
///
/// If the shapes differ.
pub(crate) fn binary<F: Binary>(function: F, x: &FlexTensor, y: &FlexTensor) -> FlexTensor {
    let shape = x.layout().shape();
    assert_eq!(shape, y.layout().shape(), "the two tensors must have the same shape");
    let (x, y) = (x.to_contiguous(), y.to_contiguous());
    let (x, y): (&[f32], &[f32]) = (x.storage(), y.storage());
    fresh(shape, |place, out| {
        let end = place + out.len();
        run(FromTwo { function, out, x: &x[place..end], y: &y[place..end] });
    })
}

/// A new tensor of this shape. `fill(place, out)` must write all of `out`, the values from `place`.
fn fresh(shape: &Shape, fill: impl Fn(usize, &mut [MaybeUninit<f32>]) + Send + Sync) -> FlexTensor {
    let n = shape.num_elements();
    let mut out: Vec<f32> = Vec::with_capacity(n);
    each_piece(&mut out.spare_capacity_mut()[..n], fill);
    // SAFETY: the capacity is at least n, and the pieces are all of the first n values, each of
    // which `fill` has written: `FromOne` and `FromTwo`, the two fillers, write every place of
    // `out`, as they check that their inputs are as long.
    unsafe { out.set_len(n) };
    FlexTensor::new(Bytes::from_elems(out), Layout::contiguous(shape.clone()), DType::F32)
}

/// Calls `work(place, piece)` for all pieces, in parallel where there are more than two.
fn each_piece<T: Send>(values: &mut [T], work: impl Fn(usize, &mut [T]) + Send + Sync) {
    if values.len() <= 2 * PIECE {
        work(0, values);
    } else {
        let pieces = values.par_chunks_mut(PIECE).enumerate();
        pieces.for_each(|(index, piece)| work(index * PIECE, piece));
    }
}

/// A loop over one piece, to be compiled for several instruction sets.
pub(crate) trait Body {
    /// The loop. `FUSED` says whether to use fused multiply-add: see [`madd`].
    fn run<const FUSED: bool>(self);
}

struct InPlace<'a, F> {
    function: F,
    values: &'a mut [f32],
}

struct FromOne<'a, F> {
    function: F,
    out: &'a mut [MaybeUninit<f32>],
    x: &'a [f32],
}

struct FromTwo<'a, F> {
    function: F,
    out: &'a mut [MaybeUninit<f32>],
    x: &'a [f32],
    y: &'a [f32],
}

impl<F: Unary> Body for InPlace<'_, F> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for value in self.values {
            *value = self.function.value::<FUSED>(*value);
        }
    }
}

impl<F: Unary> Body for FromOne<'_, F> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        assert_eq!(self.out.len(), self.x.len(), "all of `out` must be written");
        for (out, x) in self.out.iter_mut().zip(self.x) {
            out.write(self.function.value::<FUSED>(*x));
        }
    }
}

impl<F: Binary> Body for FromTwo<'_, F> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let n = self.out.len();
        assert!(n == self.x.len() && n == self.y.len(), "all of `out` must be written");
        for ((out, x), y) in self.out.iter_mut().zip(self.x).zip(self.y) {
            out.write(self.function.value::<FUSED>(*x, *y));
        }
    }
}

/// Runs the loop with the widest vectors this CPU has.
pub(crate) fn run(body: impl Body) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU was just seen to have AVX-512F.
            return unsafe { avx512(body) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the CPU was just seen to have AVX2 and FMA.
            return unsafe { avx2(body) };
        }
    }
    // Every 64-bit ARM fuses; elsewhere it is not known.
    body.run::<{ cfg!(target_arch = "aarch64") }>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(body: impl Body) {
    body.run::<true>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(body: impl Body) {
    body.run::<true>();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Twice;
    impl Unary for Twice {
        fn value<const FUSED: bool>(self, x: f32) -> f32 {
            madd::<FUSED>(x, 2.0, 0.5)
        }
    }
    #[derive(Clone, Copy)]
    struct Less;
    impl Binary for Less {
        fn value<const FUSED: bool>(self, x: f32, y: f32) -> f32 {
            madd::<FUSED>(y, -1.0, x)
        }
    }

    fn counted(shape: &[usize]) -> FlexTensor {
        let shape = Shape::from(shape.to_vec());
        let values: Vec<f32> = (0..shape.num_elements()).map(|i| i as f32).collect();
        FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
    }

    fn values(x: &FlexTensor) -> Vec<f32> {
        x.to_contiguous().storage().to_vec()
    }

    #[test]
    fn every_value_is_swept_once() {
        for n in [0, 1, 15, 17, 2 * PIECE, 2 * PIECE + 1, 3 * PIECE + 5] {
            let expected: Vec<f32> = (0..n).map(|i| i as f32 * 2.0 + 0.5).collect();
            assert_eq!(values(&unary(Twice, counted(&[n]))), expected, "in place, {n}");
            let shared = counted(&[n]);
            let keep = shared.clone();
            assert_eq!(values(&unary(Twice, shared)), expected, "shared, {n}");
            assert_eq!(values(&keep), values(&counted(&[n])), "the other holder's, {n}");
            let difference: Vec<f32> =
                expected.iter().zip(values(&keep)).map(|(x, y)| x - y).collect();
            assert_eq!(
                values(&binary(Less, &unary(Twice, keep.clone()), &keep)),
                difference,
                "two, {n}"
            );
        }
    }

    #[test]
    fn views_sweep_their_own_values() {
        let base = counted(&[3, 5, 2]);
        let all = values(&base);
        for view in [base.narrow(0, 1, 2), base.narrow(1, 2, 3), base.transpose(0, 2)] {
            let expected: Vec<f32> = values(&view).iter().map(|x| x * 2.0 + 0.5).collect();
            let swept = unary(Twice, view.clone());
            assert_eq!(swept.layout().shape(), view.layout().shape());
            assert_eq!(values(&swept), expected);
            assert_eq!(values(&base), all, "a view must not write to its base");
            let zeros = vec![0.0; expected.len()];
            assert_eq!(values(&binary(Less, &swept, &swept)), zeros);
        }
        // The only holder of a slice may write in place, but only within the slice.
        let alone = counted(&[4, 3]).narrow(0, 1, 2);
        assert_eq!(values(&unary(Twice, alone)), [6.5, 8.5, 10.5, 12.5, 14.5, 16.5]);
    }

    #[test]
    fn each_instruction_set_gives_the_same() {
        let mut portable = vec![0.0; 100];
        let mut chosen = vec![0.0; 100];
        for (i, (p, c)) in portable.iter_mut().zip(&mut chosen).enumerate() {
            (*p, *c) = (i as f32 - 50.0, i as f32 - 50.0);
        }
        InPlace { function: Twice, values: &mut portable }.run::<false>();
        run(InPlace { function: Twice, values: &mut chosen });
        assert_eq!(portable, chosen, "these sums are exact, fused or not");
    }
}
