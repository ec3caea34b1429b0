//! Reading a published description, such as `config.json`: what a network depends on is read or
//! refused by name.
//!
//! ```
//! use andiron_weights::fields::Fields;
//! use serde_json::json;
//!
//! let config = json!({"hidden_size": 12, "hidden_act": "swish"});
//! let fields = Fields::of(&config)?;
//! assert_eq!(fields.size("hidden_size")?, 12);
//! let refused = fields.only("hidden_act", &json!("gelu")).unwrap_err();
//! assert_eq!(
//!     refused.to_string(),
//!     r#"setting "hidden_act" cannot be "swish": supported is "gelu" alone"#
//! );
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use andiron_core::{ConfigError, data::shortened};
use serde_json::{Map, Value, json};

/// No published network has a size beyond this; a larger one is a damaged file.
const LARGEST: u64 = 1 << 28;
/// The same for layers, of which each costs memory before a weight is read.
const MOST_LAYERS: u64 = 1 << 10;

/// The fields of a `config.json`, or of an object in it.
#[derive(Clone, Copy)]
pub struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of `config`.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn of(config: &'a Value) -> Result<Self, ConfigError> {
        match config {
            Value::Object(fields) => Ok(Self(fields)),
            other => Err(refused("config.json", Some(other), "an object was wanted")),
        }
    }

    /// The fields of the object `name`, if it is there.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn inside(&self, name: &str) -> Result<Option<Self>, ConfigError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self(fields))),
            other => Err(refused(name, other, "an object was wanted")),
        }
    }

    /// A field that is there and not null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether a field is there, be it null.
    pub fn is_written(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A number of things, or of a table's rows or columns.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn size(&self, name: &str) -> Result<usize, ConfigError> {
        self.size_below(name, LARGEST)
    }

    /// As [`size`](Self::size), with a default.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn size_or(&self, name: &str, default: usize) -> Result<usize, ConfigError> {
        if self.get(name).is_some() { self.size(name) } else { Ok(default) }
    }

    /// A list of sizes, with a default.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn sizes_or(&self, name: &str, default: &[usize]) -> Result<Vec<usize>, ConfigError> {
        let Some(got) = self.get(name) else { return Ok(default.to_vec()) };
        let size = |value: &Value| value.as_u64().filter(|size| *size <= LARGEST);
        let sizes: Option<Vec<usize>> = got
            .as_array()
            .filter(|all| all.len() as u64 <= MOST_LAYERS)
            .and_then(|all| all.iter().map(|value| Some(size(value)? as usize)).collect());
        sizes.ok_or_else(|| refused(name, Some(got), "a list of whole numbers was wanted"))
    }

    /// A number of layers.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn layers(&self, name: &str) -> Result<usize, ConfigError> {
        self.size_below(name, MOST_LAYERS)
    }

    fn size_below(&self, name: &str, largest: u64) -> Result<usize, ConfigError> {
        let got = self.get(name);
        match got.and_then(Value::as_u64) {
            Some(size) if size <= largest => Ok(size as usize),
            _ => Err(refused(name, got, &format!("a whole number up to {largest} was wanted"))),
        }
    }

    /// A number, or its default where the field is missing.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn number_or(&self, name: &str, default: f64) -> Result<f64, ConfigError> {
        if self.get(name).is_some() { self.number(name, name) } else { Ok(default) }
    }

    /// A number that has to be there; `path` is what an error calls it.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn number(&self, name: &str, path: &str) -> Result<f64, ConfigError> {
        let got = self.get(name);
        got.and_then(Value::as_f64).ok_or_else(|| refused(path, got, "a number was wanted"))
    }

    /// A truth value, or its default where the field is missing.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn flag_or(&self, name: &str, default: bool) -> Result<bool, ConfigError> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            got => Err(refused(name, got, "true or false was wanted")),
        }
    }

    /// Refuses a field that is there and has another value than `supported`.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn only(&self, name: &str, supported: &Value) -> Result<(), ConfigError> {
        match self.get(name) {
            Some(value) if value != supported => {
                Err(refused(name, Some(value), &format!("supported is {supported} alone")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a field that is there and is none of `supported`.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn one_of(&self, name: &str, supported: &[Value]) -> Result<(), ConfigError> {
        match self.get(name) {
            Some(value) if !supported.contains(value) => {
                let known: Vec<String> = supported.iter().map(Value::to_string).collect();
                Err(refused(name, Some(value), &format!("supported is {}", known.join(" or "))))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a field that is there and holds something.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn absent(&self, name: &str) -> Result<(), ConfigError> {
        let empty = |value: &Value| match value {
            Value::Object(fields) => fields.is_empty(),
            Value::Array(values) => values.is_empty(),
            _ => false,
        };
        match self.get(name) {
            Some(value) if !empty(value) => Err(refused(name, Some(value), "it is not supported")),
            _ => Ok(()),
        }
    }

    /// The `model_type`, which must be one of those `known`.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn model_type(&self, known: &[&str]) -> Result<&'a str, ConfigError> {
        let got = self.get("model_type");
        match got.and_then(Value::as_str) {
            Some(name) if known.contains(&name) => Ok(name),
            _ => {
                let reason = format!("supported are {}", known.join(", "));
                Err(refused("model_type", got, &reason))
            }
        }
    }
}

/// A field that cannot be used.
pub fn refused(field: &str, got: Option<&Value>, reason: &str) -> ConfigError {
    ConfigError::Kind {
        field: field.to_owned(),
        got: got.map_or_else(|| "missing".to_owned(), shortened),
        reason: reason.to_owned(),
    }
}

/// The fields of a JSON object; none of any other value.
pub fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The labels in the order of their numbers, as `id2label` has them; named as transformers names
/// them where it has none, two unless `num_labels` says how many.
///
/// # Errors
/// [`ConfigError::Kind`] names the field.
pub fn label_names(config: &Value) -> Result<Vec<String>, ConfigError> {
    match config.get("id2label").unwrap_or(&Value::Null) {
        Value::Null => {
            let number = config.get("num_labels").cloned().unwrap_or(json!(2));
            let count = number.as_u64().filter(|count| (1..=1 << 20).contains(count));
            let count = count.ok_or_else(|| {
                refused("num_labels", Some(&number), "a whole number from 1 to 1048576 was wanted")
            })?;
            Ok((0..count).map(|at| format!("LABEL_{at}")).collect())
        }
        _ => id2label(config),
    }
}

/// The labels in the order of their numbers, as `id2label` has them.
///
/// # Errors
/// [`ConfigError::Kind`] where a number from 0 has none, or the field is missing.
pub fn id2label(config: &Value) -> Result<Vec<String>, ConfigError> {
    let field = &config["id2label"];
    let count = field.as_object().map_or(0, serde_json::Map::len);
    let label = |at: usize| field[at.to_string()].as_str().map(str::to_owned);
    let labels: Option<Vec<String>> = (0..count).map(label).collect();
    labels.filter(|labels| !labels.is_empty()).ok_or_else(|| {
        refused("id2label", Some(field), "a label for each number from 0 was wanted")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn labels_are_in_the_order_of_their_numbers() {
        let said = |config: Value| label_names(&config).map_err(|error| error.to_string());
        let many = json!({"id2label": {"1": "b", "0": "z", "10": "k", "2": "a", "3": "c", "4": "d",
            "5": "e", "6": "f", "7": "g", "8": "h", "9": "i"}});
        assert_eq!(said(many).unwrap()[..3], ["z", "b", "a"]);
        assert_eq!(said(json!({})).unwrap(), ["LABEL_0", "LABEL_1"]);
        assert_eq!(said(json!({"num_labels": 3})).unwrap().len(), 3);
        for (config, field) in [
            (json!({"id2label": {"1": "b", "2": "c"}}), "id2label"),
            (json!({"id2label": {"0": 5}}), "id2label"),
            (json!({"id2label": []}), "id2label"),
            (json!({"num_labels": 1u64 << 40}), "num_labels"),
            (json!({"num_labels": "two"}), "num_labels"),
        ] {
            let refused = said(config).unwrap_err();
            assert!(refused.starts_with(&format!("setting \"{field}\" cannot be ")), "{refused}");
        }
    }
}
