//! How an encoder is set up for texts of one's own: the vocabulary comes from the training pairs
//! alone.

use super::{Embedding, Pooling};
use crate::{
    models::{bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig},
    published::PublishedEncoder,
    tokenizer::{Tokenizer, TokenizerError, byte_level_bpe, word_piece},
};
use andiron_core::{
    ConfigError, DataError, Dataset, Recipe,
    data::{ExampleOf, all},
    overlay,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the encoders' recipes take; a field left out has its default. The sizes are small: a
/// network that starts from nothing has few texts to learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncoderOptions {
    /// How many tokens the vocabulary has at the most; default 8,000.
    pub n_tokens: usize,
    /// Width of a token's vector, a multiple of `n_heads`; default 64.
    pub d_model: usize,
    /// Heads of each attention; default 4.
    pub n_heads: usize,
    /// Layers; default 2.
    pub n_layers: usize,
    /// Width between the two linear maps of a layer; default 128.
    pub d_hidden: usize,
    /// The longest text in tokens, special tokens included; default 128.
    pub max_length: usize,
    /// Probability of dropout in training, 0 to 1; default 0.1.
    pub dropout: f64,
    /// How the tokens' vectors become one; default the mean.
    pub pooling: Pooling,
    /// As [`Embedding::scale`].
    pub scale: f64,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        Self {
            n_tokens: 8000,
            d_model: 64,
            n_heads: 4,
            n_layers: 2,
            d_hidden: 128,
            max_length: 128,
            dropout: 0.1,
            pooling: Pooling::Mean,
            scale: super::default_scale(),
        }
    }
}

type Pairs<'a> = &'a dyn Dataset<ExampleOf<Embedding>>;

/// The options, and the task with a vocabulary made by `train`.
fn prepared(
    options: &Value,
    pairs: Pairs<'_>,
    train: impl FnOnce(&[String], usize) -> Result<Tokenizer, TokenizerError>,
) -> Result<(EncoderOptions, Embedding), DataError> {
    let options = overlay(&EncoderOptions::default(), options)?;
    ConfigError::within("scale", 0.0, 1e6, options.scale)?;
    let pairs = all(pairs)?;
    for (index, pair) in pairs.iter().enumerate() {
        if pair.input.text.trim().is_empty() || pair.target.text.text.trim().is_empty() {
            return Err(DataError::Empty { what: "the text".to_owned() }.at(index, None));
        }
    }
    let texts: Vec<String> =
        pairs.into_iter().flat_map(|pair| [pair.input.text, pair.target.text.text]).collect();
    let tokenizer = train(&texts, options.n_tokens)
        .map_err(|_| DataError::Empty { what: "the vocabulary".to_owned() })?;
    ConfigError::at_least("max_length", tokenizer.n_special(false) + 1, options.max_length)?;
    let task = Embedding { scale: options.scale, ..Embedding::new(tokenizer, options.max_length) };
    let task = task.with_pooling(options.pooling);
    Ok((options, task))
}

/// A configuration with the options' sizes. The settings have the same names in every encoder, but
/// no type in common.
macro_rules! sized {
    ($config:expr, $options:ident) => {
        $config
            .with_d_model($options.d_model)
            .with_n_heads($options.n_heads)
            .with_n_layers($options.n_layers)
            .with_d_hidden($options.d_hidden)
            .with_max_length($options.max_length)
            .with_dropout($options.dropout)
    };
}

impl Recipe<Embedding> for BertConfig {
    /// `options` is an [`EncoderOptions`]; the vocabulary is of pieces of words.
    fn prepare(options: &Value, train: Pairs<'_>) -> Result<(Embedding, Self), DataError> {
        let (options, task) = prepared(options, train, word_piece)?;
        let config = sized!(Self::new(task.tokenizer.n_tokens()), options);
        Ok((task, config))
    }

    fn fits(&self, task: &Embedding) -> Result<(), ConfigError> {
        task.fits(self.n_tokens, PublishedEncoder::max_length(self), self.d_model)
    }
}

impl Recipe<Embedding> for DistilBertConfig {
    /// `options` is an [`EncoderOptions`]; the vocabulary is of pieces of words.
    fn prepare(options: &Value, train: Pairs<'_>) -> Result<(Embedding, Self), DataError> {
        let (options, task) = prepared(options, train, word_piece)?;
        let config = sized!(Self::new(task.tokenizer.n_tokens()), options);
        Ok((task, config))
    }

    fn fits(&self, task: &Embedding) -> Result<(), ConfigError> {
        task.fits(self.n_tokens, PublishedEncoder::max_length(self), self.d_model)
    }
}

impl Recipe<Embedding> for RobertaConfig {
    /// `options` is an [`EncoderOptions`]; the vocabulary is of pairs of bytes.
    fn prepare(options: &Value, train: Pairs<'_>) -> Result<(Embedding, Self), DataError> {
        let (options, task) = prepared(options, train, byte_level_bpe)?;
        let config = sized!(Self::new(task.tokenizer.n_tokens()), options);
        Ok((task, config))
    }

    fn fits(&self, task: &Embedding) -> Result<(), ConfigError> {
        task.fits(self.n_tokens, PublishedEncoder::max_length(self), self.d_model)
    }
}
