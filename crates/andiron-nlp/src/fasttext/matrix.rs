//! Matrices as they are, and quantised by product (Jégou et al. 2011,
//! <https://doi.org/10.1109/TPAMI.2010.57>): a row is cut into pieces, and of each piece only the
//! number of the nearest of 256 centroids is kept; of the row's length too, if it is kept apart.

use super::{FastTextError, expect, reader::Reader};
use std::io::Read;

/// Centroids of a piece: as many as a byte has values.
const CENTROIDS: usize = 256;

/// A matrix of rows that are looked up.
#[derive(Debug, Clone)]
pub(super) enum Matrix {
    Dense { rows: usize, columns: usize, values: Vec<f32> },
    Quantised { rows: usize, codes: Vec<u8>, pieces: Quantiser, norms: Option<Norms> },
}

/// The lengths of the rows, quantised.
#[derive(Debug, Clone)]
pub(super) struct Norms {
    codes: Vec<u8>,
    values: Quantiser,
}

impl Matrix {
    pub(super) fn read<R: Read>(
        reader: &mut Reader<R>,
        is_quantised: bool,
        what: &'static str,
    ) -> Result<Self, FastTextError> {
        if !is_quantised {
            let (rows, columns) = (reader.size64(what)?, reader.size64(what)?);
            let values = reader.floats(rows.saturating_mul(columns), what)?;
            // Else rows without columns, of which any number fits into no bytes.
            if columns == 0 {
                return Err(FastTextError::Value { what: "number of columns", got: 0 });
            }
            return Ok(Self::Dense { rows, columns, values });
        }
        let has_norms = reader.flag("quantised norms")?;
        let (rows, columns) = (reader.size64(what)?, reader.size64(what)?);
        let n_codes = reader.size32(what)?;
        let codes = reader.bytes(n_codes, what)?;
        let pieces = Quantiser::read(reader, what)?;
        expect("width of the quantiser", columns as u64, pieces.width() as u64)?;
        let wanted = rows.saturating_mul(pieces.n_pieces);
        expect("number of codes", wanted as u64, n_codes as u64)?;
        let norms = if has_norms {
            let codes = reader.bytes(rows, what)?;
            let values = Quantiser::read(reader, what)?;
            expect("width of the norms' quantiser", 1, values.width() as u64)?;
            Some(Norms { codes, values })
        } else {
            None
        };
        Ok(Self::Quantised { rows, codes, pieces, norms })
    }

    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Dense { rows, .. } | Self::Quantised { rows, .. } => *rows,
        }
    }

    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Dense { columns, .. } => *columns,
            Self::Quantised { pieces, .. } => pieces.width(),
        }
    }

    /// Adds a row to `sum`, which is as wide.
    pub(super) fn add_row(&self, row: usize, sum: &mut [f32]) {
        match self {
            Self::Dense { columns, values, .. } => {
                let values = &values[row * columns..][..*columns];
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            Self::Quantised { codes, pieces, norms, .. } => {
                let norm = norm(norms.as_ref(), row);
                for (piece, code) in pieces.codes(codes, row).enumerate() {
                    let at = piece * pieces.width;
                    let values = pieces.centroid(piece, code);
                    let sums = &mut sum[at..at + values.len()];
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += norm * value);
                }
            }
        }
    }

    /// The product of a row with `vector`, which is as wide.
    pub(super) fn dot_row(&self, row: usize, vector: &[f32]) -> f32 {
        match self {
            Self::Dense { columns, values, .. } => {
                dot(&values[row * columns..][..*columns], vector)
            }
            Self::Quantised { codes, pieces, norms, .. } => {
                let product = |(piece, code)| {
                    dot(pieces.centroid(piece, code), &vector[piece * pieces.width..])
                };
                let sum: f32 = pieces.codes(codes, row).enumerate().map(product).sum();
                sum * norm(norms.as_ref(), row)
            }
        }
    }
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

fn norm(norms: Option<&Norms>, row: usize) -> f32 {
    norms.map_or(1.0, |norms| norms.values.centroid(0, norms.codes[row])[0])
}

/// The centroids of each piece of a row.
#[derive(Debug, Clone)]
pub(super) struct Quantiser {
    n_pieces: usize,
    /// Width of every piece but the last.
    width: usize,
    last_width: usize,
    centroids: Vec<f32>,
}

impl Quantiser {
    fn read<R: Read>(reader: &mut Reader<R>, what: &'static str) -> Result<Self, FastTextError> {
        let columns = reader.size32(what)?;
        let n_pieces = reader.size32(what)?;
        let width = reader.size32(what)?;
        let last_width = reader.size32(what)?;
        let total = n_pieces.checked_sub(1).and_then(|n| n.checked_mul(width));
        let total = total.and_then(|n| n.checked_add(last_width)).unwrap_or(0);
        expect("width of all pieces", columns as u64, total as u64)?;
        if n_pieces == 0 || last_width == 0 || last_width > width {
            let got = i64::try_from(last_width).unwrap_or(i64::MAX);
            return Err(FastTextError::Value { what: "width of the last piece", got });
        }
        let centroids = reader.floats(columns.saturating_mul(CENTROIDS), what)?;
        Ok(Self { n_pieces, width, last_width, centroids })
    }

    fn width(&self) -> usize {
        (self.n_pieces - 1) * self.width + self.last_width
    }

    fn codes<'a>(&self, codes: &'a [u8], row: usize) -> impl Iterator<Item = u8> + use<'a> {
        codes[row * self.n_pieces..][..self.n_pieces].iter().copied()
    }

    fn centroid(&self, piece: usize, code: u8) -> &[f32] {
        let width = if piece + 1 == self.n_pieces { self.last_width } else { self.width };
        // Pieces are stored one behind the other, and only the last may be narrower.
        let start = piece * CENTROIDS * self.width + usize::from(code) * width;
        &self.centroids[start..start + width]
    }
}
