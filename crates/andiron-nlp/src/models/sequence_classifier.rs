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
    tasks::{
        embedding::Pooling,
        text_classification::{ONE_LABEL, SEVERAL_LABELS},
    },
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
            dynamic_quantization: self.encoder.dynamic_quantization().then_some(true),
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
                let problem = match task["threshold"].is_number() {
                    true => SEVERAL_LABELS,
                    false => ONE_LABEL,
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        models::{bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig},
        tasks::text_classification::{TextClassification, toy},
    };
    use andiron_core::{Network, Recipe, testing::Contract, weights};

    type OnBert = SequenceClassifierConfig<BertConfig>;

    fn prepared<E: HeadBase>(
        adaptation: &Value,
    ) -> (TextClassification, SequenceClassifierConfig<E>) {
        let options = json!({
            "d_model": 36, "n_heads": 3, "n_layers": 2, "d_hidden": 20, "max_length": 40,
            "n_tokens": 300, "dropout": 0.02, "pooling": "mean", "adaptation": adaptation
        });
        SequenceClassifierConfig::prepare(&options, &toy::examples()).unwrap()
    }

    fn trial<E: HeadBase>(adaptation: &Value, steps: usize, rate: f64) {
        let (task, config) = prepared::<E>(adaptation);
        Contract::new(task, config, toy::examples()).overfits_in(steps, rate).check();
    }

    #[test]
    fn keeps_the_contract() {
        let full = json!({"kind": "full"});
        trial::<BertConfig>(&full, 200, 1e-2);
        trial::<DistilBertConfig>(&full, 200, 1e-2);
        trial::<RobertaConfig>(&full, 200, 1e-2);
    }

    #[test]
    fn keeps_the_contract_frozen_and_adapted() {
        trial::<BertConfig>(&json!({"kind": "frozen"}), 300, 1e-2);
        trial::<BertConfig>(&json!({"kind": "lora", "rank": 2}), 300, 1e-2);
    }

    #[test]
    fn factors_stand_beside_the_maps_of_attention_and_feed_forward_alone() {
        let (_, config) = prepared::<BertConfig>(&json!({"kind": "lora", "rank": 3}));
        let network = Network::blank(config, &Device::flex()).unwrap();
        let listed = weights::tensors(&network);
        let factors: Vec<&str> = listed
            .iter()
            .filter_map(|(name, _)| name.strip_suffix(".lora_A.weight"))
            .filter_map(|name| name.strip_prefix("bert.encoder.layer.1."))
            .collect();
        let wanted = [
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
            "intermediate.dense",
            "output.dense",
        ];
        assert_eq!(factors, wanted);
        assert_eq!(listed.iter().filter(|(name, _)| name.contains("lora_B")).count(), 12);
        let shape = |wanted: &str| {
            listed.iter().find(|(name, _)| name == wanted).map(|(_, shape)| shape.clone())
        };
        let at = "bert.encoder.layer.0.intermediate.dense.lora_";
        assert_eq!(shape(&format!("{at}A.weight")), Some(vec![3, 36]));
        assert_eq!(shape(&format!("{at}B.weight")), Some(vec![20, 3]));
    }

    #[test]
    fn weights_have_the_names_of_the_home() {
        let encoder = || BertConfig::new(9).with_d_model(12).with_n_heads(3);
        let name = |path: &str| OnBert::new(encoder(), 2).weight_name(path);
        for (ours, theirs) in [
            ("encoder.layers.1.query.weight", "bert.encoder.layer.1.attention.self.query.weight"),
            ("head.dense.bias", "bert.pooler.dense.bias"),
            ("head.output.weight", "classifier.weight"),
        ] {
            assert_eq!(name(ours), theirs);
        }
        let roberta = SequenceClassifierConfig::new(RobertaConfig::new(9), 2);
        assert_eq!(roberta.weight_name("head.output.bias"), "classifier.out_proj.bias");
        assert_eq!(roberta.weight_name("head.dense.weight"), "classifier.dense.weight");
        let distilled = SequenceClassifierConfig::new(DistilBertConfig::new(9), 2);
        assert_eq!(distilled.weight_name("head.dense.weight"), "pre_classifier.weight");
        assert_eq!(
            distilled.weight_name("encoder.layers.0.wide.bias"),
            "distilbert.transformer.layer.0.ffn.lin1.bias"
        );
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let fresh = || OnBert::new(BertConfig::new(9).with_d_model(12).with_n_heads(3), 2);
        let none = SequenceClassifierConfig { n_classes: 0, ..fresh() };
        let odd = OnBert::new(BertConfig::new(9).with_d_model(10).with_n_heads(3), 2);
        for (config, wanted) in [
            (none, "n_classes must be at least 1, but is 0"),
            (fresh().with_dropout(1.5), "dropout must lie in 0..=1, but is 1.5"),
            (odd, "d_model must be a multiple of n_heads (3), but is 10"),
            (
                fresh().with_adaptation(Adaptation::lora(0, 1.0)),
                "adaptation.rank must be at least 1, but is 0",
            ),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
    }

    #[test]
    fn a_frozen_encoder_drops_nothing_and_needs_no_tape() {
        let device = Device::flex();
        let (_, config) = prepared::<BertConfig>(&json!({"kind": "frozen"}));
        let network = Network::init(config, 3, &device).unwrap();
        let batch = |device| TextBatch::of(&[vec![5, 6, 7], vec![8]], device);
        let plain = network.model.vectors(batch(&device).into());
        let tape = device.clone().autodiff();
        let model = network.model.train();
        let taped = andiron_kernels::training(1, || model.vectors(batch(&tape).into()));
        assert!(taped.device().is_autodiff() && !taped.is_tracked());
        assert_eq!(taped.into_data(), plain.into_data());
    }
}
