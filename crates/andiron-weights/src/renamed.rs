//! A source whose tensors go by other names.

use crate::ReadError;
use andiron_core::{
    WeightsError,
    weights::{Entry, Source},
};
use burn::tensor::TensorData;
use std::{
    collections::{BTreeMap, btree_map},
    path::Path,
};

/// A [`Source`] with its names mapped, and some of its tensors hidden, so that a network which has
/// no use for them can be loaded.
///
/// ```
/// use andiron_core::weights::Source;
/// use andiron_weights::{Renamed, folder::Folder};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// # let one = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4])?;
/// # let tensors = [("bert.pooler.dense.bias", &one), ("cls.predictions.bias", &one)];
/// # std::fs::write(&path, safetensors::serialize(tensors, None)?)?;
/// let file = Folder::open(&path)?;
/// let encoder = Renamed::new(file, |name| name.strip_prefix("bert.").map(str::to_owned))?;
/// assert_eq!(encoder.names(), ["pooler.dense.bias"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Renamed<S> {
    source: S,
    /// Names as seen from outside, each with the source's own.
    names: BTreeMap<String, String>,
}

impl<S: Source> Renamed<S> {
    /// `source` with each name replaced by what `rename` makes of it; where that is `None`, the
    /// tensor is hidden.
    ///
    /// # Errors
    /// [`ReadError::Collision`] if two tensors would get the same name.
    pub fn new(source: S, rename: impl Fn(&str) -> Option<String>) -> Result<Self, ReadError> {
        let mut names = BTreeMap::new();
        for own in source.names() {
            let Some(name) = rename(&own) else { continue };
            match names.entry(name) {
                btree_map::Entry::Vacant(place) => {
                    place.insert(own);
                }
                btree_map::Entry::Occupied(place) => {
                    return Err(ReadError::Collision {
                        path: source.path().into(),
                        name: place.key().clone(),
                        first: place.get().clone(),
                        second: own,
                    });
                }
            }
        }
        Ok(Self { source, names })
    }
}

impl<S: Source> Source for Renamed<S> {
    fn path(&self) -> &Path {
        self.source.path()
    }

    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        self.source.entry(self.names.get(name)?)
    }

    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        let Some(own) = self.names.get(name) else {
            let (path, name) = (self.source.path().into(), name.to_owned());
            return Err(ReadError::NoTensor { path, name }.into());
        };
        self.source.read(own)
    }
}
