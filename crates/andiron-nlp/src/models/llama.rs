//! Llama and its kin: Llama 2 and 3, SmolLM2, TinyLlama, Mistral, Qwen2, Qwen2.5 and Qwen3, which
//! differ in their configuration alone.
//!
//! Paper: Touvron et al. 2023, <https://arxiv.org/abs/2302.13971>, section 2.2; shared key heads:
//! Ainslie et al. 2023, <https://arxiv.org/abs/2305.13245>; normalised queries and keys: Yang et al.
//! 2025, <https://arxiv.org/abs/2505.09388>.
//! Windows over which attention slides: Jiang et al. 2023, <https://arxiv.org/abs/2310.06825>, section 2.
//! Differs from it: there is no mixture of experts.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{batch::TextBatch, models::llama::LlamaConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let config = LlamaConfig::new(50, 12, 2, 3, 20).with_n_kv_heads(1);
//! let batch = TextBatch::of(&[vec![5, 49, 2], vec![7]], &device);
//! assert_eq!(config.init(&device)?.forward(batch).dims(), [2, 3, 50]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    batch::TextBatch,
    decoder::Decoder,
    layers::{
        project,
        rope::{Angles, Frequencies, RopeScaling},
    },
    published_decoder,
};
use andiron_core::{ConfigError, HomeFile, Model, ModelConfig};
use andiron_kernels::{
    Activation, AttentionOptions, KvCache, RotaryLayout, add_rms_norm, attention, linear, rms_norm,
    rotary,
};
use burn::{
    config::Config,
    module::Module,
    nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig, RmsNorm, RmsNormConfig},
    tensor::{Bool, Device, Int, Tensor},
};
use serde_json::Value;

/// Standard deviation of fresh weights.
const STANDARD_DEVIATION: f64 = 0.02;

/// Settings of a [`Llama`].
#[derive(Config, Debug)]
pub struct LlamaConfig {
    /// Token numbers; 2 or more.
    pub n_tokens: usize,
    /// Width of a token's vector; 1 or more.
    pub d_model: usize,
    /// Layers; 1 or more.
    pub n_layers: usize,
    /// Query heads of each attention; 1 or more.
    pub n_heads: usize,
    /// Width between the linear maps of a layer; 1 or more.
    pub d_hidden: usize,
    /// Heads of keys and values, of which `n_heads` is a multiple; as many as query heads if 0.
    #[config(default = 0)]
    pub n_kv_heads: usize,
    /// Width of a head, even; `d_model / n_heads` if 0.
    #[config(default = 0)]
    pub d_head: usize,
    /// The longest text in tokens; 1 or more.
    #[config(default = 2048)]
    pub max_length: usize,
    /// Base of the rotary frequencies; above 0.
    #[config(default = 10000.0)]
    pub theta: f64,
    /// How the rotary frequencies are changed for longer texts.
    #[config(default = "RopeScaling::None")]
    pub rope_scaling: RopeScaling,
    /// Added to the mean square by the normalisations.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Whether the logits are made with the tokens' own vectors.
    #[config(default = false)]
    pub tied: bool,
    /// Whether the maps to queries, keys and values have a bias.
    #[config(default = false)]
    pub input_bias: bool,
    /// Whether the map behind the attention has a bias.
    #[config(default = false)]
    pub output_bias: bool,
    /// Whether the maps of the second half of a layer have a bias.
    #[config(default = false)]
    pub hidden_bias: bool,
    /// Whether queries and keys are normalised, head by head.
    #[config(default = false)]
    pub head_norm: bool,
    /// How many tokens a token sees, itself counted, in the layers that have a window; all if 0.
    #[config(default = 0)]
    pub window: usize,
    /// How many of the first layers have no window; `n_layers` at the most.
    #[config(default = 0)]
    pub n_full_layers: usize,
}

/// A decoder: embeddings, layers of causal attention, and logits; built by [`LlamaConfig`].
#[derive(Module, Debug)]
pub struct Llama {
    words: Embedding,
    layers: Vec<Layer>,
    norm: RmsNorm,
    /// None where the tokens' own vectors serve.
    output: Option<Linear>,
    #[module(skip)]
    frequencies: Frequencies,
    #[module(skip)]
    max_length: usize,
}

/// Attention and a gated map, each behind a normalisation and added to its input.
#[derive(Module, Debug)]
struct Layer {
    mixing_norm: RmsNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    mixed: Linear,
    query_norm: Option<RmsNorm>,
    key_norm: Option<RmsNorm>,
    hidden_norm: RmsNorm,
    gate: Linear,
    wide: Linear,
    narrow: Linear,
    #[module(skip)]
    n_heads: usize,
    #[module(skip)]
    n_kv_heads: usize,
    #[module(skip)]
    window: Option<usize>,
}

impl LlamaConfig {
    /// The number of heads of keys and values in force.
    pub fn kv_heads(&self) -> usize {
        if self.n_kv_heads == 0 { self.n_heads } else { self.n_kv_heads }
    }

    /// The width of a head in force.
    pub fn head_width(&self) -> usize {
        if self.d_head == 0 { self.d_model / self.n_heads.max(1) } else { self.d_head }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("n_tokens", 2, self.n_tokens)?;
        ConfigError::at_least("d_model", 1, self.d_model)?;
        ConfigError::at_least("n_layers", 1, self.n_layers)?;
        ConfigError::at_least("n_heads", 1, self.n_heads)?;
        ConfigError::at_least("d_hidden", 1, self.d_hidden)?;
        ConfigError::at_least("max_length", 1, self.max_length)?;
        ConfigError::multiple("n_heads", self.n_heads, "n_kv_heads", self.kv_heads())?;
        if self.d_head == 0 {
            ConfigError::multiple("d_model", self.d_model, "n_heads", self.n_heads)?;
        }
        ConfigError::at_least("d_head", 2, self.head_width())?;
        ConfigError::multiple("d_head", self.head_width(), "2", 2)?;
        ConfigError::within("theta", f64::MIN_POSITIVE, f64::MAX, self.theta)?;
        ConfigError::within("epsilon", 0.0, 1.0, self.epsilon)?;
        ConfigError::at_least("n_layers", self.n_full_layers, self.n_layers)?;
        self.rope_scaling.check()
    }
}

fn fresh() -> Initializer {
    Initializer::Normal { mean: 0.0, std: STANDARD_DEVIATION }
}

impl ModelConfig for LlamaConfig {
    const ARCHITECTURE: &'static str = "llama";
    type Model = Llama;

    fn init(&self, device: &Device) -> Result<Llama, ConfigError> {
        self.check()?;
        let words = EmbeddingConfig::new(self.n_tokens, self.d_model).with_initializer(fresh());
        let output = LinearConfig::new(self.d_model, self.n_tokens)
            .with_bias(false)
            .with_initializer(fresh());
        Ok(Llama {
            words: words.init(device),
            layers: (0..self.n_layers).map(|at| Layer::new(self, at, device)).collect(),
            norm: RmsNormConfig::new(self.d_model).with_epsilon(self.epsilon).init(device),
            output: (!self.tied).then(|| output.init(device)),
            frequencies: Frequencies::new(self.head_width(), self.theta, &self.rope_scaling),
            max_length: self.max_length,
        })
    }

    /// Hugging Face's names for a `LlamaForCausalLM` and its kin.
    fn weight_name(&self, path: &str) -> String {
        match path.split('.').collect::<Vec<_>>()[..] {
            ["words", leaf] => format!("model.embed_tokens.{leaf}"),
            ["norm", leaf] => format!("model.norm.{leaf}"),
            ["output", leaf] => format!("lm_head.{leaf}"),
            ["layers", at, name, leaf] => {
                format!("model.layers.{at}.{}.{leaf}", name_in_layer(name))
            }
            _ => path.to_owned(),
        }
    }

    /// What transformers reads it by, where one of its classes computes the same.
    fn home_files(&self, _: &Llama, task: &Value) -> Vec<HomeFile> {
        match self.to_hugging_face() {
            Some((class, fields)) => published_decoder::home_files(class, fields, task),
            None => Vec::new(),
        }
    }
}

/// Hugging Face's name for a part of a layer.
fn name_in_layer(name: &str) -> &str {
    match name {
        "mixing_norm" => "input_layernorm",
        "query" => "self_attn.q_proj",
        "key" => "self_attn.k_proj",
        "value" => "self_attn.v_proj",
        "mixed" => "self_attn.o_proj",
        "query_norm" => "self_attn.q_norm",
        "key_norm" => "self_attn.k_norm",
        "hidden_norm" => "post_attention_layernorm",
        "gate" => "mlp.gate_proj",
        "wide" => "mlp.up_proj",
        "narrow" => "mlp.down_proj",
        other => other,
    }
}

impl Model for Llama {
    type Input = TextBatch;
    type Output = Tensor<3>;

    /// # Shapes
    /// - ids: `[batch, length]`, each below `n_tokens`, length at most `max_length`
    /// - mask: `[batch, length]`
    /// - output: `[batch, length, n_tokens]`, logits of the next token; without meaning in the padding
    fn forward(&self, text: TextBatch) -> Tensor<3> {
        // A causal network sees no padding behind a text, so the mask is not needed.
        let hidden = self.run(text.ids, None);
        self.logits(hidden)
    }
}

impl Decoder for Llama {
    fn n_tokens(&self) -> usize {
        self.words.weight.lazy_shape()[0]
    }

    fn max_length(&self) -> usize {
        self.max_length
    }

    fn cache(&self, padding: &[usize]) -> KvCache {
        KvCache::new(self.layers.len(), padding)
    }

    fn read(&self, ids: Tensor<2, Int>, cache: &mut KvCache) -> Tensor<3> {
        self.run(ids, Some(cache))
    }

    fn logits(&self, hidden: Tensor<3>) -> Tensor<3> {
        match &self.output {
            Some(output) => project(output, hidden, Activation::None),
            None => linear(hidden, self.words.weight.val().swap_dims(0, 1), None, Activation::None),
        }
    }
}

impl Llama {
    fn run(&self, ids: Tensor<2, Int>, mut cache: Option<&mut KvCache>) -> Tensor<3> {
        let [_, len] = ids.dims();
        let start = cache.as_ref().map_or(0, |cache| cache.length());
        let (end, most) = (start + len, self.max_length);
        assert!(end <= most, "length must be at most {most}, but is {end}");
        let device = ids.device();
        // A row with empty slots in front has its angles shifted by as many places: attention
        // knows distances alone.
        let angles = self.frequencies.angles(start, len, &device);
        let visible = cache.as_ref().and_then(|cache| cache.visible(len, &device));
        let mut x = self.words.forward(ids);
        for (at, layer) in self.layers.iter().enumerate() {
            let cache = cache.as_deref_mut().map(|cache| (cache, at));
            x = layer.forward(x, &angles, visible.clone(), cache);
        }
        if let Some(cache) = cache {
            cache.advance(len);
        }
        rms_norm(x, self.norm.gamma.val(), self.norm.epsilon)
    }
}

impl Layer {
    fn new(config: &LlamaConfig, at: usize, device: &Device) -> Self {
        let (d, hidden, d_head) = (config.d_model, config.d_hidden, config.head_width());
        let (heads, kv_heads) = (config.n_heads, config.kv_heads());
        let map = |from, to, bias| {
            LinearConfig::new(from, to).with_bias(bias).with_initializer(fresh()).init(device)
        };
        let norm = |width| RmsNormConfig::new(width).with_epsilon(config.epsilon).init(device);
        let (input_bias, hidden_bias) = (config.input_bias, config.hidden_bias);
        Self {
            mixing_norm: norm(d),
            query: map(d, heads * d_head, input_bias),
            key: map(d, kv_heads * d_head, input_bias),
            value: map(d, kv_heads * d_head, input_bias),
            mixed: map(heads * d_head, d, config.output_bias),
            query_norm: config.head_norm.then(|| norm(d_head)),
            key_norm: config.head_norm.then(|| norm(d_head)),
            hidden_norm: norm(d),
            gate: map(d, hidden, hidden_bias),
            wide: map(d, hidden, hidden_bias),
            narrow: map(hidden, d, hidden_bias),
            n_heads: heads,
            n_kv_heads: kv_heads,
            window: (config.window > 0 && at >= config.n_full_layers).then_some(config.window),
        }
    }

    /// `[batch, len, d_model]` to the same.
    fn forward(
        &self,
        x: Tensor<3>,
        angles: &Angles,
        visible: Option<Tensor<2, Bool>>,
        cache: Option<(&mut KvCache, usize)>,
    ) -> Tensor<3> {
        let normal = rms_norm(x.clone(), self.mixing_norm.gamma.val(), self.mixing_norm.epsilon);
        let mixed = self.mix(normal, angles, visible, cache);
        let norm = &self.hidden_norm;
        let (normal, x) = add_rms_norm(mixed, x, norm.gamma.val(), norm.epsilon);
        // SwiGLU: Shazeer 2020, <https://arxiv.org/abs/2002.05202>, equation 6.
        let gate = project(&self.gate, normal.clone(), Activation::Silu);
        let wide = project(&self.wide, normal, Activation::None);
        x + project(&self.narrow, gate * wide, Activation::None)
    }

    fn mix(
        &self,
        x: Tensor<3>,
        angles: &Angles,
        visible: Option<Tensor<2, Bool>>,
        cache: Option<(&mut KvCache, usize)>,
    ) -> Tensor<3> {
        let [batch, len, _] = x.dims();
        let heads = |map: &Linear, n_heads: usize, norm: Option<&RmsNorm>| {
            let x = project(map, x.clone(), Activation::None);
            let d_head = x.dims()[2] / n_heads;
            let x = x.reshape([batch, len, n_heads, d_head]);
            let x = match norm {
                Some(norm) => rms_norm(x, norm.gamma.val(), norm.epsilon),
                None => x,
            };
            x.swap_dims(1, 2)
        };
        let turned = |x| rotary(x, angles.cos.clone(), angles.sin.clone(), RotaryLayout::Half);
        let query = turned(heads(&self.query, self.n_heads, self.query_norm.as_ref()));
        let key = turned(heads(&self.key, self.n_kv_heads, self.key_norm.as_ref()));
        let value = heads(&self.value, self.n_kv_heads, None);
        let (key, value) = match cache {
            Some((cache, at)) => cache.append(at, key, value),
            None => (key, value),
        };
        let options = AttentionOptions { causal: true, window: self.window, ..Default::default() };
        let mixed = attention(query, key, value, visible, &options);
        let [_, n_heads, _, d_head] = mixed.dims();
        let mixed = mixed.swap_dims(1, 2).reshape([batch, len, n_heads * d_head]);
        project(&self.mixed, mixed, Activation::None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tasks::text_generation::toy;
    use andiron_core::{Recipe, testing::Contract};
    use serde_json::json;

    #[test]
    fn keeps_the_contract() {
        let options = json!({
            "n_tokens": 270, "d_model": 12, "n_heads": 3, "n_layers": 2, "d_hidden": 10,
            "max_length": 40, "dropout": 0.0
        });
        let (task, config) = LlamaConfig::prepare(&options, &toy::examples()).unwrap();
        Contract::new(task.clone(), config.clone(), toy::examples()).overfits_in(150, 1e-2).check();
        let windowed = config.with_window(3).with_n_full_layers(1);
        Contract::new(task, windowed, toy::examples()).overfits_in(150, 1e-2).check();
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let fresh = || LlamaConfig::new(9, 12, 2, 3, 8);
        for (config, wanted) in [
            (LlamaConfig::new(1, 12, 2, 3, 8), "n_tokens must be at least 2, but is 1"),
            (LlamaConfig::new(9, 0, 2, 3, 8), "d_model must be at least 1, but is 0"),
            (LlamaConfig::new(9, 12, 0, 3, 8), "n_layers must be at least 1, but is 0"),
            (LlamaConfig::new(9, 12, 2, 0, 8), "n_heads must be at least 1, but is 0"),
            (LlamaConfig::new(9, 12, 2, 3, 0), "d_hidden must be at least 1, but is 0"),
            (
                LlamaConfig::new(9, 10, 2, 3, 8),
                "d_model must be a multiple of n_heads (3), but is 10",
            ),
            (fresh().with_n_kv_heads(2), "n_heads must be a multiple of n_kv_heads (2), but is 3"),
            (fresh().with_d_head(5), "d_head must be a multiple of 2 (2), but is 5"),
            (fresh().with_max_length(0), "max_length must be at least 1, but is 0"),
            (fresh().with_epsilon(-1.0), "epsilon must lie in 0..=1, but is -1"),
            (fresh().with_n_full_layers(3), "n_layers must be at least 3, but is 2"),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
        let refused = fresh().with_theta(0.0).init(&Device::flex()).map(|_| ()).unwrap_err();
        assert!(refused.to_string().starts_with("theta must be finite and greater than 0"));
    }
}
