//! BERT, the published text encoder, and what has its form: MiniLM, BGE, E5, GTE and others.
//!
//! Paper: Devlin et al. 2019, <https://arxiv.org/abs/1810.04805>.
//! Differs from it: gives the last layer's outputs, without the pooler and the heads that it was
//! trained with; there is no dropout on the weights of the attention.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{batch::TokenBatch, models::bert::BertConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let config = BertConfig::new(37).with_d_model(20).with_n_heads(4).with_d_hidden(28);
//! let model = config.with_n_layers(2).init(&device)?;
//! let batch = TokenBatch::of(&[vec![5, 36, 2], vec![7]], &[], &device);
//! assert_eq!(model.forward(batch).dims(), [2, 3, 20]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    batch::TokenBatch,
    hugging_face::{EncoderFields as _, Fields, fields, refused},
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
    tensor::{DType, Device, Tensor},
};
use serde_json::{Map, Value, json};

/// Settings of a [`Bert`]; the defaults are those of BERT base.
#[derive(Config, Debug)]
pub struct BertConfig {
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
    /// Kinds of segments; 1 or more.
    #[config(default = 2)]
    pub n_segments: usize,
    /// The function between the two linear maps of a layer.
    #[config(default = "HiddenActivation::Gelu")]
    pub activation: HiddenActivation,
    /// Probability of dropout in training, 0 to 1.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Added to the variance by the normalisations.
    #[config(default = 1e-12)]
    pub epsilon: f64,
    /// Whether what goes into the layers' linear maps is rounded to eight bits, as ONNX Runtime does for
    /// weights of eight bits; see [`dynamic_quantized`](crate::layers::encoder_layer::dynamic_quantized).
    /// None means that it is not. With it a network computes in double precision, and gives its answer in
    /// that of its weights: a difference in the last place of single precision, which is another from
    /// one processor to the next, would round an entry up here and down there.
    pub dynamic_quantization: Option<bool>,
}

impl BertConfig {
    /// all-MiniLM-L6-v2, <https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2>.
    pub fn all_minilm_l6_v2() -> Self {
        Self::new(30522).with_d_model(384).with_n_layers(6).with_d_hidden(1536)
    }

    fn rounds(&self) -> bool {
        self.dynamic_quantization == Some(true)
    }
}

/// Embeddings and layers of attention; built by [`BertConfig`].
#[derive(Module, Debug)]
pub struct Bert {
    embeddings: TextEmbeddings,
    layers: Vec<EncoderLayer>,
}

impl ModelConfig for BertConfig {
    const ARCHITECTURE: &'static str = "bert";
    type Model = Bert;

    fn init(&self, device: &Device) -> Result<Bert, ConfigError> {
        ConfigError::at_least("max_length", 1, self.max_length)?;
        ConfigError::at_least("n_segments", 1, self.n_segments)?;
        if self.rounds() && !device.supports_dtype(DType::F64) {
            let reason = "the device has no double precision";
            return Err(refused("dynamic_quantization", Some(&true.into()), reason));
        }
        let layer = EncoderLayerConfig::new(self.d_model, self.n_heads, self.d_hidden)
            .with_activation(self.activation)
            .with_dropout(self.dropout)
            .with_epsilon(self.epsilon)
            .with_dynamic_quantization(self.rounds());
        let embeddings = TextEmbeddingsConfig::new(
            self.n_tokens,
            self.max_length,
            self.n_segments,
            self.d_model,
        );
        Ok(Bert {
            embeddings: embeddings
                .with_dropout(self.dropout)
                .with_epsilon(self.epsilon)
                .with_double(self.rounds())
                .init(device)?,
            layers: layer.stack(self.n_layers, device)?,
        })
    }

    /// Hugging Face's names for a `BertModel`.
    fn weight_name(&self, path: &str) -> String {
        names::bert(path)
    }

    /// What transformers and sentence-transformers read it by, where the task makes vectors of texts.
    fn home_files(&self, _: &Bert, task: &Value) -> Vec<HomeFile> {
        encoder_files(self, task)
    }
}

impl PublishedEncoder for BertConfig {
    const MODEL_TYPES: &'static [&'static str] = &["bert"];
    const PREFIX: &'static str = "bert.";
    const SURPLUS: &'static [&'static str] = &[
        "embeddings.position_ids",
        "embeddings.token_type_ids",
        "pooler.dense.weight",
        "pooler.dense.bias",
        "cls.predictions.bias",
        "cls.predictions.transform.dense.weight",
        "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.transform.LayerNorm.bias",
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
        "cls.seq_relationship.weight",
        "cls.seq_relationship.bias",
    ];

    fn from_hugging_face(config: &Value) -> Result<Self, ConfigError> {
        let fields = Fields::of(config)?;
        fields.encoder(Self::MODEL_TYPES)?;
        Ok(Self {
            n_tokens: fields.size("vocab_size")?,
            d_model: fields.size("hidden_size")?,
            n_heads: fields.size("num_attention_heads")?,
            n_layers: fields.layers("num_hidden_layers")?,
            d_hidden: fields.size("intermediate_size")?,
            max_length: fields.size("max_position_embeddings")?,
            n_segments: fields.size_or("type_vocab_size", 2)?,
            activation: fields.activation("hidden_act")?,
            dropout: fields.number_or("hidden_dropout_prob", 0.1)?,
            epsilon: fields.number_or("layer_norm_eps", 1e-12)?,
            dynamic_quantization: fields.flag_or("dynamic_quantization", false)?.then_some(true),
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

impl HeadBase for BertConfig {
    const ENCODER: &'static str = "BertModel";
    const CLASSIFIER: ClassifierForm = ClassifierForm {
        class: "BertForSequenceClassification",
        dense: "bert.pooler.dense",
        output: "classifier",
        dropout: "classifier_dropout",
        default_dropout: None,
        activation: HeadActivation::Tanh,
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

    fn dynamic_quantization(&self) -> bool {
        self.rounds()
    }

    fn to_hugging_face(&self) -> Map<String, Value> {
        let mut written = fields(json!({
            "model_type": "bert",
            "vocab_size": self.n_tokens,
            "hidden_size": self.d_model,
            "num_attention_heads": self.n_heads,
            "num_hidden_layers": self.n_layers,
            "intermediate_size": self.d_hidden,
            "max_position_embeddings": self.max_length,
            "type_vocab_size": self.n_segments,
            "hidden_act": self.activation.to_hugging_face(),
            "hidden_dropout_prob": self.dropout,
            "attention_probs_dropout_prob": 0.0,
            "layer_norm_eps": self.epsilon,
            "pad_token_id": 0
        }));
        if self.rounds() {
            written.insert("dynamic_quantization".to_owned(), true.into());
        }
        written
    }
}

impl MaskedLmBase for BertConfig {
    const FORM: MaskedLmForm = MaskedLmForm {
        class: "BertForMaskedLM",
        dense: "cls.predictions.transform.dense",
        norm: "cls.predictions.transform.LayerNorm",
        bias: "cls.predictions.bias",
    };

    fn head(&self) -> (HiddenActivation, f64) {
        (self.activation, self.epsilon)
    }
}

impl WordTable for Bert {
    fn words(&self) -> Tensor<2> {
        self.embeddings.words()
    }
}

impl Model for Bert {
    type Input = TokenBatch;
    type Output = Tensor<3>;

    /// # Shapes
    /// - ids, mask, segments: `[batch, length]`, length at most `max_length`
    /// - output: `[batch, length, d_model]`; without meaning where the mask is false
    fn forward(&self, tokens: TokenBatch) -> Tensor<3> {
        let places = self.embeddings.places(&tokens.ids);
        let x = self.embeddings.forward(tokens.ids, places, tokens.segments);
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x, &tokens.mask));
        x.cast(self.embeddings.words().dtype())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tasks::embedding::toy;
    use andiron_core::testing::Contract;

    fn tiny(n_tokens: usize) -> BertConfig {
        let config = BertConfig::new(n_tokens).with_d_model(12).with_n_heads(3).with_n_layers(2);
        config.with_d_hidden(10).with_max_length(40).with_n_segments(1)
    }

    #[test]
    fn keeps_the_contract() {
        let task = toy::task();
        let config = tiny(task.tokenizer.n_tokens()).with_dropout(0.02);
        Contract::new(task.clone(), config.clone(), toy::pairs()).overfits_in(80, 1e-2).check();
        let config = config.with_dynamic_quantization(Some(true));
        Contract::new(task, config, toy::pairs()).overfits_in(80, 1e-2).check();
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (config, wanted) in [
            (tiny(0), "n_tokens must be at least 1, but is 0"),
            (tiny(9).with_d_model(0), "d_model must be at least 1, but is 0"),
            (tiny(9).with_d_model(10), "d_model must be a multiple of n_heads (3), but is 10"),
            (tiny(9).with_n_heads(0), "n_heads must be at least 1, but is 0"),
            (tiny(9).with_n_layers(0), "n_layers must be at least 1, but is 0"),
            (tiny(9).with_d_hidden(0), "d_hidden must be at least 1, but is 0"),
            (tiny(9).with_max_length(0), "max_length must be at least 1, but is 0"),
            (tiny(9).with_n_segments(0), "n_segments must be at least 1, but is 0"),
            (tiny(9).with_dropout(1.5), "dropout must lie in 0..=1, but is 1.5"),
            (tiny(9).with_epsilon(-1.0), "epsilon must lie in 0..=1, but is -1"),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
    }

    fn published() -> Value {
        json!({
            "model_type": "bert", "vocab_size": 37, "hidden_size": 20, "num_attention_heads": 4,
            "num_hidden_layers": 2, "intermediate_size": 28, "max_position_embeddings": 19,
            "type_vocab_size": 3, "hidden_act": "gelu_new", "hidden_dropout_prob": 0.2,
            "layer_norm_eps": 1e-7, "initializer_range": 0.02, "use_cache": true,
            "pruned_heads": {}, "is_decoder": false, "something_new": [1]
        })
    }

    #[test]
    fn a_published_configuration_is_read() {
        let config = BertConfig::from_hugging_face(&published()).unwrap();
        assert_eq!((config.n_tokens, config.d_model, config.n_heads), (37, 20, 4));
        assert_eq!((config.n_layers, config.d_hidden, config.max_length), (2, 28, 19));
        assert_eq!((config.n_segments, config.dropout, config.epsilon), (3, 0.2, 1e-7));
        assert_eq!(config.activation, HiddenActivation::GeluTanh);
        assert!(!config.rounds() && !config.to_hugging_face().contains_key("dynamic_quantization"));
        let config = config.with_dynamic_quantization(Some(true));
        let again = BertConfig::from_hugging_face(&config.to_hugging_face().into()).unwrap();
        assert!(again.rounds());
        // Bundles that were written before the setting was there lack it.
        let mut written = serde_json::to_value(tiny(9)).unwrap();
        written.as_object_mut().unwrap().remove("dynamic_quantization").unwrap();
        assert!(!serde_json::from_value::<BertConfig>(written).unwrap().rounds());
    }

    #[test]
    fn rounded_activations_move_the_answer_a_little() {
        let device = Device::flex();
        let exact = tiny(9).init(&device).unwrap();
        let rounds = tiny(9).with_dynamic_quantization(Some(true)).init(&device).unwrap();
        let rounds = rounds.load_record(exact.clone().into_record());
        let batch = || TokenBatch::of(&[vec![3, 4, 8], vec![7]], &[], &device);
        let of = |model: &Bert, row: usize, length: usize| {
            let rows = model.forward(batch()).slice([row..row + 1, 0..length]);
            rows.into_data().try_to_vec::<f32>().unwrap()
        };
        for (row, length) in [(0, 3), (1, 1)] {
            let (exact, rounds) = (of(&exact, row, length), of(&rounds, row, length));
            let most = exact.iter().zip(&rounds).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(most > 1e-5 && most < 0.05, "{most}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (field, value) in [
            ("model_type", json!("deberta-v2")),
            ("hidden_act", json!("quick_gelu")),
            ("hidden_act", json!(3)),
            ("position_embedding_type", json!("relative_key")),
            ("is_decoder", json!(true)),
            ("is_encoder_decoder", json!(true)),
            ("add_cross_attention", json!(true)),
            ("pruned_heads", json!({"0": [1]})),
            ("quantization_config", json!({"bits": 4})),
            ("vocab_size", json!(null)),
            ("hidden_size", json!(-4)),
            ("hidden_size", json!(1_u64 << 40)),
            ("num_hidden_layers", json!(1_000_000_000)),
            ("layer_norm_eps", json!("small")),
            ("dynamic_quantization", json!(8)),
        ] {
            let mut config = published();
            config[field] = value.clone();
            let refused = BertConfig::from_hugging_face(&config).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("setting \"{field}\" cannot be ")), "{refused}");
        }
        assert!(BertConfig::from_hugging_face(&json!([1])).is_err());
    }

    #[test]
    fn a_segment_changes_the_answer_where_there_are_several() {
        let device = Device::flex();
        let model = tiny(9).with_n_segments(2).init(&device).unwrap();
        let of = |segments: Vec<u32>| {
            model.forward(TokenBatch::of(&[vec![3, 4]], &[segments], &device)).into_data()
        };
        assert_eq!(of(vec![]), of(vec![0, 0]));
        assert_ne!(of(vec![0, 0]), of(vec![0, 1]));
    }

    #[test]
    fn weights_have_hugging_faces_names() {
        let name = |path: &str| tiny(9).weight_name(path);
        for (ours, theirs) in [
            ("embeddings.segments.weight", "embeddings.token_type_embeddings.weight"),
            ("embeddings.norm.bias", "embeddings.LayerNorm.bias"),
            ("layers.11.mixed_norm.weight", "encoder.layer.11.attention.output.LayerNorm.weight"),
            ("layers.0.wide.bias", "encoder.layer.0.intermediate.dense.bias"),
        ] {
            assert_eq!(name(ours), theirs);
        }
    }
}
