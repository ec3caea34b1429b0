//! A `config.json` of the hub as a [`LlamaConfig`].

use super::{Fields, refused};
use crate::{
    layers::rope::RopeScaling, models::llama::LlamaConfig, published_decoder::PublishedDecoder as _,
};
use andiron_core::ConfigError;
use serde_json::{Value, json};

impl LlamaConfig {
    /// Reads Hugging Face's `config.json` of a Llama, Mistral, Qwen2 or Qwen3. A field that the
    /// network depends on and that asks for what is not supported is an error; other unknown fields
    /// are passed over.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the field.
    pub fn from_hugging_face(config: &Value) -> Result<Self, ConfigError> {
        let fields = Fields::of(config)?;
        let kind = fields.model_type(Self::MODEL_TYPES)?;
        fields.one_of("hidden_act", &[json!("silu"), json!("swish")])?;
        fields.absent("quantization_config")?;
        let max_length = fields.size("max_position_embeddings")?;
        full_attention(fields, kind, max_length)?;
        let (theta, rope_scaling) = rope(fields)?;
        let bias = matches!(kind, "llama" | "qwen3") && fields.flag_or("attention_bias", false)?;
        let n_heads = fields.size("num_attention_heads")?;
        let n_kv_heads = match kind {
            "llama" => fields.size_or("num_key_value_heads", n_heads)?,
            _ => fields.size("num_key_value_heads")?,
        };
        let default_width = if kind == "qwen3" { 128 } else { 0 };
        let config = Self {
            n_tokens: fields.size("vocab_size")?,
            d_model: fields.size("hidden_size")?,
            n_layers: fields.layers("num_hidden_layers")?,
            n_heads,
            d_hidden: fields.size("intermediate_size")?,
            n_kv_heads,
            d_head: fields.size_or("head_dim", default_width)?,
            max_length,
            theta,
            rope_scaling,
            epsilon: fields.number_or("rms_norm_eps", 1e-6)?,
            tied: fields.flag_or("tie_word_embeddings", false)?,
            input_bias: bias || kind == "qwen2",
            output_bias: bias,
            hidden_bias: kind == "llama" && fields.flag_or("mlp_bias", false)?,
            head_norm: kind == "qwen3",
        };
        config.check()?;
        Ok(config)
    }
}

/// Refuses a window over which attention slides, where it is narrower than the longest text.
fn full_attention(fields: Fields<'_>, kind: &str, max_length: usize) -> Result<(), ConfigError> {
    if let Some(types) = fields.get("layer_types") {
        let full = |value: &Value| value.as_str() == Some("full_attention");
        if !types.as_array().is_some_and(|types| types.iter().all(full)) {
            return Err(refused("layer_types", Some(types), "supported is full_attention alone"));
        }
    }
    let active = kind == "mistral" || fields.flag_or("use_sliding_window", false)?;
    let window = fields.get("sliding_window");
    if active && window.is_some() && fields.size("sliding_window")? < max_length {
        let reason = "attention over a sliding window is not supported";
        return Err(refused("sliding_window", window, reason));
    }
    Ok(())
}

/// The base of the frequencies and how they are scaled: in `rope_parameters`, or in `rope_theta`
/// and `rope_scaling` as older files have it.
fn rope(fields: Fields<'_>) -> Result<(f64, RopeScaling), ConfigError> {
    let new = fields.inside("rope_parameters")?;
    let name = if new.is_some() { "rope_parameters" } else { "rope_scaling" };
    let Some(rope) = fields.inside(name)? else {
        return Ok((fields.number_or("rope_theta", 10_000.0)?, RopeScaling::None));
    };
    let theta = match new.filter(|new| new.get("rope_theta").is_some()) {
        Some(new) => new.number("rope_theta", "rope_parameters.rope_theta")?,
        None => fields.number_or("rope_theta", 10_000.0)?,
    };
    rope.one_of("partial_rotary_factor", &[json!(1), json!(1.0)])?;
    let (key, kind) = match (rope.get("rope_type"), rope.get("type")) {
        (Some(kind), _) => ("rope_type", kind),
        (None, Some(kind)) => ("type", kind),
        (None, None) if new.is_some() => return Ok((theta, RopeScaling::None)),
        (None, None) => return Err(refused(name, fields.get(name), "its rope_type is missing")),
    };
    let of = |part: &str| rope.number(part, &format!("{name}.{part}"));
    let scaling = match kind.as_str() {
        Some("default") => RopeScaling::None,
        Some("linear") => RopeScaling::Linear { factor: of("factor")? },
        Some("llama3") => RopeScaling::Llama3 {
            factor: of("factor")?,
            low_turns: of("low_freq_factor")?,
            high_turns: of("high_freq_factor")?,
            original_length: rope.size("original_max_position_embeddings")?,
        },
        _ => {
            let reason = "supported are default, linear and llama3";
            return Err(refused(&format!("{name}.{key}"), Some(kind), reason));
        }
    };
    Ok((theta, scaling))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn published() -> Value {
        json!({
            "model_type": "llama", "vocab_size": 49152, "hidden_size": 576,
            "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
            "num_key_value_heads": 3, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
            "rope_theta": 100000, "rope_scaling": null, "hidden_act": "silu",
            "tie_word_embeddings": true, "attention_dropout": 0.0, "torch_dtype": "bfloat16",
        })
    }

    fn with(changes: Value) -> Result<LlamaConfig, String> {
        let mut config = published();
        for (name, value) in changes.as_object().unwrap() {
            config[name] = value.clone();
        }
        LlamaConfig::from_hugging_face(&config).map_err(|error| error.to_string())
    }

    #[test]
    fn smollm2_is_read() {
        let config = with(json!({})).unwrap();
        assert_eq!((config.kv_heads(), config.head_width(), config.tied), (3, 64, true));
        assert_eq!((config.theta, config.rope_scaling), (1e5, RopeScaling::None));
    }

    #[test]
    fn older_and_newer_forms_of_rope_agree() {
        let llama3 = json!({
            "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192, "rope_theta": 5e5
        });
        let older = with(json!({"rope_scaling": llama3, "rope_theta": 5e5})).unwrap();
        let newer = with(json!({"rope_parameters": llama3, "rope_theta": null})).unwrap();
        assert_eq!((older.theta, older.rope_scaling), (newer.theta, newer.rope_scaling));
        let old = with(json!({"rope_scaling": {"type": "linear", "factor": 2.5}})).unwrap();
        assert_eq!(old.rope_scaling, RopeScaling::Linear { factor: 2.5 });
    }

    #[test]
    fn kin_differ_as_their_authors_said() {
        let qwen2 = with(json!({"model_type": "qwen2", "sliding_window": 50})).unwrap();
        assert!(qwen2.input_bias && !qwen2.output_bias && !qwen2.head_norm);
        let qwen3 = with(json!({"model_type": "qwen3"})).unwrap();
        assert!(qwen3.head_norm && !qwen3.input_bias && qwen3.d_head == 128);
        let mistral = with(json!({"model_type": "mistral", "sliding_window": 8192})).unwrap();
        assert!(!mistral.head_norm && !mistral.input_bias);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (changes, field) in [
            (json!({"model_type": "gemma"}), "model_type"),
            (json!({"hidden_act": "gelu"}), "hidden_act"),
            (json!({"quantization_config": {"bits": 4}}), "quantization_config"),
            (json!({"rope_scaling": {"type": "yarn", "factor": 4.0}}), "rope_scaling.type"),
            (json!({"rope_scaling": {"factor": 4.0}}), "rope_scaling"),
            (json!({"rope_scaling": 4.0}), "rope_scaling"),
            (json!({"rope_parameters": 4.0}), "rope_parameters"),
            (json!({"rope_parameters": {"rope_type": "longrope"}}), "rope_parameters.rope_type"),
            (
                json!({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}),
                "partial_rotary_factor",
            ),
            (json!({"model_type": "mistral", "sliding_window": 4096}), "sliding_window"),
            (
                json!({"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 9}),
                "sliding_window",
            ),
            (json!({"layer_types": ["sliding_attention"]}), "layer_types"),
            (json!({"vocab_size": null}), "vocab_size"),
            (json!({"hidden_size": -5}), "hidden_size"),
            (json!({"hidden_size": 1u64 << 40}), "hidden_size"),
            (json!({"rms_norm_eps": "small"}), "rms_norm_eps"),
            (json!({"attention_bias": 1}), "attention_bias"),
        ] {
            let said = with(changes).map(|_| ()).unwrap_err();
            assert!(said.starts_with(&format!("setting \"{field}\" cannot be")), "{said}");
        }
        assert!(LlamaConfig::from_hugging_face(&json!([])).is_err());
    }
}
