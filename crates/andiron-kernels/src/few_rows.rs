//! A product of few rows with a large matrix, as each token of a text that is being written needs.
//!
//! Each weight is then used once or a few times, so the time is that of reading the matrix. burn's
//! product reads it with one thread: for one row whatever the size (gemm's `gemv` takes no threads),
//! for a few rows up to 192³ products. Here all threads read it, once and in its own order.

use crate::sweep::{Body, madd, run};
use burn::{
    backend::flex::{FlexTensor, Layout},
    tensor::{Bytes, DType, Shape},
};
use rayon::prelude::*;

/// Up to so many rows the product is made here; whether it pays with more was not measured.
pub(crate) const MOST_ROWS: usize = 4;
/// Rows of the matrix that are read side by side: so many sums are added before a result goes back
/// to memory.
const TOGETHER: usize = 8;
/// Sums that grow beside each other in a dot product, so that no addition waits for the one before.
const LANES: usize = 64;
/// Products that make the work of one more thread worth its start.
const WORTH_A_THREAD: usize = 1 << 16;

/// `x · matrix + bias` for `x` of `[rows, d_in]`, `matrix` of `[d_in, d_out]` in either order of
/// memory, `bias` of `[d_out]`; all in single precision. None where the matrix lies in an order that
/// is neither: the caller then has another way.
///
/// No value depends on the number of threads: each is summed by one of them, in one order.
// Neither inlined nor generic, so that it is compiled with the optimisation of this crate.
#[inline(never)]
pub(crate) fn product(
    x: &FlexTensor,
    matrix: &FlexTensor,
    bias: Option<&FlexTensor>,
) -> Option<FlexTensor> {
    let [rows, d_in] = sides(x.layout());
    let [_, d_out] = sides(matrix.layout());
    let weights = Matrix::of(matrix, d_in, d_out)?;
    let x = x.to_contiguous();
    let x = &x.storage::<f32>()[..rows * d_in];
    let bias = bias.map(FlexTensor::to_contiguous);
    let bias = bias.as_ref().map(|bias| &bias.storage::<f32>()[..d_out]);
    // By column, so that a thread has the same columns of every row side by side.
    let mut out = vec![0.0_f32; rows * d_out];
    let threads = (rows * d_in * d_out / WORTH_A_THREAD).clamp(1, rayon::current_num_threads());
    // A multiple of the widest vector, so that only the last part has an end that is none.
    let width = d_out.div_ceil(threads).next_multiple_of(16);
    let mut parts: Vec<Vec<&mut [f32]>> = Vec::new();
    for row in out.chunks_mut(d_out.max(1)) {
        for (at, part) in row.chunks_mut(width).enumerate() {
            if parts.len() == at {
                parts.push(Vec::with_capacity(rows));
            }
            parts[at].push(part);
        }
    }
    let work = |(at, outs): (usize, Vec<&mut [f32]>)| {
        let first = at * width;
        run(Part { weights, x, d_in, bias, first, outs });
    };
    if parts.len() > 1 {
        parts.into_par_iter().enumerate().for_each(work);
    } else {
        parts.into_iter().enumerate().for_each(work);
    }
    let shape = Shape::from(vec![rows, d_out]);
    Some(FlexTensor::new(Bytes::from_elems(out), Layout::contiguous(shape), DType::F32))
}

/// As [`product`], for any number of rows: no value depends on how many there are beside it.
#[inline(never)]
pub(crate) fn product_by_rows(
    x: &FlexTensor,
    matrix: &FlexTensor,
    bias: Option<&FlexTensor>,
) -> Option<FlexTensor> {
    let [rows, d_in] = sides(x.layout());
    if rows <= MOST_ROWS || d_in == 0 {
        return product(x, matrix, bias);
    }
    let [_, d_out] = sides(matrix.layout());
    let weights = Matrix::of(matrix, d_in, d_out)?;
    let x = x.to_contiguous();
    let x = &x.storage::<f32>()[..rows * d_in];
    let bias = bias.map(FlexTensor::to_contiguous);
    let bias = bias.as_ref().map(|bias| &bias.storage::<f32>()[..d_out]);
    let mut out = vec![0.0_f32; rows * d_out];
    let groups = out.par_chunks_mut((MOST_ROWS * d_out).max(1));
    groups.zip(x.par_chunks(MOST_ROWS * d_in)).for_each(|(out, x)| {
        let outs = out.chunks_mut(d_out).collect();
        run(Part { weights, x, d_in, bias, first: 0, outs });
    });
    let shape = Shape::from(vec![rows, d_out]);
    Some(FlexTensor::new(Bytes::from_elems(out), Layout::contiguous(shape), DType::F32))
}

pub(crate) fn sides(layout: &Layout) -> [usize; 2] {
    let shape = layout.shape();
    [shape[0], shape[1]]
}

/// The matrix as it lies in memory, one line behind the other with `step` values from line to line.
#[derive(Clone, Copy)]
pub(crate) enum Matrix<'a> {
    /// A line is a row: the weights of one input.
    Rows { values: &'a [f32], step: usize },
    /// A line is a column: the weights of one output.
    Columns { values: &'a [f32], step: usize },
}

impl<'a> Matrix<'a> {
    pub(crate) fn of(matrix: &'a FlexTensor, d_in: usize, d_out: usize) -> Option<Self> {
        let layout = matrix.layout();
        let [by_row, by_column] = [layout.strides()[0], layout.strides()[1]];
        let values = matrix.storage::<f32>().get(layout.start_offset()..)?;
        // The last line ends with its last value, not with a step to a line that is not there; and
        // of a single line the step means nothing.
        let fits = |step: &usize, lines: usize, length: usize| {
            (lines < 2 || *step >= length)
                && (lines == 0 || values.len() >= (lines - 1) * step + length)
        };
        let step = |stride: isize, lines: usize, length: usize| {
            usize::try_from(stride).ok().filter(|step| fits(step, lines, length))
        };
        if by_column == 1
            && let Some(step) = step(by_row, d_in, d_out)
        {
            return Some(Self::Rows { values, step });
        }
        let step = step(by_column, d_out, d_in).filter(|_| by_row == 1)?;
        Some(Self::Columns { values, step })
    }
}

/// Some neighbouring columns of the result.
struct Part<'a, 'b> {
    weights: Matrix<'a>,
    x: &'a [f32],
    d_in: usize,
    bias: Option<&'a [f32]>,
    /// The first column.
    first: usize,
    /// The columns of each row.
    outs: Vec<&'b mut [f32]>,
}

impl Body for Part<'_, '_> {
    #[inline(always)]
    fn run<const FUSED: bool>(mut self) {
        let width = self.outs.first().map_or(0, |out| out.len());
        if let Some(bias) = self.bias {
            for out in &mut self.outs {
                out.copy_from_slice(&bias[self.first..self.first + width]);
            }
        }
        match self.weights {
            Matrix::Rows { values, step } => {
                for start in (0..self.d_in).step_by(TOGETHER) {
                    let end = self.d_in.min(start + TOGETHER);
                    let line = |at: usize| &values[at * step + self.first..][..width];
                    for (out, x) in self.outs.iter_mut().zip(self.x.chunks_exact(self.d_in)) {
                        if end - start == TOGETHER {
                            let lines: [&[f32]; TOGETHER] =
                                std::array::from_fn(|i| line(start + i));
                            let x: [f32; TOGETHER] = std::array::from_fn(|i| x[start + i]);
                            add_lines::<FUSED, TOGETHER>(out, lines, x);
                        } else {
                            for (at, x) in (start..end).zip(&x[start..end]) {
                                add_lines::<FUSED, 1>(out, [line(at)], [*x]);
                            }
                        }
                    }
                }
            }
            Matrix::Columns { values, step } => {
                for column in 0..width {
                    let line = &values[(self.first + column) * step..][..self.d_in];
                    for (out, x) in self.outs.iter_mut().zip(self.x.chunks_exact(self.d_in)) {
                        out[column] += dot::<FUSED>(line, x);
                    }
                }
            }
        }
    }
}

/// `out += Σ x[i] · lines[i]`, the products added in the order of the lines.
#[inline(always)]
pub(crate) fn add_lines<const FUSED: bool, const N: usize>(
    out: &mut [f32],
    lines: [&[f32]; N],
    x: [f32; N],
) {
    let n = out.len();
    let lines: [&[f32]; N] = lines.map(|line| &line[..n]);
    for at in 0..n {
        let mut sum = out[at];
        for i in 0..N {
            sum = madd::<FUSED>(lines[i][at], x[i], sum);
        }
        out[at] = sum;
    }
}

#[inline(always)]
pub(crate) fn dot<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_parts.remainder(), b_parts.remainder());
    for (a, b) in a_parts.zip(b_parts) {
        for lane in 0..LANES {
            sums[lane] = madd::<FUSED>(a[lane], b[lane], sums[lane]);
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] = madd::<FUSED>(*a, *b, sums[lane]);
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

/// Matrices of small whole numbers, and their product as it is written.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    pub(crate) fn counted(shape: &[usize], seed: u32) -> FlexTensor {
        let shape = Shape::from(shape.to_vec());
        // Small whole numbers: every sum is exact in every order.
        let values: Vec<f32> = (0..shape.num_elements() as u32)
            .map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 28) as f32 - 7.0)
            .collect();
        FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
    }

    pub(crate) fn values(x: &FlexTensor) -> Vec<f32> {
        let x = x.to_contiguous();
        x.storage::<f32>()[..x.layout().num_elements()].to_vec()
    }

    pub(crate) fn expected(
        x: &FlexTensor,
        matrix: &FlexTensor,
        bias: Option<&FlexTensor>,
    ) -> Vec<f32> {
        let ([rows, d_in], [_, d_out]) = (sides(x.layout()), sides(matrix.layout()));
        let (x, matrix, bias) = (values(x), values(matrix), bias.map(values));
        let mut all = Vec::new();
        for row in 0..rows {
            for column in 0..d_out {
                let products = (0..d_in).map(|i| x[row * d_in + i] * matrix[i * d_out + column]);
                all.push(products.sum::<f32>() + bias.as_ref().map_or(0.0, |bias| bias[column]));
            }
        }
        all
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use testing::{counted, expected, values};

    #[test]
    fn both_orders_and_views_give_the_sum_of_products() {
        for (rows, d_in, d_out) in
            [(1, 9, 17), (1, 64, 5), (3, 131, 70), (2, 1, 3), (1, 7, 1), (4, 300, 517)]
        {
            let x = counted(&[rows, d_in], 1);
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
            for (at, matrix) in matrices.iter().enumerate() {
                for bias in [None, Some(&bias)] {
                    let got = product(&x, matrix, bias);
                    let got = got.map(|got| values(&got));
                    let wanted = Some(expected(&x, matrix, bias));
                    assert_eq!(got, wanted, "{rows}x{d_in}x{d_out}, matrix {at}");
                }
            }
        }
    }

    #[test]
    fn a_row_is_the_same_beside_any_number_of_others() {
        // Sums that are not exact, so that another order of adding would show.
        let inexact = |x: FlexTensor| {
            let values: Vec<f32> = values(&x).iter().map(|x| x / 3.0 + 0.1).collect();
            FlexTensor::new(Bytes::from_elems(values), x.layout().clone(), DType::F32)
        };
        let (d_in, d_out) = (131, 70);
        let x = inexact(counted(&[11, d_in], 1));
        let bias = inexact(counted(&[d_out], 2));
        let columns = inexact(counted(&[d_out, d_in], 3)).transpose(0, 1);
        for matrix in [inexact(counted(&[d_in, d_out], 3)), columns] {
            let all = values(&product_by_rows(&x, &matrix, Some(&bias)).unwrap());
            for row in 0..11 {
                let alone = product(&x.narrow(0, row, 1), &matrix, Some(&bias)).unwrap();
                assert_eq!(values(&alone), all[row * d_out..][..d_out], "row {row}");
            }
        }
    }

    #[test]
    fn an_order_that_is_neither_is_left_to_others() {
        let x = counted(&[1, 4], 1);
        let every_other = Layout::new(Shape::from(vec![4, 5]), vec![10, 2], 0);
        let spread = counted(&[4, 10], 2).with_layout(every_other);
        assert!(product(&x, &spread, None).is_none());
    }

    #[test]
    fn each_instruction_set_gives_the_same() {
        let (x, matrix) = (counted(&[2, 77], 1), counted(&[77, 45], 2));
        let (x, values) = (values(&x), values(&matrix));
        let mut portable = vec![0.0; 90];
        let weights = Matrix::Rows { values: &values, step: 45 };
        let outs = portable.chunks_mut(45).collect();
        Part { weights, x: &x, d_in: 77, bias: None, first: 0, outs }.run::<false>();
        let mut chosen = vec![0.0; 90];
        let outs = chosen.chunks_mut(45).collect();
        run(Part { weights, x: &x, d_in: 77, bias: None, first: 0, outs });
        assert_eq!(portable, chosen, "these sums are exact, fused or not");
    }
}
