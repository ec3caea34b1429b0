//! Data that cannot be used.

use super::{BaseError, ConfigError};
use std::{path::PathBuf, sync::Arc};

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
    /// All values are equal, where their variation was asked for.
    #[error("all values of {what} are {got}; two different ones are needed")]
    Constant {
        /// What holds them.
        what: &'static str,
        /// The only value.
        got: f64,
    },
    /// A value below zero where none has a meaning.
    #[error("{what} holds {got} at position {at}; no value may be below 0")]
    Negative {
        /// What holds it.
        what: &'static str,
        /// The value.
        got: f64,
        /// Where it stands, counted from 0.
        at: usize,
    },
    /// Two lists that belong together differ in length.
    #[error("{left} and {right} must be equally many, but are {n_left} and {n_right}")]
    Unpaired {
        /// What the first list holds.
        left: &'static str,
        /// What the second list holds.
        right: &'static str,
        /// Length of the first list.
        n_left: usize,
        /// Length of the second list.
        n_right: usize,
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
    /// A name that stands twice in a list of different ones.
    #[error("{what} has {got:?} twice")]
    Repeated {
        /// What holds it.
        what: &'static str,
        /// The name.
        got: String,
    },
    /// Something refers to what is not there.
    #[error("{what} has the {field} {got}, which is not there")]
    Dangling {
        /// What refers to it: `annotation 7`.
        what: String,
        /// The field that does.
        field: &'static str,
        /// What it says.
        got: String,
    },
    /// The published model that a training was to start from cannot be used.
    #[error(transparent)]
    Base(#[from] BaseError),
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
