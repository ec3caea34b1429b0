//! From a text to numbers: what a network looks up.
//!
//! The first two kinds start from the same tokens ([`tokens`]), the third is a published encoder's
//! own. All are saved with the weights, so that training and serving cannot disagree.

mod document_weights;
mod ngrams;
mod token_features;
mod vocabulary;
mod words;

pub use document_weights::DocumentWeights;
pub use ngrams::NGrams;
pub use token_features::Tokens;
pub use vocabulary::Vocabulary;
pub use words::{Word, WordBounds, WordFeatures, words};

use crate::{batch::TextBatch, text::Text};
use andiron_core::DataError;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation as _;

/// How a text becomes token numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Features {
    /// Word and character n-grams by hash: a bag, for a network that heeds no order.
    NGrams(NGrams),
    /// Known words in their order.
    Vocabulary(Vocabulary),
    /// The tokens of a published encoder.
    Tokens(Tokens),
}

impl Features {
    /// The numbers of a text, at least one. A text over [`max_length`](Self::max_length) is cut if
    /// `cut` or the text itself says so.
    ///
    /// # Errors
    /// [`DataError::Empty`] for a text of nothing but spaces, [`DataError::TooLarge`] for one that
    /// is too long and may not be cut.
    pub fn encode(&self, text: &Text, cut: bool) -> Result<Vec<i32>, DataError> {
        let made: &dyn Fn(&[String]) -> Vec<i32> = match self {
            Self::NGrams(ngrams) => &|words| ngrams.encode(words),
            Self::Vocabulary(vocabulary) => &|words| vocabulary.encode(words),
            Self::Tokens(tokens) => return tokens.encode(text, cut),
        };
        let mut words = tokens(&text.text);
        if words.is_empty() {
            return Err(DataError::Empty { what: "the text".to_owned() });
        }
        let limit = self.max_length();
        if words.len() > limit && !(cut || text.truncate) {
            return Err(DataError::TooLarge {
                what: "the length of the text in words and signs",
                limit: limit as u64,
                got: words.len() as u64,
            });
        }
        words.truncate(limit);
        Ok(made(&words))
    }

    /// Several texts as a network takes them: their numbers by [`encode`](Self::encode), or, where
    /// the features have document weights, the rows that each text uses with their weights.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn batch(
        &self,
        texts: &[&Text],
        cut: bool,
        device: &Device,
    ) -> Result<TextBatch, DataError> {
        let rows =
            texts.iter().map(|text| self.encode(text, cut)).collect::<Result<Vec<_>, _>>()?;
        Ok(match self {
            Self::NGrams(NGrams { document_weights: Some(weights), .. }) => {
                let rows: Vec<_> = rows.iter().map(|ids| weights.of(ids)).collect();
                TextBatch::weighted(&rows, device)
            }
            _ => TextBatch::of(&rows, device),
        })
    }

    /// The longest text that is taken whole, in [`tokens`], or in those of the encoder with the
    /// special ones.
    pub fn max_length(&self) -> usize {
        match self {
            Self::NGrams(ngrams) => ngrams.max_length,
            Self::Vocabulary(vocabulary) => vocabulary.max_length,
            Self::Tokens(tokens) => tokens.max_length,
        }
    }

    /// What they are called where they are of the wrong kind.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::NGrams(_) => "n-grams",
            Self::Vocabulary(_) => "vocabulary",
            Self::Tokens(_) => "tokens",
        }
    }

    /// Whether `text` is longer than [`max_length`](Self::max_length).
    pub fn is_over(&self, text: &str) -> bool {
        match self {
            Self::Tokens(tokens) => tokens.is_over(text),
            _ => tokens(text).len() > self.max_length(),
        }
    }
}

/// The words and signs of a text, in lower case.
///
/// Words are those of Unicode (UAX 29, <https://www.unicode.org/reports/tr29/>). ASCII signs that
/// touch each other are one token, so that `:)` and `!!!` keep their sense; any other sign, such as
/// an emoji, is a token of its own. Only a text of nothing but white space has no token.
///
/// ```
/// use andiron_nlp::features::tokens;
///
/// assert_eq!(tokens("I can't WAIT!!! :) 👍"), ["i", "can't", "wait", "!!!", ":)", "👍"]);
/// assert!(tokens(" \n").is_empty());
/// ```
pub fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = false;
    for part in text.split_word_bounds() {
        let sign = part.bytes().all(|byte| byte.is_ascii_punctuation());
        match found.last_mut() {
            _ if part.chars().all(char::is_whitespace) => {}
            Some(run) if sign && open => run.push_str(part),
            _ => found.push(part.to_lowercase()),
        }
        open = sign;
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_of_several_scripts() {
        for (text, wanted) in [
            ("Don't stop-gap", vec!["don't", "stop", "-", "gap"]),
            ("so...GOOD :-D", vec!["so", "...", "good", ":-", "d"]),
            ("ΟΔΟΣ Straße", vec!["οδος", "straße"]),
            ("日本", vec!["日", "本"]),
            ("a,\u{a0}b\t\r\nc", vec!["a", ",", "b", "c"]),
            ("\u{200b}", vec!["\u{200b}"]),
            ("@me: http://x.org/a_b", vec!["@", "me", ":", "http", "://", "x.org", "/", "a_b"]),
        ] {
            assert_eq!(tokens(text), wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_white_space_is_lost(text in "\\PC{0,40}[ \t\n]{0,3}\\PC{0,10}") {
            let joined: String = tokens(&text).concat();
            let wanted: String = text
                .split_word_bounds()
                .filter(|part| !part.chars().all(char::is_whitespace))
                .map(str::to_lowercase)
                .collect();
            prop_assert_eq!(joined, wanted);
            prop_assert_eq!(tokens(&text).is_empty(), text.trim().is_empty());
        }
    }

    #[test]
    fn the_length_is_kept() {
        let features = Features::NGrams(NGrams { max_length: 3, ..NGrams::default() });
        let encode = |text: Text, cut| features.encode(&text, cut);
        assert!(encode("one two three".into(), false).is_ok());
        assert!(!features.is_over("one two three") && features.is_over("one two three!"));
        assert_eq!(
            encode("one two three!".into(), false).unwrap_err().to_string(),
            "the length of the text in words and signs is 4, which is over the limit of 3"
        );
        let whole = encode("one two three".into(), false).unwrap();
        assert_eq!(encode(Text::from("one two three!").truncated(), false).unwrap(), whole);
        assert_eq!(encode("one two three four".into(), true).unwrap(), whole);
        for empty in ["", " \t\u{3000}"] {
            assert_eq!(encode(empty.into(), true).unwrap_err().to_string(), "the text is empty");
        }
    }
}
