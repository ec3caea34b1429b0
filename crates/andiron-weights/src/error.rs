//! What can be wrong with a file of weights; every variant names the file and the culprit in it.

use andiron_core::WeightsError;
use std::path::{Path, PathBuf};

/// Weights that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file or folder cannot be opened or read.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The folder holds no file of weights.
    #[error("{path} holds no weights; looked for {wanted:?}")]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// The names and endings that were looked for.
        wanted: &'static [&'static str],
    },
    /// The folder holds several files of weights, and none has a name that says it is the one.
    #[error("{path} holds several files of weights, choose one: {found:?}")]
    Ambiguous {
        /// The folder.
        path: PathBuf,
        /// The files.
        found: Vec<String>,
    },
    /// The file's ending is not that of a format which is read here.
    #[error("{path} has an ending that is not known; known are {known:?}")]
    Ending {
        /// The file.
        path: PathBuf,
        /// The endings that are read.
        known: &'static [&'static str],
    },
    /// The file is no safetensors file.
    #[error("{path} is no safetensors file")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: safetensors::SafeTensorError,
    },
    /// The file is no PyTorch file, or one that is not read here.
    #[error("{path} is no PyTorch file that can be read")]
    Pytorch {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pytorch_reader::PytorchError,
    },
    /// The index of a sharded checkpoint is no valid JSON, or lacks its `weight_map`.
    #[error("{path} is no index of shards")]
    Index {
        /// The index.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// The index names a file that does not lie beside it.
    #[error("{path} lists the shard {shard:?}, which is not the name of a file beside it")]
    Outside {
        /// The index.
        path: PathBuf,
        /// The shard's name.
        shard: String,
    },
    /// Shards lack tensors that the index says they have.
    #[error("{path} lists tensors that their shards have not: {missing:?}")]
    NotInShard {
        /// The index.
        path: PathBuf,
        /// The tensors.
        missing: Vec<String>,
    },
    /// A name stands twice where it may stand once.
    #[error("{path} has the {what} {name:?} twice")]
    Twice {
        /// The file.
        path: PathBuf,
        /// What the name is of: a tensor or a metadata key.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// No tensor's name begins with the prefix asked for.
    #[error("{path} has no tensor below {prefix:?}; its tensors stand below {known:?}")]
    NoPrefix {
        /// The file.
        path: PathBuf,
        /// The prefix.
        prefix: String,
        /// The first parts of the names that there are.
        known: Vec<String>,
    },
    /// Two tensors would get the same name.
    #[error("tensors {first:?} and {second:?} in {path} would both be called {name:?}")]
    Collision {
        /// The file.
        path: PathBuf,
        /// The name that both would have.
        name: String,
        /// The one tensor, as the file calls it.
        first: String,
        /// The other one.
        second: String,
    },
    /// There is no such tensor.
    #[error("{path} has no tensor {name:?}")]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        name: String,
    },
    /// A tensor's elements cannot be given as floating-point numbers.
    #[error("tensor {name:?} in {path} has elements of type {dtype}, which are not read")]
    NotRead {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its element type, in the file's words.
        dtype: String,
    },
    /// A tensor's values cannot be read.
    #[error("tensor {name:?} in {path} cannot be read")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A tensor claims more than its file can reasonably hold.
    #[error("tensor {name:?} in {path} claims {claimed} bytes, but the file has {held}")]
    Claim {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The bytes that the tensor would take.
        claimed: u64,
        /// The bytes of the whole file.
        held: u64,
    },
    /// The file is no GGUF file.
    #[error("{path} is no GGUF file: it begins with {got:02x?}")]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        got: Vec<u8>,
    },
    /// The GGUF file is of a version that is not read here.
    #[error("{path} is GGUF of version {got}; read are 2 and 3, little endian")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        got: u32,
    },
    /// The file ends too early.
    #[error("{path} ends within {field}: {wanted} bytes wanted at {at}, but {left} are left")]
    Short {
        /// The file.
        path: PathBuf,
        /// What was being read.
        field: String,
        /// Where it begins.
        at: u64,
        /// How many bytes it has by the file's own account.
        wanted: u64,
        /// How many bytes the file still has.
        left: u64,
    },
    /// A field holds what it must not hold.
    #[error("{path}: {field} must be {wanted}, but is {got}")]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// What it may hold.
        wanted: &'static str,
        /// What it holds.
        got: String,
    },
    /// The metadata lacks a key.
    #[error("{path} has no metadata {key:?}")]
    NoKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A metadata value is of another type than wanted.
    #[error("metadata {key:?} in {path} must be {wanted}, but is {found}")]
    Kind {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The type asked for.
        wanted: &'static str,
        /// The value's type.
        found: &'static str,
    },
}

impl ReadError {
    /// The file or folder that the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::NoWeights { path, .. }
            | Self::Ambiguous { path, .. }
            | Self::Ending { path, .. }
            | Self::Safetensors { path, .. }
            | Self::Pytorch { path, .. }
            | Self::Index { path, .. }
            | Self::Outside { path, .. }
            | Self::NotInShard { path, .. }
            | Self::Twice { path, .. }
            | Self::NoPrefix { path, .. }
            | Self::Collision { path, .. }
            | Self::NoTensor { path, .. }
            | Self::NotRead { path, .. }
            | Self::Tensor { path, .. }
            | Self::Claim { path, .. }
            | Self::Magic { path, .. }
            | Self::Version { path, .. }
            | Self::Short { path, .. }
            | Self::Field { path, .. }
            | Self::NoKey { path, .. }
            | Self::Kind { path, .. } => path,
        }
    }
}

impl From<ReadError> for WeightsError {
    fn from(error: ReadError) -> Self {
        Self::Reader { path: error.path().to_owned(), source: Box::new(error) }
    }
}
