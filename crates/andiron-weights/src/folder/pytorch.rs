//! A file that `torch.save` wrote: zip archive, legacy stream or tar, read by `pytorch-reader`.
//!
//! The pickle in it is interpreted by a small machine that knows how tensors and modules are
//! spelled and calls nothing: what else the pickle wants called stays an opaque value, and tensors
//! inside such a value are refused. Strides are honoured. A size that the file does not bear out
//! is refused before memory is taken for it, but for two that are bounded otherwise: a view may
//! repeat its storage (see [`most`]), and the pickle's own values cost about a hundred times the
//! pickle's length in memory.

use super::File;
use crate::{Precision, ReadError, floats::Float};
use andiron_core::weights::Entry;
use burn::tensor::TensorData;
use pytorch_reader::{DType, PytorchError, PytorchReader, Tensor};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub(super) struct Pytorch {
    path: PathBuf,
    /// The file's length.
    length: u64,
    tensors: BTreeMap<String, Tensor>,
}

impl Pytorch {
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { path: path.into(), source };
        let about = std::fs::metadata(path).map_err(io)?;
        if about.is_dir() {
            return Err(io(std::io::ErrorKind::IsADirectory.into()));
        }
        let reader = PytorchReader::new(path).map_err(|source| match source {
            PytorchError::Io(source) if source.raw_os_error().is_some() => io(source),
            source => ReadError::Pytorch { path: path.into(), source },
        })?;
        let tensors = reader.into_tensors().into_iter().collect();
        Ok(Self { path: path.into(), length: about.len(), tensors })
    }
}

/// The most bytes that one tensor of a file of `length` bytes may come to: a view with stride 0
/// has more elements than its storage, and a compressed storage more bytes than the file, so that
/// a kilobyte could otherwise ask for gigabytes.
fn most(length: u64) -> u64 {
    length.saturating_mul(16).max(64 << 20)
}

fn float(dtype: DType) -> Option<Float> {
    Some(match dtype {
        DType::F16 => Float::F16,
        DType::BF16 => Float::BF16,
        DType::F32 => Float::F32,
        DType::F64 => Float::F64,
        _ => return None,
    })
}

impl File for Pytorch {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let tensor = self.tensors.get(name)?;
        Some(Entry {
            shape: tensor.shape().to_vec(),
            dtype: format!("{:?}", tensor.dtype()),
            readable: float(tensor.dtype()).is_some(),
        })
    }

    fn read(&self, name: &str, precision: Precision) -> Result<TensorData, ReadError> {
        let (path, called) = (self.path.clone(), name.to_owned());
        let Some(tensor) = self.tensors.get(name) else {
            return Err(ReadError::NoTensor { path, name: called });
        };
        let dtype = format!("{:?}", tensor.dtype());
        let Some(float) = float(tensor.dtype()) else {
            return Err(ReadError::NotRead { path, name: called, dtype });
        };
        let claimed = tensor.byte_len() as u64;
        if claimed > most(self.length) {
            return Err(ReadError::Claim { path, name: called, claimed, held: self.length });
        }
        let bytes = match tensor.read() {
            Ok(bytes) => bytes,
            Err(source) => return Err(ReadError::Tensor { path, name: called, source }),
        };
        float.data_from_vec(bytes, tensor.shape(), precision).ok_or(ReadError::NotRead {
            path,
            name: called,
            dtype,
        })
    }
}
