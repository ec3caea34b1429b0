//! Word and character n-grams by hash.

use super::DocumentWeights;
use andiron_core::{ConfigError, hash::fnv};
use serde::{Deserialize, Serialize};

/// Characters of a word from which n-grams are taken: what bounds the work for a "word" that is a
/// page of letters without a space.
pub(super) const LONGEST_WORD: usize = 40;

/// N-grams of words and of the characters within words, as numbers of 31 bits.
///
/// As in fastText (Bojanowski et al. 2017, <https://arxiv.org/abs/1607.04606>, section 3.2), the
/// characters are those of the word between `<` and `>`, so that a beginning differs from an
/// ending, and nothing is kept of an n-gram but its hash ([`fnv`]); a network takes the remainder
/// by the number of its rows. A word enters as itself whatever its length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NGrams {
    /// The longest text that is taken whole, in words and signs; 1 or more, default 512.
    pub max_length: usize,
    /// The longest run of neighbouring words that counts as one feature; 1 or more, default 2.
    pub words: usize,
    /// The shortest n-gram of characters; 1 or more, default 3.
    pub least_characters: usize,
    /// The longest n-gram of characters, default 5; below the shortest there are none.
    pub most_characters: usize,
    /// How much each feature weighs; without, default, all weigh alike and the text is their mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_weights: Option<DocumentWeights>,
}

impl Default for NGrams {
    fn default() -> Self {
        Self {
            max_length: 512,
            words: 2,
            least_characters: 3,
            most_characters: 5,
            document_weights: None,
        }
    }
}

impl NGrams {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError::TooSmall`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("max_length", 1, self.max_length)?;
        ConfigError::at_least("words", 1, self.words)?;
        ConfigError::at_least("least_characters", 1, self.least_characters)
    }

    /// The numbers of all n-grams of `words`, each as often as it occurs.
    pub(super) fn encode(&self, words: &[String]) -> Vec<i32> {
        let mut ids = Vec::new();
        let mut bytes = Vec::new();
        for start in 0..words.len() {
            // A byte that no word holds stands in front of each, so that neither "a b" and "ab" nor
            // a word and the characters of another are one feature.
            bytes.clear();
            for word in words[start..].iter().take(self.words) {
                bytes.push(0);
                bytes.extend_from_slice(word.as_bytes());
                ids.push(number(&bytes));
            }
            self.characters(&words[start], &mut ids);
        }
        ids
    }

    fn characters(&self, word: &str, ids: &mut Vec<i32>) {
        let marked: String = std::iter::once('<')
            .chain(word.chars().take(LONGEST_WORD))
            .chain(std::iter::once('>'))
            .collect();
        let mut starts: Vec<usize> = marked.char_indices().map(|(at, _)| at).collect();
        starts.push(marked.len());
        let characters = starts.len() - 1;
        for length in self.least_characters..=self.most_characters.min(characters) {
            for first in 0..=characters - length {
                ids.push(number(&marked.as_bytes()[starts[first]..starts[first + length]]));
            }
        }
    }
}

/// 31 bits of the hash, the upper half folded onto the lower.
pub(super) fn number(bytes: &[u8]) -> i32 {
    let hash = fnv(bytes);
    ((hash ^ (hash >> 32)) & 0x7fff_ffff) as i32
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grams(texts: &[&str]) -> Vec<i32> {
        texts.iter().map(|text| number(text.as_bytes())).collect()
    }

    fn encode(ngrams: &NGrams, words: &[&str]) -> Vec<i32> {
        ngrams.encode(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn n_grams_of_two_words() {
        let wanted = grams(&[
            "\0hé", "\0hé\0a", "<hé", "hé>", "<hé>", // 3, 3, 4 characters
            "\0a", "<a>",
        ]);
        assert_eq!(encode(&NGrams::default(), &["hé", "a"]), wanted);
        let words = NGrams { most_characters: 0, words: 3, ..NGrams::default() };
        let wanted = grams(&["\0a", "\0a\0b", "\0a\0b\0c", "\0b", "\0b\0c", "\0c"]);
        assert_eq!(encode(&words, &["a", "b", "c"]), wanted);
    }

    #[test]
    fn a_word_is_not_the_characters_of_another() {
        let (the, bathe) =
            (encode(&NGrams::default(), &["the"]), encode(&NGrams::default(), &["bathe"]));
        let shared: Vec<_> = the.iter().filter(|id| bathe.contains(id)).copied().collect();
        assert_eq!(shared, grams(&["the", "he>", "the>"]));
    }

    #[test]
    fn a_page_without_a_space_costs_no_more_than_a_word() {
        let page = "x".repeat(1 << 20);
        assert!(encode(&NGrams::default(), &[&page]).len() < 3 * LONGEST_WORD + 3);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for (ngrams, field) in [
            (NGrams { max_length: 0, ..NGrams::default() }, "max_length"),
            (NGrams { words: 0, ..NGrams::default() }, "words"),
            (NGrams { least_characters: 0, ..NGrams::default() }, "least_characters"),
        ] {
            let refused = ngrams.check().unwrap_err().to_string();
            assert_eq!(refused, format!("{field} must be at least 1, but is 0"));
        }
    }

    proptest! {
        #[test]
        fn numbers_are_31_bits(words in proptest::collection::vec("\\PC{1,9}", 1..6)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ids = encode(&NGrams::default(), &words);
            prop_assert!(ids.len() >= 2 * words.len() - 1);
            prop_assert!(ids.iter().all(|id| *id >= 0));
        }
    }
}
