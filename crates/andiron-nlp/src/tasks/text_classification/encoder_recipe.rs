//! How a published encoder is set up for texts of one's own: from a folder that others published, or
//! from nothing.

use super::{
    TextClassification, fit_frozen,
    recipe::{checked, task},
};
use crate::{
    features::{Features, Tokens},
    models::sequence_classifier::SequenceClassifierConfig,
    published::read_json,
    published_head::{self, HeadBase, StartOptions},
    tasks::embedding::Pooling,
};
use andiron_core::{
    Adaptation, ConfigError, DataError, Dataset, Fitted, GradientTrainer, Network, Recipe,
    TrainError, Trainer as _, data::ExampleOf, overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the recipes of classifiers on published encoders take; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncoderClassifierOptions {
    /// Where the training starts from.
    #[serde(flatten)]
    pub start: StartOptions,
    /// Which parameters are trained; default all.
    pub adaptation: Adaptation,
    /// How the tokens' vectors become one; default the first token's, as the encoders' homes have
    /// it.
    pub pooling: Pooling,
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
            start: StartOptions::default(),
            adaptation: Adaptation::default(),
            pooling: Pooling::Cls,
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
        let made = self.start.set_up::<E>(texts, false)?;
        let dropout = made.head_dropout(self.start.dropout, |config| {
            SequenceClassifierConfig::<E>::dropout_of(config)
        })?;
        let config = SequenceClassifierConfig::new(made.encoder, 1)
            .with_dropout(dropout)
            .with_pooling(self.pooling)
            .with_adaptation(self.adaptation.clone());
        let config = SequenceClassifierConfig { base: self.start.base_name(), ..config };
        Ok((Tokens { tokenizer: made.tokenizer, max_length: made.max_length }, config))
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
    let Some(base) = options.start.base else { return Ok(Network::init(config, seed, device)?) };
    let fail = |source| base.unloaded(source);
    let published = read_json(&base.folder.join("config.json")).map_err(fail)?;
    let names = &published["id2label"];
    let is_same = |(at, label): (usize, &String)| names[at.to_string()] == json!(label);
    let count = names.as_object().map_or(0, serde_json::Map::len);
    let same = count == labels.len() && labels.iter().enumerate().all(is_same);
    published_head::start(config, &base.folder, same, seed, device).map_err(fail)
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
