//! Fields of a published decoder's `config.json`: what a network depends on is read or refused by
//! name.

mod gpt2;
mod llama;

use andiron_core::{ConfigError, data::shortened};
use serde_json::Value;

/// No published network has a size beyond this; a larger one is a damaged file.
const LARGEST: u64 = 1 << 28;

/// A field that cannot be used.
pub(crate) fn refused(field: &str, got: Option<&Value>, reason: &str) -> ConfigError {
    ConfigError::Kind {
        field: field.to_owned(),
        got: got.map_or_else(|| "missing".to_owned(), shortened),
        reason: reason.to_owned(),
    }
}

/// A field that is there and not null.
pub(crate) fn field<'a>(config: &'a Value, name: &str) -> Option<&'a Value> {
    config.get(name).filter(|value| !value.is_null())
}

/// A whole number that has to be there.
pub(crate) fn size(config: &Value, name: &str) -> Result<usize, ConfigError> {
    let got = field(config, name);
    match got.and_then(Value::as_u64) {
        Some(size) if size <= LARGEST => Ok(size as usize),
        _ => Err(refused(name, got, &format!("a whole number up to {LARGEST} was wanted"))),
    }
}

/// A whole number, or its default.
pub(crate) fn size_or(config: &Value, name: &str, default: usize) -> Result<usize, ConfigError> {
    field(config, name).map_or(Ok(default), |_| size(config, name))
}

/// A number that has to be there; `path` is what an error calls it.
pub(crate) fn number(config: &Value, name: &str, path: &str) -> Result<f64, ConfigError> {
    let got = field(config, name);
    got.and_then(Value::as_f64).ok_or_else(|| refused(path, got, "a number was wanted"))
}

/// A number, or its default.
pub(crate) fn number_or(config: &Value, name: &str, default: f64) -> Result<f64, ConfigError> {
    field(config, name).map_or(Ok(default), |_| number(config, name, name))
}

/// A truth value, or its default.
pub(crate) fn flag_or(config: &Value, name: &str, default: bool) -> Result<bool, ConfigError> {
    match field(config, name) {
        None => Ok(default),
        Some(Value::Bool(flag)) => Ok(*flag),
        got => Err(refused(name, got, "true or false was wanted")),
    }
}

/// Refuses a field that is there and is none of `supported`.
pub(crate) fn only(config: &Value, name: &str, supported: &[Value]) -> Result<(), ConfigError> {
    match field(config, name) {
        Some(value) if !supported.contains(value) => {
            let known: Vec<String> = supported.iter().map(Value::to_string).collect();
            Err(refused(name, Some(value), &format!("supported is {}", known.join(" or "))))
        }
        _ => Ok(()),
    }
}

/// Refuses a field that is there.
pub(crate) fn absent(config: &Value, name: &str) -> Result<(), ConfigError> {
    match field(config, name) {
        Some(value) => Err(refused(name, Some(value), "it is not supported")),
        None => Ok(()),
    }
}
