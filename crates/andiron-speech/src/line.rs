//! What a line of input may say beside the file that it names.

use andiron_core::{ConfigError, DataError};
use serde_json::Value;

/// The field that names the file.
pub(crate) const FILE: &str = "audio";

/// Refuses a field that is neither the file nor one of those that a line of data has.
///
/// # Errors
/// [`DataError::Config`] names the field, and those that there are.
pub(crate) fn check(line: &Value, known: &[&str]) -> Result<(), DataError> {
    let known = || std::iter::once(FILE).chain(known.iter().copied());
    let fields = line.as_object().into_iter().flat_map(serde_json::Map::keys);
    for field in fields {
        if !known().any(|one| one == field) {
            let known = known().map(str::to_owned).collect();
            return Err(ConfigError::Unknown { field: field.clone(), known }.into());
        }
    }
    Ok(())
}
