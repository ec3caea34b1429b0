//! DistilBERT: BERT with half the layers and no segments.
//!
//! Paper: Sanh et al. 2019, <https://arxiv.org/abs/1910.01108>.
//! Differs from it: gives the last layer's outputs, without the heads that it was trained with;
//! there is no dropout on the weights of the attention.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{batch::TokenBatch, models::distilbert::DistilBertConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let config = DistilBertConfig::new(37).with_d_model(20).with_n_heads(4).with_d_hidden(28);
//! let model = config.with_n_layers(2).init(&device)?;
//! let batch = TokenBatch::of(&[vec![5, 36, 2], vec![7]], &[], &device);
//! assert_eq!(model.forward(batch).dims(), [2, 3, 20]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    batch::TokenBatch,
    hugging_face::{EncoderFields as _, Fields, fields},
    layers::{
        encoder_layer::{EncoderLayer, EncoderLayerConfig, HiddenActivation},
        names,
        text_embeddings::{TextEmbeddings, TextEmbeddingsConfig},
    },
    models::masked_lm::{MaskedLmBase, MaskedLmForm, WordTable},
    published::PublishedEncoder,
    published_head::{ClassifierForm, EncoderSizes, HeadActivation, HeadBase, encoder_files},
    tokenizer::{Tokenizer, TokenizerError, word_piece},
};
use andiron_core::{ConfigError, HomeFile, Model, ModelConfig};
use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use serde_json::{Map, Value, json};

/// Added to the variance by the normalisations; its `config.json` does not say it.
const EPSILON: f64 = 1e-12;

/// Settings of a [`DistilBert`]; the defaults are those of the published one.
#[derive(Config, Debug)]
pub struct DistilBertConfig {
    /// Token numbers; 1 or more.
    pub n_tokens: usize,
    /// Width of a token's vector, a multiple of `n_heads`.
    #[config(default = 768)]
    pub d_model: usize,
    /// Heads of each attention; 1 or more.
    #[config(default = 12)]
    pub n_heads: usize,
    /// Layers; 1 or more.
    #[config(default = 6)]
    pub n_layers: usize,
    /// Width between the two linear maps of a layer; 1 or more.
    #[config(default = 3072)]
    pub d_hidden: usize,
    /// The longest text in tokens; 1 or more.
    #[config(default = 512)]
    pub max_length: usize,
    /// The function between the two linear maps of a layer.
    #[config(default = "HiddenActivation::Gelu")]
    pub activation: HiddenActivation,
    /// Probability of dropout in training, 0 to 1.
    #[config(default = 0.1)]
    pub dropout: f64,
}

/// Embeddings and layers of attention; built by [`DistilBertConfig`].
#[derive(Module, Debug)]
pub struct DistilBert {
    embeddings: TextEmbeddings,
    layers: Vec<EncoderLayer>,
}

impl ModelConfig for DistilBertConfig {
    const ARCHITECTURE: &'static str = "distilbert";
    type Model = DistilBert;

    fn init(&self, device: &Device) -> Result<DistilBert, ConfigError> {
        ConfigError::at_least("max_length", 1, self.max_length)?;
        let layer = EncoderLayerConfig::new(self.d_model, self.n_heads, self.d_hidden)
            .with_activation(self.activation)
            .with_dropout(self.dropout)
            .with_epsilon(EPSILON);
        let embeddings = TextEmbeddingsConfig::new(self.n_tokens, self.max_length, 0, self.d_model)
            .with_dropout(self.dropout)
            .with_epsilon(EPSILON);
        Ok(DistilBert {
            embeddings: embeddings.init(device)?,
            layers: layer.stack(self.n_layers, device)?,
        })
    }

    /// Hugging Face's names for a `DistilBertModel`.
    fn weight_name(&self, path: &str) -> String {
        match path.split('.').collect::<Vec<_>>()[..] {
            ["embeddings", part, leaf] => {
                format!("embeddings.{}.{leaf}", names::embeddings_part(part))
            }
            ["layers", at, part, leaf] => {
                let part = match part {
                    "query" => "attention.q_lin",
                    "key" => "attention.k_lin",
                    "value" => "attention.v_lin",
                    "mixed" => "attention.out_lin",
                    "mixed_norm" => "sa_layer_norm",
                    "wide" => "ffn.lin1",
                    "narrow" => "ffn.lin2",
                    "narrow_norm" => "output_layer_norm",
                    other => other,
                };
                format!("transformer.layer.{at}.{part}.{leaf}")
            }
            _ => path.to_owned(),
        }
    }

    /// What transformers and sentence-transformers read it by, where the task makes vectors of texts.
    fn home_files(&self, _: &DistilBert, task: &Value) -> Vec<HomeFile> {
        encoder_files(self, task)
    }
}

impl PublishedEncoder for DistilBertConfig {
    const MODEL_TYPES: &'static [&'static str] = &["distilbert"];
    const PREFIX: &'static str = "distilbert.";
    const SURPLUS: &'static [&'static str] = &[
        "embeddings.position_ids",
        "vocab_transform.weight",
        "vocab_transform.bias",
        "vocab_layer_norm.weight",
        "vocab_layer_norm.bias",
        "vocab_projector.weight",
        "vocab_projector.bias",
    ];

    fn from_hugging_face(config: &Value) -> Result<Self, ConfigError> {
        let fields = Fields::of(config)?;
        fields.encoder(Self::MODEL_TYPES)?;
        fields.only("dynamic_quantization", &Value::from(false))?;
        Ok(Self {
            n_tokens: fields.size("vocab_size")?,
            d_model: fields.size("dim")?,
            n_heads: fields.size("n_heads")?,
            n_layers: fields.layers("n_layers")?,
            d_hidden: fields.size("hidden_dim")?,
            max_length: fields.size("max_position_embeddings")?,
            activation: fields.activation("activation")?,
            dropout: fields.number_or("dropout", 0.1)?,
        })
    }

    fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    fn max_length(&self) -> usize {
        self.max_length
    }

    fn d_model(&self) -> usize {
        self.d_model
    }
}

impl HeadBase for DistilBertConfig {
    const ENCODER: &'static str = "DistilBertModel";
    const CLASSIFIER: ClassifierForm = ClassifierForm {
        class: "DistilBertForSequenceClassification",
        dense: "pre_classifier",
        output: "classifier",
        dropout: "seq_classif_dropout",
        default_dropout: Some(0.2),
        activation: HeadActivation::Relu,
        drops_before: false,
    };

    fn fresh(n_tokens: usize, sizes: &EncoderSizes) -> Self {
        Self::new(n_tokens)
            .with_d_model(sizes.d_model)
            .with_n_heads(sizes.n_heads)
            .with_n_layers(sizes.n_layers)
            .with_d_hidden(sizes.d_hidden)
            .with_max_length(sizes.max_length)
            .with_dropout(sizes.dropout)
    }

    fn vocabulary(texts: &[String], n_tokens: usize) -> Result<Tokenizer, TokenizerError> {
        word_piece(texts, n_tokens)
    }

    fn dropping(self, dropout: f64) -> Self {
        self.with_dropout(dropout)
    }

    fn to_hugging_face(&self) -> Map<String, Value> {
        fields(json!({
            "model_type": "distilbert",
            "vocab_size": self.n_tokens,
            "dim": self.d_model,
            "n_heads": self.n_heads,
            "n_layers": self.n_layers,
            "hidden_dim": self.d_hidden,
            "max_position_embeddings": self.max_length,
            "activation": self.activation.to_hugging_face(),
            "dropout": self.dropout,
            "attention_dropout": 0.0,
            "pad_token_id": 0
        }))
    }
}

impl MaskedLmBase for DistilBertConfig {
    const FORM: MaskedLmForm = MaskedLmForm {
        class: "DistilBertForMaskedLM",
        dense: "vocab_transform",
        norm: "vocab_layer_norm",
        bias: "vocab_projector.bias",
    };

    fn head(&self) -> (HiddenActivation, f64) {
        (self.activation, 1e-12)
    }
}

impl WordTable for DistilBert {
    fn words(&self) -> Tensor<2> {
        self.embeddings.words()
    }
}

impl Model for DistilBert {
    type Input = TokenBatch;
    type Output = Tensor<3>;

    /// # Shapes
    /// - ids, mask: `[batch, length]`, length at most `max_length`; segments do not count
    /// - output: `[batch, length, d_model]`; without meaning where the mask is false
    fn forward(&self, tokens: TokenBatch) -> Tensor<3> {
        let places = self.embeddings.places(&tokens.ids);
        let x = self.embeddings.forward(tokens.ids, places, tokens.segments);
        self.layers.iter().fold(x, |x, layer| layer.forward(x, &tokens.mask))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tasks::embedding::toy;
    use andiron_core::testing::Contract;

    fn tiny(n_tokens: usize) -> DistilBertConfig {
        let config = DistilBertConfig::new(n_tokens).with_d_model(12).with_n_heads(3);
        config.with_n_layers(2).with_d_hidden(10).with_max_length(40)
    }

    #[test]
    fn keeps_the_contract() {
        let task = toy::task();
        let config = tiny(task.tokenizer.n_tokens()).with_dropout(0.02);
        Contract::new(task, config, toy::pairs()).overfits_in(80, 1e-2).check();
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (config, wanted) in [
            (tiny(0), "n_tokens must be at least 1, but is 0"),
            (tiny(9).with_d_model(10), "d_model must be a multiple of n_heads (3), but is 10"),
            (tiny(9).with_n_layers(0), "n_layers must be at least 1, but is 0"),
            (tiny(9).with_d_hidden(0), "d_hidden must be at least 1, but is 0"),
            (tiny(9).with_max_length(0), "max_length must be at least 1, but is 0"),
            (tiny(9).with_dropout(-0.5), "dropout must lie in 0..=1, but is -0.5"),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
    }

    #[test]
    fn a_published_configuration_is_read_or_refused() {
        let published = json!({
            "model_type": "distilbert", "vocab_size": 37, "dim": 20, "n_heads": 4, "n_layers": 2,
            "hidden_dim": 28, "max_position_embeddings": 19, "activation": "relu",
            "sinusoidal_pos_embds": false, "dropout": 0.3
        });
        let config = DistilBertConfig::from_hugging_face(&published).unwrap();
        assert_eq!((config.n_tokens, config.d_model, config.n_heads), (37, 20, 4));
        assert_eq!((config.n_layers, config.d_hidden, config.max_length), (2, 28, 19));
        assert_eq!((config.activation, config.dropout), (HiddenActivation::Relu, 0.3));
        for (field, value) in [
            ("activation", json!("tanh")),
            ("dim", json!("wide")),
            ("dynamic_quantization", json!(true)),
        ] {
            let mut config = published.clone();
            config[field] = value;
            let refused = DistilBertConfig::from_hugging_face(&config).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("setting \"{field}\" cannot be ")), "{refused}");
        }
    }

    #[test]
    fn weights_have_hugging_faces_names() {
        let name = |path: &str| tiny(9).weight_name(path);
        for (ours, theirs) in [
            ("embeddings.words.weight", "embeddings.word_embeddings.weight"),
            ("layers.1.query.bias", "transformer.layer.1.attention.q_lin.bias"),
            ("layers.0.narrow_norm.weight", "transformer.layer.0.output_layer_norm.weight"),
        ] {
            assert_eq!(name(ours), theirs);
        }
    }
}
