//! A published encoder's tokens.

use crate::{text::Text, tokenizer::Tokenizer};
use andiron_core::DataError;
use serde::{Deserialize, Serialize};

/// A text as the tokens of a published encoder, with the special ones around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tokens {
    /// How a text becomes tokens.
    pub tokenizer: Tokenizer,
    /// The longest text in tokens, special tokens included.
    pub max_length: usize,
}

impl Tokens {
    /// The token numbers of a text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode(&self, text: &Text, cut: bool) -> Result<Vec<i32>, DataError> {
        let encoded = self.tokenizer.encode(text, self.max_length, cut)?;
        Ok(encoded.ids.into_iter().map(|id| id as i32).collect())
    }

    /// Whether `text` has more tokens than `max_length`; false for one that has none.
    pub fn is_over(&self, text: &str) -> bool {
        let cut = self.tokenizer.encode(&Text::from(text), self.max_length, true);
        cut.is_ok_and(|encoded| encoded.truncated)
    }
}
