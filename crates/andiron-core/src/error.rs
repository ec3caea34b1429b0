//! Typed errors: one enum a verb, split by what the caller can do about it.

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
    #[error("{field} must lie in {low}..={high}, but is {got}")]
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
}

/// Data that cannot be used: a file, an example, a request.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// There is nothing to work on.
    #[error("{what} is empty")]
    Empty {
        /// What is empty: a data set, a file, a text.
        what: String,
    },
    /// A label that the model does not know.
    #[error("unknown label {label:?}; known are {known:?}")]
    UnknownLabel {
        /// The label met.
        label: String,
        /// The labels of the task.
        known: Vec<String>,
    },
    /// All examples have one label: there is nothing to tell apart.
    #[error("all {examples} examples have the label {label:?}; two labels are needed")]
    OneClass {
        /// The only label.
        label: String,
        /// How many examples there are.
        examples: usize,
    },
    /// Too few examples for what was asked.
    #[error("{what} needs at least {least} examples, but there are {got}")]
    TooFew {
        /// What needs them.
        what: &'static str,
        /// How many it needs.
        least: usize,
        /// How many there are.
        got: usize,
    },
    /// A value of the wrong kind, such as JSON where an image was wanted.
    #[error("{wanted} was wanted, but the input is {got}")]
    WrongKind {
        /// What the task takes.
        wanted: &'static str,
        /// What came.
        got: &'static str,
    },
    /// A line of input lacks a field, or the field holds the wrong kind of value.
    #[error("field {field:?} must be {wanted}, but is {got}")]
    Field {
        /// The field's name.
        field: String,
        /// What it must hold.
        wanted: &'static str,
        /// What it holds, shortened.
        got: String,
    },
    /// A table lacks a column.
    #[error("{path}: there is no column {column:?}; there are {found:?}")]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column wanted.
        column: String,
        /// The columns that exist.
        found: Vec<String>,
    },
    /// A line of a file cannot be read.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Bytes that are not what their format promises: truncated, corrupt, or of another format.
    #[error("{what} cannot be decoded: {reason}")]
    Decode {
        /// What was read: `PNG image`, `WAV audio`.
        what: String,
        /// What the decoder said.
        reason: String,
    },
    /// Larger than the limit, refused before any memory was spent on it.
    #[error("{what} is {got}, which is over the limit of {limit}")]
    TooLarge {
        /// What is too large, with its unit.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// The size met.
        got: u64,
    },
    /// Smaller than what can be worked with.
    #[error("{what} is {got}, but must be at least {least}")]
    TooShort {
        /// What is too small, with its unit.
        what: &'static str,
        /// The least that works.
        least: u64,
        /// The size met.
        got: u64,
    },
    /// A value that is not a finite number.
    #[error("{what} holds {got} at position {at}; every value must be a finite number")]
    NotFinite {
        /// What holds it.
        what: &'static str,
        /// The value: NaN or an infinity.
        got: f32,
        /// Where it stands, counted from 0.
        at: usize,
    },
    /// A file cannot be opened or read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// An error in one example, with its place.
    #[error("example {index}{}", .name.as_ref().map(|n| format!(" ({n})")).unwrap_or_default())]
    Example {
        /// The example's position in its data set, counted from 0.
        index: usize,
        /// Its file, where it has one.
        name: Option<String>,
        /// What is wrong with it.
        #[source]
        source: Box<DataError>,
    },
    /// A setting made from data cannot be used.
    #[error("the model cannot be set up for this data")]
    Config(#[from] ConfigError),
}

impl DataError {
    /// An I/O failure at `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source: Arc::new(source) }
    }

    /// The same error, with the place of the example it is about.
    #[must_use]
    pub fn at(self, index: usize, name: Option<&str>) -> Self {
        Self::Example { index, name: name.map(str::to_owned), source: Box::new(self) }
    }
}

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
    /// The folder exists and holds something else: it is left alone.
    #[error("{path} exists and is no bundle, so it is not replaced: choose another folder")]
    Occupied {
        /// The folder.
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
    #[error("{path} has bundle format {got}, but this program reads format {known}: use a newer andiron")]
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
    /// The weights in the bundle cannot be used.
    #[error("the weights of the bundle cannot be used")]
    Weights(#[from] WeightsError),
}

/// Training that cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A part of the data cannot be used.
    #[error("the {split} data cannot be used")]
    Data {
        /// `training` or `validation`.
        split: &'static str,
        /// The cause.
        source: DataError,
    },
    /// A setting cannot be used.
    #[error("the training settings cannot be used")]
    Config(#[from] ConfigError),
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
