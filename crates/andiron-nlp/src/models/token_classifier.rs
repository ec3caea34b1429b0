//! A published encoder with a token classifier's head: scores for every piece of a text.
//!
//! Paper: Devlin et al. 2019, <https://arxiv.org/abs/1810.04805>, section 5.3; the head is that of
//! Hugging Face's transformers, one linear map, under its name.
//! Differs from it: there is one head for all tags, and no context of the document.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{
//!     batch::TokenBatch,
//!     models::{bert::BertConfig, token_classifier::TokenClassifierConfig},
//! };
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let bert = BertConfig::new(37).with_d_model(20).with_n_heads(4).with_d_hidden(28);
//! let model = TokenClassifierConfig::new(bert.with_n_layers(2), 5).init(&device)?;
//! let batch = TokenBatch::of(&[vec![5, 36, 2], vec![7]], &[], &device);
//! assert_eq!(model.forward(batch).dims(), [2, 3, 5]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    batch::TokenBatch,
    hugging_face::{Fields, fields},
    layers::project,
    published_head::{self, HeadBase, Headed, hidden_states, home_files, is_head},
};
use andiron_core::{Adaptation, ConfigError, HomeFile, Model, ModelConfig};
use andiron_kernels::{Activation, dropout};
use burn::{
    config::Config,
    module::Module,
    nn::{Initializer, Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Settings of a [`TokenClassifier`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenClassifierConfig<E> {
    /// The encoder.
    pub encoder: E,
    /// Tags to choose from; 2 or more.
    pub n_classes: usize,
    /// Probability of dropout in the head, 0 to 1.
    pub dropout: f64,
    /// Which parameters are trained.
    #[serde(default)]
    pub adaptation: Adaptation,
    /// The folder or the name of the model that a training started from, for PEFT's
    /// `base_model_name_or_path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

impl<E: HeadBase> Config for TokenClassifierConfig<E> {}

impl<E: HeadBase> TokenClassifierConfig<E> {
    /// The head that the encoder's home puts on it; all parameters are trained.
    pub fn new(encoder: E, n_classes: usize) -> Self {
        let adaptation = Adaptation::default();
        Self { encoder, n_classes, dropout: 0.1, adaptation, base: None }
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

    /// The head's dropout that a `config.json` asks for: its own, or the encoder's.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] for a value that is no number.
    pub fn dropout_of(config: &Value) -> Result<f64, ConfigError> {
        let fields = Fields::of(config)?;
        // DistilBERT has the one name, the others have the other.
        let encoders =
            fields.number_or("hidden_dropout_prob", fields.number_or("dropout", 0.1)?)?;
        fields.number_or(DROPOUT, encoders)
    }
}

/// The field of `config.json` that holds the probability of the head's dropout.
const DROPOUT: &str = "classifier_dropout";

/// An encoder and a linear map; built by [`TokenClassifierConfig`].
#[derive(Module, Debug)]
pub struct TokenClassifier<M: Module> {
    encoder: M,
    output: Linear,
    #[module(skip)]
    dropout: f64,
    #[module(skip)]
    frozen: bool,
}

impl<E: HeadBase> Headed for TokenClassifierConfig<E> {
    type Encoder = E;

    fn encoder(&self) -> &E {
        &self.encoder
    }

    fn adaptation(&self) -> &Adaptation {
        &self.adaptation
    }

    fn is_output(path: &str) -> bool {
        path.starts_with("output.")
    }
}

impl<E: HeadBase> ModelConfig for TokenClassifierConfig<E> {
    const ARCHITECTURE: &'static str = E::ARCHITECTURE;
    type Model = TokenClassifier<E::Model>;

    fn init(&self, device: &Device) -> Result<Self::Model, ConfigError> {
        ConfigError::at_least("n_classes", 2, self.n_classes)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        let fresh = Initializer::Normal { mean: 0.0, std: 0.02 };
        let model = TokenClassifier {
            encoder: published_head::encoder(self, device)?,
            output: LinearConfig::new(self.encoder.d_model(), self.n_classes)
                .with_initializer(fresh)
                .init(device),
            dropout: self.dropout,
            frozen: self.adaptation.is_frozen(),
        };
        self.adaptation.apply(model, is_head)
    }

    /// Hugging Face's names for a model with this head.
    fn weight_name(&self, path: &str) -> String {
        published_head::weight_name(&self.encoder, path, |path| match path.split_once('.') {
            Some(("output", leaf)) => format!("classifier.{leaf}"),
            _ => path.to_owned(),
        })
    }

    /// What transformers reads it by, where the task has labels and a tokenizer.
    fn home_files(&self, model: &Self::Model, task: &Value) -> Vec<HomeFile> {
        let names: Option<Vec<&str>> =
            task["labels"].as_array().map(|all| all.iter().filter_map(Value::as_str).collect());
        let (pieces, tokenizer) = (&task["pieces"], &task["pieces"]["tokenizer"]);
        let (Some(names), Value::Object(_)) = (names, tokenizer) else {
            return Vec::new();
        };
        if self.adaptation.is_lora() {
            let base = self.base.as_deref();
            return published_head::peft::home_files(self, model, "TOKEN_CLS", base);
        }
        let mut own = published_head::labels(&names);
        own.extend(fields(json!({ DROPOUT: self.dropout })));
        let class =
            E::CLASSIFIER.class.replace("ForSequenceClassification", "ForTokenClassification");
        let max_length = pieces["max_length"].as_u64().unwrap_or_default() as usize;
        home_files(self, &class, own, tokenizer, max_length)
    }
}

impl<M> Model for TokenClassifier<M>
where
    M: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    type Input = TokenBatch;
    type Output = Tensor<3>;

    /// # Shapes
    /// - ids, mask, segments: `[batch, length]`, length at most the encoder's
    /// - output: `[batch, length, n_classes]`, logits; without meaning where the mask is false
    fn forward(&self, tokens: TokenBatch) -> Tensor<3> {
        let states = hidden_states(&self.encoder, tokens, self.frozen);
        project(&self.output, dropout(states, self.dropout), Activation::None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        models::{bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig},
        tasks::token_classification::{TokenClassification, toy},
    };
    use andiron_core::{Recipe as _, testing::Contract};

    fn keeps<E: HeadBase>(adaptation: Value, steps: usize, rate: f64) {
        let options = json!({
            "adaptation": adaptation, "dropout": 0.02, "n_tokens": 120, "d_model": 12, "n_heads": 3,
            "n_layers": 2, "d_hidden": 10, "max_length": 90
        });
        let (task, config): (TokenClassification, TokenClassifierConfig<E>) =
            TokenClassifierConfig::prepare(&options, &toy::examples()).unwrap();
        Contract::new(task, config, toy::examples()).overfits_in(steps, rate).check();
    }

    #[test]
    fn keeps_the_contract() {
        keeps::<BertConfig>(json!({"kind": "full"}), 150, 1e-2);
        keeps::<DistilBertConfig>(json!({"kind": "full"}), 150, 1e-2);
        keeps::<RobertaConfig>(json!({"kind": "full"}), 150, 1e-2);
    }

    fn tiny() -> BertConfig {
        BertConfig::new(9).with_d_model(12).with_n_heads(3).with_n_layers(1).with_d_hidden(10)
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let config = TokenClassifierConfig::new(tiny(), 3);
        for (config, wanted) in [
            (TokenClassifierConfig::new(tiny(), 1), "n_classes must be at least 2, but is 1"),
            (config.clone().with_dropout(1.5), "dropout must lie in 0..=1, but is 1.5"),
            (
                TokenClassifierConfig { encoder: tiny().with_n_heads(5), ..config },
                "d_model must be a multiple of n_heads (5), but is 12",
            ),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
    }

    #[test]
    fn dropout_is_that_of_the_head_or_of_the_encoder() {
        let dropout = |config: Value| TokenClassifierConfig::<BertConfig>::dropout_of(&config);
        for (config, wanted) in [
            (json!({"classifier_dropout": 0.3, "hidden_dropout_prob": 0.2}), 0.3),
            (json!({"classifier_dropout": null, "hidden_dropout_prob": 0.2}), 0.2),
            (json!({"dropout": 0.25, "seq_classif_dropout": 0.5}), 0.25),
            (json!({}), 0.1),
        ] {
            assert_eq!(dropout(config), Ok(wanted));
        }
        assert!(dropout(json!({"classifier_dropout": "half"})).is_err());
    }
}
