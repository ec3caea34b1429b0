//! A published safetensors file under other names.

use andiron_core::{
    WeightsError,
    weights::{Entry, Source},
};
use burn::tensor::TensorData;
use safetensors::{Dtype, SafeTensors, tensor::Metadata};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The file's bytes, and its names by ours.
pub(super) struct SafetensorsFile {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where the tensors begin.
    start: usize,
    metadata: Metadata,
    names: BTreeMap<String, String>,
}

impl SafetensorsFile {
    /// Reads the file `path`; a tensor for which `rename` gives no name is left out.
    pub(super) fn open(
        path: &Path,
        rename: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, WeightsError> {
        let bytes =
            std::fs::read(path).map_err(|source| WeightsError::Io { path: path.into(), source })?;
        let (header, metadata) = SafeTensors::read_metadata(&bytes)
            .map_err(|source| WeightsError::Format { path: path.into(), source })?;
        let theirs = metadata.tensors().into_keys();
        let names = theirs.filter_map(|name| rename(&name).map(|ours| (ours, name))).collect();
        Ok(Self { path: path.into(), bytes, start: header + 8, metadata, names })
    }
}

impl Source for SafetensorsFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let info = self.metadata.info(self.names.get(name)?)?;
        Some(Entry {
            shape: info.shape.clone(),
            dtype: format!("{:?}", info.dtype),
            readable: info.dtype == Dtype::F32,
        })
    }

    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        let lost = || WeightsError::Format {
            path: self.path.clone(),
            source: safetensors::SafeTensorError::TensorNotFound(name.to_owned()),
        };
        let info =
            self.names.get(name).and_then(|name| self.metadata.info(name)).ok_or_else(lost)?;
        let (from, to) = info.data_offsets;
        let bytes = self.bytes.get(self.start + from..self.start + to).ok_or_else(lost)?;
        let values: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        Ok(TensorData::new(values, info.shape.clone()))
    }
}
