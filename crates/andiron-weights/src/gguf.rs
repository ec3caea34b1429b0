//! GGUF, the format of llama.cpp: metadata and tensors, often quantised, in one file.
//!
//! Versions 2 and 3, little endian. Specification:
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Quantised blocks become `f32`
//! exactly as in the `gguf` Python package. Shapes stand in PyTorch's order, which is the reverse
//! of the file's, so that a linear map is `[out, in]`.
//!
//! ```
//! use andiron_core::weights::Source;
//! use andiron_weights::gguf::Gguf;
//!
//! # let mut bytes = b"GGUF\x03\0\0\0".to_vec();
//! # bytes.extend([0u64, 1, 20].iter().flat_map(|n| n.to_le_bytes()));
//! # bytes.extend(b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0llama");
//! let gguf = Gguf::from_bytes(bytes, "tiny.gguf")?; // or Gguf::open(path)
//! assert_eq!(gguf.get::<&str>("general.architecture")?, "llama");
//! assert_eq!(gguf.find::<u64>("llama.block_count")?, None);
//! let wrong = gguf.get::<u64>("general.architecture").unwrap_err();
//! assert_eq!(
//!     wrong.to_string(),
//!     "metadata \"general.architecture\" in tiny.gguf must be an unsigned integer, but is a text"
//! );
//! assert!(gguf.names().is_empty());
//! # Ok::<(), andiron_weights::ReadError>(())
//! ```

mod blocks;
mod parse;
mod types;
mod value;

pub use types::ElementType;
pub use value::{Array, FromValue, Value};

use crate::{Precision, ReadError, floats::Float, map::Bytes};
use andiron_core::{
    WeightsError,
    weights::{Entry, Source},
};
use burn::tensor::TensorData;
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

/// A tensor as the file describes it; its extent was checked.
#[derive(Debug)]
struct Info {
    /// In PyTorch's order.
    shape: Vec<usize>,
    kind: ElementType,
    /// In the file; `None` for a type whose size is not known here.
    range: Option<Range<usize>>,
}

/// A GGUF file: its metadata, and a [`Source`] of its tensors.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    bytes: Bytes,
    version: u32,
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Info>,
    precision: Precision,
}

impl Gguf {
    /// Maps the file `path` and reads its metadata and the list of its tensors.
    ///
    /// # Errors
    /// [`ReadError`] names the field that is wrong.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::parse(Bytes::map(path.as_ref())?, path.as_ref())
    }

    /// As [`Self::open`], from the bytes of the file `path`.
    ///
    /// # Errors
    /// [`ReadError`] names the field that is wrong.
    pub fn from_bytes(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::parse(Bytes::Owned(bytes), path.as_ref())
    }

    fn parse(bytes: Bytes, path: &Path) -> Result<Self, ReadError> {
        let parse::Header { version, metadata, tensors } = parse::header(&bytes, path)?;
        let precision = Precision::default();
        Ok(Self { path: path.to_owned(), bytes, version, metadata, tensors, precision })
    }

    /// What becomes of half-precision numbers; [`Precision::Single`] if this is not called.
    /// Quantised numbers become `f32` in any case.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The version of the format: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The metadata value at `key`.
    pub fn metadata(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// All metadata, in the order of the keys.
    pub fn all_metadata(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The metadata value at `key` as a `T`; `None` if the file has no such key.
    ///
    /// # Errors
    /// [`ReadError::Kind`] if the value is no `T`.
    pub fn find<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<Option<T>, ReadError> {
        let Some(value) = self.metadata.get(key) else { return Ok(None) };
        match T::from_value(value) {
            Some(value) => Ok(Some(value)),
            None => Err(ReadError::Kind {
                path: self.path.clone(),
                key: key.to_owned(),
                wanted: T::WANTED,
                found: value.kind(),
            }),
        }
    }

    /// As [`Self::find`], for a key that has to be there.
    ///
    /// # Errors
    /// [`ReadError::NoKey`] if it is not; [`ReadError::Kind`] if the value is no `T`.
    pub fn get<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<T, ReadError> {
        let missing = || ReadError::NoKey { path: self.path.clone(), key: key.to_owned() };
        self.find(key)?.ok_or_else(missing)
    }

    /// The element type of the tensor `name`.
    pub fn element_type(&self, name: &str) -> Option<ElementType> {
        Some(self.tensors.get(name)?.kind)
    }

    /// The bytes of the tensor `name` as they stand in the file, for code that computes on
    /// quantised blocks; `None` if there is no such tensor, or its type's size is not known.
    pub fn raw(&self, name: &str) -> Option<&[u8]> {
        self.bytes.get(self.tensors.get(name)?.range.clone()?)
    }

    fn values(&self, info: &Info) -> Option<TensorData> {
        let bytes = self.bytes.get(info.range.clone()?)?;
        let plain = match info.kind {
            ElementType::F32 => Float::F32,
            ElementType::F16 => Float::F16,
            ElementType::BF16 => Float::BF16,
            ElementType::F64 => Float::F64,
            kind => {
                let values = blocks::dequantise(kind, bytes)?;
                return Some(TensorData::new(values, info.shape.clone()));
            }
        };
        plain.data(bytes, &info.shape, self.precision)
    }
}

impl Source for Gguf {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let Info { shape, kind, .. } = self.tensors.get(name)?;
        Some(Entry { shape: shape.clone(), dtype: kind.to_string(), readable: kind.is_readable() })
    }

    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        let (path, called) = (self.path.clone(), name.to_owned());
        let Some(info) = self.tensors.get(name) else {
            return Err(ReadError::NoTensor { path, name: called }.into());
        };
        let dtype = info.kind.to_string();
        self.values(info).ok_or(ReadError::NotRead { path, name: called, dtype }.into())
    }
}
