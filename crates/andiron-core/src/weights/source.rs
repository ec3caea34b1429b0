//! Where tensors come from.

use crate::WeightsError;
use burn::tensor::TensorData;
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
