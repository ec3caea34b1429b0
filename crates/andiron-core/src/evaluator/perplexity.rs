//! How surprised a language model is by a text.

use super::{Bootstrap, Score};
use crate::{DataError, EvalError};

/// What a model said of one text, or of several together: enough to sum perplexity over texts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LogLikelihood {
    /// The sum of the natural logarithms of the probabilities that the model gave the true
    /// tokens; finite.
    pub sum: f64,
    /// How many tokens were predicted; 1 or more. The first of a text has nothing before it, and
    /// mostly is not predicted.
    pub tokens: usize,
}

impl LogLikelihood {
    /// The perplexity of these tokens, see [`perplexity`]: `exp(−sum / tokens)`; one beyond the range
    /// of `f64` is its greatest number, so that reports stay finite.
    pub fn perplexity(&self) -> f64 {
        (-self.sum / self.tokens as f64).exp().min(f64::MAX)
    }
}

impl std::iter::Sum for LogLikelihood {
    fn sum<I: Iterator<Item = Self>>(texts: I) -> Self {
        texts.fold(Self::default(), |all, text| Self {
            sum: all.sum + text.sum,
            tokens: all.tokens + text.tokens,
        })
    }
}

/// Perplexity: the number of equally probable tokens among which the model hesitates on average,
/// 1 or more for probabilities.
///
/// ```text
/// PPL = exp(− Σ ln p(token | those before it) / number of tokens predicted)
/// ```
///
/// The sums run over all texts together, so a long text weighs more than a short one. Perplexities
/// of models with different tokenisers cannot be compared: their tokens are not the same.
///
/// Source: Jelinek et al. 1977, <https://doi.org/10.1121/1.2016299>; as
/// `exp(torch.nn.functional.cross_entropy)`.
///
/// ```
/// use andiron_core::evaluator::perplexity::{LogLikelihood, perplexity};
///
/// // Two tokens of probability 1/2, and one of 1/16: (2 · 2 · 16)^(1/3).
/// let texts = [
///     LogLikelihood { sum: 0.25_f64.ln(), tokens: 2 },
///     LogLikelihood { sum: 0.0625_f64.ln(), tokens: 1 },
/// ];
/// assert!((perplexity(&texts)? - 4.0).abs() < 1e-12);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::Empty`] for no text or one of no token, with its place;
/// [`DataError::NotFinite`] for a sum that is no finite number, such as that of a token of
/// probability 0.
pub fn perplexity(texts: &[LogLikelihood]) -> Result<f64, DataError> {
    check(texts)?;
    Ok(texts.iter().copied().sum::<LogLikelihood>().perplexity())
}

/// The [`perplexity`] with its bootstrap interval over the texts; the sums are resampled, not the
/// texts' own perplexities.
///
/// # Errors
/// [`EvalError::Data`] as [`perplexity`], [`EvalError::Config`] as [`Bootstrap::check`].
pub fn perplexity_score(
    texts: &[LogLikelihood],
    bootstrap: &Bootstrap,
) -> Result<Score, EvalError> {
    check(texts)?;
    let of =
        |indices: &[usize]| indices.iter().map(|at| texts[*at]).sum::<LogLikelihood>().perplexity();
    Ok(bootstrap.score(texts.len(), of)?)
}

fn check(texts: &[LogLikelihood]) -> Result<(), DataError> {
    if texts.is_empty() {
        return Err(DataError::Empty { what: "the list of texts".to_owned() });
    }
    for (at, text) in texts.iter().enumerate() {
        if text.tokens == 0 {
            let empty = DataError::Empty { what: "the list of predicted tokens".to_owned() };
            return Err(empty.at(at, None));
        }
        if !text.sum.is_finite() {
            let what = "the list of log-likelihoods";
            return Err(DataError::NotFinite { what, got: text.sum as f32, at });
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_perplexity_is_refused() {
        let refused = |sum: f64, tokens: usize| {
            let good = LogLikelihood { sum: -3.0, tokens: 2 };
            perplexity(&[good, LogLikelihood { sum, tokens }]).unwrap_err()
        };
        assert_eq!(perplexity(&[]).unwrap_err().to_string(), "the list of texts is empty");
        assert_eq!(refused(0.0, 0).to_string(), "example 1");
        assert_eq!(
            refused(f64::NEG_INFINITY, 3).to_string(),
            "the list of log-likelihoods holds -inf at position 1; every value must be a finite number"
        );
    }

    #[test]
    fn a_hopeless_model_has_a_finite_perplexity() {
        let texts = [LogLikelihood { sum: -1e6, tokens: 5 }];
        assert_eq!(perplexity(&texts).unwrap(), f64::MAX);
        let score = perplexity_score(&texts, &Bootstrap::default()).unwrap();
        assert_eq!((score.low, score.high), (f64::MAX, f64::MAX));
    }

    #[test]
    fn texts_are_summed_before_they_are_divided() {
        let texts = [(-3.0, 2), (-1.0, 3)].map(|(sum, tokens)| LogLikelihood { sum, tokens });
        let all: LogLikelihood = texts.into_iter().sum();
        assert_eq!(all, LogLikelihood { sum: -4.0, tokens: 5 });
        assert_eq!(all.perplexity(), perplexity(&texts).unwrap());
        assert!((all.perplexity() - 0.8_f64.exp()).abs() < 1e-12);
    }

    #[test]
    fn one_text_has_an_interval_of_no_width() {
        let texts = [LogLikelihood { sum: 0.25_f64.ln(), tokens: 1 }];
        let Score { value, low, high } = perplexity_score(&texts, &Bootstrap::default()).unwrap();
        assert!((value - 4.0).abs() < 1e-12 && value == low && value == high);
    }
}
