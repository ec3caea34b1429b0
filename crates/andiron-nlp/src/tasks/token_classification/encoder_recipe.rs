//! How a published encoder is set up for entities of one's own: from a folder that others published,
//! or from nothing.

use super::{
    Pieces, TokenClassification,
    folder::labels_of,
    recipe::{balanced, checked, labels},
};
use crate::{
    features::{Tokens, WordBounds},
    models::token_classifier::TokenClassifierConfig,
    published::read_json,
    published_head::{self, EncoderSizes, HeadBase},
    tags::{Aggregation, Scheme},
};
use andiron_core::{
    Adaptation, BaseError, ConfigError, DataError, Dataset, Network, Recipe, TrainError,
    data::ExampleOf, overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What the recipes of token classifiers on published encoders take; a field left out has its
/// default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncoderTaggerOptions {
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
    /// How many tokens the vocabulary has at the most; default 8,000. This and the following four
    /// are for a network that starts from nothing: a base decides them itself.
    pub n_tokens: Option<usize>,
    /// As [`EncoderSizes::d_model`].
    pub d_model: Option<usize>,
    /// As [`EncoderSizes::n_heads`].
    pub n_heads: Option<usize>,
    /// As [`EncoderSizes::n_layers`].
    pub n_layers: Option<usize>,
    /// As [`EncoderSizes::d_hidden`].
    pub d_hidden: Option<usize>,
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
            base: None,
            adaptation: Adaptation::default(),
            max_length: None,
            dropout: None,
            n_tokens: None,
            d_model: None,
            n_heads: None,
            n_layers: None,
            d_hidden: None,
            words: WordBounds::default(),
            aggregation: Aggregation::First,
            scheme: Scheme::default(),
            balance: false,
        }
    }
}

/// The network with one class more than none, its tokens, and the labels that a base knows.
struct SetUp<E> {
    config: TokenClassifierConfig<E>,
    tokens: Tokens,
    known: Option<Vec<String>>,
}

impl EncoderTaggerOptions {
    fn from_base<E: HeadBase>(&self, dir: &Path) -> Result<SetUp<E>, DataError> {
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
        let base =
            published_head::read_base::<E>(dir).map_err(|source| BaseError::new(dir, source))?;
        let dropout = TokenClassifierConfig::<E>::dropout_of(&base.config)?;
        let config = TokenClassifierConfig::new(base.encoder, 2).with_dropout(dropout);
        let max_length = self.max_length.unwrap_or(base.max_length);
        Ok(SetUp {
            config: TokenClassifierConfig { base: Some(dir.display().to_string()), ..config },
            tokens: Tokens { tokenizer: base.tokenizer, max_length },
            known: labels_of(&base.config).ok(),
        })
    }

    fn from_nothing<E: HeadBase>(&self, texts: &[String]) -> Result<SetUp<E>, DataError> {
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
        let config = TokenClassifierConfig::new(encoder, 2).with_dropout(sizes.dropout);
        let tokens = Tokens { tokenizer, max_length: sizes.max_length };
        Ok(SetUp { config, tokens, known: None })
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
        let SetUp { config, tokens, known } = match &options.base {
            Some(dir) => options.from_base::<E>(dir)?,
            None => {
                let texts: Vec<String> =
                    train.iter().map(|example| example.input.text.clone()).collect();
                options.from_nothing::<E>(&texts)?
            }
        };
        let keeps = |known: &Vec<String>| wanted.iter().all(|tag| known.contains(tag));
        let labels = known.filter(keeps).unwrap_or(wanted);
        let task = TokenClassification {
            scheme: options.scheme,
            ..TokenClassification::new(labels, Pieces::Tokens(tokens))
                .with_words(options.words)
                .with_aggregation(options.aggregation)
        };
        let config = Self {
            n_classes: task.labels.len(),
            dropout: options.dropout.unwrap_or(config.dropout),
            adaptation: options.adaptation,
            ..config
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
        let Some(dir) = options.base else { return Ok(Network::init(self, seed, device)?) };
        let fail = |source| TrainError::Base(BaseError::new(dir.clone(), source));
        let published = read_json(&dir.join("config.json")).map_err(fail)?;
        let same = labels_of(&published).is_ok_and(|labels| labels == task.labels);
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
