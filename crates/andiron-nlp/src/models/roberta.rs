//! RoBERTa, and XLM-R, which is RoBERTa for a hundred languages.
//!
//! Paper: Liu et al. 2019, <https://arxiv.org/abs/1907.11692>; Conneau et al. 2020,
//! <https://arxiv.org/abs/1911.02116>.
//! Differs from it: gives the last layer's outputs, without the pooler and the heads that it was
//! trained with; there is no dropout on the weights of the attention.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{batch::TokenBatch, models::roberta::RobertaConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let config = RobertaConfig::new(37).with_d_model(20).with_n_heads(4).with_d_hidden(28);
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
    tokenizer::{Tokenizer, TokenizerError, byte_level_bpe},
};
use andiron_core::{ConfigError, HomeFile, Model, ModelConfig};
use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use serde_json::{Map, Value, json};

/// Settings of a [`Roberta`]; the defaults are those of RoBERTa base.
#[derive(Config, Debug)]
pub struct RobertaConfig {
    /// Token numbers; 1 or more.
    pub n_tokens: usize,
    /// Width of a token's vector, a multiple of `n_heads`.
    #[config(default = 768)]
    pub d_model: usize,
    /// Heads of each attention; 1 or more.
    #[config(default = 12)]
    pub n_heads: usize,
    /// Layers; 1 or more.
    #[config(default = 12)]
    pub n_layers: usize,
    /// Width between the two linear maps of a layer; 1 or more.
    #[config(default = 3072)]
    pub d_hidden: usize,
    /// The longest text in tokens; 1 or more.
    #[config(default = 512)]
    pub max_length: usize,
    /// Kinds of segments; 1 or more. With one, all tokens are of it.
    #[config(default = 1)]
    pub n_segments: usize,
    /// The token number of padding. A text's places are counted from the number behind it.
    #[config(default = 1)]
    pub padding: usize,
    /// The function between the two linear maps of a layer.
    #[config(default = "HiddenActivation::Gelu")]
    pub activation: HiddenActivation,
    /// Probability of dropout in training, 0 to 1.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Added to the variance by the normalisations.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

/// Embeddings and layers of attention; built by [`RobertaConfig`].
#[derive(Module, Debug)]
pub struct Roberta {
    embeddings: TextEmbeddings,
    layers: Vec<EncoderLayer>,
    #[module(skip)]
    padding: usize,
}

impl ModelConfig for RobertaConfig {
    const ARCHITECTURE: &'static str = "roberta";
    type Model = Roberta;

    fn init(&self, device: &Device) -> Result<Roberta, ConfigError> {
        ConfigError::at_least("max_length", 1, self.max_length)?;
        ConfigError::at_least("n_segments", 1, self.n_segments)?;
        ConfigError::at_least("n_tokens", self.padding.saturating_add(1), self.n_tokens)?;
        let layer = EncoderLayerConfig::new(self.d_model, self.n_heads, self.d_hidden)
            .with_activation(self.activation)
            .with_dropout(self.dropout)
            .with_epsilon(self.epsilon);
        let embeddings = TextEmbeddingsConfig::new(
            self.n_tokens,
            self.max_length + self.padding + 1,
            self.n_segments,
            self.d_model,
        );
        Ok(Roberta {
            embeddings: embeddings
                .with_dropout(self.dropout)
                .with_epsilon(self.epsilon)
                .init(device)?,
            layers: layer.stack(self.n_layers, device)?,
            padding: self.padding,
        })
    }

    /// Hugging Face's names for a `RobertaModel`.
    fn weight_name(&self, path: &str) -> String {
        names::bert(path)
    }

    /// What transformers and sentence-transformers read it by, where the task makes vectors of texts.
    fn home_files(&self, _: &Roberta, task: &Value) -> Vec<HomeFile> {
        encoder_files(self, task)
    }
}

impl PublishedEncoder for RobertaConfig {
    const MODEL_TYPES: &'static [&'static str] = &["roberta", "xlm-roberta", "camembert"];
    const PREFIX: &'static str = "roberta.";
    const SURPLUS: &'static [&'static str] = &[
        "embeddings.position_ids",
        "embeddings.token_type_ids",
        "pooler.dense.weight",
        "pooler.dense.bias",
        "lm_head.bias",
        "lm_head.dense.weight",
        "lm_head.dense.bias",
        "lm_head.layer_norm.weight",
        "lm_head.layer_norm.bias",
        "lm_head.decoder.weight",
        "lm_head.decoder.bias",
    ];

    fn from_hugging_face(config: &Value) -> Result<Self, ConfigError> {
        let fields = Fields::of(config)?;
        fields.encoder(Self::MODEL_TYPES)?;
        fields.only("dynamic_quantization", &Value::from(false))?;
        let padding = fields.size_or("pad_token_id", 1)?;
        let n_positions = fields.size("max_position_embeddings")?;
        ConfigError::at_least("max_position_embeddings", padding + 2, n_positions)?;
        Ok(Self {
            n_tokens: fields.size("vocab_size")?,
            d_model: fields.size("hidden_size")?,
            n_heads: fields.size("num_attention_heads")?,
            n_layers: fields.layers("num_hidden_layers")?,
            d_hidden: fields.size("intermediate_size")?,
            max_length: n_positions - padding - 1,
            n_segments: fields.size_or("type_vocab_size", 2)?,
            padding,
            activation: fields.activation("hidden_act")?,
            dropout: fields.number_or("hidden_dropout_prob", 0.1)?,
            epsilon: fields.number_or("layer_norm_eps", 1e-12)?,
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

impl HeadBase for RobertaConfig {
    const ENCODER: &'static str = "RobertaModel";
    const CLASSIFIER: ClassifierForm = ClassifierForm {
        class: "RobertaForSequenceClassification",
        dense: "classifier.dense",
        output: "classifier.out_proj",
        dropout: "classifier_dropout",
        default_dropout: None,
        activation: HeadActivation::Tanh,
        drops_before: true,
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
        byte_level_bpe(texts, n_tokens)
    }

    fn dropping(self, dropout: f64) -> Self {
        self.with_dropout(dropout)
    }

    fn to_hugging_face(&self) -> Map<String, Value> {
        fields(json!({
            "model_type": "roberta",
            "vocab_size": self.n_tokens,
            "hidden_size": self.d_model,
            "num_attention_heads": self.n_heads,
            "num_hidden_layers": self.n_layers,
            "intermediate_size": self.d_hidden,
            "max_position_embeddings": self.max_length + self.padding + 1,
            "type_vocab_size": self.n_segments,
            "hidden_act": self.activation.to_hugging_face(),
            "hidden_dropout_prob": self.dropout,
            "attention_probs_dropout_prob": 0.0,
            "layer_norm_eps": self.epsilon,
            "pad_token_id": self.padding
        }))
    }
}

impl MaskedLmBase for RobertaConfig {
    const FORM: MaskedLmForm = MaskedLmForm {
        class: "RobertaForMaskedLM",
        dense: "lm_head.dense",
        norm: "lm_head.layer_norm",
        bias: "lm_head.bias",
    };

    fn head(&self) -> (HiddenActivation, f64) {
        (HiddenActivation::Gelu, self.epsilon)
    }
}

impl WordTable for Roberta {
    fn words(&self) -> Tensor<2> {
        self.embeddings.words()
    }
}

impl Model for Roberta {
    type Input = TokenBatch;
    type Output = Tensor<3>;

    /// # Shapes
    /// - ids, mask, segments: `[batch, length]`, length at most `max_length`
    /// - output: `[batch, length, d_model]`; without meaning where the mask is false
    fn forward(&self, tokens: TokenBatch) -> Tensor<3> {
        let [_, length] = tokens.ids.dims();
        let padding = self.padding as i64;
        let max_length = self.embeddings.n_positions() - self.padding - 1;
        assert!(length <= max_length, "length must be at most {max_length}, but is {length}");
        // A padding token has the padding's place and takes none from those behind it, even where
        // it stands in the text itself.
        let counted = tokens.ids.clone().not_equal_elem(padding).int();
        let places = counted.clone().cumsum(1) * counted + padding;
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

    fn tiny(n_tokens: usize) -> RobertaConfig {
        let config = RobertaConfig::new(n_tokens).with_d_model(12).with_n_heads(3);
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
            (tiny(1), "n_tokens must be at least 2, but is 1"),
            (tiny(9).with_padding(9), "n_tokens must be at least 10, but is 9"),
            (tiny(9).with_d_model(10), "d_model must be a multiple of n_heads (3), but is 10"),
            (tiny(9).with_n_layers(0), "n_layers must be at least 1, but is 0"),
            (tiny(9).with_d_hidden(0), "d_hidden must be at least 1, but is 0"),
            (tiny(9).with_max_length(0), "max_length must be at least 1, but is 0"),
            (tiny(9).with_n_segments(0), "n_segments must be at least 1, but is 0"),
            (tiny(9).with_dropout(-0.5), "dropout must lie in 0..=1, but is -0.5"),
            (tiny(9).with_epsilon(2.0), "epsilon must lie in 0..=1, but is 2"),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
    }

    #[test]
    fn a_published_configuration_is_read_or_refused() {
        let published = json!({
            "model_type": "xlm-roberta", "vocab_size": 37, "hidden_size": 20,
            "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 28,
            "max_position_embeddings": 19, "type_vocab_size": 1, "pad_token_id": 2,
            "hidden_act": "gelu", "layer_norm_eps": 1e-5
        });
        let config = RobertaConfig::from_hugging_face(&published).unwrap();
        assert_eq!((config.n_tokens, config.d_model, config.n_heads), (37, 20, 4));
        assert_eq!((config.n_layers, config.d_hidden, config.max_length), (2, 28, 16));
        assert_eq!((config.n_segments, config.padding, config.epsilon), (1, 2, 1e-5));
        let mut other = published.clone();
        other["model_type"] = json!("longformer");
        let refused = RobertaConfig::from_hugging_face(&other).unwrap_err().to_string();
        assert_eq!(
            refused,
            "setting \"model_type\" cannot be \"longformer\": supported are roberta, xlm-roberta, \
             camembert"
        );
        let mut short = published.clone();
        short["max_position_embeddings"] = json!(3);
        let refused = RobertaConfig::from_hugging_face(&short).unwrap_err().to_string();
        assert_eq!(refused, "max_position_embeddings must be at least 4, but is 3");
        let mut rounded = published;
        rounded["dynamic_quantization"] = json!(true);
        let refused = RobertaConfig::from_hugging_face(&rounded).unwrap_err().to_string();
        assert!(refused.starts_with("setting \"dynamic_quantization\" cannot be "), "{refused}");
    }

    #[test]
    fn order_matters() {
        let device = Device::flex();
        let model = tiny(9).init(&device).unwrap();
        let of = |ids: [u32; 2]| {
            let hidden = model.forward(TokenBatch::of(&[ids.to_vec()], &[], &device));
            hidden.sum_dim(1).into_data()
        };
        assert_ne!(of([3, 4]), of([4, 3]));
    }
}
