//! What can go wrong, and the exit status it gives.

#[cfg(feature = "hub")]
use andiron::hub::HubError;
use andiron::{BundleError, ConfigError, DataError, DeviceError, EvalError, LoadError, TrainError};
use std::{error::Error, fmt::Write as _, io, path::PathBuf};

/// Exit status: everything was done.
pub(crate) const DONE: u8 = 0;
/// Exit status: something was wrong with a line, a file, the data, a bundle.
pub(crate) const FAILED: u8 = 1;
/// Exit status: the program was called wrongly.
pub(crate) const USAGE: u8 = 2;
/// Exit status: stopped by a signal while training; the checkpoint is whole.
pub(crate) const INTERRUPTED: u8 = 130;
/// Exit status: whoever read the answers went away (128 + SIGPIPE, as shells say it).
pub(crate) const PIPE: u8 = 141;

/// A command that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The name is neither a folder or file nor a built-in model.
    #[error("there is no model {got:?}: it is no folder or file, and built in are {known:?}")]
    UnknownModel {
        /// The name given.
        got: String,
        /// The models that are built in.
        known: Vec<&'static str>,
    },
    /// No such task is compiled in.
    #[error("there is no task {got:?}; known are {known:?}")]
    UnknownTask {
        /// The name given.
        got: String,
        /// The tasks.
        known: Vec<&'static str>,
    },
    /// An argument that only the command itself can judge.
    #[error("{argument}: {reason}")]
    Argument {
        /// The argument as it is written.
        argument: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file of settings is not TOML, or holds a key that is no setting.
    #[error("{path} is no training configuration")]
    Config {
        /// The file.
        path: PathBuf,
        /// The cause, with the line.
        source: toml::de::Error,
    },
    /// The name of the device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A training or split setting.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// A file that is not data cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file, or `standard output`.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file that a line or an argument names cannot be used.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: DataError,
    },
    /// The bundle is there, but its card has no score.
    #[error("trained and saved in {path}, but could not be measured")]
    Unmeasured {
        /// The bundle.
        path: PathBuf,
        /// The cause.
        source: EvalError,
    },
    /// The run's folder belongs to other data.
    #[error(
        "the run in {path} was made from other training data: use --fresh to begin again, or another run folder"
    )]
    OtherData {
        /// The run's folder.
        path: PathBuf,
    },
    /// Part of the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A model of whatever kind.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A model on the hub.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] HubError),
    /// What is in a model cannot be shown.
    #[error("the model cannot be written as JSON")]
    Contents(#[from] serde_json::Error),
    /// Training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Evaluation.
    #[error(transparent)]
    Eval(#[from] EvalError),
}

impl CliError {
    /// The exit status that it gives.
    pub(crate) fn status(&self) -> u8 {
        match self {
            #[cfg(feature = "hub")]
            Self::Hub(HubError::Name { .. } | HubError::Revision { .. }) => USAGE,
            Self::Load(LoadError::Several { .. } | LoadError::OtherTask { .. }) => USAGE,
            Self::UnknownModel { .. }
            | Self::UnknownTask { .. }
            | Self::Argument { .. }
            | Self::Config { .. }
            | Self::Device(_)
            | Self::Setting(_)
            | Self::Data(DataError::Config(_)) => USAGE,
            Self::Train(TrainError::Interrupted { .. }) => INTERRUPTED,
            Self::Train(
                TrainError::Config(_)
                | TrainError::UnknownArchitecture { .. }
                | TrainError::Data { source: DataError::Config(_), .. },
            ) => USAGE,
            Self::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => PIPE,
            _ => FAILED,
        }
    }

    /// A failure to write to standard output.
    pub(crate) fn output(source: io::Error) -> Self {
        Self::Write { path: "standard output".into(), source }
    }
}

/// An error and its causes in one line, joined by ": ".
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string().trim_end().to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {}", error.to_string().trim_end());
        cause = error.source();
    }
    text
}

/// The field whose absence is at the bottom of `error`, if that is what it is about.
pub(crate) fn missing_field<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // A boxed cause is a `Box` to those who ask for its type.
        let boxed = || error.downcast_ref::<Box<DataError>>().map(AsRef::as_ref);
        if let Some(DataError::Field { field, got, .. }) = error.downcast_ref().or_else(boxed)
            && got == "missing"
        {
            return Some(field);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn missing() -> CliError {
        let source = DataError::Field {
            field: "text".to_owned(),
            wanted: "a text",
            got: "missing".to_owned(),
        };
        TrainError::Data { split: "training", source: source.at(3, Some("a.csv, line 5")) }.into()
    }

    #[test]
    fn causes_are_joined() {
        assert_eq!(
            chain(&missing()),
            "the training data cannot be used: example 3 (a.csv, line 5): \
             field \"text\" must be a text, but is missing"
        );
    }

    #[test]
    fn a_missing_field_is_found_among_the_causes() {
        assert_eq!(missing_field(&missing()), Some("text"));
        let other = CliError::from(DataError::Empty { what: "x".to_owned() });
        assert_eq!(missing_field(&other), None);
    }

    #[test]
    fn calling_wrongly_has_its_own_status() {
        let unknown = CliError::UnknownModel { got: "x".to_owned(), known: vec![] };
        assert_eq!((unknown.status(), missing().status()), (USAGE, FAILED));
        let stopped = TrainError::Interrupted { steps: 3, checkpoint: None };
        assert_eq!(CliError::from(stopped).status(), INTERRUPTED);
        let gone = CliError::output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(gone.status(), PIPE);
    }
}
