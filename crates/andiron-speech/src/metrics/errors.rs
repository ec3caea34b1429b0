//! Word and character error rates: how many words of a text have to be changed to get the other.
//!
//! With `S` substituted, `D` deleted, `I` inserted and `H` right words of an alignment with the
//! fewest changes, `N = H + S + D` words of the reference and `M = H + S + I` of the hypothesis:
//!
//! ```text
//! WER = (S + D + I) / N                 may be above 1
//! MER = (S + D + I) / (H + S + D + I)   match error rate, 0 to 1
//! WIL = 1 − (H / N) · (H / M)           word information lost, 0 to 1
//! CER = WER of the characters, white space at the ends left out
//! ```
//!
//! Sources: Levenshtein 1966; Morris, Maier & Green 2004,
//! <https://www.isca-archive.org/interspeech_2004/morris04_interspeech.html> (MER, WIL). As jiwer 4,
//! to the single count: where several alignments have as few changes, the one that rapidfuzz takes.
//! jiwer splits words at spaces only; here any white space splits.

use super::{is_space, split_spaces};
use andiron_core::{DataError, EvalError, Score, evaluator::Bootstrap};
use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    ops::AddAssign,
};

/// What was said, and what a model heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What was said.
    pub reference: String,
    /// What the model wrote.
    pub hypothesis: String,
}

impl Heard {
    /// From texts of any kind.
    pub fn new(reference: impl Into<String>, hypothesis: impl Into<String>) -> Self {
        Self { reference: reference.into(), hypothesis: hypothesis.into() }
    }

    /// The changes of words.
    pub fn words(&self) -> Changes {
        let words = |text| split_spaces(text).collect::<Vec<_>>();
        Changes::of(&words(&self.reference), &words(&self.hypothesis))
    }

    /// The changes of characters; white space inside counts as one.
    pub fn characters(&self) -> Changes {
        let characters = |text: &str| text.trim_matches(is_space).chars().collect::<Vec<_>>();
        Changes::of(&characters(&self.reference), &characters(&self.hypothesis))
    }
}

/// How many words of a reference are right, and how many changes make the hypothesis of it.
///
/// ```
/// use andiron_speech::metrics::errors::{Changes, Heard};
///
/// let changes = Heard::new("the cat sat on the mat", "a cat sat on mat").words();
/// assert_eq!(changes, Changes { hits: 4, substitutions: 1, deletions: 1, insertions: 0 });
/// assert_eq!(changes.error_rate(), 1.0 / 3.0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Words that both have.
    pub hits: usize,
    /// Words of the reference that are another in the hypothesis.
    pub substitutions: usize,
    /// Words of the reference that the hypothesis lacks.
    pub deletions: usize,
    /// Words of the hypothesis that the reference lacks.
    pub insertions: usize,
}

impl AddAssign for Changes {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.substitutions += other.substitutions;
        self.deletions += other.deletions;
        self.insertions += other.insertions;
    }
}

impl Changes {
    /// The fewest changes from `reference` to `hypothesis`, and which they are. It takes
    /// `reference.len() · hypothesis.len()` steps, and two bits of memory for each.
    pub fn of<W: Hash + Eq>(reference: &[W], hypothesis: &[W]) -> Self {
        let mut numbers: HashMap<&W, u32> = HashMap::new();
        let mut number = |word| {
            let next = numbers.len() as u32;
            *numbers.entry(word).or_insert(next)
        };
        let reference: Vec<u32> = reference.iter().map(&mut number).collect();
        let hypothesis: Vec<u32> = hypothesis.iter().map(&mut number).collect();
        let (mut left, mut right) = (&reference[..], &hypothesis[..]);
        // rapidfuzz takes off what is equal at both ends first, which decides between alignments.
        let front = left.iter().zip(right).take_while(|(l, r)| l == r).count();
        (left, right) = (&left[front..], &right[front..]);
        let back = left.iter().rev().zip(right.iter().rev()).take_while(|(l, r)| l == r).count();
        (left, right) = (&left[..left.len() - back], &right[..right.len() - back]);
        let mut changes = aligned(left, right);
        changes.hits += front + back;
        changes
    }

    /// Words of the reference.
    pub fn reference_len(&self) -> usize {
        self.hits + self.substitutions + self.deletions
    }

    /// Words of the hypothesis.
    pub fn hypothesis_len(&self) -> usize {
        self.hits + self.substitutions + self.insertions
    }

    /// Substitutions, deletions and insertions.
    pub fn count(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }

    /// WER of words, CER of characters: changes for each word of the reference, 0 or more. Without a
    /// word in the reference it is the number of insertions, as in jiwer.
    pub fn error_rate(&self) -> f64 {
        self.count() as f64 / self.reference_len().max(1) as f64
    }

    /// MER: the share of the changes among changes and hits, 0 to 1; 0 if there is neither.
    pub fn match_error_rate(&self) -> f64 {
        self.count() as f64 / (self.hits + self.count()).max(1) as f64
    }

    /// WIL: word information lost, 0 to 1; 0 if both are empty, 1 if one is.
    pub fn information_lost(&self) -> f64 {
        let (reference, hypothesis) = (self.reference_len(), self.hypothesis_len());
        match (reference, hypothesis) {
            (0, 0) => 0.0,
            (0, _) | (_, 0) => 1.0,
            _ => {
                let hits = self.hits as f64;
                1.0 - (hits / reference as f64) * (hits / hypothesis as f64)
            }
        }
    }
}

/// Two bits for each place of a table.
struct Steps {
    bits: Vec<u8>,
    width: usize,
}

impl Steps {
    /// One more change than to the left of the place.
    const MORE: u8 = 1;
    /// One less.
    const LESS: u8 = 2;

    fn set(&mut self, row: usize, column: usize, step: u8) {
        let at = row * self.width + column;
        self.bits[at / 4] |= step << (2 * (at % 4));
    }

    fn is(&self, row: usize, column: usize, step: u8) -> bool {
        let at = row * self.width + column;
        (self.bits[at / 4] >> (2 * (at % 4))) & 3 == step
    }
}

/// Wagner & Fischer 1974, row by row of the hypothesis; the way back as in rapidfuzz.
fn aligned(reference: &[u32], hypothesis: &[u32]) -> Changes {
    let (n, m) = (reference.len(), hypothesis.len());
    let mut steps = Steps { bits: vec![0; (n * m).div_ceil(4)], width: n };
    let mut costs: Vec<usize> = (0..=n).collect();
    for (row, heard) in hypothesis.iter().enumerate() {
        let mut diagonal = costs[0];
        costs[0] = row + 1;
        for (column, said) in reference.iter().enumerate() {
            let above = costs[column + 1];
            let other = diagonal + usize::from(said != heard);
            let cost = other.min(above + 1).min(costs[column] + 1);
            diagonal = above;
            costs[column + 1] = cost;
            match cost.cmp(&costs[column]) {
                std::cmp::Ordering::Greater => steps.set(row, column, Steps::MORE),
                std::cmp::Ordering::Less => steps.set(row, column, Steps::LESS),
                std::cmp::Ordering::Equal => {}
            }
        }
    }
    let mut changes = Changes::default();
    let (mut row, mut column) = (m, n);
    while row > 0 && column > 0 {
        if steps.is(row - 1, column - 1, Steps::MORE) {
            changes.deletions += 1;
            column -= 1;
            continue;
        }
        row -= 1;
        if row > 0 && steps.is(row - 1, column - 1, Steps::LESS) {
            changes.insertions += 1;
            continue;
        }
        column -= 1;
        match reference[column] == hypothesis[row] {
            true => changes.hits += 1,
            false => changes.substitutions += 1,
        }
    }
    changes.deletions += column;
    changes.insertions += row;
    changes
}

/// The names of [`error_scores`], in its order.
const NAMES: [&str; 4] = ["wer", "mer", "wil", "cer"];

/// `wer`, `mer`, `wil` and `cer` of a corpus: the sums of the changes over the utterances in one
/// formula, not means of utterances; each with its bootstrap interval over the utterances.
///
/// The texts are compared as they are; [`normalizer`](super::normalizer) is for before.
///
/// ```
/// use andiron_core::evaluator::Bootstrap;
/// use andiron_speech::metrics::errors::{Heard, error_scores};
///
/// let heard = [Heard::new("one two three", "one too three"), Heard::new("four", "four")];
/// let scores = error_scores(&heard, &Bootstrap::default())?;
/// assert_eq!(scores["wer"].value, 0.25);
/// assert_eq!((scores["wer"].low, scores["wer"].high), (0.0, 1.0 / 3.0));
/// # Ok::<(), andiron_core::EvalError>(())
/// ```
///
/// # Errors
/// [`EvalError::Data`] for no utterance, [`EvalError::Config`] as [`Bootstrap::check`].
pub fn error_scores(
    heard: &[Heard],
    bootstrap: &Bootstrap,
) -> Result<BTreeMap<String, Score>, EvalError> {
    if heard.is_empty() {
        return Err(DataError::Empty { what: "the list of utterances".to_owned() }.into());
    }
    let each: Vec<[Changes; 2]> = heard.iter().map(|one| [one.words(), one.characters()]).collect();
    let scores = bootstrap.scores(each.len(), |indices, out| {
        let mut sums = [Changes::default(); 2];
        for index in indices {
            sums.iter_mut().zip(each[*index]).for_each(|(sum, changes)| *sum += changes);
        }
        let [words, characters] = sums;
        out.extend([words.error_rate(), words.match_error_rate(), words.information_lost()]);
        out.push(characters.error_rate());
    })?;
    Ok(NAMES.map(str::to_owned).into_iter().zip(scores).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn words(reference: &str, hypothesis: &str) -> [usize; 4] {
        let changes = Heard::new(reference, hypothesis).words();
        [changes.hits, changes.substitutions, changes.deletions, changes.insertions]
    }

    #[test]
    fn nothing_said_and_nothing_heard() {
        assert_eq!(words("", ""), [0; 4]);
        assert_eq!(words("a b", ""), [0, 0, 2, 0]);
        assert_eq!(words(" ", "a\tb\u{1c}c"), [0, 0, 0, 3]);
        let rates = |heard: &Heard| {
            let changes = heard.words();
            [changes.error_rate(), changes.match_error_rate(), changes.information_lost()]
        };
        assert_eq!(rates(&Heard::new("", "")), [0.0, 0.0, 0.0]);
        assert_eq!(rates(&Heard::new("", "a b")), [2.0, 1.0, 1.0]);
        assert_eq!(rates(&Heard::new("a b", "")), [1.0, 1.0, 1.0]);
    }

    #[test]
    fn equal_ends_are_hits() {
        assert_eq!(words("a b c d", "a x c d"), [3, 1, 0, 0]);
        assert_eq!(words("a a a", "a a"), [2, 0, 1, 0]);
        assert_eq!(words("a", "a a a"), [1, 0, 0, 2]);
    }

    #[test]
    fn no_utterance_is_refused() {
        let refused = error_scores(&[], &Bootstrap::default()).unwrap_err();
        assert!(matches!(refused, EvalError::Data(_)), "{refused:?}");
    }
}
