//! How a published encoder is set up for entities of one's own: from a folder that others published,
//! or from nothing.

use super::{
    Pieces, TokenClassification,
    recipe::{balanced, checked, labels},
};
use crate::{
    features::{Tokens, WordBounds},
    models::token_classifier::TokenClassifierConfig,
    published::read_json,
    published_head::{self, EncoderSizes, HeadBase, StartOptions, label_names},
    tags::{Aggregation, Scheme},
};
use andiron_core::{
    BaseError, ConfigError, DataError, Dataset, Network, Recipe, TrainError, data::ExampleOf,
    overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the recipes of token classifiers on published encoders take; a field left out has its
/// default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncoderTaggerOptions {
    /// Where the training starts from.
    #[serde(flatten)]
    pub start: StartOptions,
    /// As [`TokenClassification::words`].
    pub words: WordBounds,
    /// As [`TokenClassification::aggregation`]; default the first piece, which is the one learnt
    /// from.
    pub aggregation: Aggregation,
    /// As [`TokenClassification::scheme`].
    pub scheme: Scheme,
    /// Whether every tag weighs the same in training, however many words have it; default false,
    /// for most words are of no entity, and those that are would be found where there is none.
    pub balance: bool,
}

impl Default for EncoderTaggerOptions {
    fn default() -> Self {
        Self {
            start: StartOptions::default(),
            words: WordBounds::default(),
            aggregation: Aggregation::First,
            scheme: Scheme::default(),
            balance: false,
        }
    }
}

impl<E: HeadBase> Recipe<TokenClassification> for TokenClassifierConfig<E> {
    /// `options` is an [`EncoderTaggerOptions`]. A base that knows all the kinds of entities keeps
    /// its labels, and with them its head.
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<TokenClassification>>,
    ) -> Result<(TokenClassification, Self), DataError> {
        let options = overlay(&EncoderTaggerOptions::default(), options)?;
        let train = checked(train)?;
        let wanted = labels(&train, options.scheme)?;
        let texts: Vec<String> = train.iter().map(|example| example.input.text.clone()).collect();
        let start = options.start;
        let made = start.set_up::<E>(&texts, false)?;
        let usual = match &made.config {
            Some(config) => Self::dropout_of(config)?,
            None => EncoderSizes::default().dropout,
        };
        let known = made.config.as_ref().and_then(|config| label_names(config).ok());
        let keeps = |known: &Vec<String>| wanted.iter().all(|tag| known.contains(tag));
        let labels = known.filter(keeps).unwrap_or(wanted);
        let tokens = Tokens { tokenizer: made.tokenizer, max_length: made.max_length };
        let task = TokenClassification {
            scheme: options.scheme,
            ..TokenClassification::new(labels, Pieces::Tokens(tokens))
                .with_words(options.words)
                .with_aggregation(options.aggregation)
        };
        let config = Self {
            dropout: start.dropout.unwrap_or(usual),
            adaptation: start.adaptation,
            base: start.base.map(|dir| dir.display().to_string()),
            ..Self::new(made.encoder, task.labels.len())
        };
        config.fits(&task)?;
        let task = if options.balance { balanced(task, &train)? } else { task };
        Ok((task, config))
    }

    fn start(
        self,
        task: &TokenClassification,
        options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        let options: EncoderTaggerOptions = overlay(&EncoderTaggerOptions::default(), options)?;
        let Some(dir) = options.start.base else { return Ok(Network::init(self, seed, device)?) };
        let fail = |source| TrainError::Base(BaseError::new(dir.clone(), source));
        let published = read_json(&dir.join("config.json")).map_err(fail)?;
        let same = label_names(&published).is_ok_and(|labels| labels == task.labels);
        published_head::start(self, &dir, same, seed, device).map_err(fail)
    }

    fn fits(&self, task: &TokenClassification) -> Result<(), ConfigError> {
        task.check()?;
        ConfigError::agree("the number of labels", self.n_classes, task.labels.len())?;
        let Pieces::Tokens(Tokens { tokenizer, max_length }) = &task.pieces else {
            return ConfigError::agree("pieces", "tokens", "words");
        };
        let (known, longest) = (self.encoder.n_tokens(), self.encoder.max_length());
        ConfigError::at_least("the number of tokens", tokenizer.n_tokens(), known)?;
        ConfigError::at_least("the network's length", *max_length, longest)?;
        ConfigError::at_least("max_length", tokenizer.n_special(false) + 1, *max_length)
    }
}
