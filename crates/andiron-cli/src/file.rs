//! Files that lines name.

use andiron::{DataError, data::shortened};
use serde_json::Value;
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// The largest image or sound file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 30;

/// Reads a whole file, but no endless one.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    let fail = |source| DataError::io(path, source);
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(fail)?;
    if read as u64 > MOST_BYTES {
        let (what, limit) = ("the file in bytes", MOST_BYTES);
        return Err(DataError::TooLarge { what, limit, got: read as u64 });
    }
    Ok(bytes)
}

/// The path in the field `field` of a line.
pub(crate) fn path_field(line: &Value, field: &str) -> Result<PathBuf, DataError> {
    match line.get(field) {
        Some(Value::String(path)) if !path.is_empty() => Ok(path.into()),
        other => Err(DataError::Field {
            field: field.to_owned(),
            wanted: "the path of a file",
            got: other.map_or_else(|| "missing".to_owned(), shortened),
        }),
    }
}
