//! BLEU: how many runs of up to four words a translation shares with its references.
//!
//! Paper: Papineni et al. 2002, <https://doi.org/10.3115/1073083.1073135>. As sacrebleu
//! ([Post 2018](https://doi.org/10.18653/v1/W18-6319)), whose defaults are ours, so that a score
//! can be compared with published ones: signature
//! `case:mixed|eff:no|tok:13a|smooth:exp`.
//!
//! ```
//! use andiron_nlp::metrics::{Written, bleu::Bleu};
//!
//! let written = [
//!     Written::new("The dog bit the man.", ["The dog bit the man.", "The dog had bit the man."]),
//!     Written::new("It wasn't surprising.", ["It was not unexpected.", "No one was surprised."]),
//! ];
//! let bleu = Bleu::default();
//! let score = bleu.corpus(&written)?;
//! assert_eq!((score.hypothesis_length, score.reference_length), (10, 11));
//! assert!((score.score - 63.981_667_416_455_35).abs() < 1e-9);
//! # Ok::<(), andiron_core::DataError>(())
//! ```

mod tokenizer;

pub use tokenizer::Tokenizer;

use super::{Written, check, ngrams, no_reference};
use andiron_core::{DataError, EvalError, Score, evaluator::Bootstrap};
use std::collections::HashMap;

/// What becomes of an order of n-grams in which nothing matches, though something lower does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Smoothing {
    /// Nothing: its precision is 0, and so is the score.
    None,
    /// Its precision is this share of its n-grams, as if so many of them matched; sacrebleu's
    /// default is 0.1.
    Floor(f64),
    /// This many n-grams are added to the matches and to all n-grams of each order above 1;
    /// sacrebleu's default is 1.
    AddK(f64),
    /// The first such order has half a match, the next a quarter, and so on (NIST, "mteval-v13a").
    Exp,
}

/// Settings of BLEU; the default is sacrebleu's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bleu {
    /// How a text becomes words; default [`Tokenizer::V13a`].
    pub tokenizer: Tokenizer,
    /// Whether case is ignored; default false.
    pub lowercase: bool,
    /// For orders in which nothing matches; default [`Smoothing::Exp`].
    pub smoothing: Smoothing,
    /// Whether only the orders count of which the hypothesis has n-grams; default false. Set it for
    /// single sentences, where one of three words would score 0 otherwise.
    pub effective_order: bool,
}

impl Default for Bleu {
    fn default() -> Self {
        Self {
            tokenizer: Tokenizer::V13a,
            lowercase: false,
            smoothing: Smoothing::Exp,
            effective_order: false,
        }
    }
}

/// The longest n-grams that count.
pub const ORDER: usize = 4;

/// What one example adds to a corpus' BLEU; sums of these are scored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BleuCounts {
    /// Words of the hypothesis.
    pub hypothesis_length: usize,
    /// Words of the reference whose length is nearest, of the shorter where two are.
    pub reference_length: usize,
    /// N-grams of the hypothesis that match, for n = 1 to 4.
    pub matches: [usize; ORDER],
    /// N-grams of the hypothesis, for n = 1 to 4.
    pub totals: [usize; ORDER],
}

impl BleuCounts {
    /// Adds what another example adds.
    pub fn add(&mut self, other: &Self) {
        self.hypothesis_length += other.hypothesis_length;
        self.reference_length += other.reference_length;
        self.matches.iter_mut().zip(other.matches).for_each(|(sum, more)| *sum += more);
        self.totals.iter_mut().zip(other.totals).for_each(|(sum, more)| *sum += more);
    }
}

/// BLEU and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BleuScore {
    /// `brevity_penalty · (Π precision_n)^(1/4)`, 0 to 100.
    pub score: f64,
    /// Share of the n-grams that match, smoothed, 0 to 100, for n = 1 to 4.
    pub precisions: [f64; ORDER],
    /// `exp(1 − reference_length / hypothesis_length)` if the hypothesis is shorter, else 1.
    pub brevity_penalty: f64,
    /// Words of the hypotheses.
    pub hypothesis_length: usize,
    /// Words of the references.
    pub reference_length: usize,
}

impl Bleu {
    /// The counts of one example.
    ///
    /// # Errors
    /// [`DataError::Empty`] for no reference. An empty text is no error: it has no word.
    pub fn counts(&self, written: &Written) -> Result<BleuCounts, DataError> {
        let mut known: HashMap<String, usize> = HashMap::new();
        // Numbers in place of words: two texts are compared many times.
        let mut numbers = |text: &str| -> Vec<usize> {
            let lowered = self.lowercase.then(|| text.to_lowercase());
            let words = self.tokenizer.words(lowered.as_deref().unwrap_or(text));
            let number = |word| {
                let next = known.len();
                *known.entry(word).or_insert(next)
            };
            words.into_iter().map(number).collect()
        };
        let hypothesis = numbers(&written.hypothesis);
        let references: Vec<Vec<usize>> = written.references.iter().map(|r| numbers(r)).collect();
        let length = hypothesis.len();
        let nearest = references.iter().map(Vec::len).min_by_key(|n| (n.abs_diff(length), *n));
        let mut counts = BleuCounts {
            hypothesis_length: length,
            reference_length: nearest.ok_or_else(no_reference)?,
            ..BleuCounts::default()
        };
        for order in 1..=ORDER {
            let mut best = HashMap::new();
            for reference in &references {
                for (ngram, count) in ngrams::counts(reference, order) {
                    let most: &mut usize = best.entry(ngram).or_default();
                    *most = count.max(*most);
                }
            }
            counts.totals[order - 1] = (length + 1).saturating_sub(order);
            counts.matches[order - 1] = ngrams::common(&ngrams::counts(&hypothesis, order), &best);
        }
        Ok(counts)
    }

    /// The score of counts, of one example or summed over a corpus.
    pub fn of(&self, counts: &BleuCounts) -> BleuScore {
        let BleuCounts { hypothesis_length, reference_length, matches, totals } = *counts;
        let ratio = reference_length as f64 / hypothesis_length as f64;
        let brevity_penalty = match hypothesis_length {
            0 if reference_length > 0 => 0.0,
            length if length < reference_length => (1.0 - ratio).exp(),
            _ => 1.0,
        };
        let mut precisions = [0.0; ORDER];
        let mut order = ORDER;
        let mut halves = 1.0;
        for (n, (right, all)) in matches.into_iter().zip(totals).enumerate() {
            let (mut right, mut all) = (right as f64, all as f64);
            if let (Smoothing::AddK(k), 1..) = (self.smoothing, n) {
                (right, all) = (right + k, all + k);
            }
            if matches[0] == 0 || all == 0.0 {
                break;
            }
            if self.effective_order {
                order = n + 1;
            }
            if right == 0.0 {
                right = match self.smoothing {
                    Smoothing::None | Smoothing::AddK(_) => 0.0,
                    Smoothing::Floor(share) => share,
                    Smoothing::Exp => {
                        halves /= 2.0;
                        halves
                    }
                };
            }
            precisions[n] = 100.0 * right / all;
        }
        let used = &precisions[..order];
        let score = if used.iter().all(|precision| *precision > 0.0) {
            let logarithms: f64 = used.iter().map(|precision| precision.ln()).sum();
            brevity_penalty * (logarithms / order as f64).exp()
        } else {
            0.0
        };
        BleuScore { score, precisions, brevity_penalty, hypothesis_length, reference_length }
    }

    /// The score of one example. Mostly wanted with [`effective_order`](Self::effective_order).
    ///
    /// # Errors
    /// As [`counts`](Self::counts).
    pub fn sentence(&self, written: &Written) -> Result<BleuScore, DataError> {
        Ok(self.of(&self.counts(written)?))
    }

    /// The score of the counts summed over all examples.
    ///
    /// # Errors
    /// [`DataError::Empty`] for no example, and with its place for one without a reference.
    pub fn corpus(&self, written: &[Written]) -> Result<BleuScore, DataError> {
        let counts = self.all_counts(written)?;
        Ok(self.of(&sum(counts.iter())))
    }

    /// The corpus' score, 0 to 100, with its bootstrap interval.
    ///
    /// # Errors
    /// [`EvalError::Data`] as [`corpus`](Self::corpus), [`EvalError::Config`] as
    /// [`Bootstrap::check`].
    pub fn score(&self, written: &[Written], bootstrap: &Bootstrap) -> Result<Score, EvalError> {
        let counts = self.all_counts(written)?;
        let statistic =
            |indices: &[usize]| self.of(&sum(indices.iter().map(|at| &counts[*at]))).score;
        Ok(bootstrap.score(counts.len(), statistic)?)
    }

    fn all_counts(&self, written: &[Written]) -> Result<Vec<BleuCounts>, DataError> {
        check(written)?;
        written.iter().map(|one| self.counts(one)).collect()
    }
}

fn sum<'a>(counts: impl Iterator<Item = &'a BleuCounts>) -> BleuCounts {
    counts.fold(BleuCounts::default(), |mut sum, more| {
        sum.add(more);
        sum
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn nothing_written_or_nothing_wanted() {
        let bleu = Bleu { effective_order: true, ..Bleu::default() };
        let score = |hypothesis: &str, reference: &str| {
            let score = bleu.sentence(&Written::new(hypothesis, [reference])).unwrap();
            (score.score, score.brevity_penalty)
        };
        assert_eq!(score("", "a b"), (0.0, 0.0));
        assert_eq!(score("a b", ""), (0.0, 1.0));
        assert_eq!(score("", ""), (0.0, 1.0));
        let (whole, penalty) = score("a", "a");
        assert!((whole - 100.0).abs() < 1e-9 && penalty == 1.0);
    }

    #[test]
    fn what_cannot_be_scored_is_refused() {
        let bleu = Bleu::default();
        let error = bleu.corpus(&[]).unwrap_err();
        assert_eq!(error.to_string(), "the list of examples is empty");
        let none: [&str; 0] = [];
        let written = [Written::new("a", ["a"]), Written::new("b", none)];
        let error = bleu.corpus(&written).unwrap_err();
        assert_eq!(error.to_string(), "example 1");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "the list of references is empty");
        assert!(bleu.sentence(&written[1]).is_err());
    }

    #[test]
    fn the_nearest_length_counts_and_the_shorter_of_two() {
        let written = Written::new("a b c", ["a b c d", "a b", "a b c d e f"]);
        assert_eq!(Bleu::default().counts(&written).unwrap().reference_length, 2);
    }
}
