//! A safetensors file, mapped. Its header is read once.
//!
//! Format: <https://github.com/huggingface/safetensors#format>.

use super::File;
use crate::{Precision, ReadError, floats::Float, map::Bytes};
use andiron_core::weights::Entry;
use burn::tensor::TensorData;
use safetensors::{Dtype, SafeTensorError, tensor::Metadata};
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

/// The longest header that is read; the format's own limit.
const MAX_HEADER: u64 = 100_000_000;

struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    /// In the file.
    range: Range<usize>,
}

pub(super) struct Safetensors {
    path: PathBuf,
    bytes: Bytes,
    tensors: BTreeMap<String, Stored>,
}

impl Safetensors {
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let bytes = Bytes::map(path)?;
        let tensors = header(&bytes)
            .map_err(|source| ReadError::Safetensors { path: path.into(), source })?;
        Ok(Self { path: path.into(), bytes, tensors })
    }
}

/// The tensors that the header of the file `bytes` lists.
fn header(bytes: &[u8]) -> Result<BTreeMap<String, Stored>, SafeTensorError> {
    let (first, rest) = bytes.split_first_chunk::<8>().ok_or(SafeTensorError::HeaderTooSmall)?;
    let length = u64::from_le_bytes(*first);
    if length > MAX_HEADER {
        return Err(SafeTensorError::HeaderTooLarge);
    }
    let (header, data) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(SafeTensorError::InvalidHeaderLength)?;
    // Checks that the tensors lie one behind the other, each as long as its shape and type say.
    // The crate's own reader of a whole file also adds lengths without looking for overflow.
    let metadata: Metadata =
        serde_json::from_slice(header).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
    if metadata.data_len() != data.len() {
        return Err(SafeTensorError::MetadataIncompleteBuffer);
    }
    let start = bytes.len() - data.len();
    let tensors = metadata.tensors().into_iter().map(|(name, info)| {
        let (from, to) = info.data_offsets;
        let range = start + from..start + to;
        (name, Stored { dtype: info.dtype, shape: info.shape.clone(), range })
    });
    Ok(tensors.collect())
}

fn float(dtype: Dtype) -> Option<Float> {
    Some(match dtype {
        Dtype::F16 => Float::F16,
        Dtype::BF16 => Float::BF16,
        Dtype::F32 => Float::F32,
        Dtype::F64 => Float::F64,
        _ => return None,
    })
}

impl File for Safetensors {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let Stored { dtype, shape, .. } = self.tensors.get(name)?;
        Some(Entry {
            shape: shape.clone(),
            dtype: dtype.to_string(),
            readable: float(*dtype).is_some(),
        })
    }

    fn read(&self, name: &str, precision: Precision) -> Result<TensorData, ReadError> {
        let named = || (self.path.clone(), name.to_owned());
        let Some(Stored { dtype, shape, range }) = self.tensors.get(name) else {
            let (path, name) = named();
            return Err(ReadError::NoTensor { path, name });
        };
        let data = float(*dtype)
            .and_then(|float| float.data(self.bytes.get(range.clone())?, shape, precision));
        data.ok_or_else(|| {
            let (path, name) = named();
            ReadError::NotRead { path, name, dtype: dtype.to_string() }
        })
    }
}
