//! GPT-2: a decoder with learnt positions.
//!
//! Paper: Radford et al. 2019,
//! <https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf>,
//! section 2.3.
//! Differs from it: there is no dropout on the weights of the attention; all fresh weights are drawn
//! alike, those behind an addition too.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{batch::TextBatch, models::gpt2::Gpt2Config};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let config = Gpt2Config::new(50).with_d_model(12).with_n_layers(2).with_n_heads(3);
//! let batch = TextBatch::of(&[vec![5, 49, 2], vec![7]], &device);
//! assert_eq!(config.init(&device)?.forward(batch).dims(), [2, 3, 50]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{batch::TextBatch, decoder::Decoder, published_decoder};
use andiron_core::{ConfigError, HomeFile, Model, ModelConfig};
use andiron_kernels::{
    Activation, AttentionOptions, KvCache, add_layer_norm, attention, dropout, layer_norm, linear,
};
use burn::{
    config::Config,
    module::{Module, Param},
    nn::{Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig},
    tensor::{Bool, Device, Int, Tensor},
};
use serde_json::Value;

/// Standard deviation of fresh weights.
const STANDARD_DEVIATION: f64 = 0.02;

/// Settings of a [`Gpt2`]; the defaults are those of the smallest one published.
#[derive(Config, Debug)]
pub struct Gpt2Config {
    /// Token numbers; 2 or more.
    pub n_tokens: usize,
    /// Width of a token's vector, a multiple of `n_heads`.
    #[config(default = 768)]
    pub d_model: usize,
    /// Layers; 1 or more.
    #[config(default = 12)]
    pub n_layers: usize,
    /// Heads of each attention; 1 or more.
    #[config(default = 12)]
    pub n_heads: usize,
    /// Width between the two linear maps of a layer; `4 · d_model` if 0.
    #[config(default = 0)]
    pub d_hidden: usize,
    /// The longest text in tokens; 1 or more.
    #[config(default = 1024)]
    pub max_length: usize,
    /// Added to the variance by the normalisations.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Probability of dropout in training, 0 to 1.
    #[config(default = 0.1)]
    pub dropout: f64,
}

/// Embeddings, layers of causal attention, and logits by the tokens' own vectors; built by
/// [`Gpt2Config`].
#[derive(Module, Debug)]
pub struct Gpt2 {
    words: Embedding,
    positions: Embedding,
    layers: Vec<Layer>,
    norm: LayerNorm,
    #[module(skip)]
    epsilon: f64,
    #[module(skip)]
    dropout: f64,
}

/// Attention and two linear maps, each behind a normalisation and added to its input.
#[derive(Module, Debug)]
struct Layer {
    mixing_norm: LayerNorm,
    inputs: Conv1D,
    mixed: Conv1D,
    hidden_norm: LayerNorm,
    wide: Conv1D,
    narrow: Conv1D,
    #[module(skip)]
    n_heads: usize,
    #[module(skip)]
    epsilon: f64,
    #[module(skip)]
    dropout: f64,
}

/// A linear map whose weight stands as `[in, out]` in files too, unlike PyTorch's own.
#[derive(Module, Debug)]
struct Conv1D {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Conv1D {
    fn new(from: usize, to: usize, device: &Device) -> Self {
        Self {
            weight: fresh().init([from, to], device),
            bias: Initializer::Zeros.init([to], device),
        }
    }

    fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        linear(x, self.weight.val(), Some(self.bias.val()), activation)
    }
}

fn fresh() -> Initializer {
    Initializer::Normal { mean: 0.0, std: STANDARD_DEVIATION }
}

impl Gpt2Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("n_tokens", 2, self.n_tokens)?;
        ConfigError::at_least("d_model", 1, self.d_model)?;
        ConfigError::at_least("n_layers", 1, self.n_layers)?;
        ConfigError::at_least("n_heads", 1, self.n_heads)?;
        ConfigError::multiple("d_model", self.d_model, "n_heads", self.n_heads)?;
        ConfigError::at_least("max_length", 1, self.max_length)?;
        ConfigError::within("epsilon", 0.0, 1.0, self.epsilon)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)
    }
}

impl ModelConfig for Gpt2Config {
    const ARCHITECTURE: &'static str = "gpt2";
    type Model = Gpt2;

    fn init(&self, device: &Device) -> Result<Gpt2, ConfigError> {
        self.check()?;
        let table =
            |rows| EmbeddingConfig::new(rows, self.d_model).with_initializer(fresh()).init(device);
        Ok(Gpt2 {
            words: table(self.n_tokens),
            positions: table(self.max_length),
            layers: (0..self.n_layers).map(|_| Layer::new(self, device)).collect(),
            norm: LayerNormConfig::new(self.d_model).with_epsilon(self.epsilon).init(device),
            epsilon: self.epsilon,
            dropout: self.dropout,
        })
    }

    /// Hugging Face's names for a `GPT2LMHeadModel`.
    fn weight_name(&self, path: &str) -> String {
        match path.split('.').collect::<Vec<_>>()[..] {
            ["words", leaf] => format!("transformer.wte.{leaf}"),
            ["positions", leaf] => format!("transformer.wpe.{leaf}"),
            ["norm", leaf] => format!("transformer.ln_f.{leaf}"),
            ["layers", at, name, leaf] => {
                let name = match name {
                    "mixing_norm" => "ln_1",
                    "inputs" => "attn.c_attn",
                    "mixed" => "attn.c_proj",
                    "hidden_norm" => "ln_2",
                    "wide" => "mlp.c_fc",
                    "narrow" => "mlp.c_proj",
                    other => other,
                };
                format!("transformer.h.{at}.{name}.{leaf}")
            }
            _ => path.to_owned(),
        }
    }

    /// What transformers reads it by.
    fn home_files(&self, _: &Gpt2, task: &Value) -> Vec<HomeFile> {
        published_decoder::home_files("GPT2LMHeadModel", self.to_hugging_face(), task)
    }
}

impl Model for Gpt2 {
    type Input = TextBatch;
    type Output = Tensor<3>;

    /// # Shapes
    /// - ids: `[batch, length]`, each below `n_tokens`, length at most `max_length`
    /// - mask: `[batch, length]`
    /// - output: `[batch, length, n_tokens]`, logits of the next token; without meaning in the padding
    fn forward(&self, text: TextBatch) -> Tensor<3> {
        let [batch, length] = text.ids.dims();
        let places = Tensor::<1, Int>::arange(0..length as i64, &text.ids.device());
        // A causal network sees no padding behind a text, so the mask is not needed.
        let hidden = self.run(text.ids, places.unsqueeze::<2>().expand([batch, length]), None);
        self.logits(hidden)
    }
}

impl Decoder for Gpt2 {
    fn n_tokens(&self) -> usize {
        self.words.weight.lazy_shape()[0]
    }

    fn max_length(&self) -> usize {
        self.positions.weight.lazy_shape()[0]
    }

    fn cache(&self, padding: &[usize]) -> KvCache {
        KvCache::new(self.layers.len(), padding)
    }

    fn read(&self, ids: Tensor<2, Int>, cache: &mut KvCache) -> Tensor<3> {
        let places = cache.places(ids.dims()[1], &ids.device());
        self.run(ids, places, Some(cache))
    }

    fn logits(&self, hidden: Tensor<3>) -> Tensor<3> {
        linear(hidden, self.words.weight.val().swap_dims(0, 1), None, Activation::None)
    }
}

impl Gpt2 {
    fn run(
        &self,
        ids: Tensor<2, Int>,
        places: Tensor<2, Int>,
        mut cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        let [_, len] = ids.dims();
        let end = cache.as_ref().map_or(0, |cache| cache.length()) + len;
        let most = self.max_length();
        assert!(end <= most, "length must be at most {most}, but is {end}");
        let visible = cache.as_ref().and_then(|cache| cache.visible(len, &ids.device()));
        let x = self.words.forward(ids) + self.positions.forward(places);
        let mut x = dropout(x, self.dropout);
        for (at, layer) in self.layers.iter().enumerate() {
            let cache = cache.as_deref_mut().map(|cache| (cache, at));
            x = layer.forward(x, visible.clone(), cache);
        }
        if let Some(cache) = cache {
            cache.advance(len);
        }
        layer_norm(x, self.norm.gamma.val(), beta(&self.norm), self.epsilon)
    }
}

fn beta(norm: &LayerNorm) -> Option<Tensor<1>> {
    norm.beta.as_ref().map(Param::val)
}

impl Layer {
    fn new(config: &Gpt2Config, device: &Device) -> Self {
        let d = config.d_model;
        let hidden = if config.d_hidden == 0 { 4 * d } else { config.d_hidden };
        let norm = || LayerNormConfig::new(d).with_epsilon(config.epsilon).init(device);
        Self {
            mixing_norm: norm(),
            inputs: Conv1D::new(d, 3 * d, device),
            mixed: Conv1D::new(d, d, device),
            hidden_norm: norm(),
            wide: Conv1D::new(d, hidden, device),
            narrow: Conv1D::new(hidden, d, device),
            n_heads: config.n_heads,
            epsilon: config.epsilon,
            dropout: config.dropout,
        }
    }

    /// `[batch, len, d_model]` to the same.
    fn forward(
        &self,
        x: Tensor<3>,
        visible: Option<Tensor<2, Bool>>,
        cache: Option<(&mut KvCache, usize)>,
    ) -> Tensor<3> {
        let norm = &self.mixing_norm;
        let normal = layer_norm(x.clone(), norm.gamma.val(), beta(norm), self.epsilon);
        let mixed = dropout(self.mix(normal, visible, cache), self.dropout);
        let norm = &self.hidden_norm;
        let (normal, x) = add_layer_norm(mixed, x, norm.gamma.val(), beta(norm), self.epsilon);
        let wide = self.wide.forward(normal, Activation::GeluTanh);
        x + dropout(self.narrow.forward(wide, Activation::None), self.dropout)
    }

    fn mix(
        &self,
        x: Tensor<3>,
        visible: Option<Tensor<2, Bool>>,
        cache: Option<(&mut KvCache, usize)>,
    ) -> Tensor<3> {
        let [batch, len, d_model] = x.dims();
        let all = self.inputs.forward(x, Activation::None);
        // Queries, keys and values stand side by side.
        let heads = |at: usize| {
            all.clone()
                .narrow(2, at * d_model, d_model)
                .reshape([batch, len, self.n_heads, d_model / self.n_heads])
                .swap_dims(1, 2)
        };
        let (query, key, value) = (heads(0), heads(1), heads(2));
        let (key, value) = match cache {
            Some((cache, at)) => cache.append(at, key, value),
            None => (key, value),
        };
        let options = AttentionOptions { causal: true, ..Default::default() };
        let mixed = attention(query, key, value, visible, &options);
        let mixed = mixed.swap_dims(1, 2).reshape([batch, len, d_model]);
        self.mixed.forward(mixed, Activation::None)
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
            "max_length": 40, "dropout": 0.1
        });
        let (task, config) = Gpt2Config::prepare(&options, &toy::examples()).unwrap();
        Contract::new(task, config, toy::examples()).overfits_in(150, 1e-2).check();
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let fresh = || Gpt2Config::new(9).with_d_model(12).with_n_heads(3);
        for (config, wanted) in [
            (Gpt2Config::new(1), "n_tokens must be at least 2, but is 1"),
            (fresh().with_d_model(0), "d_model must be at least 1, but is 0"),
            (fresh().with_n_layers(0), "n_layers must be at least 1, but is 0"),
            (fresh().with_n_heads(0), "n_heads must be at least 1, but is 0"),
            (fresh().with_n_heads(5), "d_model must be a multiple of n_heads (5), but is 12"),
            (fresh().with_max_length(0), "max_length must be at least 1, but is 0"),
            (fresh().with_epsilon(2.0), "epsilon must lie in 0..=1, but is 2"),
            (fresh().with_dropout(-0.1), "dropout must lie in 0..=1, but is -0.1"),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
    }
}
