//! Why a model cannot be had from the hub, by what the caller can do about it.

use hf_hub::api::sync::ApiError;
use std::path::PathBuf;

/// A model that cannot be had from the hub.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The name is not that of a model.
    #[error("a model is called owner/name, not {got:?}")]
    Name {
        /// The name given.
        got: String,
    },
    /// The revision is no branch, tag or commit.
    #[error("{got:?} cannot be a revision")]
    Revision {
        /// The revision given.
        got: String,
    },
    /// There is no folder for the cache.
    #[error("neither HF_HOME nor the home folder is known")]
    NoHome,
    /// The network is not to be used, and the cache has not the model.
    #[error("{name} at {revision} is not in {cache}, and HF_HUB_OFFLINE forbids to fetch it")]
    Offline {
        /// The model.
        name: String,
        /// Its revision.
        revision: String,
        /// The cache.
        cache: PathBuf,
    },
    /// The network is not to be used, and the cache has the model in part: a download was
    /// interrupted, or single files were fetched.
    #[error(
        "{folder} has {name} at {revision} without {missing}, and HF_HUB_OFFLINE forbids to fetch it"
    )]
    Incomplete {
        /// The model.
        name: String,
        /// Its revision.
        revision: String,
        /// What is not there.
        missing: String,
        /// The model's folder in the cache.
        folder: PathBuf,
    },
    /// The hub has no such model, revision or file.
    #[error("the hub has no {}{name} at {revision}", .file.as_ref().map(|file| format!("{file} of ")).unwrap_or_default())]
    NotFound {
        /// The model.
        name: String,
        /// Its revision.
        revision: String,
        /// The file, if it is one that is missing.
        file: Option<String>,
        /// The cause.
        source: Box<ApiError>,
    },
    /// The hub wants to know who asks.
    #[error("{name} wants a token that may read it: set HF_TOKEN, and accept the model's terms")]
    Forbidden {
        /// The model.
        name: String,
        /// The cause.
        source: Box<ApiError>,
    },
    /// The hub cannot be reached, or fails; another attempt goes on where this one stopped.
    #[error("{}{name} cannot be fetched now", .file.as_ref().map(|file| format!("{file} of ")).unwrap_or_default())]
    Unreachable {
        /// The model.
        name: String,
        /// The file, if it was one.
        file: Option<String>,
        /// The cause.
        source: Box<ApiError>,
    },
    /// The hub says what it must not say.
    #[error("the hub's answer about {name} has the {what} {got:?}, which is not followed")]
    Answer {
        /// The model.
        name: String,
        /// What is wrong.
        what: &'static str,
        /// What the hub said.
        got: String,
    },
    /// The repository has no weights in a format that is read here.
    #[error("{name} at {revision} has no safetensors, PyTorch or GGUF file")]
    NoWeights {
        /// The model.
        name: String,
        /// Its revision.
        revision: String,
    },
    /// The repository has several files of weights, and none has a name that says it is the one.
    #[error("{name} has several files of weights, choose one: {found:?}")]
    Ambiguous {
        /// The model.
        name: String,
        /// The files.
        found: Vec<String>,
    },
    /// The repository has no such file.
    #[error("{name} at {revision} has no file {file:?}")]
    NoFile {
        /// The model.
        name: String,
        /// Its revision.
        revision: String,
        /// The file.
        file: String,
    },
    /// A file came in another length than announced.
    #[error("{file} of {name} came with {got} bytes, but has {wanted}")]
    Size {
        /// The model.
        name: String,
        /// The file.
        file: String,
        /// The announced length.
        wanted: u64,
        /// The length that came.
        got: u64,
    },
    /// A file is not the one announced.
    #[error("{file} of {name} came damaged: its SHA-256 is {got}, but {wanted} was announced")]
    Hash {
        /// The model.
        name: String,
        /// The file.
        file: String,
        /// The announced hash.
        wanted: String,
        /// The hash of what came.
        got: String,
    },
    /// The cache cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl HubError {
    /// What `source` means for the model `name`.
    pub(super) fn of(name: &str, revision: &str, file: Option<&str>, source: ApiError) -> Self {
        let (name, file) = (name.to_owned(), file.map(str::to_owned));
        let status = match &source {
            ApiError::RequestError(error) => match **error {
                ureq::Error::StatusCode(status) => Some(status),
                _ => None,
            },
            _ => None,
        };
        let source = Box::new(source);
        match status {
            Some(401 | 403) => Self::Forbidden { name, source },
            Some(404) => Self::NotFound { name, revision: revision.to_owned(), file, source },
            _ => Self::Unreachable { name, file, source },
        }
    }

    /// Whether what was kept of an interrupted download is no beginning of the file: there is
    /// nothing behind it, or it is longer than the file.
    pub(super) fn is_no_beginning(source: &ApiError) -> bool {
        match source {
            ApiError::InvalidResume => true,
            ApiError::RequestError(error) => matches!(**error, ureq::Error::StatusCode(416)),
            _ => false,
        }
    }

    /// Whether the same request may work a little later.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Size { .. } | Self::Hash { .. })
    }
}
