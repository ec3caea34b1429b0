//! chrF: how many runs of up to six characters a translation shares with its references.
//!
//! Papers: Popović 2015, <https://doi.org/10.18653/v1/W15-3049>; with words (chrF++) Popović 2017,
//! <https://doi.org/10.18653/v1/W17-4770>. As sacrebleu, whose defaults are ours. It needs no
//! tokeniser, and serves languages that BLEU's words do not fit.
//!
//! ```
//! use andiron_nlp::metrics::{Written, chrf::Chrf};
//!
//! let written = [Written::new("die Katze", ["die Katzen"])];
//! let score = Chrf::default().corpus(&written)?;
//! assert!(80.0 < score && score < 100.0);
//! assert!((Chrf::default().corpus(&[Written::new("ab", ["ab"])])? - 100.0).abs() < 1e-12);
//! # Ok::<(), andiron_core::DataError>(())
//! ```

use super::{Written, check, ngrams, no_reference, split_spaces};
use andiron_core::{ConfigError, DataError, EvalError, Score, evaluator::Bootstrap};

/// Settings of chrF; the default is sacrebleu's: characters to 6, no words, β = 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chrf {
    /// Longest run of characters, 1 or more; default 6.
    pub characters: usize,
    /// Longest run of words; default 0 for none, 2 for chrF++.
    pub words: usize,
    /// How much more recall weighs than precision, as its square; above 0, default 2.
    pub beta: f64,
    /// Whether case is ignored; default false.
    pub lowercase: bool,
    /// Whether white space counts as a character; default false.
    pub whitespace: bool,
    /// Whether every order counts, those without any n-gram as almost 0, as in `chrF++.py`, Moses
    /// and NLTK; default false: only orders that both texts have.
    pub every_order: bool,
}

impl Default for Chrf {
    fn default() -> Self {
        Self {
            characters: 6,
            words: 0,
            beta: 2.0,
            lowercase: false,
            whitespace: false,
            every_order: false,
        }
    }
}

/// What one order of n-grams adds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderCounts {
    /// N-grams of the hypothesis; 0 where the reference has none.
    pub hypothesis: usize,
    /// N-grams of the reference.
    pub reference: usize,
    /// N-grams of the hypothesis that match.
    pub matches: usize,
}

/// Stands for a precision or recall that nothing can be said of, where every order counts.
const ALMOST_ZERO: f64 = 1e-16;

impl Chrf {
    /// chrF++: characters to 6 and words to 2.
    pub fn plus_plus() -> Self {
        Self { words: 2, ..Self::default() }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError::TooSmall`] for no characters, [`ConfigError::OutOfRange`] for a β that is not
    /// above 0.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("characters", 1, self.characters)?;
        ConfigError::within("beta", f64::MIN_POSITIVE, f64::MAX, self.beta)
    }

    /// The counts of one example, an entry an order: characters first, then words. Of several
    /// references the one counts that gives the best score.
    ///
    /// # Errors
    /// [`DataError::Empty`] for no reference, [`DataError::Config`] as [`check`](Self::check).
    pub fn counts(&self, written: &Written) -> Result<Vec<OrderCounts>, DataError> {
        self.check()?;
        let hypothesis = Parts::of(self, &written.hypothesis);
        let mut best: Option<(f64, Vec<OrderCounts>)> = None;
        for reference in &written.references {
            let counts = hypothesis.against(&Parts::of(self, reference), self);
            let score = self.of(&counts);
            if best.as_ref().is_none_or(|(before, _)| score > *before) {
                best = Some((score, counts));
            }
        }
        best.map(|(_, counts)| counts).ok_or_else(no_reference)
    }

    /// The score of counts, of one example or summed over a corpus, 0 to 100.
    ///
    /// ```text
    /// chrF_β = 100 · (1 + β²) · P · R / (β² · P + R)
    /// ```
    ///
    /// with `P` and `R` the means of precision and recall over the orders.
    pub fn of(&self, counts: &[OrderCounts]) -> f64 {
        let (mut precision, mut recall, mut orders, mut each) = (0.0, 0.0, 0.0, 0.0);
        for OrderCounts { hypothesis, reference, matches } in counts.iter().copied() {
            let share = |whole: usize| match whole {
                0 => ALMOST_ZERO,
                whole => matches as f64 / whole as f64,
            };
            let (p, r) = (share(hypothesis), share(reference));
            each += if p + r > 0.0 { ngrams::f_score(p, r, self.beta) } else { ALMOST_ZERO };
            if hypothesis > 0 && reference > 0 {
                (precision, recall, orders) = (precision + p, recall + r, orders + 1.0);
            }
        }
        if self.every_order {
            return 100.0 * each / counts.len().max(1) as f64;
        }
        if orders == 0.0 {
            return 0.0;
        }
        100.0 * ngrams::f_score(precision / orders, recall / orders, self.beta)
    }

    /// The score of one example, 0 to 100.
    ///
    /// # Errors
    /// As [`counts`](Self::counts).
    pub fn sentence(&self, written: &Written) -> Result<f64, DataError> {
        Ok(self.of(&self.counts(written)?))
    }

    /// The score of the counts summed over all examples, 0 to 100.
    ///
    /// # Errors
    /// [`DataError::Empty`] for no example, and with its place for one without a reference;
    /// [`DataError::Config`] as [`check`](Self::check).
    pub fn corpus(&self, written: &[Written]) -> Result<f64, DataError> {
        let counts = self.all_counts(written)?;
        Ok(self.of(&self.sum(counts.iter())))
    }

    /// The corpus' score with its bootstrap interval.
    ///
    /// # Errors
    /// [`EvalError::Data`] as [`corpus`](Self::corpus), [`EvalError::Config`] as
    /// [`Bootstrap::check`].
    pub fn score(&self, written: &[Written], bootstrap: &Bootstrap) -> Result<Score, EvalError> {
        let counts = self.all_counts(written)?;
        let statistic =
            |indices: &[usize]| self.of(&self.sum(indices.iter().map(|at| &counts[*at])));
        Ok(bootstrap.score(counts.len(), statistic)?)
    }

    fn all_counts(&self, written: &[Written]) -> Result<Vec<Vec<OrderCounts>>, DataError> {
        check(written)?;
        written.iter().map(|one| self.counts(one)).collect()
    }

    fn sum<'a>(&self, counts: impl Iterator<Item = &'a Vec<OrderCounts>>) -> Vec<OrderCounts> {
        let mut sums = vec![OrderCounts::default(); self.characters + self.words];
        for counts in counts {
            for (sum, more) in sums.iter_mut().zip(counts) {
                sum.hypothesis += more.hypothesis;
                sum.reference += more.reference;
                sum.matches += more.matches;
            }
        }
        sums
    }
}

/// A text as characters and as words.
struct Parts {
    characters: Vec<char>,
    words: Vec<String>,
}

impl Parts {
    fn of(chrf: &Chrf, text: &str) -> Self {
        let lowered = chrf.lowercase.then(|| text.to_lowercase());
        let text = lowered.as_deref().unwrap_or(text);
        let characters = match chrf.whitespace {
            true => text.chars().collect(),
            false => split_spaces(text).flat_map(str::chars).collect(),
        };
        let words = match chrf.words {
            0 => Vec::new(),
            _ => split_spaces(text).flat_map(without_sign).map(str::to_owned).collect(),
        };
        Self { characters, words }
    }

    fn against(&self, reference: &Self, chrf: &Chrf) -> Vec<OrderCounts> {
        let characters = (1..=chrf.characters)
            .map(|order| order_counts(&self.characters, &reference.characters, order));
        let words =
            (1..=chrf.words).map(|order| order_counts(&self.words, &reference.words, order));
        characters.chain(words).collect()
    }
}

fn order_counts<T: Eq + std::hash::Hash>(
    hypothesis: &[T],
    reference: &[T],
    order: usize,
) -> OrderCounts {
    let of = |items: &[T]| (items.len() + 1).saturating_sub(order);
    let wanted = of(reference);
    let matches =
        ngrams::common(&ngrams::counts(hypothesis, order), &ngrams::counts(reference, order));
    OrderCounts {
        hypothesis: if wanted > 0 { of(hypothesis) } else { 0 },
        reference: wanted,
        matches,
    }
}

/// A word and one sign of ASCII at its end, or else at its start, apart.
fn without_sign(word: &str) -> impl Iterator<Item = &str> {
    let sign = |c: Option<char>| c.is_some_and(|c| c.is_ascii_punctuation());
    let (first, second) = if word.chars().nth(1).is_none() {
        (word, "")
    } else if sign(word.chars().next_back()) {
        word.split_at(word.len() - 1)
    } else if sign(word.chars().next()) {
        word.split_at(1)
    } else {
        (word, "")
    };
    [first, second].into_iter().filter(|part| !part.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn nothing_written_or_nothing_wanted() {
        for chrf in [Chrf::default(), Chrf::plus_plus()] {
            for (hypothesis, reference) in [("", "ab"), ("ab", ""), ("", ""), (" ", "ab")] {
                assert_eq!(chrf.sentence(&Written::new(hypothesis, [reference])).unwrap(), 0.0);
            }
        }
    }

    #[test]
    fn one_sign_is_split_off_a_word() {
        let parts = |word| without_sign(word).collect::<Vec<_>>();
        assert_eq!(parts("end."), ["end", "."]);
        assert_eq!(parts("(so)"), ["(so", ")"]);
        assert_eq!(parts("(so"), ["(", "so"]);
        assert_eq!(parts("!"), ["!"]);
        assert_eq!(parts("é!"), ["é", "!"]);
        assert_eq!(parts("né"), ["né"]);
    }

    #[test]
    fn settings_and_examples_that_cannot_be_used() {
        let refused = |chrf: Chrf| chrf.check().unwrap_err().to_string();
        let none = Chrf { characters: 0, ..Chrf::default() };
        assert_eq!(refused(none), "characters must be at least 1, but is 0");
        assert!(none.sentence(&Written::new("a", ["a"])).is_err());
        assert!(Chrf { beta: f64::NAN, ..Chrf::default() }.check().is_err());
        assert!(Chrf { beta: 0.0, ..Chrf::default() }.check().is_err());
        let nothing: [&str; 0] = [];
        let error = Chrf::default().sentence(&Written::new("a", nothing)).unwrap_err();
        assert_eq!(error.to_string(), "the list of references is empty");
        assert!(Chrf::default().corpus(&[]).is_err());
    }
}
