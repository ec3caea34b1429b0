//! fastText files that cannot be used.

use std::{io, path::PathBuf};

/// A fastText file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FastTextError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// What is read from fails.
    #[error("cannot read the fastText model")]
    Stream {
        /// The cause.
        source: io::Error,
    },
    /// It does not begin as a fastText model does.
    #[error("the file is no fastText model: it begins with {got:#010x}, not with 0x2f4f16ba")]
    Magic {
        /// Its first four bytes as a number.
        got: i32,
    },
    /// A version of the format that is not read.
    #[error("version {got} of the fastText format is not supported, only 11 and 12 are")]
    Version {
        /// The version.
        got: i32,
    },
    /// A setting that prediction cannot work with, such as a model of word vectors.
    #[error("the fastText model's {field} is {got}, which is not supported")]
    Unsupported {
        /// The setting.
        field: &'static str,
        /// Its value in the file.
        got: i32,
    },
    /// The dictionary is pruned and the matrix is not quantised, which fastText refuses as well.
    #[error("the fastText model is pruned without being quantised")]
    Pruned,
    /// The file ends too early, or a size in it is too large for it.
    #[error("the fastText model is truncated: {what} needs {wanted} bytes, but {left} are left")]
    Truncated {
        /// What was to be read.
        what: &'static str,
        /// How many bytes that needs, as far as a number holds them.
        wanted: u64,
        /// How many there are.
        left: u64,
    },
    /// Bytes are left behind the end.
    #[error("{left} bytes stand behind the end of the fastText model")]
    Surplus {
        /// How many.
        left: u64,
    },
    /// A number is not possible at its place.
    #[error("the fastText model's {what} cannot be {got}")]
    Value {
        /// What the number is.
        what: &'static str,
        /// The number.
        got: i64,
    },
    /// A label is not UTF-8.
    #[error("entry {index} of the fastText dictionary is a label that is not UTF-8")]
    Text {
        /// Its place in the dictionary, counted from 0.
        index: u64,
    },
    /// Two parts of the file do not fit together.
    #[error("the fastText model contradicts itself: {what} should be {wanted}, but is {got}")]
    Contradiction {
        /// What was compared.
        what: &'static str,
        /// What the other part wants.
        wanted: u64,
        /// What stands in the file.
        got: u64,
    },
    /// A matrix holds NaN or an infinity.
    #[error("the fastText model's {what} holds a value that is not finite")]
    NotFinite {
        /// The matrix.
        what: &'static str,
    },
}
