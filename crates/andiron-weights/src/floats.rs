//! Little-endian floating-point numbers of four widths, as tensor data.

use burn::tensor::TensorData;
use half::{bf16, f16};

/// What becomes of half-precision numbers on the way from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// All numbers become `f32`.
    #[default]
    Single,
    /// `F16` and `BF16` stay what they are, at half the memory; other numbers become `f32`.
    AsStored,
}

/// The floating-point types that files of weights hold plainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    F16,
    BF16,
    F32,
    F64,
}

impl Float {
    fn size(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// How many bytes the numbers of `shape` take; `None` if no memory could hold them.
    pub(crate) fn bytes(self, shape: &[usize]) -> Option<usize> {
        elements(shape)?.checked_mul(self.size())
    }

    /// The numbers in `bytes` as data of `shape`; `None` if there are not as many.
    pub(crate) fn data(
        self,
        bytes: &[u8],
        shape: &[usize],
        precision: Precision,
    ) -> Option<TensorData> {
        if self.bytes(shape)? != bytes.len() {
            return None;
        }
        Some(match (self, precision) {
            (Self::F16, Precision::AsStored) => {
                TensorData::new(every(bytes, f16::from_le_bytes), shape.to_vec())
            }
            (Self::BF16, Precision::AsStored) => {
                TensorData::new(every(bytes, bf16::from_le_bytes), shape.to_vec())
            }
            _ => TensorData::new(self.singles(bytes), shape.to_vec()),
        })
    }

    /// As [`Self::data`], from bytes that are the caller's to give away: where they are the
    /// numbers wanted, there is no second copy of them all.
    pub(crate) fn data_from_vec(
        self,
        bytes: Vec<u8>,
        shape: &[usize],
        precision: Precision,
    ) -> Option<TensorData> {
        if self == Self::F32 && self.bytes(shape)? == bytes.len() {
            return Some(TensorData::new(moved(bytes), shape.to_vec()));
        }
        self.data(&bytes, shape, precision)
    }

    /// The numbers in `bytes`, each as the nearest `f32`.
    pub(crate) fn singles(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F16 => every(bytes, |two| f16::from_le_bytes(two).to_f32()),
            // As bits: a conversion could quieten a NaN.
            Self::BF16 => {
                every(bytes, |two| f32::from_bits(u32::from(u16::from_le_bytes(two)) << 16))
            }
            Self::F32 => every(bytes, f32::from_le_bytes),
            Self::F64 => every(bytes, |eight| f64::from_le_bytes(eight) as f32),
        }
    }
}

/// Bytes that are given back at once.
const PIECE: usize = 1 << 20;

/// The numbers in `bytes`, whose memory is given back from its end while they are taken. It cannot
/// simply become theirs: it may begin at a place where no number does, and would be copied whole later.
fn moved(mut bytes: Vec<u8>) -> Vec<f32> {
    let mut values = vec![0.0; bytes.len() / 4];
    while !bytes.is_empty() {
        let from = bytes.len().saturating_sub(PIECE);
        let (whole, _) = bytes[from..].as_chunks::<4>();
        for (value, four) in values[from / 4..].iter_mut().zip(whole) {
            *value = f32::from_le_bytes(*four);
        }
        bytes.truncate(from);
        bytes.shrink_to_fit();
    }
    values
}

fn every<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (whole, _) = bytes.as_chunks::<N>();
    whole.iter().map(|chunk| number(*chunk)).collect()
}

/// How many elements a tensor of `shape` has; `None` if no memory could hold them.
pub(crate) fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent))
}
