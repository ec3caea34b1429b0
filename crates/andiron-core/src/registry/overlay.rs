//! Settings over their defaults.

use crate::{ConfigError, data::shortened};
use serde_json::Value;

/// Puts the fields of the object `options` over those of `defaults`.
///
/// # Errors
/// [`ConfigError::Unknown`] for a field that `defaults` has not, [`ConfigError::Kind`] for a value
/// of the wrong kind.
pub fn overlay<S>(defaults: &S, options: &Value) -> Result<S, ConfigError>
where
    S: serde::Serialize + serde::de::DeserializeOwned,
{
    let kind = |field: &str, got: &Value, reason: String| ConfigError::Kind {
        field: field.to_owned(),
        got: shortened(got),
        reason,
    };
    let mut value = serde_json::to_value(defaults)
        .map_err(|error| kind("defaults", &Value::Null, error.to_string()))?;
    let fields = match (value.as_object_mut(), options) {
        (_, Value::Null) => None,
        (Some(known), Value::Object(given)) => Some((known, given)),
        _ => return Err(kind("options", options, "an object was wanted".to_owned())),
    };
    if let Some((known, given)) = fields {
        for (field, option) in given {
            if !known.contains_key(field) {
                return Err(ConfigError::Unknown {
                    field: field.clone(),
                    known: known.keys().cloned().collect(),
                });
            }
            let mut trial = known.clone();
            trial.insert(field.clone(), option.clone());
            serde_json::from_value::<S>(Value::Object(trial))
                .map_err(|error| kind(field, option, error.to_string()))?;
            known.insert(field.clone(), option.clone());
        }
    }
    serde_json::from_value(value).map_err(|error| kind("options", options, error.to_string()))
}
