//! What a method has to beat.

use super::{Span, TokenClassification};
use crate::{
    features::{WordBounds, words},
    metrics::entities::{Mode, spans},
    tags::{Scheme, assign},
};
use andiron_core::{DataError, data::ExampleOf};
use std::collections::BTreeMap;

/// Each word by itself with the tag that it has most often in the training texts, `O` if it is in
/// none: the majority baseline of a tagging task. It knows no context and no word that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MajorityTagger {
    bounds: WordBounds,
    usual: BTreeMap<String, String>,
}

impl MajorityTagger {
    /// Counts the tags of the words of `train`. Of tags that are equally frequent the first in
    /// alphabetical order counts.
    pub fn of(train: &[ExampleOf<TokenClassification>], bounds: WordBounds) -> Self {
        let mut counts: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
        for example in train {
            let words: Vec<_> = words(&example.input.text, bounds).collect();
            let places: Vec<(usize, usize)> =
                words.iter().map(|word| (word.start, word.end)).collect();
            for (word, tag) in words.iter().zip(assign::tags(&places, &example.target, Scheme::Bio))
            {
                *counts.entry(word.text).or_default().entry(tag).or_default() += 1;
            }
        }
        let usual = |(word, tags): (&str, BTreeMap<String, usize>)| {
            let most = tags.into_iter().rev().max_by_key(|(_, count)| *count);
            most.map(|(tag, _)| (word.to_owned(), tag))
        };
        Self { bounds, usual: counts.into_iter().filter_map(usual).collect() }
    }

    /// The entities that the words' usual tags make, in characters.
    ///
    /// # Errors
    /// None for tags that [`of`](Self::of) made.
    pub fn answer(&self, text: &str) -> Result<Vec<Span>, DataError> {
        let words: Vec<_> = words(text, self.bounds).collect();
        let tag = |word: &str| self.usual.get(word).map_or("O", String::as_str);
        let tags: Vec<&str> = words.iter().map(|word| tag(word.text)).collect();
        let placed = |span: Span| Span {
            start: words[span.start].start,
            end: words[span.end - 1].end,
            ..span
        };
        Ok(spans(&tags, Mode::Lenient)?.into_iter().map(placed).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use andiron_core::Example;

    #[test]
    fn the_usual_tag_of_each_word_is_answered() {
        let example = |text: &str, spans: &[(&str, usize, usize)]| Example {
            input: text.into(),
            target: spans
                .iter()
                .map(|(label, start, end)| Span {
                    label: (*label).to_owned(),
                    start: *start,
                    end: *end,
                })
                .collect(),
        };
        let train = [
            example("New York is new", &[("LOC", 0, 8)]),
            example("New Ana", &[("PER", 4, 7)]),
            example("in New York", &[("LOC", 3, 11)]),
            example("York May", &[("PER", 0, 8)]),
            example("May", &[]),
        ];
        let tagger = MajorityTagger::of(&train, WordBounds::Space);
        let found = |text: &str| {
            let spans = tagger.answer(text).unwrap();
            let texts = spans.iter().map(|s| format!("{}:{}-{}", s.label, s.start, s.end));
            texts.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("é New York Ana  ?"), "LOC:2-10 PER:11-14");
        // One of each: I-PER comes before O.
        assert_eq!(
            (found("May"), found("nobody"), found("")),
            ("PER:0-3".into(), "".into(), "".into())
        );
    }
}
