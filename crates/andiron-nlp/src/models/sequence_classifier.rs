//! A published encoder with a classifier's head: one label, or several, for a text or a pair of texts.
//!
//! Paper: Devlin et al. 2019, <https://arxiv.org/abs/1810.04805>, section 4.1; the heads are those
//! that Hugging Face's transformers puts on each encoder ([`ClassifierForm`]), under its names.
//! Differs from it: the text's vector may also be the mean of its tokens' ([`Pooling`]).
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{
//!     batch::TextBatch,
//!     models::{bert::BertConfig, sequence_classifier::SequenceClassifierConfig},
//! };
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let bert = BertConfig::new(37).with_d_model(20).with_n_heads(4).with_d_hidden(28);
//! let model = SequenceClassifierConfig::new(bert.with_n_layers(2), 3).init(&device)?;
//! let batch = TextBatch::of(&[vec![5, 36, 2], vec![7]], &device);
//! assert_eq!(model.forward(batch).dims(), [2, 3]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```
//!
//! [`ClassifierForm`]: crate::published_head::ClassifierForm

use crate::{
    batch::{TextBatch, TokenBatch},
    hugging_face::{Fields, fields},
    layers::classifier_head::{ClassifierHead, ClassifierHeadConfig},
    published_head::{self, HeadBase, Headed, hidden_states, home_files, is_head},
    tasks::embedding::Pooling,
};
use andiron_core::{Adaptation, ConfigError, HomeFile, Model, ModelConfig};
use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Settings of a [`SequenceClassifier`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SequenceClassifierConfig<E> {
    /// The encoder.
    pub encoder: E,
    /// Labels, or scores for a text; 1 or more.
    pub n_classes: usize,
    /// Probability of dropout in the head, 0 to 1.
    pub dropout: f64,
    /// How the tokens' vectors become one. With any other than the first token's, transformers
    /// cannot read the network.
    pub pooling: Pooling,
    /// Which parameters are trained.
    #[serde(default)]
    pub adaptation: Adaptation,
    /// The folder or the name of the model that a training started from, for PEFT's
    /// `base_model_name_or_path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

impl<E: HeadBase> Config for SequenceClassifierConfig<E> {}

impl<E: HeadBase> SequenceClassifierConfig<E> {
    /// The head that the encoder's home puts on it; all parameters are trained.
    pub fn new(encoder: E, n_classes: usize) -> Self {
        Self {
            encoder,
            n_classes,
            dropout: 0.1,
            pooling: Pooling::Cls,
            adaptation: Adaptation::default(),
            base: None,
        }
    }

    /// The same with another dropout in the head.
    #[must_use]
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// The same with other parameters trained.
    #[must_use]
    pub fn with_adaptation(self, adaptation: Adaptation) -> Self {
        Self { adaptation, ..self }
    }

    /// The same with another pooling.
    #[must_use]
    pub fn with_pooling(self, pooling: Pooling) -> Self {
        Self { pooling, ..self }
    }

    /// The settings of the head alone.
    pub fn head(&self) -> ClassifierHeadConfig {
        let form = E::CLASSIFIER;
        ClassifierHeadConfig {
            d_model: self.encoder.d_model(),
            n_classes: self.n_classes,
            activation: form.activation,
            drops_before: form.drops_before,
            dropout: self.dropout,
        }
    }

    /// The head's dropout that a `config.json` asks for.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] for a value that is no number.
    pub fn dropout_of(config: &Value) -> Result<f64, ConfigError> {
        let fields = Fields::of(config)?;
        let default = match E::CLASSIFIER.default_dropout {
            Some(default) => default,
            None => fields.number_or("hidden_dropout_prob", 0.1)?,
        };
        fields.number_or(E::CLASSIFIER.dropout, default)
    }
}

/// An encoder and a head; built by [`SequenceClassifierConfig`].
#[derive(Module, Debug)]
pub struct SequenceClassifier<M: Module> {
    encoder: M,
    /// The head.
    pub head: ClassifierHead,
    #[module(skip)]
    pooling: Pooling,
    #[module(skip)]
    frozen: bool,
}

impl<E: HeadBase> Headed for SequenceClassifierConfig<E> {
    type Encoder = E;

    fn encoder(&self) -> &E {
        &self.encoder
    }

    fn adaptation(&self) -> &Adaptation {
        &self.adaptation
    }

    fn is_output(path: &str) -> bool {
        path.starts_with("head.output.")
    }
}

impl<E: HeadBase> ModelConfig for SequenceClassifierConfig<E> {
    const ARCHITECTURE: &'static str = E::ARCHITECTURE;
    type Model = SequenceClassifier<E::Model>;

    fn init(&self, device: &Device) -> Result<Self::Model, ConfigError> {
        let model = SequenceClassifier {
            encoder: published_head::encoder(self, device)?,
            head: self.head().init(device)?,
            pooling: self.pooling,
            frozen: self.adaptation.is_frozen(),
        };
        self.adaptation.apply(model, is_head)
    }

    /// Hugging Face's names for a model with this head.
    fn weight_name(&self, path: &str) -> String {
        published_head::weight_name(&self.encoder, path, |path| match path.rsplit_once('.') {
            Some(("head.dense", leaf)) => format!("{}.{leaf}", E::CLASSIFIER.dense),
            Some(("head.output", leaf)) => format!("{}.{leaf}", E::CLASSIFIER.output),
            _ => path.to_owned(),
        })
    }

    /// What transformers reads it by, where the task has a tokenizer, and labels or one score.
    fn home_files(&self, model: &Self::Model, task: &Value) -> Vec<HomeFile> {
        let names: Option<Vec<&str>> =
            task["labels"].as_array().map(|all| all.iter().filter_map(Value::as_str).collect());
        // A task without labels has one score, and its tokens beside its other settings.
        let row = if names.is_some() { &task["features"] } else { task };
        let is_readable = self.pooling == Pooling::Cls && row["tokenizer"].is_object();
        if !is_readable || (names.is_none() && self.n_classes != 1) {
            return Vec::new();
        }
        if self.adaptation.is_lora() {
            return published_head::peft::home_files(self, model, "SEQ_CLS", self.base.as_deref());
        }
        let mut own = match names {
            Some(names) => {
                let problem = match task["kind"].as_str() {
                    Some("multi-label") => "multi_label_classification",
                    _ => "single_label_classification",
                };
                let mut own = published_head::labels(&names);
                own.insert("problem_type".to_owned(), json!(problem));
                own
            }
            None => cross_encoder(&task["scale"]),
        };
        own.insert(E::CLASSIFIER.dropout.to_owned(), json!(self.dropout));
        let max_length = row["max_length"].as_u64().unwrap_or_default() as usize;
        home_files(self, E::CLASSIFIER.class, own, &row["tokenizer"], max_length)
    }
}

/// The fields of a `config.json` for one score, with the function that sentence-transformers puts
/// behind it.
fn cross_encoder(scale: &Value) -> Map<String, Value> {
    let function = match scale.as_str() {
        Some("probability") => "torch.nn.modules.activation.Sigmoid",
        _ => "torch.nn.modules.linear.Identity",
    };
    let mut own = published_head::labels(&["LABEL_0"]);
    own.extend(fields(json!({ "sentence_transformers": { "activation_fn": function } })));
    own
}

impl<M> SequenceClassifier<M>
where
    M: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    /// The scores of texts, or of pairs of them.
    ///
    /// # Shapes
    /// - ids, mask, segments: `[batch, length]`
    /// - output: `[batch, n_classes]`
    pub fn logits(&self, tokens: TokenBatch) -> Tensor<2> {
        self.head.forward(self.vectors(tokens))
    }

    /// One vector a text, as the encoder gives it: what the head starts from.
    ///
    /// # Shapes
    /// - ids, mask, segments: `[batch, length]`
    /// - output: `[batch, d_model]`
    pub fn vectors(&self, tokens: TokenBatch) -> Tensor<2> {
        let mask = tokens.mask.clone();
        self.pooling.of(hidden_states(&self.encoder, tokens, self.frozen), mask)
    }
}

impl<M> Model for SequenceClassifier<M>
where
    M: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    type Input = TextBatch;
    type Output = Tensor<2>;

    /// # Shapes
    /// - ids, mask: `[batch, length]`, length at most the encoder's
    /// - output: `[batch, n_classes]`, logits
    fn forward(&self, texts: TextBatch) -> Tensor<2> {
        self.logits(texts.into())
    }
}
