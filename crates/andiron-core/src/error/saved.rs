//! What lies on disk and cannot be used: weights and bundles.

use super::ConfigError;
use std::path::PathBuf;

/// Weights that do not fit the network, or a weights file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file's tensors are not the network's; all differences at once.
    #[error(
        "the weights in {path} do not fit: missing {missing:?}, surplus {surplus:?}, misshapen {misshapen:?}"
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Tensors that the network has and the file has not.
        missing: Vec<String>,
        /// Tensors that the file has and the network has not.
        surplus: Vec<String>,
        /// Tensors of another shape or type.
        misshapen: Vec<Misshapen>,
    },
    /// A tensor holds NaN or an infinity.
    #[error("tensor {name:?} in {path} holds a value that is not finite")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// The file is no safetensors file.
    #[error("{path} is no safetensors file")]
    Format {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: safetensors::SafeTensorError,
    },
    /// The file cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A reader of another format than the bundle's cannot give what was asked for.
    #[error("the weights in {path} cannot be read")]
    Reader {
        /// The file or folder.
        path: PathBuf,
        /// The reader's own error, whose type core does not know.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A tensor whose shape or element type is not the wanted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misshapen {
    /// The tensor's name in the file.
    pub name: String,
    /// What the network has, as `F32[2, 3]`.
    pub wanted: String,
    /// What the file has.
    pub got: String,
}

/// A bundle that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The folder or a file in it cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A bundle was being replaced when the program ended, on a system that takes two steps for it:
    /// the old one lies aside. The next save puts it back.
    #[error("{path} is not there: it was being replaced, and the old one is {old}; move it back")]
    Interrupted {
        /// Where the bundle should be.
        path: PathBuf,
        /// Where the old one is.
        old: PathBuf,
    },
    /// The folder exists and holds something else than a bundle: it is left alone.
    #[error("{path} exists and belongs to no bundle, so it is not replaced: choose another folder")]
    Occupied {
        /// The folder, or the file beside the bundle in it.
        path: PathBuf,
    },
    /// The description is no valid JSON, or lacks a field.
    #[error("{path} is no bundle description")]
    Format {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// The bundle was written by another version of the format.
    #[error(
        "{path} has bundle format {got}, but this program reads format {known}: use a newer andiron"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The format that this program reads.
        known: u32,
        /// The format found.
        got: u64,
    },
    /// A file is not the one that was saved.
    #[error("{path} was changed or damaged: its SHA-256 is {got}, but {wanted} was saved")]
    Hash {
        /// The file.
        path: PathBuf,
        /// The hash in the description.
        wanted: String,
        /// The hash of the file.
        got: String,
    },
    /// The description names a file outside the bundle.
    #[error("{path} lists the file {name:?}, which does not lie in the bundle")]
    Outside {
        /// The description.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// No such task is registered.
    #[error("task {got:?} is not known here; known are {known:?}")]
    UnknownTask {
        /// The task in the bundle.
        got: String,
        /// The tasks registered.
        known: Vec<&'static str>,
    },
    /// No such architecture is registered for the task.
    #[error("architecture {got:?} is not known for {task}; known are {known:?}")]
    UnknownArchitecture {
        /// The task.
        task: &'static str,
        /// The architecture in the bundle.
        got: String,
        /// The architectures registered.
        known: Vec<&'static str>,
    },
    /// The configuration in the bundle cannot be used.
    #[error("the configuration in {path} cannot be used")]
    Config {
        /// The bundle.
        path: PathBuf,
        /// The cause.
        source: ConfigError,
    },
    /// The published files in the bundle cannot be used.
    #[error("the model in {path} cannot be used")]
    Kept {
        /// The bundle.
        path: PathBuf,
        /// The reader's own error, whose type core does not know.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The weights in the bundle cannot be used.
    #[error("the weights of the bundle cannot be used")]
    Weights(#[from] WeightsError),
}
