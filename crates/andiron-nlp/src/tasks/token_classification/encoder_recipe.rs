//! How a published encoder is set up for entities of one's own: from a folder that others published,
//! or from nothing.

use super::{
    Pieces, TokenClassification,
    recipe::{Tagged, balanced, checked, labels},
};
use crate::{
    features::{Tokens, WordBounds},
    models::token_classifier::TokenClassifierConfig,
    published::read_json,
    published_head::{self, HeadBase, StartOptions},
    tags::{Aggregation, Scheme},
};
use andiron_core::{
    Adaptation, ConfigError, DataError, Dataset, Network, Recipe, TrainError, data::ExampleOf,
    overlay,
};
use andiron_weights::fields::id2label;
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
    /// Which parameters are trained; default all.
    pub adaptation: Adaptation,
    /// As [`TokenClassification::words`].
    pub words: WordBounds,
    /// As [`TokenClassification::aggregation`]; default the first piece, which is the one learnt
    /// from.
    pub aggregation: Aggregation,
    /// As [`TokenClassification::scheme`]; default that of the base's labels where they are kept, or
    /// BIO.
    pub scheme: Option<Scheme>,
    /// Whether every tag weighs the same in training, however many words have it; default false,
    /// for most words are of no entity, and those that are would be found where there is none.
    pub balance: bool,
}

impl Default for EncoderTaggerOptions {
    fn default() -> Self {
        Self {
            start: StartOptions::default(),
            adaptation: Adaptation::default(),
            words: WordBounds::default(),
            aggregation: Aggregation::First,
            scheme: None,
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
        let texts: Vec<String> = train.iter().map(|example| example.input.text.clone()).collect();
        let start = options.start;
        let made = start.set_up::<E>(&texts, false)?;
        let dropout = made.head_dropout(start.dropout, Self::dropout_of)?;
        let labels = match kept(made.config.as_ref(), options.scheme, &train)? {
            Some(kept) => kept,
            None => labels(&train, options.scheme.unwrap_or_default())?,
        };
        let tokens = Tokens { tokenizer: made.tokenizer, max_length: made.max_length };
        let task = TokenClassification::new(labels, Pieces::Tokens(tokens))
            .with_words(options.words)
            .with_aggregation(options.aggregation);
        let task = TokenClassification { scheme: options.scheme.unwrap_or(task.scheme), ..task };
        let config = Self {
            dropout,
            adaptation: options.adaptation,
            base: start.base_name(),
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
        let Some(base) = options.start.base else { return Ok(Network::init(self, seed, device)?) };
        let fail = |source| base.unloaded(source);
        let published = read_json(&base.folder.join("config.json")).map_err(fail)?;
        let same = id2label(&published).is_ok_and(|labels| labels == task.labels);
        published_head::start(self, &base.folder, same, seed, device).map_err(fail)
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

/// The labels of a base, where they are in the scheme that is asked for and know all the kinds of
/// entities in `train`: the head that was trained for them is trained on. A base with `E-` and `S-`
/// answers with them, so it is one of BIOES, whatever its other tags.
fn kept(
    base: Option<&Value>,
    asked: Option<Scheme>,
    train: &Tagged,
) -> Result<Option<Vec<String>>, DataError> {
    let Some(known) = base.and_then(|config| id2label(config).ok()) else { return Ok(None) };
    let scheme = Scheme::of(&known);
    if asked.is_some_and(|asked| asked != scheme) {
        return Ok(None);
    }
    let wanted = labels(train, scheme)?;
    Ok(wanted.iter().all(|tag| known.contains(tag)).then_some(known))
}
