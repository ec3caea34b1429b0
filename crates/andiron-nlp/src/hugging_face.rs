//! Reading a published `config.json`: what a network depends on is read or refused by name, the
//! rest is passed over.

use crate::layers::encoder_layer::HiddenActivation;
use andiron_core::{ConfigError, data::shortened};
use serde_json::{Map, Value};

/// No published network has a size beyond this; a larger one is a damaged file.
const LARGEST: u64 = 1 << 28;
/// The same for layers, of which each costs memory before a weight is read.
const MOST_LAYERS: u64 = 1 << 10;

/// The fields of a `config.json`.
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of `config`.
    pub(crate) fn of(config: &'a Value) -> Result<Self, ConfigError> {
        match config {
            Value::Object(fields) => Ok(Self(fields)),
            other => Err(refused("config.json", Some(other), "an object was wanted")),
        }
    }

    /// A field that is there and not null.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
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
        match self.get(name) {
            None => Ok(default),
            Some(value) => {
                value.as_f64().ok_or_else(|| refused(name, Some(value), "a number was wanted"))
            }
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

    /// Refuses another `model_type` than those `known`, and what no encoder here does: decoding,
    /// quantised weights, heads cut off.
    pub(crate) fn encoder(&self, known: &[&str]) -> Result<(), ConfigError> {
        let got = self.get("model_type");
        if !got.and_then(Value::as_str).is_some_and(|name| known.contains(&name)) {
            let reason = format!("supported are {}", known.join(", "));
            return Err(refused("model_type", got, &reason));
        }
        self.only("position_embedding_type", &Value::from("absolute"))?;
        self.only("is_decoder", &Value::from(false))?;
        self.only("is_encoder_decoder", &Value::from(false))?;
        self.only("add_cross_attention", &Value::from(false))?;
        self.absent("pruned_heads")?;
        self.absent("quantization_config")
    }
}

fn refused(field: &str, got: Option<&Value>, reason: &str) -> ConfigError {
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
