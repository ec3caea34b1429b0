//! A `config.json` of the hub as a [`Gpt2Config`], and back.

use super::{Fields, fields, refused};
use crate::models::gpt2::Gpt2Config;
use andiron_core::ConfigError;
use serde_json::{Map, Value, json};

impl Gpt2Config {
    /// Reads Hugging Face's `config.json` of a GPT-2. A field that the network depends on and that
    /// asks for what is not supported is an error; other unknown fields are passed over.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn from_hugging_face(config: &Value) -> Result<Self, ConfigError> {
        let fields = Fields::of(config)?;
        fields.model_type(&["gpt2"])?;
        let tanh = [json!("gelu_new"), json!("gelu_pytorch_tanh")];
        fields.one_of("activation_function", &tanh)?;
        fields.only("scale_attn_weights", &json!(true))?;
        fields.only("scale_attn_by_inverse_layer_idx", &json!(false))?;
        fields.only("add_cross_attention", &json!(false))?;
        fields.absent("quantization_config")?;
        if !fields.flag_or("tie_word_embeddings", true)? {
            let got = fields.get("tie_word_embeddings");
            return Err(refused("tie_word_embeddings", got, "supported is true"));
        }
        let dropout = fields.number_or("resid_pdrop", 0.1)?;
        if fields.number_or("embd_pdrop", 0.1)? != dropout {
            let reason = "it must be as resid_pdrop";
            return Err(refused("embd_pdrop", fields.get("embd_pdrop"), reason));
        }
        let config = Self {
            n_tokens: fields.size("vocab_size")?,
            d_model: fields.size("n_embd")?,
            n_layers: fields.layers("n_layer")?,
            n_heads: fields.size("n_head")?,
            d_hidden: fields.size_or("n_inner", 0)?,
            max_length: fields.size("n_positions")?,
            epsilon: fields.number_or("layer_norm_epsilon", 1e-5)?,
            dropout,
        };
        config.check()?;
        Ok(config)
    }

    /// The fields of a `config.json`.
    pub fn to_hugging_face(&self) -> Map<String, Value> {
        fields(json!({
            "model_type": "gpt2", "vocab_size": self.n_tokens, "n_embd": self.d_model,
            "n_layer": self.n_layers, "n_head": self.n_heads,
            "n_inner": (self.d_hidden > 0).then_some(self.d_hidden),
            "n_positions": self.max_length, "layer_norm_epsilon": self.epsilon,
            "activation_function": "gelu_new", "embd_pdrop": self.dropout,
            "resid_pdrop": self.dropout, "attn_pdrop": 0.0, "tie_word_embeddings": true
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn published() -> Value {
        json!({
            "model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12,
            "n_positions": 1024, "activation_function": "gelu_new", "n_inner": null,
            "layer_norm_epsilon": 1e-5, "resid_pdrop": 0.1, "embd_pdrop": 0.1, "n_ctx": 1024,
        })
    }

    #[test]
    fn the_published_one_is_read() {
        let config = Gpt2Config::from_hugging_face(&published()).unwrap();
        let json = |config: &Gpt2Config| serde_json::to_value(config).unwrap();
        assert_eq!(json(&config), json(&Gpt2Config::new(50257)));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (name, value) in [
            ("model_type", json!("gpt_neo")),
            ("activation_function", json!("relu")),
            ("scale_attn_weights", json!(false)),
            ("scale_attn_by_inverse_layer_idx", json!(true)),
            ("add_cross_attention", json!(true)),
            ("quantization_config", json!({"bits": 8})),
            ("tie_word_embeddings", json!(false)),
            ("embd_pdrop", json!(0.3)),
            ("n_head", json!("twelve")),
            ("vocab_size", json!(null)),
        ] {
            let mut config = published();
            config[name] = value;
            let said = Gpt2Config::from_hugging_face(&config).map(|_| ()).unwrap_err().to_string();
            assert!(said.starts_with(&format!("setting \"{name}\" cannot be")), "{said}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for config in [
            Gpt2Config::new(9).with_d_model(12).with_n_heads(3).with_dropout(0.0),
            Gpt2Config::new(50).with_d_hidden(22).with_max_length(29).with_epsilon(1e-6),
        ] {
            let fields = Value::Object(config.to_hugging_face());
            let read = Gpt2Config::from_hugging_face(&fields).unwrap();
            let json = |config: &Gpt2Config| serde_json::to_value(config).unwrap();
            assert_eq!(json(&read), json(&config));
        }
    }
}
