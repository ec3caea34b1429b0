//! A transformer encoder over words with the mean of its outputs: the strong text classifier,
//! trained from scratch.
//!
//! Paper: Vaswani et al. 2017, <https://arxiv.org/abs/1706.03762>, section 3, the encoder alone.
//! Differs from it: positions are learnt and the activation is GELU, as in BERT (Devlin et al.
//! 2019, <https://arxiv.org/abs/1810.04805>), whose names the weights have; a text is the mean of
//! its tokens' outputs; there are no segments and no pooling layer.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{batch::TextBatch, models::text_encoder::TextEncoderConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let model = TextEncoderConfig::new(50, 3).with_d_model(8).with_n_heads(2).init(&device)?;
//! let batch = TextBatch::of(&[vec![5, 49, 2], vec![7]], &device);
//! assert_eq!(model.forward(batch).dims(), [2, 3]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    batch::TextBatch,
    layers::{
        encoder_layer::{EncoderLayer, EncoderLayerConfig},
        names, normalise, project,
    },
};
use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::{Activation, dropout};
use burn::{
    config::Config,
    module::Module,
    nn::{
        Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig,
    },
    tensor::{Device, Int, Tensor},
};

/// Added to the variance by the normalisations; BERT's.
const EPSILON: f64 = 1e-12;
/// Standard deviation of fresh weights; BERT's.
const STANDARD_DEVIATION: f64 = 0.02;

/// Settings of a [`TextEncoder`].
#[derive(Config, Debug)]
pub struct TextEncoderConfig {
    /// Token numbers, padding (0) and unknown (1) included; 2 or more.
    pub n_tokens: usize,
    /// Labels to choose from; 2 or more.
    pub n_classes: usize,
    /// Width of a token's vector, a multiple of `n_heads`.
    #[config(default = 64)]
    pub d_model: usize,
    /// Heads of each attention; 1 or more.
    #[config(default = 4)]
    pub n_heads: usize,
    /// Layers; 1 or more.
    #[config(default = 2)]
    pub n_layers: usize,
    /// Width between the two linear maps of a layer; 1 or more.
    #[config(default = 128)]
    pub d_hidden: usize,
    /// The longest text in tokens; 1 or more.
    #[config(default = 64)]
    pub max_length: usize,
    /// Probability of dropout in training, 0 to 1.
    #[config(default = 0.1)]
    pub dropout: f64,
}

/// Embeddings, layers of attention, and a linear layer on their mean; built by
/// [`TextEncoderConfig`].
#[derive(Module, Debug)]
pub struct TextEncoder {
    words: Embedding,
    positions: Embedding,
    norm: LayerNorm,
    layers: Vec<EncoderLayer>,
    output: Linear,
    #[module(skip)]
    dropout: f64,
}

impl ModelConfig for TextEncoderConfig {
    const ARCHITECTURE: &'static str = "text-encoder";
    type Model = TextEncoder;

    fn init(&self, device: &Device) -> Result<TextEncoder, ConfigError> {
        ConfigError::at_least("n_tokens", 2, self.n_tokens)?;
        ConfigError::at_least("n_classes", 2, self.n_classes)?;
        ConfigError::at_least("max_length", 1, self.max_length)?;
        let layers = EncoderLayerConfig::new(self.d_model, self.n_heads, self.d_hidden)
            .with_dropout(self.dropout)
            .with_epsilon(EPSILON)
            .with_initializer(Initializer::XavierUniform { gain: 1.0 })
            .stack(self.n_layers, device)?;
        let fresh = || Initializer::Normal { mean: 0.0, std: STANDARD_DEVIATION };
        let table =
            |rows| EmbeddingConfig::new(rows, self.d_model).with_initializer(fresh()).init(device);
        Ok(TextEncoder {
            words: table(self.n_tokens),
            positions: table(self.max_length),
            norm: LayerNormConfig::new(self.d_model).with_epsilon(EPSILON).init(device),
            layers,
            output: LinearConfig::new(self.d_model, self.n_classes).init(device),
            dropout: self.dropout,
        })
    }

    /// Hugging Face's names for a BERT with a classifier on top.
    fn weight_name(&self, path: &str) -> String {
        match path.split('.').collect::<Vec<_>>()[..] {
            [part @ ("words" | "positions" | "norm"), leaf] => {
                format!("embeddings.{}.{leaf}", names::embeddings_part(part))
            }
            ["output", leaf] => format!("classifier.{leaf}"),
            ["layers", at, name, leaf] => {
                format!("encoder.layer.{at}.{}.{leaf}", names::bert_layer_part(name))
            }
            _ => path.to_owned(),
        }
    }
}

impl Model for TextEncoder {
    type Input = TextBatch;
    type Output = Tensor<2>;

    /// # Shapes
    /// - ids: `[batch, length]`, length at most `max_length`; from `n_tokens` on a number counts as
    ///   unknown
    /// - mask: `[batch, length]`
    /// - output: `[batch, n_classes]`, logits
    fn forward(&self, text: TextBatch) -> Tensor<2> {
        let [_, length] = text.ids.dims();
        let [n_tokens, _] = self.words.weight.lazy_shape().dims();
        let [max_length, _] = self.positions.weight.lazy_shape().dims();
        assert!(length <= max_length, "length must be at most {max_length}, but is {length}");
        let device = text.ids.device();
        let unknown = text.ids.clone().greater_equal_elem(n_tokens as i64);
        let words = self.words.forward(text.ids.mask_fill(unknown, 1));
        let places = Tensor::<1, Int>::arange(0..length as i64, &device).unsqueeze::<2>();
        let x = words + self.positions.forward(places);
        let mut x = dropout(normalise(&self.norm, x, EPSILON), self.dropout);
        for layer in &self.layers {
            x = layer.forward(x, &text.mask);
        }
        let mask = text.mask.float().unsqueeze_dim::<3>(2);
        let count = mask.clone().sum_dim(1).clamp_min(1.0);
        let mean = ((x * mask).sum_dim(1) / count).squeeze_dim(1);
        project(&self.output, dropout(mean, self.dropout), Activation::None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tasks::text_classification::toy;
    use andiron_core::{Recipe, testing::Contract};
    use serde_json::json;

    #[test]
    fn keeps_the_contract() {
        let options = json!({
            "d_model": 12, "n_heads": 3, "n_layers": 2, "d_hidden": 10, "max_length": 30, "least_count": 1
        });
        let (task, config) = TextEncoderConfig::prepare(&options, &toy::examples()).unwrap();
        Contract::new(task, config, toy::examples()).overfits_in(100, 1e-2).check();
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let fresh = || TextEncoderConfig::new(9, 2);
        for (config, wanted) in [
            (TextEncoderConfig::new(1, 2), "n_tokens must be at least 2, but is 1"),
            (TextEncoderConfig::new(9, 1), "n_classes must be at least 2, but is 1"),
            (fresh().with_d_model(0), "d_model must be at least 1, but is 0"),
            (fresh().with_d_model(10), "d_model must be a multiple of n_heads (4), but is 10"),
            (fresh().with_n_heads(0), "n_heads must be at least 1, but is 0"),
            (fresh().with_n_layers(0), "n_layers must be at least 1, but is 0"),
            (fresh().with_d_hidden(0), "d_hidden must be at least 1, but is 0"),
            (fresh().with_max_length(0), "max_length must be at least 1, but is 0"),
            (fresh().with_dropout(-0.1), "dropout must lie in 0..=1, but is -0.1"),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
    }

    #[test]
    fn a_number_beyond_the_table_is_unknown() {
        let device = Device::flex();
        let model = TextEncoderConfig::new(9, 2).with_d_model(8).init(&device).unwrap();
        let of = |id| model.forward(TextBatch::of(&[vec![3, id]], &device)).into_data();
        assert_eq!(of(9), of(1));
        assert_ne!(of(8), of(1));
    }

    #[test]
    fn order_matters() {
        let device = Device::flex();
        let model = TextEncoderConfig::new(9, 2).with_d_model(8).init(&device).unwrap();
        let of = |ids: [i32; 3]| model.forward(TextBatch::of(&[ids.to_vec()], &device)).into_data();
        assert_ne!(of([2, 3, 4]), of([4, 3, 2]));
    }

    #[test]
    fn weights_have_berts_names() {
        let name = |path: &str| TextEncoderConfig::new(9, 2).weight_name(path);
        for (ours, theirs) in [
            ("words.weight", "embeddings.word_embeddings.weight"),
            ("positions.weight", "embeddings.position_embeddings.weight"),
            ("norm.bias", "embeddings.LayerNorm.bias"),
            ("layers.1.query.weight", "encoder.layer.1.attention.self.query.weight"),
            ("layers.0.mixed.bias", "encoder.layer.0.attention.output.dense.bias"),
            ("layers.0.mixed_norm.weight", "encoder.layer.0.attention.output.LayerNorm.weight"),
            ("layers.12.wide.weight", "encoder.layer.12.intermediate.dense.weight"),
            ("layers.12.narrow.weight", "encoder.layer.12.output.dense.weight"),
            ("layers.12.narrow_norm.bias", "encoder.layer.12.output.LayerNorm.bias"),
            ("output.weight", "classifier.weight"),
        ] {
            assert_eq!(name(ours), theirs);
        }
    }
}
