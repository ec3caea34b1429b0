//! The words of a text with their places, and what a word and its neighbours look like.

use super::ngrams::{LONGEST_WORD, number};
use andiron_core::ConfigError;
use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation as _;

/// What parts the words of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WordBounds {
    /// White space and signs: each sign is a word of its own. For texts as people write them. Where
    /// there is a tokenizer its words count, else those of Unicode (UAX 29,
    /// <https://www.unicode.org/reports/tr29/>).
    #[default]
    Signs,
    /// White space alone. For texts whose words and signs are set apart already, as those of the
    /// CoNLL shared tasks.
    Space,
}

/// A word of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// Its first character, counted from 0 in Unicode characters.
    pub start: usize,
    /// The character behind its last.
    pub end: usize,
    /// The word.
    pub text: &'a str,
}

/// The words of `text`, in order; white space is of none.
///
/// ```
/// use andiron_nlp::features::{WordBounds, words};
///
/// let found = |bounds| words("In São Paulo.", bounds).map(|word| word.text).collect::<Vec<_>>();
/// assert_eq!(found(WordBounds::Signs), ["In", "São", "Paulo", "."]);
/// assert_eq!(found(WordBounds::Space), ["In", "São", "Paulo."]);
/// assert_eq!(words("é b", WordBounds::Space).nth(1).map(|word| word.start), Some(2));
/// ```
pub fn words(text: &str, bounds: WordBounds) -> impl Iterator<Item = Word<'_>> {
    let parts: Vec<&str> = match bounds {
        WordBounds::Signs => text.split_word_bounds().collect(),
        WordBounds::Space => {
            let mut parts = Vec::new();
            let (mut from, mut before) = (0, None);
            for (at, c) in text.char_indices() {
                let space = c.is_whitespace();
                if before.replace(space).is_some_and(|before| before != space) {
                    parts.push(&text[from..at]);
                    from = at;
                }
            }
            parts.push(&text[from..]);
            parts
        }
    };
    let mut next = 0;
    let placed = parts.into_iter().map(move |text| {
        let start = next;
        next += text.chars().count();
        Word { start, end: next, text }
    });
    placed.filter(|word| !word.text.chars().all(char::is_whitespace))
}

/// What is known of a word to a network without a vocabulary: itself, its beginnings and endings,
/// its shape, and its neighbours, each as a number of 31 bits by hash.
///
/// The features of Nadeau & Sekine 2007, <https://doi.org/10.1075/li.30.1.03nad>, section 3.1, that
/// need no list of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WordFeatures {
    /// The longest text that is taken whole, in words; 1 or more, default 512.
    pub max_length: usize,
    /// How many neighbours on each side count, up to 9; default 2.
    pub window: usize,
    /// The longest beginning and ending of a word, in characters, up to 9; default 4.
    pub affixes: usize,
}

impl Default for WordFeatures {
    fn default() -> Self {
        Self { max_length: 512, window: 2, affixes: 4 }
    }
}

impl WordFeatures {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("max_length", 1, self.max_length)?;
        ConfigError::within("window", 0.0, 9.0, self.window as f64)?;
        ConfigError::within("affixes", 0.0, 9.0, self.affixes as f64)
    }

    /// For each word its features; each has one at least.
    pub fn encode(&self, words: &[Word<'_>]) -> Vec<Vec<u32>> {
        let lower: Vec<String> = words.iter().map(|word| word.text.to_lowercase()).collect();
        let shapes: Vec<String> = words.iter().map(|word| shape(word.text)).collect();
        let near = |list: &[String], at: usize, offset: isize| -> String {
            let place = at.checked_add_signed(offset);
            place.and_then(|place| list.get(place)).cloned().unwrap_or_default()
        };
        let of = |at: usize| {
            let mut found = Found::default();
            found.add("cased", words[at].text);
            for offset in -(self.window as isize)..=self.window as isize {
                found.add(&format!("word{offset}"), &near(&lower, at, offset));
                if offset.abs() <= 1 {
                    found.add(&format!("shape{offset}"), &near(&shapes, at, offset));
                }
            }
            if self.window > 0 {
                // A byte that no word holds stands between two.
                let pair = |offset| {
                    format!("{}\0{}", near(&lower, at, offset), near(&lower, at, offset + 1))
                };
                found.add("pair-1", &pair(-1));
                found.add("pair0", &pair(0));
            }
            self.add_affixes(&lower[at], &mut found);
            found.numbers
        };
        (0..words.len()).map(of).collect()
    }

    fn add_affixes(&self, word: &str, found: &mut Found) {
        let starts: Vec<usize> =
            word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
        for length in 1..=self.affixes.min(starts.len() - 1) {
            found.add("begins", &word[..starts[length]]);
            found.add("ends", &word[starts[starts.len() - 1 - length]..]);
        }
    }
}

/// Features as numbers.
#[derive(Default)]
struct Found {
    numbers: Vec<u32>,
    bytes: Vec<u8>,
}

impl Found {
    fn add(&mut self, name: &str, value: &str) {
        self.bytes.clear();
        self.bytes.extend_from_slice(name.as_bytes());
        // Between the two, so that no name and value are another's.
        self.bytes.push(0);
        self.bytes.extend_from_slice(value.as_bytes());
        self.numbers.push(number(&self.bytes) as u32);
    }
}

/// A word's capitals, small letters, digits and signs, each run once: `McDonald's` is `XxXx'x`.
fn shape(word: &str) -> String {
    let kind = |c: char| match c {
        _ if c.is_uppercase() => 'X',
        _ if c.is_lowercase() => 'x',
        _ if c.is_numeric() => '0',
        _ if c.is_alphabetic() => 'a',
        _ => c,
    };
    let mut kinds: Vec<char> = word.chars().take(LONGEST_WORD).map(kind).collect();
    kinds.dedup();
    kinds.into_iter().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_have_their_places_in_characters() {
        let found = |text: &str, bounds| -> Vec<(usize, usize, String)> {
            words(text, bounds).map(|word| (word.start, word.end, word.text.to_owned())).collect()
        };
        let wanted = |list: &[(usize, usize, &str)]| -> Vec<(usize, usize, String)> {
            list.iter().map(|(start, end, word)| (*start, *end, (*word).to_owned())).collect()
        };
        assert_eq!(
            found(" Zoë's  #日本!\n", WordBounds::Signs),
            wanted(&[(1, 6, "Zoë's"), (8, 9, "#"), (9, 10, "日"), (10, 11, "本"), (11, 12, "!")])
        );
        assert_eq!(
            found(" Zoë's\u{3000} #日本!\n", WordBounds::Space),
            wanted(&[(1, 6, "Zoë's"), (8, 12, "#日本!")])
        );
        assert!(found(" \n", WordBounds::Space).is_empty());
        assert!(found("", WordBounds::Signs).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_but_white_space_is_lost(text in "[\\PC \t\n]{0,40}") {
            let characters: Vec<char> = text.chars().collect();
            for bounds in [WordBounds::Signs, WordBounds::Space] {
                let mut behind = 0;
                let mut covered = 0;
                for word in words(&text, bounds) {
                    prop_assert!(word.start >= behind && word.end > word.start);
                    let part: String = characters[word.start..word.end].iter().collect();
                    prop_assert_eq!(part.as_str(), word.text);
                    covered += word.text.chars().filter(|c| !c.is_whitespace()).count();
                    behind = word.end;
                }
                let all = characters.iter().filter(|c| !c.is_whitespace()).count();
                prop_assert_eq!(covered, all);
            }
        }
    }

    #[test]
    fn a_word_is_known_by_itself_its_ends_its_shape_and_its_neighbours() {
        let text = "at McDo 7pm";
        let words: Vec<Word<'_>> = words(text, WordBounds::Space).collect();
        let features = WordFeatures { window: 1, affixes: 2, ..WordFeatures::default() };
        let named = |list: &[(&str, &str)]| -> Vec<u32> {
            let mut found = Found::default();
            list.iter().for_each(|(name, value)| found.add(name, value));
            found.numbers
        };
        let wanted = named(&[
            ("cased", "McDo"),
            ("word-1", "at"),
            ("shape-1", "x"),
            ("word0", "mcdo"),
            ("shape0", "XxXx"),
            ("word1", "7pm"),
            ("shape1", "0x"),
            ("pair-1", "at\0mcdo"),
            ("pair0", "mcdo\x007pm"),
            ("begins", "m"),
            ("ends", "o"),
            ("begins", "mc"),
            ("ends", "do"),
        ]);
        assert_eq!(features.encode(&words)[1], wanted);
        let alone = WordFeatures { window: 0, affixes: 0, ..WordFeatures::default() };
        let wanted = named(&[("cased", "at"), ("word0", "at"), ("shape0", "x")]);
        assert_eq!(alone.encode(&words)[0], wanted);
        assert!(wanted.iter().all(|number| *number < 1 << 31));
        assert_eq!((shape("@EUR-12.5"), shape("日本")), ("@X-0.0".to_owned(), "a".to_owned()));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let refused = |features: WordFeatures| features.check().unwrap_err().to_string();
        let default = WordFeatures::default();
        assert_eq!(
            refused(WordFeatures { max_length: 0, ..default.clone() }),
            "max_length must be at least 1, but is 0"
        );
        assert_eq!(
            refused(WordFeatures { window: 10, ..default.clone() }),
            "window must lie in 0..=9, but is 10"
        );
        assert_eq!(
            refused(WordFeatures { affixes: 10, ..default }),
            "affixes must lie in 0..=9, but is 10"
        );
    }
}
