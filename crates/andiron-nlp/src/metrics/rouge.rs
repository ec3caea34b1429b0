//! ROUGE: how many words, pairs of words, or words in order a summary shares with its reference.
//!
//! Paper: Lin 2004, <https://aclanthology.org/W04-1013>. As Google's rouge-score, whose words are
//! runs of the letters a to z and digits in lower case: text in other scripts has none and scores
//! 0.
//!
//! ```
//! use andiron_nlp::metrics::rouge::Rouge;
//!
//! let scores = Rouge::default().pair("the cat sat", "the cat sat on the mat");
//! assert_eq!(scores.one.precision, 1.0);
//! assert_eq!(scores.one.recall, 0.5);
//! assert_eq!(scores.longest.recall, 0.5);
//! ```

use super::{Written, check, ngrams, stemmer};
use andiron_core::{
    DataError, EvalError, Score,
    evaluator::{Bootstrap, metrics::PrecisionRecall},
};
use std::collections::BTreeMap;

/// Settings of ROUGE.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rouge {
    /// Whether English words are cut to their stems first (Porter), so that "runs" matches "run";
    /// default false.
    pub stemmer: bool,
}

/// Precision, recall and F1 by each kind of match; each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RougeScores {
    /// ROUGE-1: words.
    pub one: PrecisionRecall,
    /// ROUGE-2: pairs of neighbouring words.
    pub two: PrecisionRecall,
    /// ROUGE-L: the longest sequence of words that both have in this order, with gaps.
    pub longest: PrecisionRecall,
}

impl RougeScores {
    fn all(&self) -> [(&'static str, PrecisionRecall); 3] {
        [("rouge_1", self.one), ("rouge_2", self.two), ("rouge_l", self.longest)]
    }
}

impl Rouge {
    /// The words of a text.
    pub fn words(&self, text: &str) -> Vec<String> {
        let lowered = text.to_lowercase();
        let words = lowered.split(|c: char| !c.is_ascii_alphanumeric());
        let words = words.filter(|word| !word.is_empty());
        words
            .map(|word| if self.stemmer { stemmer::stem(word) } else { word.to_owned() })
            .filter(|word| !word.is_empty())
            .collect()
    }

    /// The scores of a text against one reference. A text without words scores 0.
    pub fn pair(&self, hypothesis: &str, reference: &str) -> RougeScores {
        let (hypothesis, reference) = (self.words(hypothesis), self.words(reference));
        let by_ngrams = |order: usize| {
            let (found, wanted) =
                (ngrams::counts(&hypothesis, order), ngrams::counts(&reference, order));
            let right = ngrams::common(&found, &wanted);
            PrecisionRecall::of(right, found.values().sum(), wanted.values().sum())
        };
        let longest = longest_common(&hypothesis, &reference);
        RougeScores {
            one: by_ngrams(1),
            two: by_ngrams(2),
            longest: PrecisionRecall::of(longest, hypothesis.len(), reference.len()),
        }
    }

    /// The scores of an example; of several references, for each kind of match that counts which
    /// has the best F1, the first of equals, as rouge-score's `score_multi`.
    ///
    /// # Errors
    /// [`DataError::Empty`] for no reference.
    pub fn example(&self, written: &Written) -> Result<RougeScores, DataError> {
        let pairs = written.references.iter().map(|one| self.pair(&written.hypothesis, one));
        let better = |a: PrecisionRecall, b: PrecisionRecall| if b.f1 > a.f1 { b } else { a };
        let best = pairs.reduce(|a, b| RougeScores {
            one: better(a.one, b.one),
            two: better(a.two, b.two),
            longest: better(a.longest, b.longest),
        });
        best.ok_or_else(super::no_reference)
    }

    /// `precision`, `recall` and `f1` of `rouge_1`, `rouge_2` and `rouge_l` (as `rouge_1_f1`): the
    /// means over the examples, as ROUGE has it, each with its bootstrap interval.
    ///
    /// # Errors
    /// [`EvalError::Data`] for no example, and with its place for one without a reference;
    /// [`EvalError::Config`] as [`Bootstrap::check`].
    pub fn scores(
        &self,
        written: &[Written],
        bootstrap: &Bootstrap,
    ) -> Result<BTreeMap<String, Score>, EvalError> {
        check(written)?;
        let each: Vec<RougeScores> =
            written.iter().map(|one| self.example(one)).collect::<Result<_, _>>()?;
        let rows: Vec<[f64; 9]> = each.iter().map(row).collect();
        let names = each.iter().take(1).flat_map(|one| one.all()).flat_map(|(name, _)| {
            ["precision", "recall", "f1"].map(|metric| format!("{name}_{metric}"))
        });
        let scores = bootstrap.scores(rows.len(), |indices, out| {
            let mut sums = [0.0; 9];
            for index in indices {
                sums.iter_mut().zip(rows[*index]).for_each(|(sum, value)| *sum += value);
            }
            out.extend(sums.map(|sum| sum / indices.len() as f64));
        })?;
        Ok(names.zip(scores).collect())
    }
}

fn row(scores: &RougeScores) -> [f64; 9] {
    let mut row = [0.0; 9];
    for (values, (_, of)) in row.chunks_mut(3).zip(scores.all()) {
        values.copy_from_slice(&[of.precision, of.recall, of.f1]);
    }
    row
}

/// The length of the longest sequence that both have in this order, with gaps. It takes a row of
/// memory and `left.len() · right.len()` steps.
fn longest_common(left: &[String], right: &[String]) -> usize {
    let mut row = vec![0; right.len() + 1];
    for a in left {
        let mut before = 0;
        for (at, b) in right.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if a == b { before + 1 } else { above.max(row[at]) };
            before = above;
        }
    }
    row[right.len()]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_of_ascii() {
        let words = |text| Rouge::default().words(text);
        assert_eq!(words("It's 3.5 naïve _km_"), ["it", "s", "3", "5", "na", "ve", "km"]);
        assert!(words("日本 — ½").is_empty());
        // The Kelvin sign's lower case is an ordinary k.
        assert_eq!(words("300 \u{212a}"), ["300", "k"]);
    }

    #[test]
    fn nothing_written_or_nothing_wanted() {
        for (hypothesis, reference) in [("", "a b"), ("a b", ""), ("", ""), ("日", "日")] {
            let scores = Rouge::default().pair(hypothesis, reference);
            for (name, of) in scores.all() {
                assert_eq!((of.precision, of.recall, of.f1), (0.0, 0.0, 0.0), "{name}");
            }
        }
        // One word has no pair.
        let one = Rouge::default().pair("a", "a");
        assert_eq!((one.one.f1, one.two.f1, one.longest.f1), (1.0, 0.0, 1.0));
    }

    #[test]
    fn the_longest_sequence_has_gaps() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(longest_common(&words("a x b y c"), &words("b a z b c q")), 3);
        assert_eq!(longest_common(&words("a b"), &words("b a")), 1);
    }
}
