//! Characters as tokens.

use super::BLANK;
use andiron_core::{ConfigError, DataError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The characters that a network can write; token 0 is the blank, token `n + 1` character `n`.
///
/// A text is written in lower case, of letters, digits, apostrophes and single spaces; everything
/// else is a space.
///
/// ```
/// use andiron_speech::ctc::Characters;
///
/// let characters = Characters::of(["Don't panic!", "at 5"])?;
/// assert_eq!(characters.text(), " '5acdinopt");
/// let tokens = characters.tokens("Tap,  dad");
/// assert_eq!(characters.write(&tokens), "tap dad");
/// assert_eq!(characters.n_tokens(), 12);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Characters {
    text: String,
}

impl Characters {
    /// The characters of some texts, in the order of their numbers in Unicode.
    ///
    /// # Errors
    /// [`DataError::Empty`] if the texts have none.
    pub fn of<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Result<Self, DataError> {
        let all: BTreeSet<char> = texts
            .into_iter()
            .flat_map(|text| plain(text.as_ref()).chars().collect::<Vec<_>>())
            .collect();
        match all.is_empty() {
            true => Err(DataError::Empty { what: "the text of all transcripts".to_owned() }),
            false => Ok(Self { text: all.into_iter().collect() }),
        }
    }

    /// The characters in the order of their tokens.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many tokens there are, the blank among them.
    pub fn n_tokens(&self) -> usize {
        self.text.chars().count() + 1
    }

    /// Checks that no character stands twice, and that there is one.
    ///
    /// # Errors
    /// [`ConfigError::TooSmall`] names the number of different characters.
    pub fn check(&self) -> Result<(), ConfigError> {
        let different: BTreeSet<char> = self.text.chars().collect();
        let least = (self.n_tokens() - 1).max(1);
        ConfigError::at_least("characters: different ones", least, different.len())
    }

    /// The tokens of a text, without those characters that no token is for.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let place = |c| self.text.chars().position(|one| one == c);
        plain(text).chars().filter_map(place).map(|at| at as u32 + 1).collect()
    }

    /// The text of tokens; blanks and numbers beyond the last say nothing.
    pub fn write(&self, tokens: &[u32]) -> String {
        let characters: Vec<char> = self.text.chars().collect();
        let said = tokens.iter().map(|token| *token as usize).filter(|token| *token != BLANK);
        let text: String = said.filter_map(|token| characters.get(token - 1)).collect();
        text.trim().to_owned()
    }
}

/// Lower case, of letters, digits, apostrophes and single spaces.
fn plain(text: &str) -> String {
    let kept = |c: char| match c {
        '\u{2019}' => '\'',
        c if c.is_alphanumeric() || c == '\'' => c,
        _ => ' ',
    };
    let text: String = text.to_lowercase().chars().map(kept).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_plain() {
        let characters = Characters::of(["It’s 10 — naïve?", "straße"]).unwrap();
        let tokens = characters.tokens("  Naïve, it’s\n10! ");
        assert_eq!(characters.write(&tokens), "naïve it's 10");
        // What was never seen cannot be written.
        assert_eq!(characters.write(&characters.tokens("quit")), "it");
        assert_eq!(characters.write(&[0, 999, 0]), "");
    }

    #[test]
    fn nothing_to_write_is_refused() {
        assert!(matches!(Characters::of(["", "?!"]), Err(DataError::Empty { .. })));
        let twice: Characters = serde_json::from_str("\"abca\"").unwrap();
        let refused = twice.check().unwrap_err().to_string();
        assert_eq!(refused, "characters: different ones must be at least 4, but is 3");
    }
}
