//! From tokens to text, piece by piece: no piece ends within a character, and none holds what may
//! turn out to be the beginning of a stop text.

use crate::tokenizer::Tokenizer;
use andiron_core::DataError;

/// The tokens written so far, and up to where they have become text.
#[derive(Default)]
pub(super) struct Pieces {
    ids: Vec<u32>,
    /// Tokens from here on are decoded anew, so that those at the border have their neighbour.
    from: usize,
    /// Tokens before here have become text.
    until: usize,
}

/// Tokens of a prompt that are decoded with the first behind it: some tokenizers drop a space in
/// front of a text.
const BEFORE: usize = 4;

impl Pieces {
    /// Pieces of a text behind the tokens `prompt`.
    pub(super) fn behind(prompt: &[u32]) -> Self {
        let ids = prompt[prompt.len().saturating_sub(BEFORE)..].to_vec();
        Self { from: 0, until: ids.len(), ids }
    }

    /// The text that one more token completes; mostly its own, empty within a character.
    pub(super) fn push(&mut self, id: u32, tokenizer: &Tokenizer) -> Result<String, DataError> {
        self.ids.push(id);
        let (before, now) = self.texts(tokenizer)?;
        // Bytes of an unfinished character are decoded as this sign.
        if now.len() <= before.len() || now.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        let piece = now.get(before.len()..).unwrap_or_default().to_owned();
        (self.from, self.until) = (self.until, self.ids.len());
        Ok(piece)
    }

    /// What is left at the end: bytes of a character that was not finished.
    pub(super) fn finish(&mut self, tokenizer: &Tokenizer) -> Result<String, DataError> {
        let (before, now) = self.texts(tokenizer)?;
        (self.from, self.until) = (self.ids.len(), self.ids.len());
        Ok(now.get(before.len()..).unwrap_or_default().to_owned())
    }

    fn texts(&self, tokenizer: &Tokenizer) -> Result<(String, String), DataError> {
        let before = tokenizer.decode(&self.ids[self.from..self.until], true)?;
        Ok((before, tokenizer.decode(&self.ids[self.from..], true)?))
    }
}

/// Text on its way out, watched for stop texts.
pub(super) struct Watch {
    stops: Vec<String>,
    /// What may be the beginning of a stop text.
    held: String,
}

impl Watch {
    pub(super) fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), held: String::new() }
    }

    /// What can go out once `piece` has come, and whether a stop text has been met: then the rest
    /// goes nowhere.
    pub(super) fn push(&mut self, piece: &str) -> (String, bool) {
        self.held.push_str(piece);
        let met = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(at) = met {
            let mut out = std::mem::take(&mut self.held);
            out.truncate(at);
            return (out, true);
        }
        let begun = |stop: &String| {
            let longest = stop.len().saturating_sub(1).min(self.held.len());
            let fits = |len: &usize| {
                self.held.as_bytes()[self.held.len() - len..] == stop.as_bytes()[..*len]
            };
            (1..=longest).rev().find(fits).unwrap_or(0)
        };
        // Two texts in UTF-8 agree in whole characters at a common beginning of one.
        let kept = self.stops.iter().map(begun).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.floor_char_boundary(self.held.len() - kept));
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back and is no stop text after all.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tokenizer::byte_level_bpe;

    fn watched(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut watch = Watch::new(&stops);
        let mut out = Vec::new();
        for piece in pieces {
            let (text, met) = watch.push(piece);
            out.push(text);
            if met {
                return (out, true);
            }
        }
        out.push(watch.finish());
        (out, false)
    }

    #[test]
    fn stop_texts_are_met_across_pieces() {
        let (out, met) = watched(&["\n\nQ", "END"], &["one\n", "\nR two", " E", "N", "D three"]);
        assert_eq!(
            (out.as_slice(), met),
            (["one", "\n\nR two", " ", "", ""].map(String::from).as_slice(), true)
        );
        let (out, met) = watched(&["abc", "bd"], &["xab", "d"]);
        assert_eq!((out.concat(), met), ("xa".to_owned(), true));
        let (out, met) = watched(&["é!"], &["caf", "é", "?"]);
        assert_eq!((out.concat(), met), ("café?".to_owned(), false));
        let (out, met) = watched(&[], &["all", " of it"]);
        assert_eq!((out.concat(), met), ("all of it".to_owned(), false));
    }

    #[test]
    fn pieces_end_with_a_character() {
        let tokenizer = byte_level_bpe(&["plain text"], 270).unwrap();
        let text = "日本 text é🦀!";
        let ids = tokenizer.ids(text, false).unwrap();
        assert!(ids.len() > text.chars().count(), "characters are of several tokens here");
        let mut pieces = Pieces::default();
        let mut out = Vec::new();
        for id in &ids {
            out.push(pieces.push(*id, &tokenizer).unwrap());
        }
        assert!(out.iter().all(|piece| !piece.contains('\u{fffd}')), "{out:?}");
        assert_eq!(out.concat(), text);
        assert_eq!(pieces.finish(&tokenizer).unwrap(), "");

        // The end within a character.
        let mut pieces = Pieces::default();
        let cut = tokenizer.ids("a🦀", false).unwrap();
        let mut said = String::new();
        for id in &cut[..cut.len() - 1] {
            said += &pieces.push(*id, &tokenizer).unwrap();
        }
        said += &pieces.finish(&tokenizer).unwrap();
        assert_eq!(said, tokenizer.decode(&cut[..cut.len() - 1], true).unwrap());
    }
}
