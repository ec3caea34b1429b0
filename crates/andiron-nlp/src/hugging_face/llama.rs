//! A `config.json` of the hub as a [`LlamaConfig`].

use super::{Fields, fields, refused};
use crate::{
    layers::rope::RopeScaling, models::llama::LlamaConfig, published_decoder::PublishedDecoder as _,
};
use andiron_core::ConfigError;
use serde_json::{Map, Value, json};

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
        let n_layers = fields.layers("num_hidden_layers")?;
        let (window, n_full_layers) = window(fields, kind, max_length, n_layers)?;
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
            n_layers,
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
            window,
            n_full_layers,
        };
        config.check()?;
        Ok(config)
    }

    /// The class of transformers that computes the same, and its fields of a `config.json`; none if
    /// none does. Of several, Llama, then Mistral, Qwen2 and Qwen3.
    pub fn to_hugging_face(&self) -> Option<(&'static str, Map<String, Value>)> {
        let same_biases = self.input_bias == self.output_bias;
        let plain = !self.input_bias && !self.output_bias && !self.hidden_bias;
        let whole = self.head_width() * self.n_heads == self.d_model;
        let windowed = self.window > 0;
        let (class, own) = match (self.head_norm, windowed) {
            (false, false) if same_biases => (
                "LlamaForCausalLM",
                json!({
                    "model_type": "llama", "head_dim": self.head_width(),
                    "attention_bias": self.input_bias, "mlp_bias": self.hidden_bias
                }),
            ),
            (false, true) if plain && self.n_full_layers == 0 => (
                "MistralForCausalLM",
                json!({
                    "model_type": "mistral", "head_dim": self.head_width(),
                    "sliding_window": self.window
                }),
            ),
            (false, _) if self.input_bias && !self.output_bias && !self.hidden_bias && whole => {
                ("Qwen2ForCausalLM", json!({"model_type": "qwen2"}))
            }
            (true, _) if same_biases && !self.hidden_bias => (
                "Qwen3ForCausalLM",
                json!({
                    "model_type": "qwen3", "head_dim": self.head_width(),
                    "attention_bias": self.input_bias
                }),
            ),
            _ => return None,
        };
        let mut all = fields(json!({
            "vocab_size": self.n_tokens, "hidden_size": self.d_model,
            "intermediate_size": self.d_hidden, "num_hidden_layers": self.n_layers,
            "num_attention_heads": self.n_heads, "num_key_value_heads": self.kv_heads(),
            "max_position_embeddings": self.max_length, "rms_norm_eps": self.epsilon,
            "rope_theta": self.theta, "rope_scaling": written(&self.rope_scaling),
            "hidden_act": "silu", "tie_word_embeddings": self.tied
        }));
        if class.starts_with("Qwen") {
            all.extend(fields(json!({
                "use_sliding_window": windowed, "sliding_window": windowed.then_some(self.window),
                "max_window_layers": self.n_full_layers
            })));
        }
        all.extend(fields(own));
        Some((class, all))
    }
}

/// `rope_scaling` as transformers has it.
fn written(scaling: &RopeScaling) -> Value {
    match *scaling {
        RopeScaling::None => Value::Null,
        RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
        RopeScaling::Llama3 { factor, low_turns, high_turns, original_length } => json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": low_turns,
            "high_freq_factor": high_turns, "original_max_position_embeddings": original_length
        }),
    }
}

/// The layers of a Qwen that look at everything, if its `config.json` does not say.
const FULL_LAYERS: usize = 28;
/// The window of a Mistral or Qwen, if its `config.json` does not say.
const WINDOW: usize = 4096;

/// How many tokens a token sees, 0 for all, and how many of the first layers have no such window.
fn window(
    config: Fields<'_>,
    kind: &str,
    max_length: usize,
    n_layers: usize,
) -> Result<(usize, usize), ConfigError> {
    let types = config.get("layer_types");
    let full = match types {
        None => None,
        Some(types) => {
            Some(full_layers(types).filter(|(_, all)| *all == n_layers).ok_or_else(|| {
                let reason = "supported are full_attention in the first layers and \
                              sliding_attention in the rest, one for each layer";
                refused("layer_types", Some(types), reason)
            })?)
        }
    };
    // Transformers' Llama has no window whatever is written, and its Mistral one in every layer.
    let active = match kind {
        "llama" => false,
        "mistral" => true,
        _ => config.flag_or("use_sliding_window", false)?,
    };
    // What is not written has transformers' default; null is none.
    let written = config.is_written("sliding_window");
    if !active || (written && config.get("sliding_window").is_none()) {
        return match full {
            Some((full, all)) if full < all => {
                Err(refused("layer_types", types, "there is no sliding_window to go with it"))
            }
            _ => Ok((0, 0)),
        };
    }
    let window = config.size_or("sliding_window", WINDOW)?;
    if window == 0 {
        return Err(refused("sliding_window", Some(&json!(0)), "a token sees at least itself"));
    }
    let n_full = match (kind, full) {
        (_, Some((full, _))) => full,
        ("mistral", None) => 0,
        (_, None) => config.size_or("max_window_layers", FULL_LAYERS)?.min(n_layers),
    };
    match window < max_length && n_full < n_layers {
        true => Ok((window, n_full)),
        false => Ok((0, 0)),
    }
}

/// How many of the first layers look at everything, and how many there are; none if not the rest
/// has a window.
fn full_layers(types: &Value) -> Option<(usize, usize)> {
    let types = types.as_array()?;
    let is = |value: &Value, name: &str| value.as_str() == Some(name);
    let full = types.iter().take_while(|value| is(value, "full_attention")).count();
    let rest = types[full..].iter().all(|value| is(value, "sliding_attention"));
    rest.then_some((full, types.len()))
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

    /// The types of 30 layers, of which the first few look at everything.
    fn types(rest: &str, full: usize) -> Vec<&str> {
        (0..30).map(|at| if at < full { "full_attention" } else { rest }).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let llama3 = RopeScaling::Llama3 {
            factor: 8.0,
            low_turns: 1.0,
            high_turns: 4.0,
            original_length: 64,
        };
        let fresh = || LlamaConfig::new(50, 12, 3, 6, 14).with_n_kv_heads(2);
        for (config, class) in [
            (fresh(), "LlamaForCausalLM"),
            (fresh().with_d_head(8).with_tied(true).with_rope_scaling(llama3), "LlamaForCausalLM"),
            (fresh().with_input_bias(true).with_output_bias(true), "LlamaForCausalLM"),
            (fresh().with_hidden_bias(true).with_theta(500.0), "LlamaForCausalLM"),
            (fresh().with_window(5).with_d_head(4), "MistralForCausalLM"),
            (fresh().with_input_bias(true), "Qwen2ForCausalLM"),
            (
                fresh().with_input_bias(true).with_window(7).with_n_full_layers(2),
                "Qwen2ForCausalLM",
            ),
            (fresh().with_head_norm(true).with_epsilon(1e-6), "Qwen3ForCausalLM"),
            (fresh().with_head_norm(true).with_window(9), "Qwen3ForCausalLM"),
        ] {
            let (got, fields) = config.to_hugging_face().unwrap();
            assert_eq!(got, class);
            let read = LlamaConfig::from_hugging_face(&Value::Object(fields)).unwrap();
            // The width of a head may be written though it follows from others.
            let d_head = if read.d_head == 0 { 0 } else { config.head_width() };
            let wanted = serde_json::to_value(config.with_d_head(d_head)).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), wanted, "{class}");
        }
        for config in [
            fresh().with_output_bias(true),
            fresh().with_head_norm(true).with_hidden_bias(true),
            fresh().with_window(5).with_n_full_layers(1),
            fresh().with_input_bias(true).with_d_head(4),
        ] {
            assert!(config.to_hugging_face().is_none(), "{config:?}");
        }
    }

    #[test]
    fn windows_are_in_the_layers_that_have_them() {
        let of = |changes: Value| {
            let config = with(changes).unwrap();
            (config.window, config.n_full_layers)
        };
        let qwen = |more: Value| {
            let mut config = json!({
                "model_type": "qwen2", "use_sliding_window": true, "sliding_window": 4096
            });
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            of(config)
        };
        assert_eq!(of(json!({"model_type": "mistral", "sliding_window": 4096})), (4096, 0));
        assert_eq!(of(json!({"model_type": "mistral"})), (4096, 0));
        assert_eq!(of(json!({"model_type": "mistral", "sliding_window": null})), (0, 0));
        assert_eq!(of(json!({"model_type": "llama", "sliding_window": 4096})), (0, 0));
        assert_eq!(qwen(json!({})), (4096, 28));
        assert_eq!(qwen(json!({"max_window_layers": 21})), (4096, 21));
        assert_eq!(qwen(json!({"max_window_layers": 30})), (0, 0));
        assert_eq!(qwen(json!({"use_sliding_window": false})), (0, 0));
        assert_eq!(qwen(json!({"layer_types": types("sliding_attention", 7)})), (4096, 7));
        assert_eq!(qwen(json!({"layer_types": types("full_attention", 30)})), (0, 0));
        // No text is as long as the window.
        assert_eq!(qwen(json!({"sliding_window": 8192})), (0, 0));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (changes, field) in [
            (json!({"model_type": "gemma"}), "model_type"),
            (json!({"hidden_act": "gelu"}), "hidden_act"),
            (json!({"quantization_config": {"bits": 4}}), "quantization_config"),
            (json!({"rope_scaling": {"type": "yarn", "factor": 4.0}}), "rope_scaling.type"),
            (json!({"rope_scaling": {"factor": 4.0}}), "rope_scaling"),
            (json!({"rope_parameters": {"rope_type": "longrope"}}), "rope_parameters.rope_type"),
            (
                json!({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}),
                "partial_rotary_factor",
            ),
            (json!({"model_type": "mistral", "sliding_window": 0}), "sliding_window"),
            (json!({"model_type": "mistral", "sliding_window": "wide"}), "sliding_window"),
            (json!({"model_type": "qwen2", "use_sliding_window": 1}), "use_sliding_window"),
            (json!({"layer_types": ["full_attention"]}), "layer_types"),
            (json!({"layer_types": types("chunked_attention", 0)}), "layer_types"),
            (json!({"layer_types": types("sliding_attention", 12)}), "layer_types"),
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
