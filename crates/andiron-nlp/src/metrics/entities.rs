//! Entity F1: whether the marked spans are the true ones, in kind and in both ends.
//!
//! As [seqeval](https://github.com/chakki-works/seqeval), after the evaluation of CoNLL-2000 and
//! -2003 (Tjong Kim Sang & De Meulder 2003, <https://aclanthology.org/W03-0419>). Tags are words such
//! as `B-PER`, `I-PER` and `O`, one for each word of a sentence.
//!
//! ```
//! use andiron_nlp::metrics::entities::{Mode, spans};
//!
//! let found = spans(&["B-PER", "I-PER", "O", "I-LOC"], Mode::Lenient)?;
//! assert_eq!(found.iter().map(|s| (s.label.as_str(), s.start, s.end)).collect::<Vec<_>>(),
//!     [("PER", 0, 2), ("LOC", 3, 4)]);
//! // Strictly, an entity begins with B-.
//! assert_eq!(spans(&["B-PER", "I-PER", "O", "I-LOC"], Mode::StrictBio)?.len(), 1);
//! # Ok::<(), andiron_core::DataError>(())
//! ```

use andiron_core::{
    ConfigError, DataError, EvalError, Score,
    evaluator::{
        Bootstrap, ClassScores,
        metrics::{Average, Tally},
    },
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which runs of tags are an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// seqeval's default, which is conlleval's: any tag but `O` belongs to an entity, and one
    /// begins where a prefix or a change of label says so. A lone `I-PER` is an entity.
    Lenient,
    /// seqeval's `mode="strict", scheme=IOB2`: `B-` and then any number of `I-` of the same label.
    /// Whatever else stands there is no entity.
    StrictBio,
    /// seqeval's `mode="strict", scheme=IOBES`: `S-`, or `B-`, any number of `I-` and `E-` of the
    /// same label.
    StrictBioes,
}

/// An entity as a part of a sentence: so many of its words, or of a text's Unicode characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// What it is: the tag without its prefix.
    pub label: String,
    /// Its first word or character, counted from 0.
    pub start: usize,
    /// The word or character behind its last.
    pub end: usize,
}

/// The tags of a sentence, as they are and as they were answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedSentence {
    /// The true tags, one a word.
    pub truth: Vec<String>,
    /// The answered tags, one a word.
    pub predicted: Vec<String>,
}

impl TaggedSentence {
    /// From tags of any kind of text.
    pub fn new<S: Into<String>>(
        truth: impl IntoIterator<Item = S>,
        predicted: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            truth: truth.into_iter().map(Into::into).collect(),
            predicted: predicted.into_iter().map(Into::into).collect(),
        }
    }
}

/// A tag's prefix and label; `B` alone has the label `_`, as in seqeval.
#[derive(Clone, Copy, PartialEq)]
struct Tag<'a> {
    prefix: char,
    label: &'a str,
}

const OUTSIDE: Tag<'static> = Tag { prefix: 'O', label: "_" };

impl<'a> Tag<'a> {
    fn of(tag: &'a str, mode: Mode) -> Result<Self, DataError> {
        let known: &[char] = match mode {
            Mode::StrictBio => &['B', 'I', 'O'],
            Mode::Lenient | Mode::StrictBioes => &['B', 'I', 'O', 'E', 'S'],
        };
        let (prefix, rest) = match tag.chars().next() {
            Some(prefix) if known.contains(&prefix) => (prefix, &tag[1..]),
            _ => {
                let known = known.iter().map(|prefix| format!("{prefix}-")).collect();
                return Err(DataError::UnknownLabel { label: tag.to_owned(), known });
            }
        };
        let label = match mode {
            // seqeval reads `I-a-b` as `a-b`, and `Ia-b` as `b`.
            Mode::Lenient => rest.split_once('-').map_or(rest, |(_, label)| label),
            Mode::StrictBio | Mode::StrictBioes => rest.trim_matches('-'),
        };
        Ok(Self { prefix, label: if label.is_empty() { "_" } else { label } })
    }

    /// Whether an entity that `before` belongs to cannot go on with this tag.
    fn ends(self, before: Self) -> bool {
        match (before.prefix, self.prefix) {
            ('E' | 'S', _) | ('B' | 'I', 'B' | 'S' | 'O') => true,
            ('O', _) => false,
            _ => before.label != self.label,
        }
    }

    /// Whether an entity begins with this tag.
    fn begins(self, before: Self) -> bool {
        match (before.prefix, self.prefix) {
            (_, 'B' | 'S') | ('E' | 'S' | 'O', 'E' | 'I') => true,
            (_, 'O') => false,
            _ => before.label != self.label,
        }
    }
}

/// The entities that the tags of a sentence mark, in order.
///
/// # Errors
/// [`DataError::UnknownLabel`] for a tag whose prefix the mode does not know.
pub fn spans<S: AsRef<str>>(tags: &[S], mode: Mode) -> Result<Vec<Span>, DataError> {
    let tags = tags.iter().map(|tag| Tag::of(tag.as_ref(), mode));
    let tags = tags.chain([Ok(OUTSIDE)]).collect::<Result<Vec<_>, _>>()?;
    Ok(match mode {
        Mode::Lenient => lenient(&tags),
        Mode::StrictBio | Mode::StrictBioes => strict(&tags, mode),
    })
}

fn lenient(tags: &[Tag<'_>]) -> Vec<Span> {
    let (mut found, mut before, mut start) = (Vec::new(), OUTSIDE, 0);
    for (at, tag) in tags.iter().copied().enumerate() {
        if tag.ends(before) {
            found.push(Span { label: before.label.to_owned(), start, end: at });
        }
        if tag.begins(before) {
            start = at;
        }
        before = tag;
    }
    found
}

fn strict(tags: &[Tag<'_>], mode: Mode) -> Vec<Span> {
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(first) = tags.get(start).copied() {
        let goes_on = |tag: &&Tag<'_>| matches!(tag.prefix, 'I' | 'E') && tag.label == first.label;
        let (length, complete) = match first.prefix {
            'S' => (1, true),
            'B' => {
                let rest = &tags[start + 1..];
                let inside =
                    rest.iter().take_while(|tag| goes_on(tag) && tag.prefix == 'I').count();
                let closed = rest.get(inside).filter(goes_on).is_some();
                (1 + inside + usize::from(closed), closed || mode == Mode::StrictBio)
            }
            _ => (1, false),
        };
        if complete {
            let end = start + length;
            found.push(Span { label: first.label.to_owned(), start, end });
        }
        start += length;
    }
    found
}

/// Entity scores over a corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityReport {
    /// `precision_A`, `recall_A` and `f1_A` for each average `A` ([`Average`]), with intervals.
    /// `f1_micro` is the one that papers mean by entity F1.
    pub scores: BTreeMap<String, Score>,
    /// Precision, recall, F1 and support of each label, in order.
    pub labels: Vec<ClassScores>,
}

/// Precision, recall and F1 of the entities of a corpus, each 0 to 1.
///
/// ```text
/// precision = right / answered      recall = right / true      F1 = 2 right / (answered + true)
/// ```
///
/// The counts are summed over the sentences, and the intervals resample the sentences. All labels
/// that occur in the truth or in the answers count in the averages over labels, in a resample that
/// lacks one too. Where there is nothing to divide by, a score is 0.
///
/// # Errors
/// [`EvalError::Data`]: [`DataError::Empty`] for no sentence; with the sentence's place
/// [`DataError::Unpaired`] where truth and answer differ in length, and as [`spans`];
/// [`EvalError::Config`] as [`Bootstrap::check`].
pub fn entity_scores(
    sentences: &[TaggedSentence],
    mode: Mode,
    bootstrap: &Bootstrap,
) -> Result<EntityReport, EvalError> {
    if sentences.is_empty() {
        return Err(DataError::Empty { what: "the list of sentences".to_owned() }.into());
    }
    let both = sentences.iter().enumerate().map(|(at, sentence)| {
        both_spans(sentence, mode).map_err(|error| EvalError::Data(error.at(at, None)))
    });
    let both = both.collect::<Result<Vec<_>, _>>()?;
    Ok(span_scores(&both, bootstrap)?)
}

/// The spans of a sentence, each once.
pub type Spans = BTreeSet<Span>;

/// As [`entity_scores`], of spans that are known: those that are true and those that were answered,
/// for each sentence.
///
/// # Errors
/// As [`Bootstrap::check`].
pub fn span_scores(
    both: &[[Spans; 2]],
    bootstrap: &Bootstrap,
) -> Result<EntityReport, ConfigError> {
    let labels: BTreeSet<&str> =
        both.iter().flatten().flatten().map(|span| span.label.as_str()).collect();
    let labels: Vec<&str> = labels.into_iter().collect();
    // Per sentence one entry for each of its entities: its class, and whether it is answered, true.
    let class = |span: &Span| labels.partition_point(|label| *label < span.label.as_str());
    let each = both.iter().map(|[truth, predicted]| {
        let entry = |span: &Span| (class(span), predicted.contains(span), truth.contains(span));
        truth.union(predicted).map(entry).collect::<Vec<_>>()
    });
    let each: Vec<Vec<(usize, bool, bool)>> = each.collect();
    let mut names = Vec::new();
    for average in Average::ALL {
        names.extend(["precision", "recall", "f1"].map(|m| format!("{m}_{}", average.name())));
    }
    let mut tally = Tally::new(labels.len());
    let scores = bootstrap.scores(each.len(), |indices, out| {
        count(&mut tally, indices.iter().map(|at| &each[*at]));
        for average in Average::ALL {
            let of = tally.averages(average);
            out.extend([of.precision, of.recall, of.f1]);
        }
    })?;
    count(&mut tally, each.iter());
    let rows = labels.iter().zip(tally.per_class()).zip(&tally.support);
    let rows = rows.map(|((label, of), support)| ClassScores {
        label: (*label).to_owned(),
        precision: of.precision,
        recall: of.recall,
        f1: of.f1,
        support: *support,
    });
    Ok(EntityReport { scores: names.into_iter().zip(scores).collect(), labels: rows.collect() })
}

fn both_spans(sentence: &TaggedSentence, mode: Mode) -> Result<[Spans; 2], DataError> {
    let TaggedSentence { truth, predicted } = sentence;
    if truth.len() != predicted.len() {
        return Err(DataError::Unpaired {
            left: "the true tags",
            right: "the answered tags",
            n_left: truth.len(),
            n_right: predicted.len(),
        });
    }
    let set = |tags: &[String]| spans(tags, mode).map(Spans::from_iter);
    Ok([set(truth)?, set(predicted)?])
}

fn count<'a>(tally: &mut Tally, sentences: impl Iterator<Item = &'a Vec<(usize, bool, bool)>>) {
    tally.clear();
    for (class, predicted, truth) in sentences.flatten().copied() {
        tally.predicted[class] += usize::from(predicted);
        tally.support[class] += usize::from(truth);
        tally.right[class] += usize::from(predicted && truth);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn found(tags: &str, mode: Mode) -> String {
        let tags: Vec<&str> = tags.split(' ').collect();
        let spans = spans(&tags, mode).unwrap();
        let texts = spans.iter().map(|span| format!("{}:{}-{}", span.label, span.start, span.end));
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_modes_differ_where_a_tag_is_out_of_place() {
        for (tags, lenient, bio) in [
            ("B-a I-a O B-a B-a", "a:0-2 a:3-4 a:4-5", "a:0-2 a:3-4 a:4-5"),
            ("I-a I-a O", "a:0-2", ""),
            ("B-a I-b I-b", "a:0-1 b:1-3", "a:0-1"),
            ("I-a B-a I-b", "a:0-1 a:1-2 b:2-3", "a:1-2"),
            ("B-x-y I-x-y", "x-y:0-2", "x-y:0-2"),
            ("B I O", "_:0-2", "_:0-2"),
        ] {
            assert_eq!(found(tags, Mode::Lenient), lenient, "{tags}");
            assert_eq!(found(tags, Mode::StrictBio), bio, "{tags}");
        }
        for (tags, lenient, bioes) in [
            ("S-a B-a E-a O B-a I-a E-a", "a:0-1 a:1-3 a:4-7", "a:0-1 a:1-3 a:4-7"),
            ("B-a I-a O", "a:0-2", ""),
            ("B-a I-a B-a E-a", "a:0-2 a:2-4", "a:2-4"),
            ("B-a I-a E-b", "a:0-2 b:2-3", ""),
            ("E-a E-a I-a", "a:0-1 a:1-2 a:2-3", ""),
        ] {
            assert_eq!(found(tags, Mode::Lenient), lenient, "{tags}");
            assert_eq!(found(tags, Mode::StrictBioes), bioes, "{tags}");
        }
        assert!(spans::<&str>(&[], Mode::StrictBio).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_scored_is_refused() {
        let cause = |sentences: &[TaggedSentence]| {
            let error =
                entity_scores(sentences, Mode::StrictBio, &Bootstrap::default()).unwrap_err();
            let mut texts = Vec::new();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                texts.push(cause.to_string());
                source = cause.source();
            }
            texts.join(": ")
        };
        assert_eq!(cause(&[]), "the list of sentences is empty");
        let good = TaggedSentence::new(["O"], ["O"]);
        assert_eq!(
            cause(&[good.clone(), TaggedSentence::new(vec!["O", "O"], vec!["O"])]),
            "example 1: the true tags and the answered tags must be equally many, but are 2 and 1"
        );
        assert_eq!(
            cause(&[TaggedSentence::new(["O"], ["E-a"]), good]),
            "example 0: unknown label \"E-a\"; known are [\"B-\", \"I-\", \"O-\"]"
        );
        assert!(spans(&[""], Mode::Lenient).is_err());
        assert!(spans(&["é-a"], Mode::Lenient).is_err());
    }

    #[test]
    fn no_entity_at_all_scores_zero() {
        let nothing =
            [TaggedSentence::new(["O", "O"], ["O", "O"]), TaggedSentence::new([""; 0], [])];
        let report = entity_scores(&nothing, Mode::StrictBioes, &Bootstrap::default()).unwrap();
        assert!(report.labels.is_empty());
        assert!(report.scores.values().all(|score| score.value == 0.0 && score.high == 0.0));
    }
}
