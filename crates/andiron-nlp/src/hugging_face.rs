//! Reading a published `config.json`: what a network depends on is read or refused by name, the
//! rest is passed over.

mod gpt2;
mod llama;

use crate::layers::encoder_layer::HiddenActivation;
use andiron_core::{ConfigError, data::shortened};
use serde_json::{Map, Value};

/// No published network has a size beyond this; a larger one is a damaged file.
const LARGEST: u64 = 1 << 28;
/// The same for layers, of which each costs memory before a weight is read.
const MOST_LAYERS: u64 = 1 << 10;

/// The fields of a `config.json`, or of an object in it.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of `config`.
    pub(crate) fn of(config: &'a Value) -> Result<Self, ConfigError> {
        match config {
            Value::Object(fields) => Ok(Self(fields)),
            other => Err(refused("config.json", Some(other), "an object was wanted")),
        }
    }

    /// The fields of the object `name`, if it is there.
    pub(crate) fn inside(&self, name: &str) -> Result<Option<Self>, ConfigError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self(fields))),
            other => Err(refused(name, other, "an object was wanted")),
        }
    }

    /// A field that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether a field is there, be it null.
    pub(crate) fn is_written(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A number of things, or of a table's rows or columns.
    pub(crate) fn size(&self, name: &str) -> Result<usize, ConfigError> {
        self.size_below(name, LARGEST)
    }

    /// As [`size`](Self::size), with a default.
    pub(crate) fn size_or(&self, name: &str, default: usize) -> Result<usize, ConfigError> {
        if self.get(name).is_some() { self.size(name) } else { Ok(default) }
    }

    /// A number of layers.
    pub(crate) fn layers(&self, name: &str) -> Result<usize, ConfigError> {
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
    pub(crate) fn number_or(&self, name: &str, default: f64) -> Result<f64, ConfigError> {
        if self.get(name).is_some() { self.number(name, name) } else { Ok(default) }
    }

    /// A number that has to be there; `path` is what an error calls it.
    pub(crate) fn number(&self, name: &str, path: &str) -> Result<f64, ConfigError> {
        let got = self.get(name);
        got.and_then(Value::as_f64).ok_or_else(|| refused(path, got, "a number was wanted"))
    }

    /// A truth value, or its default where the field is missing.
    pub(crate) fn flag_or(&self, name: &str, default: bool) -> Result<bool, ConfigError> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            got => Err(refused(name, got, "true or false was wanted")),
        }
    }

    /// The activation between a layer's maps; the exact GELU where the field is missing.
    pub(crate) fn activation(&self, name: &str) -> Result<HiddenActivation, ConfigError> {
        let got = self.get(name);
        match got {
            None => Ok(HiddenActivation::Gelu),
            Some(value) => {
                value.as_str().and_then(HiddenActivation::from_hugging_face).ok_or_else(|| {
                    refused(name, got, "supported are gelu, gelu_new, gelu_fast, relu and silu")
                })
            }
        }
    }

    /// Refuses a field that is there and has another value than `supported`.
    pub(crate) fn only(&self, name: &str, supported: &Value) -> Result<(), ConfigError> {
        match self.get(name) {
            Some(value) if value != supported => {
                Err(refused(name, Some(value), &format!("supported is {supported} alone")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a field that is there and is none of `supported`.
    pub(crate) fn one_of(&self, name: &str, supported: &[Value]) -> Result<(), ConfigError> {
        match self.get(name) {
            Some(value) if !supported.contains(value) => {
                let known: Vec<String> = supported.iter().map(Value::to_string).collect();
                Err(refused(name, Some(value), &format!("supported is {}", known.join(" or "))))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a field that is there and holds something.
    pub(crate) fn absent(&self, name: &str) -> Result<(), ConfigError> {
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
    pub(crate) fn model_type(&self, known: &[&str]) -> Result<&'a str, ConfigError> {
        let got = self.get("model_type");
        match got.and_then(Value::as_str) {
            Some(name) if known.contains(&name) => Ok(name),
            _ => {
                let reason = format!("supported are {}", known.join(", "));
                Err(refused("model_type", got, &reason))
            }
        }
    }

    /// Refuses another `model_type` than those `known`, and what no encoder here does: decoding,
    /// quantised weights, heads cut off.
    pub(crate) fn encoder(&self, known: &[&str]) -> Result<(), ConfigError> {
        self.model_type(known)?;
        self.only("position_embedding_type", &Value::from("absolute"))?;
        self.only("is_decoder", &Value::from(false))?;
        self.only("is_encoder_decoder", &Value::from(false))?;
        self.only("add_cross_attention", &Value::from(false))?;
        self.absent("pruned_heads")?;
        self.absent("quantization_config")
    }
}

/// A field that cannot be used.
pub(crate) fn refused(field: &str, got: Option<&Value>, reason: &str) -> ConfigError {
    ConfigError::Kind {
        field: field.to_owned(),
        got: got.map_or_else(|| "missing".to_owned(), shortened),
        reason: reason.to_owned(),
    }
}

/// The fields of a JSON object; none of any other value.
pub(crate) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
