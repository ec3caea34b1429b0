//! What a program keeps in a file beside a line.

use crate::DataError;
use serde_json::Value;

/// A field of targets and answers that a program keeps in a file of its own, such as the mask of an
/// image: in a line of data or of answers stands its path instead. The task opens no file; the
/// program reads and writes.
#[derive(Debug, Clone, Copy)]
pub struct Attachment {
    /// The field's name.
    pub field: &'static str,
    /// The ending of such a file, without the dot.
    pub ending: &'static str,
    /// What the field says, from the bytes of a file.
    pub read: fn(&[u8]) -> Result<Value, DataError>,
    /// The bytes of a file, from what the field says.
    pub write: fn(&Value) -> Result<Vec<u8>, DataError>,
}
