//! Where a training of an encoder starts from: what the recipes of several tasks take.

use super::{EncoderSizes, HeadBase, read_base};
use crate::tokenizer::Tokenizer;
use andiron_core::{BaseModel, ConfigError, DataError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Tokens of a vocabulary made from the training texts, if the options do not say.
const N_TOKENS: usize = 8000;

/// A published model to start from, or the sizes of one that starts from nothing; a field left out
/// has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartOptions {
    /// A published model to start from; none starts from nothing, with a vocabulary of the training
    /// texts.
    pub base: Option<BaseModel>,
    /// The longest row in tokens, special tokens included; default what the base was made for, or
    /// 128.
    pub max_length: Option<usize>,
    /// Probability of dropout, 0 to 1; default what the base says, or 0.1. Of a base under a head it
    /// is the head's, and the encoder keeps its own.
    pub dropout: Option<f64>,
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
}

/// An encoder that is set up, without its weights.
#[derive(Debug, Clone)]
pub struct Start<E> {
    /// The encoder's configuration.
    pub encoder: E,
    /// How texts become tokens.
    pub tokenizer: Tokenizer,
    /// The longest row in tokens, special tokens included.
    pub max_length: usize,
    /// The base's `config.json`; none for a network that starts from nothing.
    pub config: Option<Value>,
}

impl StartOptions {
    /// The encoder for `texts`, of which rows of one text are made, or of two in a `pair`.
    ///
    /// # Errors
    /// [`DataError::Base`] for a base that cannot be used, [`DataError::Config`] for a setting that
    /// cannot, [`DataError::Unmade`] if the texts give no vocabulary.
    pub fn set_up<E: HeadBase>(&self, texts: &[String], pair: bool) -> Result<Start<E>, DataError> {
        let start = match &self.base {
            Some(base) => self.on_base::<E>(base)?,
            None => self.on_nothing::<E>(texts)?,
        };
        let longest = start.encoder.max_length();
        ConfigError::at_least("the network's length", start.max_length, longest)?;
        let least = start.tokenizer.n_special(pair) + if pair { 2 } else { 1 };
        ConfigError::at_least("max_length", least, start.max_length)?;
        Ok(start)
    }

    /// The name of the base, for the configuration of a network with low-rank factors.
    pub fn base_name(&self) -> Option<String> {
        self.base.as_ref().map(|base| base.name.clone())
    }

    fn on_base<E: HeadBase>(&self, base: &BaseModel) -> Result<Start<E>, DataError> {
        base.decides([
            ("n_tokens", self.n_tokens),
            ("d_model", self.d_model),
            ("n_heads", self.n_heads),
            ("n_layers", self.n_layers),
            ("d_hidden", self.d_hidden),
        ])?;
        let read = read_base::<E>(base.folder()?).map_err(|source| base.unread(source))?;
        Ok(Start {
            encoder: read.encoder,
            tokenizer: read.tokenizer,
            max_length: self.max_length.unwrap_or(read.max_length),
            config: Some(read.config),
        })
    }

    fn on_nothing<E: HeadBase>(&self, texts: &[String]) -> Result<Start<E>, DataError> {
        let small = EncoderSizes::default();
        let sizes = EncoderSizes {
            d_model: self.d_model.unwrap_or(small.d_model),
            n_heads: self.n_heads.unwrap_or(small.n_heads),
            n_layers: self.n_layers.unwrap_or(small.n_layers),
            d_hidden: self.d_hidden.unwrap_or(small.d_hidden),
            max_length: self.max_length.unwrap_or(small.max_length),
            dropout: self.dropout.unwrap_or(small.dropout),
        };
        let tokenizer = E::vocabulary(texts, self.n_tokens.unwrap_or(N_TOKENS))?;
        let encoder = E::fresh(tokenizer.n_tokens(), &sizes);
        Ok(Start { encoder, tokenizer, max_length: sizes.max_length, config: None })
    }
}

impl<E> Start<E> {
    /// The dropout of a head: what the options say, or what `of` reads in the base's `config.json`,
    /// or 0.1.
    ///
    /// # Errors
    /// As `of`.
    pub fn head_dropout(
        &self,
        given: Option<f64>,
        of: impl FnOnce(&Value) -> Result<f64, ConfigError>,
    ) -> Result<f64, ConfigError> {
        match (given, &self.config) {
            (Some(dropout), _) => Ok(dropout),
            (None, Some(config)) => of(config),
            (None, None) => Ok(EncoderSizes::default().dropout),
        }
    }
}
