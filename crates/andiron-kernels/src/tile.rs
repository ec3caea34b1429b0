//! The innermost product: a tile of sums that stays in registers.
//!
//! Goto & van de Geijn 2008, <https://doi.org/10.1145/1356052.1356053>, section 4.

use crate::sweep::madd;

/// Rows of a tile, and
pub(crate) const TALL: usize = 6;
/// values of each: with AVX2 twelve of sixteen registers, with AVX-512 six of thirty-two.
pub(crate) const WIDE: usize = 16;

/// A tile of sums.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums(pub(super) [[f32; WIDE]; TALL]);

impl Sums {
    /// Adds the first rows to `rows`.
    #[inline(always)]
    pub(crate) fn add_to(&self, rows: &mut [[f32; WIDE]]) {
        for (row, sums) in rows.iter_mut().zip(&self.0) {
            for (value, sum) in row.iter_mut().zip(sums) {
                *value += sum;
            }
        }
    }
}

/// `sums[row] += Σ left[row][k] · right[k]`, each row of `left` as long as `right`. Summed in the
/// order of `k`, whatever stands beside a row or a value.
#[inline(always)]
pub(crate) fn add_products<const FUSED: bool>(
    sums: &mut Sums,
    left: [&[f32]; TALL],
    right: &[[f32; WIDE]],
) {
    // Spelled out: of loops over rows the compiler keeps no sum in a register.
    let [l0, l1, l2, l3, l4, l5] = left.map(|row| &row[..right.len()]);
    let [mut s0, mut s1, mut s2, mut s3, mut s4, mut s5] = sums.0;
    for (k, right) in right.iter().enumerate() {
        add_product::<FUSED>(&mut s0, l0[k], right);
        add_product::<FUSED>(&mut s1, l1[k], right);
        add_product::<FUSED>(&mut s2, l2[k], right);
        add_product::<FUSED>(&mut s3, l3[k], right);
        add_product::<FUSED>(&mut s4, l4[k], right);
        add_product::<FUSED>(&mut s5, l5[k], right);
    }
    sums.0 = [s0, s1, s2, s3, s4, s5];
}

#[inline(always)]
fn add_product<const FUSED: bool>(sums: &mut [f32; WIDE], left: f32, right: &[f32; WIDE]) {
    for (sum, right) in sums.iter_mut().zip(right) {
        *sum = madd::<FUSED>(left, *right, *sum);
    }
}

/// Copies `line` into tiles: its values from `WIDE · tile` on become line `at` of that tile, of which
/// each has `depth`.
#[inline(always)]
pub(crate) fn into_tiles(line: &[f32], at: usize, depth: usize, tiles: &mut [[f32; WIDE]]) {
    let (whole, rest) = line.as_chunks::<WIDE>();
    for (tile, values) in whole.iter().enumerate() {
        tiles[tile * depth + at] = *values;
    }
    if !rest.is_empty() {
        let last = &mut tiles[whole.len() * depth + at];
        last[..rest.len()].copy_from_slice(rest);
        last[rest.len()..].fill(0.0);
    }
}
