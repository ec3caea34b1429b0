//! Reading a published `config.json`: what a network depends on is read or refused by name, the
//! rest is passed over.

mod gpt2;
mod llama;

use crate::layers::encoder_layer::HiddenActivation;
use andiron_core::ConfigError;
use serde_json::Value;

pub(crate) use andiron_weights::fields::{Fields, fields, refused};

/// What the encoders of texts have in their `config.json`.
pub(crate) trait EncoderFields {
    /// The activation between a layer's maps; the exact GELU where the field is missing.
    fn activation(&self, name: &str) -> Result<HiddenActivation, ConfigError>;

    /// Refuses another `model_type` than those `known`, and what no encoder here does: decoding,
    /// quantised weights, heads cut off.
    fn encoder(&self, known: &[&str]) -> Result<(), ConfigError>;
}

impl EncoderFields for Fields<'_> {
    fn activation(&self, name: &str) -> Result<HiddenActivation, ConfigError> {
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

    fn encoder(&self, known: &[&str]) -> Result<(), ConfigError> {
        self.model_type(known)?;
        self.only("position_embedding_type", &Value::from("absolute"))?;
        self.only("is_decoder", &Value::from(false))?;
        self.only("is_encoder_decoder", &Value::from(false))?;
        self.only("add_cross_attention", &Value::from(false))?;
        self.absent("pruned_heads")?;
        self.absent("quantization_config")
    }
}
