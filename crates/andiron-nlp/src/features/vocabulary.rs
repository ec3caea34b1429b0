//! Known words in their order.

use super::tokens;
use andiron_core::DataError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Token number of a word that is not known.
const UNKNOWN: i32 = 1;
/// Token number of the first known word; 0 is padding.
const FIRST: usize = 2;

/// The words of the training texts, numbered from 2 in ascending order: 0 is padding, 1 any word
/// that is not among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// The longest text that is taken whole, in words and signs.
    pub max_length: usize,
    words: Words,
}

/// Words in ascending order, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
struct Words(Vec<String>);

impl From<Vec<String>> for Words {
    fn from(mut words: Vec<String>) -> Self {
        words.sort_unstable();
        words.dedup();
        Self(words)
    }
}

impl From<Words> for Vec<String> {
    fn from(words: Words) -> Self {
        words.0
    }
}

impl Vocabulary {
    /// The words that stand at least `least` times in `texts`.
    ///
    /// ```
    /// use andiron_nlp::features::Vocabulary;
    ///
    /// let vocabulary = Vocabulary::of(["a good day", "a bad day"], 2, 64)?;
    /// assert_eq!(vocabulary.len(), 4); // padding, unknown, "a", "day"
    /// # Ok::<(), andiron_core::DataError>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError::Empty`] if there is no such word, [`DataError::Config`] for a length of 0.
    pub fn of<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        least: usize,
        max_length: usize,
    ) -> Result<Self, DataError> {
        andiron_core::ConfigError::at_least("max_length", 1, max_length)?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for word in texts.into_iter().flat_map(tokens) {
            *counts.entry(word).or_default() += 1;
        }
        let words: Vec<String> =
            counts.into_iter().filter(|(_, count)| *count >= least).map(|(word, _)| word).collect();
        if words.is_empty() {
            return Err(DataError::Empty { what: "the vocabulary".to_owned() });
        }
        Ok(Self { max_length, words: Words(words) })
    }

    /// How many numbers there are, padding and unknown included.
    #[allow(clippy::len_without_is_empty, reason = "there are always padding and unknown")]
    pub fn len(&self) -> usize {
        FIRST + self.words.0.len()
    }

    /// The number of a word in lower case.
    pub fn number(&self, word: &str) -> i32 {
        match self.words.0.binary_search_by(|known| known.as_str().cmp(word)) {
            Ok(at) => (FIRST + at) as i32,
            Err(_) => UNKNOWN,
        }
    }

    pub(super) fn encode(&self, words: &[String]) -> Vec<i32> {
        words.iter().map(|word| self.number(word)).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn words_are_numbered_in_ascending_order() {
        let vocabulary = Vocabulary::of(["b a!", "C a ! a"], 1, 9).unwrap();
        assert_eq!(vocabulary.len(), 6);
        let number = |word| vocabulary.number(word);
        assert_eq!(["!", "a", "b", "c"].map(number), [2, 3, 4, 5]);
        assert_eq!(number("d"), UNKNOWN);
        let twice = Vocabulary::of(["b a!", "C a ! a"], 2, 9).unwrap();
        assert_eq!(twice.encode(&tokens("A b!")), [3, 1, 2]);
    }

    #[test]
    fn it_survives_json_in_any_order() {
        let vocabulary = Vocabulary::of(["b a c"], 1, 9).unwrap();
        let text = serde_json::to_string(&vocabulary).unwrap();
        assert_eq!(text, r#"{"max_length":9,"words":["a","b","c"]}"#);
        let shuffled = r#"{"max_length":9,"words":["c","a","b","a"]}"#;
        assert_eq!(serde_json::from_str::<Vocabulary>(shuffled).unwrap(), vocabulary);
    }

    #[test]
    fn no_word_and_no_length_are_refused() {
        let refused =
            |least, length| Vocabulary::of(["a b"], least, length).unwrap_err().to_string();
        assert_eq!(refused(2, 9), "the vocabulary is empty");
        assert_eq!(refused(1, 0), "the model cannot be set up for this data");
    }
}
