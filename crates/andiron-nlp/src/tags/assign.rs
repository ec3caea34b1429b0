//! The other way round: from entities that are known to a tag for each word.

use super::{Prefix, Scheme};
use crate::metrics::entities::Span;
use andiron_core::DataError;
use std::cmp::Ordering;

/// Whether the entities can stand in a text of so many characters: in any order, each at least one
/// character long, none over another.
///
/// # Errors
/// [`DataError::Field`] names the first that cannot.
pub fn check(spans: &[Span], n_characters: usize) -> Result<(), DataError> {
    let refused = |at: usize, wanted: &'static str, got: String| DataError::Field {
        field: format!("entities[{at}]"),
        wanted,
        got,
    };
    for (at, Span { label, start, end }) in spans.iter().enumerate() {
        if label.is_empty() || label == "O" {
            return Err(refused(at, "of a kind that has a name, and not O", format!("{label:?}")));
        }
        if start >= end || *end > n_characters {
            let got = format!("{start}..{end} of {n_characters} characters");
            return Err(refused(at, "a part of the text, start before end", got));
        }
    }
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|at| (spans[*at].start, spans[*at].end));
    for pair in order.windows(2) {
        let (before, next) = (&spans[pair[0]], &spans[pair[1]]);
        if next.start < before.end {
            let got =
                format!("{}..{} behind {}..{}", next.start, next.end, before.start, before.end);
            return Err(refused(pair[1], "clear of every other entity", got));
        }
    }
    Ok(())
}

/// A tag for each word, in order: those of the words that an entity touches, `O` for the others.
///
/// `words` are from and to, in characters, ascending. An entity that covers only a part of a word
/// gets the whole word; where two entities touch one word, the first gets it.
///
/// ```
/// use andiron_nlp::{metrics::entities::Span, tags::{Scheme, assign}};
///
/// // "Ana of São Paulo"
/// let words = [(0, 3), (4, 6), (7, 10), (11, 16)];
/// let span = |label: &str, start, end| Span { label: label.into(), start, end };
/// let spans = [span("LOC", 7, 16), span("PER", 0, 3)];
/// assert_eq!(assign::tags(&words, &spans, Scheme::Bio), ["B-PER", "O", "B-LOC", "I-LOC"]);
/// assert_eq!(assign::tags(&words, &spans, Scheme::Bioes), ["S-PER", "O", "B-LOC", "E-LOC"]);
/// ```
pub fn tags(words: &[(usize, usize)], spans: &[Span], scheme: Scheme) -> Vec<String> {
    let mut owner: Vec<Option<usize>> = vec![None; words.len()];
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|at| spans[*at].start);
    for at in order {
        let Span { start, end, .. } = &spans[at];
        // Where the first word that ends behind the start stands.
        let first = words.partition_point(|(_, to)| to <= start);
        for (word, owner) in words.iter().zip(&mut owner).skip(first) {
            if word.0.cmp(end) != Ordering::Less {
                break;
            }
            owner.get_or_insert(at);
        }
    }
    let tag = |word: usize| {
        let Some(at) = owner[word] else { return "O".to_owned() };
        let same = |other: Option<&Option<usize>>| other == Some(&Some(at));
        let begins = word == 0 || !same(owner.get(word - 1));
        let ends = !same(owner.get(word + 1));
        let prefix = match (scheme, begins, ends) {
            (Scheme::Bioes, true, true) => Prefix::Single,
            (Scheme::Bioes, false, true) => Prefix::End,
            (_, true, _) => Prefix::Begin,
            (_, false, _) => Prefix::Inside,
        };
        format!("{}{}", prefix.written(), spans[at].label)
    };
    (0..words.len()).map(tag).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tags::{Aggregation, TokenScores, decode};
    use proptest::prelude::*;

    fn span(label: &str, start: usize, end: usize) -> Span {
        Span { label: label.to_owned(), start, end }
    }

    #[test]
    fn words_that_are_touched_are_taken() {
        let words = [(0, 2), (2, 5), (6, 9), (9, 10)];
        for (spans, wanted) in [
            (vec![span("a", 1, 3)], "B-a I-a O O"),
            (vec![span("a", 5, 6)], "O O O O"),
            (vec![span("a", 0, 3), span("b", 3, 7)], "B-a I-a B-b O"),
            (vec![span("b", 4, 5), span("a", 2, 3)], "O B-a O O"),
            (vec![span("a", 0, 2), span("a", 2, 5), span("b", 9, 10)], "B-a B-a O B-b"),
            (vec![span("a", 0, 10)], "B-a I-a I-a I-a"),
        ] {
            assert_eq!(tags(&words, &spans, Scheme::Bio).join(" "), wanted, "{spans:?}");
        }
        let whole = tags(&words, &[span("a", 0, 10)], Scheme::Bioes).join(" ");
        assert_eq!(whole, "B-a I-a I-a E-a");
        assert!(tags(&[], &[span("a", 0, 1)], Scheme::Bio).is_empty());
    }

    #[test]
    fn entities_that_cannot_stand_there_are_named() {
        let said = |spans: &[Span]| check(spans, 9).map_err(|error| error.to_string());
        assert_eq!(said(&[span("a", 4, 9), span("a", 0, 4)]), Ok(()));
        for (spans, wanted) in [
            (
                [span("a", 0, 1), span("b", 8, 10)],
                "field \"entities[1]\" must be a part of the text, start before end, but is 8..10 of 9 characters",
            ),
            (
                [span("a", 3, 3), span("b", 4, 5)],
                "field \"entities[0]\" must be a part of the text, start before end, but is 3..3 of 9 characters",
            ),
            (
                [span("a", 3, 6), span("b", 2, 4)],
                "field \"entities[0]\" must be clear of every other entity, but is 3..6 behind 2..4",
            ),
            (
                [span("a", 3, 6), span("O", 7, 8)],
                "field \"entities[1]\" must be of a kind that has a name, and not O, but is \"O\"",
            ),
        ] {
            assert_eq!(said(&spans), Err(wanted.to_owned()));
        }
    }

    proptest! {
        // Words of 1 to 4 characters with a space between them; entities of whole words.
        #[test]
        fn decoding_gives_back_what_was_assigned(
            lengths in proptest::collection::vec(1_usize..5, 1..12),
            cuts in proptest::collection::vec((0_usize..3, 1_usize..4), 12),
        ) {
            let mut words = Vec::new();
            for length in lengths {
                let start = words.last().map_or(0, |(_, end)| end + 1);
                words.push((start, start + length));
            }
            let (mut spans, mut at) = (Vec::new(), 0);
            for (kind, n) in cuts {
                let part = &words[at.min(words.len())..(at + n).min(words.len())];
                if let (Some(first), Some(last), true) = (part.first(), part.last(), kind > 0) {
                    spans.push(span(["", "a", "b-c"][kind], first.0, last.1));
                }
                at += n;
            }
            let text: String = "x".repeat(words.last().map_or(0, |(_, end)| *end));
            for scheme in [Scheme::Bio, Scheme::Bioes] {
                let tags = tags(&words, &spans, scheme);
                let mut labels: Vec<String> = tags.clone();
                labels.sort();
                labels.dedup();
                let tokens: Vec<TokenScores> = tags.iter().zip(&words).enumerate().map(|(word, (tag, place))| {
                    let scores = labels.iter().map(|label| if label == tag { 1.0 } else { 0.0 });
                    TokenScores { scores: scores.collect(), start: place.0, end: place.1, word: Some(word) }
                }).collect();
                let found = decode(&text, &labels, &tokens, Aggregation::First, scheme).unwrap();
                let found: Vec<Span> = found.iter().map(|e| span(&e.label, e.start, e.end)).collect();
                prop_assert_eq!(&found, &spans);
            }
        }
    }
}
