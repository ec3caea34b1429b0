//! From scores of tokens to entities: what a token classifier's output means.
//!
//! A network scores pieces of words. Here the pieces of a word are made to agree ([`Aggregation`]),
//! and neighbours that belong together become one entity ([`Scheme`]), as in transformers'
//! `TokenClassificationPipeline`. Nothing here knows a network.
//!
//! ```
//! use andiron_nlp::tags::{Aggregation, Scheme, TokenScores, decode};
//!
//! let labels = ["O", "B-LOC", "I-LOC"].map(str::to_owned);
//! let token = |scores, start, end, word| TokenScores { scores, start, end, word: Some(word) };
//! // "To Ham|burg": the second piece of the word is not sure of itself.
//! let tokens = [
//!     token(vec![0.9, 0.1, 0.0], 0, 2, 0),
//!     token(vec![0.2, 0.8, 0.0], 3, 6, 1),
//!     token(vec![0.5, 0.1, 0.4], 6, 10, 1),
//! ];
//! let entities = decode("To Hamburg", &labels, &tokens, Aggregation::First, Scheme::Bio)?;
//! assert_eq!((entities[0].label.as_str(), entities[0].text.as_str()), ("LOC", "Hamburg"));
//! # Ok::<(), andiron_core::DataError>(())
//! ```

pub mod assign;

use andiron_core::DataError;
use serde::{Deserialize, Serialize};

/// How the tokens of a word agree on a tag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregation {
    /// They do not: each token has its own tag, so a word may fall apart.
    #[default]
    Simple,
    /// The first token decides.
    First,
    /// The mean of the tokens' probabilities decides.
    Average,
    /// The token that is surest of its tag decides; the first of equals.
    Max,
}

/// What the labels' prefixes mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `B-` begins an entity and `I-` goes on; a label without either goes on too. An `I-` behind
    /// another label begins an entity nevertheless.
    #[default]
    Bio,
    /// As `Bio`, and `E-` goes on and ends the entity, `S-` is a whole one. transformers knows
    /// neither.
    Bioes,
}

/// What a network says of one token.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenScores {
    /// The probability of each label.
    pub scores: Vec<f32>,
    /// Where the token starts in the text, in Unicode characters.
    pub start: usize,
    /// Where it ends: the character behind its last.
    pub end: usize,
    /// The number of its word; nothing for a token that stands for no text (`[CLS]`, padding),
    /// which is passed over.
    pub word: Option<usize>,
}

/// Something found in a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// What it is, without prefix.
    pub label: String,
    /// The text between `start` and `end`.
    pub text: String,
    /// Where it starts, in Unicode characters.
    pub start: usize,
    /// The character behind its last.
    pub end: usize,
    /// The mean of the probabilities of its words (with [`Aggregation::Simple`], of its tokens), 0
    /// to 1.
    pub score: f32,
}

/// What a label's prefix says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Begin,
    Inside,
    End,
    Single,
}

/// What a tag says beside its prefix.
pub(crate) fn kind(tag: &str) -> &str {
    tag.split_once('-').map_or(tag, |(_, label)| label)
}

impl Prefix {
    fn written(self) -> &'static str {
        match self {
            Self::Begin => "B-",
            Self::Inside => "I-",
            Self::End => "E-",
            Self::Single => "S-",
        }
    }
}

/// A word, or a token, and the label that it got.
struct Tagged {
    label: usize,
    score: f32,
    start: usize,
    end: usize,
}

/// The entities in `text`, in order. `labels` are the names of the scores, with their prefixes; the
/// label `O` is none.
///
/// Equal probabilities go to the first label. Tokens of a word must follow each other; a word
/// number that comes again later is another word.
///
/// # Errors
/// [`DataError::Unpaired`] for a token that has not one score a label, [`DataError::NotFinite`] for
/// a score that is no finite number, [`DataError::TooLarge`] for a token that ends behind the text;
/// with the token's place.
pub fn decode(
    text: &str,
    labels: &[String],
    tokens: &[TokenScores],
    aggregation: Aggregation,
    scheme: Scheme,
) -> Result<Vec<Entity>, DataError> {
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    for (at, token) in tokens.iter().enumerate() {
        check(token, labels, bounds.len() - 1).map_err(|error| error.at(at, None))?;
    }
    let tokens: Vec<&TokenScores> = tokens.iter().filter(|token| token.word.is_some()).collect();
    let words: Vec<&[&TokenScores]> = match aggregation {
        Aggregation::Simple => tokens.chunks(1).collect(),
        _ => tokens.chunk_by(|a, b| a.word == b.word).collect(),
    };
    let words: Vec<Tagged> = words.into_iter().map(|word| tagged(word, aggregation)).collect();
    let read: Vec<(Prefix, &str)> = labels.iter().map(|label| scheme.read(label)).collect();
    let follows = |a: &Tagged, b: &Tagged| {
        let ((before, label), (prefix, next)) = (read[a.label], read[b.label]);
        let goes_on = matches!(prefix, Prefix::Inside | Prefix::End);
        goes_on && label == next && !matches!(before, Prefix::End | Prefix::Single)
    };
    let entities = words.chunk_by(follows).filter_map(|group| {
        let (first, last) = (group.first()?, group.last()?);
        let name = labels[first.label].as_str();
        if name == "O" {
            return None;
        }
        let score = group.iter().map(|word| word.score).sum::<f32>() / group.len() as f32;
        let (start, end) = (first.start, last.end.max(first.start));
        Some(Entity {
            label: kind(name).to_owned(),
            text: text[bounds[start]..bounds[end]].to_owned(),
            start,
            end,
            score,
        })
    });
    Ok(entities.collect())
}

impl Scheme {
    /// The scheme that tags are written in: [`Bioes`](Self::Bioes) if one begins with `E-` or `S-`.
    pub fn of(tags: &[String]) -> Self {
        let bioes = tags.iter().any(|tag| tag.starts_with("E-") || tag.starts_with("S-"));
        if bioes { Self::Bioes } else { Self::Bio }
    }

    /// The tags that it needs for entities of these labels: `O`, and those of each label in turn.
    ///
    /// ```
    /// use andiron_nlp::tags::Scheme;
    ///
    /// assert_eq!(Scheme::Bio.tags(["LOC", "PER"]), ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]);
    /// ```
    pub fn tags<'a>(self, labels: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let prefixes = match self {
            Self::Bio => &["B-", "I-"][..],
            Self::Bioes => &["B-", "I-", "E-", "S-"],
        };
        let tags = |label| prefixes.iter().map(move |prefix| format!("{prefix}{label}"));
        std::iter::once("O".to_owned()).chain(labels.into_iter().flat_map(tags)).collect()
    }

    fn read(self, label: &str) -> (Prefix, &str) {
        let prefixes = match self {
            Self::Bio => &[Prefix::Begin, Prefix::Inside][..],
            Self::Bioes => &[Prefix::Begin, Prefix::Inside, Prefix::End, Prefix::Single],
        };
        let read = |prefix: &Prefix| Some((*prefix, label.strip_prefix(prefix.written())?));
        prefixes.iter().find_map(read).unwrap_or((Prefix::Inside, label))
    }
}

fn check(token: &TokenScores, labels: &[String], n_characters: usize) -> Result<(), DataError> {
    if token.scores.len() != labels.len() || labels.is_empty() {
        return Err(DataError::Unpaired {
            left: "the labels",
            right: "the scores of the token",
            n_left: labels.len(),
            n_right: token.scores.len(),
        });
    }
    if let Some(at) = token.scores.iter().position(|score| !score.is_finite()) {
        let (what, got) = ("the list of the token's scores", token.scores[at]);
        return Err(DataError::NotFinite { what, got, at });
    }
    let furthest = token.end.max(token.start);
    if furthest > n_characters {
        return Err(DataError::TooLarge {
            what: "the place of the token in characters",
            limit: n_characters as u64,
            got: furthest as u64,
        });
    }
    Ok(())
}

/// One label for the tokens of a word, of which there is at least one.
fn tagged(tokens: &[&TokenScores], aggregation: Aggregation) -> Tagged {
    let (first, last) = (tokens[0], tokens[tokens.len() - 1]);
    let (label, score) = match aggregation {
        Aggregation::Simple | Aggregation::First => greatest(&first.scores),
        Aggregation::Max => {
            let surest = tokens.iter().map(|token| greatest(&token.scores));
            surest.fold((0, f32::NEG_INFINITY), |best, one| if one.1 > best.1 { one } else { best })
        }
        Aggregation::Average => {
            let sum = |label: usize| tokens.iter().map(|token| token.scores[label]).sum::<f32>();
            let means = (0..first.scores.len()).map(|label| sum(label) / tokens.len() as f32);
            greatest(&means.collect::<Vec<_>>())
        }
    };
    Tagged { label, score, start: first.start, end: last.end }
}

/// The greatest of the scores and its place; the first of equals.
fn greatest(scores: &[f32]) -> (usize, f32) {
    let best = (0, f32::NEG_INFINITY);
    scores
        .iter()
        .copied()
        .enumerate()
        .fold(best, |best, one| if one.1 > best.1 { one } else { best })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// A token for each character of `tags`, which are places in `labels`; each is sure of its tag.
    fn found(labels: &[&str], tags: &[usize], scheme: Scheme) -> String {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let tokens = tags.iter().enumerate().map(|(at, tag)| {
            let mut scores = vec![0.0; labels.len()];
            scores[*tag] = 1.0;
            TokenScores { scores, start: at, end: at + 1, word: Some(at) }
        });
        let (text, tokens) = ("é".repeat(tags.len()), tokens.collect::<Vec<_>>());
        let entities = decode(&text, &labels, &tokens, Aggregation::Simple, scheme).unwrap();
        let texts = entities.iter().map(|e| {
            assert_eq!(e.text.chars().count(), e.end - e.start);
            format!("{}:{}-{}", e.label, e.start, e.end)
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn prefixes_part_and_join() {
        let bio = ["O", "B-a", "I-a", "B-b", "I-b"];
        for (tags, wanted) in [
            (&[1, 2, 2, 0, 1][..], "a:0-3 a:4-5"),
            (&[1, 1, 2], "a:0-1 a:1-3"),
            (&[2, 4, 3, 4], "a:0-1 b:1-2 b:2-4"),
            (&[0, 0], ""),
            (&[], ""),
        ] {
            assert_eq!(found(&bio, tags, Scheme::Bio), wanted, "{tags:?}");
        }
        let bioes = ["O", "B-a", "I-a", "E-a", "S-a"];
        for (tags, wanted) in [
            (&[1, 2, 3, 4][..], "a:0-3 a:3-4"),
            (&[4, 4, 3], "a:0-1 a:1-2 a:2-3"),
            (&[1, 3, 2, 3, 0], "a:0-2 a:2-4"),
        ] {
            assert_eq!(found(&bioes, tags, Scheme::Bioes), wanted, "{tags:?}");
        }
        assert_eq!(found(&["O", "a", "b"], &[1, 1, 2, 0, 1], Scheme::Bio), "a:0-2 b:2-3 a:4-5");
    }

    #[test]
    fn tokens_that_cannot_be_read_are_refused() {
        let labels = ["O", "I-a"].map(str::to_owned);
        let refused = |scores: Vec<f32>, end: usize| {
            let token = TokenScores { scores, start: 0, end, word: Some(0) };
            let error = decode("né", &labels, &[token], Aggregation::Max, Scheme::Bio).unwrap_err();
            assert_eq!(error.to_string(), "example 0");
            std::error::Error::source(&error).unwrap().to_string()
        };
        assert_eq!(
            refused(vec![1.0], 1),
            "the labels and the scores of the token must be equally many, but are 2 and 1"
        );
        assert!(refused(vec![0.5, f32::NAN], 1).contains("holds NaN at position 1"));
        assert_eq!(
            refused(vec![0.5, 0.5], 3),
            "the place of the token in characters is 3, which is over the limit of 2"
        );
    }

    #[test]
    fn special_tokens_are_passed_over() {
        let labels = ["O", "I-a"].map(str::to_owned);
        let token = |word, start, end| TokenScores { scores: vec![0.0, 1.0], start, end, word };
        let tokens = [token(None, 0, 0), token(Some(0), 0, 2), token(None, 0, 0)];
        for aggregation in
            [Aggregation::Simple, Aggregation::First, Aggregation::Average, Aggregation::Max]
        {
            let entities = decode("ab", &labels, &tokens, aggregation, Scheme::Bio).unwrap();
            assert_eq!(entities.len(), 1, "{aggregation:?}");
        }
    }
}
