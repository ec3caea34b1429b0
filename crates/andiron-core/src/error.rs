//! Typed errors: one enum a verb, split by what the caller can do about it.

mod data;
mod load;
mod saved;

pub use data::DataError;
pub use load::LoadError;
pub use saved::{BundleError, Misshapen, WeightsError};

use std::{path::PathBuf, sync::Arc};

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number is below what the network or the loop needs.
    #[error("{field} must be at least {least}, but is {got}")]
    TooSmall {
        /// The setting's name.
        field: &'static str,
        /// The smallest value that works.
        least: usize,
        /// The value given.
        got: usize,
    },
    /// A number lies outside its range, or is not a number at all.
    #[error("{field} must {}, but is {}", range(.low, .high, .got), number(.got))]
    OutOfRange {
        /// The setting's name.
        field: &'static str,
        /// The lowest value that works.
        low: f64,
        /// The highest value that works.
        high: f64,
        /// The value given.
        got: f64,
    },
    /// One number has to be a multiple of another.
    #[error("{field} must be a multiple of {of} ({divisor}), but is {got}")]
    NotMultiple {
        /// The setting's name.
        field: &'static str,
        /// The other setting's name.
        of: &'static str,
        /// The other setting's value.
        divisor: usize,
        /// The value given.
        got: usize,
    },
    /// A network and the task that came with it do not belong together.
    #[error("{field} is {network} for the network, but {task} for the task")]
    Disagree {
        /// What both of them say.
        field: &'static str,
        /// What the network says.
        network: String,
        /// What the task says.
        task: String,
    },
    /// A name that no setting has.
    #[error("there is no setting {field:?}; known are {known:?}")]
    Unknown {
        /// The name given.
        field: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A value of the wrong kind, such as a text where a number was wanted.
    #[error("setting {field:?} cannot be {got}: {reason}")]
    Kind {
        /// The setting's name.
        field: String,
        /// The value given, as JSON.
        got: String,
        /// What the reader of the setting said.
        reason: String,
    },
}

impl ConfigError {
    /// Checks that `got` is at least `least`.
    ///
    /// # Errors
    /// [`ConfigError::TooSmall`] if it is not.
    pub fn at_least(field: &'static str, least: usize, got: usize) -> Result<(), Self> {
        if got < least {
            return Err(Self::TooSmall { field, least, got });
        }
        Ok(())
    }

    /// Checks that `got` lies in `low..=high`; NaN does not.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] if it does not.
    pub fn within(field: &'static str, low: f64, high: f64, got: f64) -> Result<(), Self> {
        if !(low..=high).contains(&got) {
            return Err(Self::OutOfRange { field, low, high, got });
        }
        Ok(())
    }

    /// Checks that `got` is a multiple of `divisor`, the value of the setting `of`.
    ///
    /// # Errors
    /// [`ConfigError::NotMultiple`] if it is not.
    pub fn multiple(
        field: &'static str,
        got: usize,
        of: &'static str,
        divisor: usize,
    ) -> Result<(), Self> {
        if divisor == 0 || !got.is_multiple_of(divisor) {
            return Err(Self::NotMultiple { field, of, divisor, got });
        }
        Ok(())
    }

    /// Checks that network and task say the same of `field`.
    ///
    /// # Errors
    /// [`ConfigError::Disagree`] if they do not.
    pub fn agree<V: PartialEq + ToString>(
        field: &'static str,
        network: V,
        task: V,
    ) -> Result<(), Self> {
        if network != task {
            let (network, task) = (network.to_string(), task.to_string());
            return Err(Self::Disagree { field, network, task });
        }
        Ok(())
    }
}

/// What a number from `low` to `high` must be. The smallest and the largest number stand for bounds
/// that are none, and their three hundred digits are no help; but a `got` between 0 and the smallest
/// must hear of it.
fn range(low: &f64, high: &f64, got: &f64) -> String {
    let smallest = *low > 0.0 && *low <= f64::from(f32::MIN_POSITIVE);
    let positive = smallest && !(*got > 0.0 && got < low);
    let endless = *high >= f64::from(f32::MAX);
    match (positive, endless) {
        (true, true) => "be finite and greater than 0".to_owned(),
        (true, false) => format!("be greater than 0 and at most {}", number(high)),
        (false, true) => format!("be finite and at least {}", number(low)),
        (false, false) => format!("lie in {}..={}", number(low), number(high)),
    }
}

/// A number, with an exponent where it would have many zeros without one.
fn number(value: &f64) -> String {
    let plain = *value == 0.0 || !value.is_finite() || (1e-6..1e16).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

/// A published model that a training was to start from, and that cannot be used. Its format is a
/// domain's affair, and so is the cause.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the base {path} cannot be used")]
pub struct BaseError {
    /// Its folder.
    pub path: PathBuf,
    /// The cause.
    pub source: Arc<dyn std::error::Error + Send + Sync>,
}

impl BaseError {
    /// The base in the folder `path`, refused because of `source`.
    pub fn new(
        path: impl Into<PathBuf>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { path: path.into(), source: Arc::new(source) }
    }
}

/// Training that cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A part of the data cannot be used.
    #[error("the {split} data cannot be used")]
    Data {
        /// `training`, `validation` or `test`.
        split: &'static str,
        /// The cause.
        source: DataError,
    },
    /// A setting cannot be used.
    #[error("the training settings cannot be used")]
    Config(#[from] ConfigError),
    /// The published model that the training was to start from cannot be used.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// No such architecture is registered for the task.
    #[error("architecture {got:?} is not known; known are {known:?}")]
    UnknownArchitecture {
        /// The architecture asked for.
        got: String,
        /// The architectures registered.
        known: Vec<&'static str>,
    },
    /// The loss or the gradient is no finite number.
    #[error(
        "training diverged at step {step}: loss {loss}, gradient norm {norm}; lower the learning rate or check the data"
    )]
    Diverged {
        /// The step, counted from 0.
        step: usize,
        /// The loss.
        loss: f64,
        /// The global gradient norm.
        norm: f64,
    },
    /// There is nothing to learn: all parameters are frozen, or the loss does not reach any.
    #[error("the loss depends on no parameter that is trained")]
    NothingToTrain,
    /// Training was asked to stop; the checkpoint is whole.
    #[error("training was interrupted after {steps} steps{}", .checkpoint.as_ref().map(|p| format!("; run the same command again to resume from {}", p.display())).unwrap_or_default())]
    Interrupted {
        /// How many steps are done.
        steps: usize,
        /// The checkpoint, where one was asked for.
        checkpoint: Option<PathBuf>,
    },
    /// The checkpoint in the run's folder cannot be resumed from.
    #[error("the checkpoint in {path} cannot be resumed from: {reason}")]
    Resume {
        /// The checkpoint folder.
        path: PathBuf,
        /// What does not match.
        reason: String,
    },
    /// The checkpoint's weights or state cannot be read or written.
    #[error("the checkpoint in {path} cannot be used")]
    Checkpoint {
        /// The checkpoint folder.
        path: PathBuf,
        /// The cause.
        source: Box<BundleError>,
    },
    /// The optimiser's state cannot be read or written.
    #[error("the optimiser state in {path} cannot be used")]
    Optimizer {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: burn::store::RecordError,
    },
}

/// An evaluation that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The data cannot be used.
    #[error("the data cannot be evaluated on")]
    Data(#[from] DataError),
    /// Two reports are not about the same examples.
    #[error("the reports are about different examples: {left} and {right}")]
    DifferentExamples {
        /// What the first report is about.
        left: String,
        /// What the second report is about.
        right: String,
    },
    /// The scores of two reports are not made in the same way.
    #[error("the reports' scores are made in different ways: {left} and {right}")]
    DifferentSettings {
        /// The settings of the first report.
        left: String,
        /// The settings of the second report.
        right: String,
    },
    /// A report lacks the metric asked for.
    #[error("there is no metric {got:?}; known are {known:?}")]
    UnknownMetric {
        /// The metric asked for.
        got: String,
        /// The metrics of the report.
        known: Vec<String>,
    },
    /// A setting cannot be used.
    #[error("the evaluation settings cannot be used")]
    Config(#[from] ConfigError),
}

/// A name for which there is no compute device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name is not one of those compiled in.
    #[error("there is no device {got:?}; compiled in are {known:?}")]
    Unknown {
        /// The name given.
        got: String,
        /// The names compiled in.
        known: Vec<&'static str>,
    },
    /// The number behind the colon cannot be used.
    #[error("device {got:?}: {reason}")]
    Index {
        /// The name given.
        got: String,
        /// What is wrong with the number.
        reason: &'static str,
    },
}
