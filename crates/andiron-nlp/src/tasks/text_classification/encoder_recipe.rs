//! How a published encoder is set up for texts of one's own: from a folder that others published, or
//! from nothing.

use super::{
    TextClassification, fit_frozen,
    recipe::{checked, task},
};
use crate::{
    features::{Features, Tokens},
    models::sequence_classifier::SequenceClassifierConfig,
    published_head::{self, EncoderSizes, HeadBase},
    tasks::embedding::Pooling,
};
use andiron_core::{
    Adaptation, BaseError, ConfigError, DataError, Dataset, Fitted, GradientTrainer, Network,
    Recipe, TrainError, Trainer as _, data::ExampleOf, overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What the recipes of classifiers on published encoders take; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncoderClassifierOptions {
    /// The folder of a published model, as Hugging Face has it, to start from; none starts from
    /// nothing, with a vocabulary of the training texts.
    pub base: Option<PathBuf>,
    /// Which parameters are trained; default all.
    pub adaptation: Adaptation,
    /// The longest text in tokens, special tokens included; default what the base was made for, or
    /// 128.
    pub max_length: Option<usize>,
    /// Probability of dropout in the head, 0 to 1; default what the base says, or 0.1.
    pub dropout: Option<f64>,
    /// How the tokens' vectors become one; default the first token's, as the encoders' homes have
    /// it.
    pub pooling: Pooling,
    /// How many tokens the vocabulary has at the most; default 8,000. This and the following are for
    /// a network that starts from nothing: a base decides them itself.
    pub n_tokens: Option<usize>,
    /// As [`EncoderSizes::d_model`].
    pub d_model: Option<usize>,
    /// As [`EncoderSizes::n_heads`].
    pub n_heads: Option<usize>,
    /// As [`EncoderSizes::n_layers`].
    pub n_layers: Option<usize>,
    /// As [`EncoderSizes::d_hidden`].
    pub d_hidden: Option<usize>,
    /// Whether every class weighs the same in training, however many examples it has; default
    /// true. The probabilities are then those for classes that are equally frequent.
    pub balance: bool,
    /// As [`TextClassification::label_smoothing`].
    pub label_smoothing: f64,
    /// As [`TextClassification::focus`].
    pub focus: f64,
}

impl Default for EncoderClassifierOptions {
    fn default() -> Self {
        Self {
            base: None,
            adaptation: Adaptation::default(),
            max_length: None,
            dropout: None,
            pooling: Pooling::Cls,
            n_tokens: None,
            d_model: None,
            n_heads: None,
            n_layers: None,
            d_hidden: None,
            balance: true,
            label_smoothing: 0.0,
            focus: 0.0,
        }
    }
}

impl EncoderClassifierOptions {
    /// The tokens and the network for `texts`, with one output; the caller says how many.
    pub(crate) fn set_up<E: HeadBase>(
        &self,
        texts: &[String],
    ) -> Result<(Tokens, SequenceClassifierConfig<E>), DataError> {
        let (tokens, config) = match &self.base {
            Some(dir) => self.from_base::<E>(dir)?,
            None => self.from_nothing::<E>(texts)?,
        };
        let longest = config.encoder.max_length();
        ConfigError::at_least("the network's length", tokens.max_length, longest)?;
        let least = tokens.tokenizer.n_special(false) + 1;
        ConfigError::at_least("max_length", least, tokens.max_length)?;
        let dropout = self.dropout.unwrap_or(config.dropout);
        let config = config
            .with_dropout(dropout)
            .with_pooling(self.pooling)
            .with_adaptation(self.adaptation.clone());
        Ok((tokens, config))
    }

    fn from_base<E: HeadBase>(
        &self,
        dir: &PathBuf,
    ) -> Result<(Tokens, SequenceClassifierConfig<E>), DataError> {
        for (field, given) in [
            ("n_tokens", self.n_tokens),
            ("d_model", self.d_model),
            ("n_heads", self.n_heads),
            ("n_layers", self.n_layers),
            ("d_hidden", self.d_hidden),
        ] {
            if let Some(given) = given {
                let (field, got) = (field.to_owned(), given.to_string());
                let reason = "the base decides it".to_owned();
                return Err(ConfigError::Kind { field, got, reason }.into());
            }
        }
        let base = published_head::read_base::<E>(dir)
            .map_err(|source| BaseError::new(dir.clone(), source))?;
        let dropout = SequenceClassifierConfig::<E>::dropout_of(&base.config)?;
        let config = SequenceClassifierConfig::new(base.encoder, 1).with_dropout(dropout);
        let config = SequenceClassifierConfig { base: Some(dir.display().to_string()), ..config };
        let max_length = self.max_length.unwrap_or(base.max_length);
        Ok((Tokens { tokenizer: base.tokenizer, max_length }, config))
    }

    fn from_nothing<E: HeadBase>(
        &self,
        texts: &[String],
    ) -> Result<(Tokens, SequenceClassifierConfig<E>), DataError> {
        let small = EncoderSizes::default();
        let sizes = EncoderSizes {
            d_model: self.d_model.unwrap_or(small.d_model),
            n_heads: self.n_heads.unwrap_or(small.n_heads),
            n_layers: self.n_layers.unwrap_or(small.n_layers),
            d_hidden: self.d_hidden.unwrap_or(small.d_hidden),
            max_length: self.max_length.unwrap_or(small.max_length),
            dropout: self.dropout.unwrap_or(small.dropout),
        };
        let tokenizer = E::vocabulary(texts, self.n_tokens.unwrap_or(8000))
            .map_err(|_| DataError::Empty { what: "the vocabulary".to_owned() })?;
        let encoder = E::fresh(tokenizer.n_tokens(), &sizes);
        let config = SequenceClassifierConfig::new(encoder, 1).with_dropout(sizes.dropout);
        Ok((Tokens { tokenizer, max_length: sizes.max_length }, config))
    }
}

/// A network of `config` from the option `base`, whose outputs are used if its labels are `labels`
/// in this order; without the option, from nothing.
pub(crate) fn started<E: HeadBase>(
    config: SequenceClassifierConfig<E>,
    labels: &[String],
    options: &Value,
    seed: u64,
    device: &Device,
) -> Result<Network<SequenceClassifierConfig<E>>, TrainError> {
    let options: EncoderClassifierOptions = overlay(&EncoderClassifierOptions::default(), options)?;
    let Some(dir) = options.base else { return Ok(Network::init(config, seed, device)?) };
    let fail = |source| TrainError::Base(BaseError::new(dir.clone(), source));
    let published = crate::published::read_json(&dir.join("config.json")).map_err(fail)?;
    let names = &published["id2label"];
    let is_same = |(at, label): (usize, &String)| names[at.to_string()] == json!(label);
    let count = names.as_object().map_or(0, serde_json::Map::len);
    let same = count == labels.len() && labels.iter().enumerate().all(is_same);
    published_head::start(config, &dir, same, seed, device).map_err(fail)
}

impl<E: HeadBase> Recipe<TextClassification> for SequenceClassifierConfig<E> {
    /// `options` is an [`EncoderClassifierOptions`].
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<TextClassification>>,
    ) -> Result<(TextClassification, Self), DataError> {
        let options = overlay(&EncoderClassifierOptions::default(), options)?;
        let train = checked(train)?;
        let texts: Vec<String> = train.iter().map(|example| example.input.text.clone()).collect();
        let (tokens, config) = options.set_up::<E>(&texts)?;
        let features = Features::Tokens(tokens);
        let task =
            task(&train, features, (options.balance, options.label_smoothing, options.focus))?;
        let n_classes = task.labels.count();
        Ok((task, Self { n_classes, ..config }))
    }

    fn start(
        self,
        task: &TextClassification,
        options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        started(self, task.labels.names(), options, seed, device)
    }

    /// The vectors of a frozen encoder are made once, and not at each step.
    fn fit(
        trainer: &GradientTrainer,
        task: TextClassification,
        network: Network<Self>,
        train: &dyn Dataset<ExampleOf<TextClassification>>,
        valid: &dyn Dataset<ExampleOf<TextClassification>>,
        device: &Device,
    ) -> Result<Fitted<TextClassification>, TrainError> {
        if !network.config.adaptation.is_frozen() {
            return trainer.fit(task, network, train, valid, device);
        }
        fit_frozen(trainer, task, network, train, valid, device)
    }

    fn fits(&self, task: &TextClassification) -> Result<(), ConfigError> {
        ConfigError::agree("the number of labels", self.n_classes, task.labels.count())?;
        self.fits_features(&task.features)
    }
}

impl<E: HeadBase> SequenceClassifierConfig<E> {
    /// Whether the encoder can take such features.
    pub(crate) fn fits_features(&self, features: &Features) -> Result<(), ConfigError> {
        let Features::Tokens(tokens) = features else {
            return ConfigError::agree("features", "tokens", features.kind());
        };
        let known = tokens.tokenizer.n_tokens();
        ConfigError::at_least("the number of tokens", known, self.encoder.n_tokens())?;
        let longest = self.encoder.max_length();
        ConfigError::at_least("the network's length", tokens.max_length, longest)?;
        ConfigError::at_least(
            "max_length",
            tokens.tokenizer.n_special(false) + 1,
            tokens.max_length,
        )
    }
}
