//! Kinds of files in which a task's data comes.

use super::TaskEntry;
use crate::{
    DataError,
    data::table::{self, Row},
};
use std::path::Path;

/// What stands for the ending in a [`FileKind`] that is a folder.
pub const FOLDER: &str = "/";

/// A kind of file: its ending, or [`FOLDER`], and what reads its rows.
pub type FileKind = (&'static str, fn(&Path) -> Result<Vec<Row>, DataError>);

impl TaskEntry {
    /// Whether the task reads the rows of a folder; for one that does not, the folders in it may be
    /// labels.
    pub fn reads_folders(&self) -> bool {
        self.kind(FOLDER).is_some()
    }

    fn kind(&self, ending: &str) -> Option<&'static FileKind> {
        self.files.iter().find(|(kind, _)| *kind == ending)
    }

    /// The rows of a file of data: of a table, as [`table::read`] has it, or of a file or folder of a
    /// kind that the task knows.
    ///
    /// # Errors
    /// As [`table::read`], or as the task's reader says.
    pub fn rows(&self, path: &Path) -> Result<Vec<Row>, DataError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let ending = ending.to_ascii_lowercase();
        match self.kind(if path.is_dir() { FOLDER } else { &ending }) {
            Some((_, read)) => read(path),
            None => table::read(path),
        }
    }
}
