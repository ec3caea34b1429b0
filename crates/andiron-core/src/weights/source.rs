//! Where tensors come from.

use crate::WeightsError;
use burn::tensor::TensorData;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// Tensors by name, whatever file or folder holds them. Linear maps stand as PyTorch stores them,
/// `[out, in]`.
pub trait Source {
    /// The file or folder, for messages.
    fn path(&self) -> &Path;

    /// The names of all tensors.
    fn names(&self) -> Vec<String>;

    /// What is known of the tensor `name` before its values are read; `None` if there is none.
    fn entry(&self, name: &str) -> Option<Entry>;

    /// The values of the tensor `name`, of a floating-point type, in row-major order.
    ///
    /// # Errors
    /// [`WeightsError`] names what is wrong with the file.
    fn read(&self, name: &str) -> Result<TensorData, WeightsError>;
}

impl<S: Source + ?Sized> Source for &S {
    fn path(&self) -> &Path {
        (**self).path()
    }
    fn names(&self) -> Vec<String> {
        (**self).names()
    }
    fn entry(&self, name: &str) -> Option<Entry> {
        (**self).entry(name)
    }
    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        (**self).read(name)
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn path(&self) -> &Path {
        (**self).path()
    }
    fn names(&self) -> Vec<String> {
        (**self).names()
    }
    fn entry(&self, name: &str) -> Option<Entry> {
        (**self).entry(name)
    }
    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        (**self).read(name)
    }
}

/// What a [`Source`] says of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The tensor's shape.
    pub shape: Vec<usize>,
    /// The element type in the file's words, as `F32` or `Q4_K`.
    pub dtype: String,
    /// Whether [`Source::read`] can give the values as floating-point numbers.
    pub readable: bool,
}

/// A safetensors file in memory, as a bundle has it: every tensor is `F32`.
pub(crate) struct Saved<'a> {
    pub(crate) file: SafeTensors<'a>,
    pub(crate) path: &'a Path,
}

impl Source for Saved<'_> {
    fn path(&self) -> &Path {
        self.path
    }

    fn names(&self) -> Vec<String> {
        self.file.names().into_iter().map(str::to_owned).collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let view = self.file.tensor(name).ok()?;
        Some(Entry {
            shape: view.shape().to_vec(),
            dtype: format!("{:?}", view.dtype()),
            readable: view.dtype() == Dtype::F32,
        })
    }

    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        let format = |source| WeightsError::Format { path: self.path.into(), source };
        let view = self.file.tensor(name).map_err(format)?;
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        Ok(TensorData::new(values, view.shape()))
    }
}
