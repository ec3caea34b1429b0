//! What a path holds and cannot be loaded, whoever made it.

use super::BundleError;
use std::path::PathBuf;

/// A path from which no predictor can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It holds a bundle that cannot be used, or a task is asked for that is not registered.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// It cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file that says what a folder holds is no JSON.
    #[error("{path} is no JSON")]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// It is no bundle, and no registered task reads what it seems to be.
    #[error("{path} is no bundle, and nothing here loads {found}; what is loaded: {}", known.join("; "))]
    Unknown {
        /// The file or folder.
        path: PathBuf,
        /// What it says of itself.
        found: String,
        /// For each task asked, its name and what it reads.
        known: Vec<String>,
    },
    /// Several tasks can use it, and none was asked for.
    #[error("{path} can be used for {tasks:?}: choose a task")]
    Several {
        /// The file or folder.
        path: PathBuf,
        /// The tasks.
        tasks: Vec<&'static str>,
    },
    /// It is a bundle of another task than the one asked for.
    #[error("{path} is a bundle for {got}, not for {wanted}")]
    OtherTask {
        /// The folder.
        path: PathBuf,
        /// The task in the bundle.
        got: String,
        /// The task asked for.
        wanted: String,
    },
    /// A task reads such things, but not this one.
    #[error("{path} cannot be loaded for {task}")]
    Published {
        /// The file or folder.
        path: PathBuf,
        /// The task.
        task: &'static str,
        /// The reader's own error, whose type core does not know.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
