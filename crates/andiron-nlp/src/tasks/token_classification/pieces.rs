//! From a text to what the network takes, and where each piece stands in the text.

use crate::{
    batch::TokenBatch,
    features::{Tokens, WordBounds, WordFeatures, words},
    text::Text,
};
use andiron_core::DataError;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// How a text becomes what the network takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Pieces {
    /// Pieces of words, by a tokenizer: for an encoder, which sees all of them at once.
    Tokens(Tokens),
    /// Whole words, by their features: for a network that looks at one word after another.
    Words(WordFeatures),
}

/// A piece of a text: what has one row of scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its first character.
    pub(super) start: usize,
    /// The character behind its last.
    pub(super) end: usize,
    /// The number of its word; none for a special token.
    pub(super) word: Option<usize>,
}

/// A text in pieces.
#[derive(Debug)]
pub(super) struct Cut {
    /// Rows of numbers for the network: one for the text, or one for each word.
    pub(super) rows: Vec<Vec<u32>>,
    /// The segments of the one row.
    segments: Vec<u32>,
    /// The pieces: the columns of the one row, or the rows.
    pub(super) pieces: Vec<Piece>,
    /// Whether they are the columns.
    columns: bool,
    /// Whether something was cut off.
    pub(super) truncated: bool,
}

/// A word, and where its pieces begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PiecesOfWord {
    /// The number of its first piece.
    pub(super) first: usize,
    /// From its first piece's first character to its last one's end.
    pub(super) place: (usize, usize),
}

impl Pieces {
    /// The longest text that is taken whole, in its own unit.
    pub fn max_length(&self) -> usize {
        match self {
            Self::Tokens(tokens) => tokens.max_length,
            Self::Words(features) => features.max_length,
        }
    }

    /// Cuts a text to pieces. One over the length loses its end if `cut` or the text itself says so.
    pub(super) fn cut(&self, text: &Text, bounds: WordBounds, cut: bool) -> Result<Cut, DataError> {
        match self {
            Self::Tokens(Tokens { tokenizer, max_length }) => {
                let encoded = tokenizer.encode(text, *max_length, cut)?;
                let spaces = match bounds {
                    WordBounds::Signs => Vec::new(),
                    WordBounds::Space => words(&text.text, bounds).map(|word| word.end).collect(),
                };
                let white: Vec<bool> = text.text.chars().map(char::is_whitespace).collect();
                let piece = |((start, end), own): (&(usize, usize), &Option<u32>)| {
                    let (start, end) = without_white(&white, *start, *end);
                    let word = own.map(|own| match bounds {
                        WordBounds::Signs => own as usize,
                        WordBounds::Space => spaces.partition_point(|behind| *behind <= start),
                    });
                    Piece { start, end, word }
                };
                Ok(Cut {
                    pieces: encoded.offsets.iter().zip(&encoded.words).map(piece).collect(),
                    rows: vec![encoded.ids],
                    segments: encoded.segments,
                    columns: true,
                    truncated: encoded.truncated,
                })
            }
            Self::Words(features) => {
                let limit = features.max_length;
                let mut words: Vec<_> = words(&text.text, bounds).collect();
                if words.is_empty() {
                    return Err(DataError::Empty { what: "the text".to_owned() });
                }
                let truncated = words.len() > limit;
                if truncated && !(cut || text.truncate) {
                    return Err(DataError::TooLarge {
                        what: "the length of the text in words",
                        limit: limit as u64,
                        got: words.len() as u64,
                    });
                }
                words.truncate(limit);
                let piece = |(at, word): (usize, &crate::features::Word<'_>)| Piece {
                    start: word.start,
                    end: word.end,
                    word: Some(at),
                };
                Ok(Cut {
                    pieces: words.iter().enumerate().map(piece).collect(),
                    rows: features.encode(&words),
                    segments: Vec::new(),
                    columns: false,
                    truncated,
                })
            }
        }
    }
}

/// A token's place without the white space at its ends: byte-level and metaspace tokenizers count
/// the space in front of a word as part of it. A token of nothing else stays as it is.
fn without_white(white: &[bool], start: usize, end: usize) -> (usize, usize) {
    let is_white = |at: usize| white.get(at).copied().unwrap_or(false);
    let Some(first) = (start..end).find(|at| !is_white(*at)) else { return (start, end) };
    let last = (first..end).rev().find(|at| !is_white(*at)).unwrap_or(first);
    (first, last + 1)
}

impl Cut {
    /// The words in order, each with its pieces; special tokens are of none.
    pub(super) fn words(&self) -> Vec<PiecesOfWord> {
        let mut found: Vec<PiecesOfWord> = Vec::new();
        let mut before = None;
        for (at, piece) in self.pieces.iter().enumerate() {
            match found.last_mut() {
                Some(word) if before == piece.word && before.is_some() => word.place.1 = piece.end,
                _ if piece.word.is_some() => {
                    found.push(PiecesOfWord { first: at, place: (piece.start, piece.end) });
                }
                _ => {}
            }
            before = piece.word;
        }
        found
    }

    /// Where the scores of a piece stand in a batch, counted over all its rows of `width` columns
    /// where the columns are the pieces; `row` is the text's first.
    pub(super) fn place(&self, piece: usize, row: usize, width: usize) -> usize {
        if self.columns { row * width + piece } else { row + piece }
    }
}

/// The rows of all texts, padded.
pub(super) fn batch<'a>(cuts: impl IntoIterator<Item = &'a Cut>, device: &Device) -> TokenBatch {
    let (mut rows, mut segments) = (Vec::new(), Vec::new());
    for cut in cuts {
        rows.extend(cut.rows.iter().cloned());
        if !cut.segments.is_empty() {
            segments.push(cut.segments.clone());
        }
    }
    TokenBatch::of(&rows, &segments, device)
}
