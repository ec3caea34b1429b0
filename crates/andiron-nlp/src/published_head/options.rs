//! Where a training of a network with a head starts from: what the recipes of several tasks take.

use super::{EncoderSizes, HeadBase, read_base};
use crate::tokenizer::Tokenizer;
use andiron_core::{Adaptation, BaseError, ConfigError, DataError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// Tokens of a vocabulary made from the training texts, if the options do not say.
const N_TOKENS: usize = 8000;

/// A published model to start from, or the sizes of one that starts from nothing; a field left out
/// has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartOptions {
    /// The folder of a published model, as Hugging Face has it, to start from; none starts from
    /// nothing, with a vocabulary of the training texts.
    pub base: Option<PathBuf>,
    /// Which parameters are trained; default all.
    pub adaptation: Adaptation,
    /// The longest row in tokens, special tokens included; default what the base was made for, or
    /// 128.
    pub max_length: Option<usize>,
    /// Probability of dropout in a network that starts from nothing, and in a classifier's head;
    /// default what the base says, or 0.1.
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
    /// cannot, [`DataError::Empty`] if the texts give no vocabulary.
    pub fn set_up<E: HeadBase>(&self, texts: &[String], pair: bool) -> Result<Start<E>, DataError> {
        let start = match &self.base {
            Some(dir) => self.on_base::<E>(dir)?,
            None => self.on_nothing::<E>(texts)?,
        };
        let longest = start.encoder.max_length();
        ConfigError::at_least("the network's length", start.max_length, longest)?;
        let least = start.tokenizer.n_special(pair) + if pair { 2 } else { 1 };
        ConfigError::at_least("max_length", least, start.max_length)?;
        Ok(start)
    }

    fn on_base<E: HeadBase>(&self, dir: &std::path::Path) -> Result<Start<E>, DataError> {
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
        let base = read_base::<E>(dir).map_err(|source| BaseError::new(dir, source))?;
        Ok(Start {
            encoder: base.encoder,
            tokenizer: base.tokenizer,
            max_length: self.max_length.unwrap_or(base.max_length),
            config: Some(base.config),
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
        let tokenizer = E::vocabulary(texts, self.n_tokens.unwrap_or(N_TOKENS))
            .map_err(|_| DataError::Empty { what: "the vocabulary".to_owned() })?;
        let encoder = E::fresh(tokenizer.n_tokens(), &sizes);
        Ok(Start { encoder, tokenizer, max_length: sizes.max_length, config: None })
    }
}
