//! Weights in a folder as Hugging Face lays it out, or in one file of it.
//!
//! [`Folder::open`] takes a file (`.safetensors`; `.bin`, `.pt`, `.pth`, `.ckpt` as PyTorch writes
//! them; the index of a sharded checkpoint) or a folder. In a folder it takes, in this order,
//! `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin`,
//! `pytorch_model.bin.index.json`, the only `.safetensors`, the only PyTorch file.
//!
//! ```
//! use andiron_core::weights::Source;
//! use andiron_weights::folder::Folder;
//!
//! # let folder = tempfile::tempdir()?;
//! # let numbers: Vec<u8> = [0.5f32, -1.0, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
//! # let one = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![3], &numbers)?;
//! # let path = folder.path().join("model.safetensors");
//! # std::fs::write(&path, safetensors::serialize([("norm.bias", &one)], None)?)?;
//! let weights = Folder::open(folder.path())?;
//! assert_eq!(weights.names(), ["norm.bias"]);
//! assert_eq!(weights.read("norm.bias")?.as_slice::<f32>()?, [0.5, -1.0, 2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod index;
mod pytorch;
mod safe;

use crate::{Precision, ReadError};
use andiron_core::{
    WeightsError,
    weights::{Entry, Source},
};
use burn::tensor::TensorData;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// The names that a folder's weights have, best first; then the endings of others.
const WANTED: &[&str] = &[
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "*.safetensors",
    "*.bin",
    "*.pt",
    "*.pth",
    "*.ckpt",
];

/// The endings of the files that are read.
const ENDINGS: &[&str] = &["safetensors", "bin", "pt", "pth", "ckpt", "index.json"];

/// The endings of PyTorch's files.
const PYTORCH: &[&str] = &["bin", "pt", "pth", "ckpt"];

/// One file with tensors.
trait File: Send + Sync {
    fn path(&self) -> &Path;
    fn names(&self) -> Vec<String>;
    fn entry(&self, name: &str) -> Option<Entry>;
    fn read(&self, name: &str, precision: Precision) -> Result<TensorData, ReadError>;
}

/// Where a tensor lies.
struct Place {
    /// Which of the files.
    file: usize,
    /// Its name there.
    name: String,
}

/// The weights in a folder or file; see [the module](self). Tensors are read one by one, each when
/// it is asked for.
pub struct Folder {
    path: PathBuf,
    precision: Precision,
    files: Vec<Box<dyn File>>,
    places: BTreeMap<String, Place>,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files: Vec<&Path> = self.files.iter().map(|file| file.path()).collect();
        f.debug_struct("Folder")
            .field("path", &self.path)
            .field("precision", &self.precision)
            .field("files", &files)
            .finish_non_exhaustive()
    }
}

impl Folder {
    /// The weights in the folder or file `path`.
    ///
    /// # Errors
    /// [`ReadError`] says what is wrong with the folder or with which of its files.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let chosen = if path.is_dir() { choose(path)? } else { path.to_owned() };
        let (files, listed) = if chosen.to_string_lossy().ends_with(".index.json") {
            let index = index::read(&chosen)?;
            let files: Result<Vec<_>, _> = index.files.iter().map(|file| open_file(file)).collect();
            (files?, Some(index.places))
        } else {
            (vec![open_file(&chosen)?], None)
        };
        let places = match listed {
            Some(listed) => index::places(&chosen, &files, listed)?,
            None => {
                let names = files.iter().flat_map(|file| file.names());
                names.map(|name| (name.clone(), Place { file: 0, name })).collect()
            }
        };
        Ok(Self { path: path.to_owned(), precision: Precision::default(), files, places })
    }

    /// What becomes of half-precision numbers; [`Precision::Single`] if this is not called.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Only the tensors whose names begin with `prefix`, without it: a training checkpoint has
    /// its weights below `model_state.` or `state_dict.`, and others beside them.
    ///
    /// # Errors
    /// [`ReadError::NoPrefix`] if there is none.
    pub fn below(mut self, prefix: &str) -> Result<Self, ReadError> {
        let mut known = BTreeSet::new();
        let mut places = BTreeMap::new();
        for (name, place) in self.places {
            match name.strip_prefix(prefix) {
                Some(rest) => {
                    places.insert(rest.to_owned(), place);
                }
                None => {
                    let first = name.split_inclusive('.').next().unwrap_or_default();
                    known.insert(first.to_owned());
                }
            }
        }
        if places.is_empty() {
            let (path, prefix) = (self.path, prefix.to_owned());
            return Err(ReadError::NoPrefix { path, prefix, known: known.into_iter().collect() });
        }
        self.places = places;
        Ok(self)
    }
}

impl Source for Folder {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let place = self.places.get(name)?;
        self.files[place.file].entry(&place.name)
    }

    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        let Some(place) = self.places.get(name) else {
            let (path, name) = (self.path.clone(), name.to_owned());
            return Err(ReadError::NoTensor { path, name }.into());
        };
        Ok(self.files[place.file].read(&place.name, self.precision)?)
    }
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    endings.contains(&ending.as_str())
}

fn open_file(path: &Path) -> Result<Box<dyn File>, ReadError> {
    if has_ending(path, &["safetensors"]) {
        return Ok(Box::new(safe::Safetensors::open(path)?));
    }
    if has_ending(path, PYTORCH) {
        return Ok(Box::new(pytorch::Pytorch::open(path)?));
    }
    Err(ReadError::Ending { path: path.into(), known: ENDINGS })
}

/// The file in `folder` that holds the weights, or says where they are.
fn choose(folder: &Path) -> Result<PathBuf, ReadError> {
    let named = WANTED.iter().filter(|name| !name.starts_with('*'));
    if let Some(path) = named.map(|name| folder.join(name)).find(|path| path.is_file()) {
        return Ok(path);
    }
    let io = |source| ReadError::Io { path: folder.into(), source };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_file() {
            all.push(path);
        }
    }
    all.sort();
    for endings in [&["safetensors"][..], PYTORCH] {
        let mut fitting: Vec<PathBuf> =
            all.iter().filter(|path| has_ending(path, endings)).cloned().collect();
        if fitting.len() > 1 {
            let names = fitting.iter().filter_map(|path| path.file_name());
            let found = names.map(|name| name.to_string_lossy().into_owned()).collect();
            return Err(ReadError::Ambiguous { path: folder.into(), found });
        }
        if let Some(path) = fitting.pop() {
            return Ok(path);
        }
    }
    Err(ReadError::NoWeights { path: folder.into(), wanted: WANTED })
}
