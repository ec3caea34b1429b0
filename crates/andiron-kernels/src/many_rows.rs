//! The product of many rows with a matrix, as layers of perceptrons and attention need it.
//!
//! Both matrices are cut into tiles of sums that stay in registers, over so much of their common side as
//! stays in a core's cache; the pieces of the result are shared out among the threads. burn's product
//! (the crate gemm) rearranges its operands at every call, the larger part of them with one thread.

use crate::{
    few_rows::{Matrix, sides},
    sweep::{Body, run},
    tile::{Sums, TALL, WIDE, add_products, into_tiles},
};
use burn::{
    backend::flex::{FlexTensor, Layout},
    tensor::{Bytes, DType, Shape},
};
use rayon::prelude::*;
use std::ops::Range;

/// Rows of one piece of the result, a multiple of [`TALL`].
const ROWS: usize = 96;
/// Columns of one piece, a multiple of [`WIDE`].
const COLUMNS: usize = 128;
/// Products of each sum that are added before the next tile.
const DEPTH: usize = 256;

/// `x · matrix + bias` for `x` of `[rows, d_in]`, `matrix` of `[d_in, d_out]` in either order of
/// memory, `bias` of `[d_out]`; all in single precision. None where the matrix lies in an order that
/// is neither: the caller then has another way.
///
/// Each value is summed by one thread, in one order, whatever the number of rows.
// Neither inlined nor generic, so that it is compiled with the optimisation of this crate.
#[inline(never)]
pub(crate) fn product(
    x: &FlexTensor,
    matrix: &FlexTensor,
    bias: Option<&FlexTensor>,
) -> Option<FlexTensor> {
    let [rows, depth] = sides(x.layout());
    let [_, width] = sides(matrix.layout());
    let weights = Matrix::of(matrix, depth, width)?;
    let x = rows_of(x);
    let x = &x.storage::<f32>()[..rows * depth];
    let mut out = vec![0.0_f32; rows * width];
    if let Some(bias) = bias.map(FlexTensor::to_contiguous) {
        let bias = &bias.storage::<f32>()[..width];
        out.par_chunks_mut(width.max(1)).for_each(|row| row.copy_from_slice(bias));
    }
    // A column of the result is as far from the next as a row's length.
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    for (band, out) in out.chunks_mut((ROWS * width).max(1)).enumerate() {
        let from = pieces.len();
        for first in (0..width).step_by(COLUMNS) {
            pieces.push(Piece { rows: band * ROWS, columns: first, lines: Vec::new() });
        }
        for row in out.chunks_mut(width) {
            for (piece, line) in pieces[from..].iter_mut().zip(row.chunks_mut(COLUMNS)) {
                piece.lines.push(line);
            }
        }
    }
    match weights {
        Matrix::Rows { values, step } => {
            each(pieces, |piece| run(ByRows { x, depth, values, step, piece }));
        }
        Matrix::Columns { values, step } => {
            let tiles = turned_tiles(x, depth);
            each(pieces, |piece| run(ByColumns { tiles: &tiles, depth, values, step, piece }));
        }
    }
    let shape = Shape::from(vec![rows, width]);
    Some(FlexTensor::new(Bytes::from_elems(out), Layout::contiguous(shape), DType::F32))
}

/// A piece of the result.
struct Piece<'a> {
    /// Its first row, and its first column.
    rows: usize,
    columns: usize,
    /// Its part of each row.
    lines: Vec<&'a mut [f32]>,
}

/// In parallel where there is more than one.
fn each<'a>(pieces: Vec<Piece<'a>>, work: impl Fn(Piece<'a>) + Send + Sync) {
    if pieces.len() > 1 {
        pieces.into_par_iter().for_each(work);
    } else {
        pieces.into_iter().for_each(work);
    }
}

/// The matrix with its rows one behind the other.
pub(crate) fn rows_of(x: &FlexTensor) -> FlexTensor {
    let [rows, columns] = sides(x.layout());
    let Some(Matrix::Columns { values, step }) = Matrix::of(x, rows, columns) else {
        return x.to_contiguous();
    };
    let mut turned = vec![0.0_f32; rows * columns];
    // Some rows at a time, so that what is read of a column is a whole line of the cache.
    turned.par_chunks_mut((WIDE * columns).max(1)).enumerate().for_each(|(at, band)| {
        let first = at * WIDE;
        for column in 0..columns {
            let seen = &values[column * step + first..];
            for (row, value) in band.chunks_mut(columns).zip(seen) {
                row[column] = *value;
            }
        }
    });
    let shape = Shape::from(vec![rows, columns]);
    FlexTensor::new(Bytes::from_elems(turned), Layout::contiguous(shape), DType::F32)
}

/// The rows of `x`, [`WIDE`] beside each other: `[tiles, depth, WIDE]`, zeros behind the last.
fn turned_tiles(x: &[f32], depth: usize) -> Vec<[f32; WIDE]> {
    let rows = x.len().checked_div(depth).unwrap_or(0);
    let mut tiles = vec![[0.0; WIDE]; rows.div_ceil(WIDE) * depth];
    tiles.par_chunks_mut(depth.max(1)).zip(x.par_chunks((WIDE * depth).max(1))).for_each(
        |(tile, rows)| {
            for (lane, row) in rows.chunks(depth).enumerate() {
                tile.iter_mut().zip(row).for_each(|(tile, value)| tile[lane] = *value);
            }
        },
    );
    tiles
}

/// `0..depth` in parts.
fn parts(depth: usize) -> impl Iterator<Item = Range<usize>> {
    (0..depth).step_by(DEPTH).map(move |from| from..depth.min(from + DEPTH))
}

/// A piece of a product with a matrix whose rows lie one behind the other.
struct ByRows<'a, 'b> {
    x: &'a [f32],
    depth: usize,
    values: &'a [f32],
    step: usize,
    piece: Piece<'b>,
}

impl Body for ByRows<'_, '_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { x, depth, values, step, piece: Piece { rows, columns, mut lines } } = self;
        let width = lines.first().map_or(0, |line| line.len());
        let x = &x[rows * depth..][..lines.len() * depth];
        let mut panel = Vec::new();
        for part in parts(depth) {
            panel.resize(width.div_ceil(WIDE) * part.len(), [0.0; WIDE]);
            for (at, row) in part.clone().enumerate() {
                into_tiles(&values[row * step + columns..][..width], at, part.len(), &mut panel);
            }
            for (tile, panel) in panel.chunks(part.len()).enumerate() {
                let columns = tile * WIDE..width.min((tile + 1) * WIDE);
                for (lines, x) in lines.chunks_mut(TALL).zip(x.chunks(TALL * depth)) {
                    let last = lines.len() - 1;
                    let rows: [&[f32]; TALL] =
                        std::array::from_fn(|row| &x[row.min(last) * depth..][part.clone()]);
                    let mut sums = Sums::default();
                    add_products::<FUSED>(&mut sums, rows, panel);
                    for (line, sums) in lines.iter_mut().zip(&sums.0) {
                        line[columns.clone()]
                            .iter_mut()
                            .zip(sums)
                            .for_each(|(out, sum)| *out += sum);
                    }
                }
            }
        }
    }
}

/// A piece of a product with a matrix whose columns lie one behind the other.
struct ByColumns<'a, 'b> {
    /// The rows of `x`, as `turned_tiles` lays them.
    tiles: &'a [[f32; WIDE]],
    depth: usize,
    values: &'a [f32],
    step: usize,
    piece: Piece<'b>,
}

impl Body for ByColumns<'_, '_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { tiles, depth, values, step, piece: Piece { rows, columns, mut lines } } = self;
        let width = lines.first().map_or(0, |line| line.len());
        let tiles = tiles[rows / WIDE * depth..].chunks(depth.max(1));
        for (lines, tile) in lines.chunks_mut(WIDE).zip(tiles) {
            for part in parts(depth) {
                let tile = &tile[part.clone()];
                for first in (0..width).step_by(TALL) {
                    let outs = first..width.min(first + TALL);
                    let columns: [&[f32]; TALL] = std::array::from_fn(|out| {
                        let column = columns + (first + out).min(width - 1);
                        &values[column * step..][part.clone()]
                    });
                    let mut sums = Sums::default();
                    add_products::<FUSED>(&mut sums, columns, tile);
                    for (lane, line) in lines.iter_mut().enumerate() {
                        for (sums, value) in sums.0.iter().zip(&mut line[outs.clone()]) {
                            *value += sums[lane];
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::few_rows::testing::{counted, expected, values};

    #[test]
    fn both_orders_and_views_give_the_sum_of_products() {
        for (rows, d_in, d_out) in
            [(5, 9, 17), (7, 64, 5), (97, 131, 70), (16, 1, 3), (23, 7, 1), (193, 300, 517)]
        {
            let bias = counted(&[d_out], 2);
            let wide = counted(&[d_in + 3, d_out + 2], 3);
            let matrices = [
                counted(&[d_in, d_out], 3),
                counted(&[d_out, d_in], 3).transpose(0, 1),
                wide.narrow(0, 2, d_in).narrow(1, 1, d_out),
                counted(&[d_out + 2, d_in + 3], 4)
                    .transpose(0, 1)
                    .narrow(0, 2, d_in)
                    .narrow(1, 1, d_out),
            ];
            for x in [counted(&[rows, d_in], 1), counted(&[d_in, rows], 1).transpose(0, 1)] {
                for (at, matrix) in matrices.iter().enumerate() {
                    for bias in [None, Some(&bias)] {
                        let got = product(&x, matrix, bias).map(|got| values(&got));
                        let wanted = Some(expected(&x, matrix, bias));
                        assert_eq!(got, wanted, "{rows}x{d_in}x{d_out}, matrix {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_in_or_out_is_no_sum() {
        for (rows, d_in, d_out) in [(5, 0, 3), (5, 3, 0)] {
            let got = product(&counted(&[rows, d_in], 1), &counted(&[d_in, d_out], 2), None);
            assert_eq!(got.map(|got| values(&got)), Some(vec![0.0; rows * d_out]));
        }
    }

    #[test]
    fn an_order_that_is_neither_is_left_to_others() {
        let x = counted(&[7, 4], 1);
        let every_other = Layout::new(Shape::from(vec![4, 5]), vec![10, 2], 0);
        let spread = counted(&[4, 10], 2).with_layout(every_other);
        assert!(product(&x, &spread, None).is_none());
    }
}
