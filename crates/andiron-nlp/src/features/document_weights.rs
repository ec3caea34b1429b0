//! Inverse document weights of hashed features.

use andiron_core::ConfigError;
use serde::{Deserialize, Serialize};

/// How much a feature says by how few of the training texts it stands in (TF-IDF).
///
/// With `n` training texts, `df(r)` of which hold a feature of row `r`, and `tf(r)` times in the
/// text at hand:
///
/// ```text
/// idf(r) = ln((1 + n) / (1 + df(r))) + 1
/// w(r) = tf(r) · idf(r) / √(Σ_s (tf(s) · idf(s))²)
/// ```
///
/// Source: Spärck Jones 1972, <https://doi.org/10.1108/eb026526>; the smoothed form and the
/// length of 1 are those of scikit-learn's `TfidfTransformer` by its defaults,
/// <https://scikit-learn.org/stable/modules/feature_extraction.html#tfidf-term-weighting>. With
/// `sublinear`, `1 + ln tf(r)` stands in place of `tf(r)`, as with its `sublinear_tf`.
///
/// Features that share a row count as one, as behind its `HashingVectorizer`. What is kept is the
/// counts, whole numbers: as a text in the bundle, one number a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct DocumentWeights {
    documents: u32,
    sublinear: bool,
    counts: Vec<u32>,
}

/// The form in a bundle.
#[derive(Serialize, Deserialize)]
struct Stored {
    documents: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sublinear: bool,
    counts: String,
}

/// What is wrong with weights that a bundle holds.
#[derive(Debug, thiserror::Error)]
enum StoredError {
    #[error("count {at} of the document weights must be a whole number, but is {got:?}")]
    NoCount { at: usize, got: String },
    #[error("count {at} of the document weights is {got}, but there were {documents} texts")]
    TooLarge { at: usize, got: u32, documents: u32 },
    #[error("the document weights hold no count")]
    Empty,
}

impl TryFrom<Stored> for DocumentWeights {
    type Error = StoredError;

    fn try_from(stored: Stored) -> Result<Self, StoredError> {
        let Stored { documents, sublinear, counts } = stored;
        let counts = counts.split(' ').filter(|count| !count.is_empty()).enumerate();
        let counts = counts
            .map(|(at, count)| {
                let got: u32 = count.parse().map_err(|_| StoredError::NoCount {
                    at,
                    got: count.chars().take(20).collect(),
                })?;
                if got > documents {
                    return Err(StoredError::TooLarge { at, got, documents });
                }
                Ok(got)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if counts.is_empty() {
            return Err(StoredError::Empty);
        }
        Ok(Self { documents, sublinear, counts })
    }
}

impl From<DocumentWeights> for Stored {
    fn from(weights: DocumentWeights) -> Self {
        let counts: Vec<String> = weights.counts.iter().map(u32::to_string).collect();
        Self {
            documents: weights.documents,
            sublinear: weights.sublinear,
            counts: counts.join(" "),
        }
    }
}

impl DocumentWeights {
    /// The weights of a table of `n_buckets` rows that have seen no text: all weigh alike until
    /// texts are [counted](Self::count).
    ///
    /// # Errors
    /// [`ConfigError::TooSmall`] for no row.
    pub fn new(n_buckets: usize) -> Result<Self, ConfigError> {
        ConfigError::at_least("n_buckets", 1, n_buckets)?;
        Ok(Self { documents: 0, sublinear: false, counts: vec![0; n_buckets] })
    }

    /// The same weights with `1 + ln tf` in place of `tf`.
    #[must_use]
    pub fn with_sublinear(self, sublinear: bool) -> Self {
        Self { sublinear, ..self }
    }

    /// Takes in a training text by the numbers of its features, each as often as it occurs.
    pub fn count(&mut self, ids: &[i32]) {
        self.documents += 1;
        for (row, _) in self.occurrences(ids) {
            self.counts[row] += 1;
        }
    }

    /// How many rows the table has that the weights are for.
    pub fn n_buckets(&self) -> usize {
        self.counts.len()
    }

    /// How many texts were counted.
    pub fn documents(&self) -> usize {
        self.documents as usize
    }

    /// `idf` of a row.
    pub fn inverse(&self, row: usize) -> f64 {
        let (n, df) = (f64::from(self.documents), f64::from(self.counts[row]));
        ((1.0 + n) / (1.0 + df)).ln() + 1.0
    }

    /// Each row that a text uses, in ascending order, with its weight: `ids` are the numbers of its
    /// features, each as often as it occurs, and a number stands for its remainder by the rows.
    ///
    /// ```
    /// use andiron_nlp::features::DocumentWeights;
    ///
    /// let mut weights = DocumentWeights::new(10)?;
    /// weights.count(&[3, 7, 7]);
    /// weights.count(&[3]);
    /// // 17 shares row 7, and stands in one text of two; 3 stands in both.
    /// let text = weights.of(&[3, 17]);
    /// assert_eq!((text[0].0, text[1].0), (3, 7));
    /// let ratio = text[1].1 / text[0].1;
    /// assert!((ratio - (1.5_f32.ln() + 1.0)).abs() < 1e-6);
    /// # Ok::<(), andiron_core::ConfigError>(())
    /// ```
    pub fn of(&self, ids: &[i32]) -> Vec<(i32, f32)> {
        let raw: Vec<(usize, f64)> = self
            .occurrences(ids)
            .into_iter()
            .map(|(row, times)| {
                let times = f64::from(times);
                let times = if self.sublinear { 1.0 + times.ln() } else { times };
                (row, times * self.inverse(row))
            })
            .collect();
        let length = raw.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        // A text has at least one feature and each weighs 1 or more, so the length is not 0.
        raw.into_iter().map(|(row, weight)| (row as i32, (weight / length) as f32)).collect()
    }

    /// Each row once with how often it occurs, in ascending order.
    fn occurrences(&self, ids: &[i32]) -> Vec<(usize, u32)> {
        let n_buckets = self.counts.len();
        let mut rows: Vec<usize> = ids.iter().map(|id| *id as usize % n_buckets).collect();
        rows.sort_unstable();
        rows.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights() -> DocumentWeights {
        let mut weights = DocumentWeights::new(7).unwrap();
        for text in [&[0, 1, 1][..], &[1, 9], &[1, 5, 12]] {
            weights.count(text);
        }
        weights
    }

    #[test]
    fn a_text_counts_once_for_each_of_its_rows() {
        // 9 shares row 2, 12 row 5.
        assert_eq!(weights().counts, [1, 3, 1, 0, 0, 1, 0]);
        assert_eq!((weights().documents(), weights().n_buckets()), (3, 7));
        assert_eq!(weights().inverse(1), 1.0);
        assert_eq!(weights().inverse(4), 4.0_f64.ln() + 1.0);
    }

    #[test]
    fn the_weights_are_those_of_the_formula() {
        let of = |weights: DocumentWeights| weights.of(&[8, 1, 4]);
        let rare = 4.0_f64.ln() + 1.0;
        for (weights, common) in
            [(weights(), 2.0), (weights().with_sublinear(true), 1.0 + 2.0_f64.ln())]
        {
            let length = (common * common + rare * rare).sqrt();
            let wanted = [(1, (common / length) as f32), (4, (rare / length) as f32)];
            assert_eq!(of(weights), wanted);
        }
    }

    #[test]
    fn they_survive_json() {
        for weights in [weights(), weights().with_sublinear(true)] {
            let text = serde_json::to_string(&weights).unwrap();
            assert_eq!(serde_json::from_str::<DocumentWeights>(&text).unwrap(), weights);
        }
        let text = serde_json::to_string(&weights()).unwrap();
        assert_eq!(text, r#"{"documents":3,"counts":"1 3 1 0 0 1 0"}"#);
    }

    #[test]
    fn a_bundle_that_lies_is_refused() {
        let refused = |counts: &str| {
            let text = format!(r#"{{"documents":3,"counts":"{counts}"}}"#);
            serde_json::from_str::<DocumentWeights>(&text).unwrap_err().to_string()
        };
        assert!(
            refused("1 x").starts_with(
                "count 1 of the document weights must be a whole number, but is \"x\""
            )
        );
        assert!(refused("1 -1").contains("but is \"-1\""));
        assert!(
            refused("4")
                .starts_with("count 0 of the document weights is 4, but there were 3 texts")
        );
        assert!(refused(" ").starts_with("the document weights hold no count"));
        assert!(DocumentWeights::new(0).is_err());
    }

    proptest! {
        #[test]
        fn the_length_is_one_whatever_the_text(
            ids in proptest::collection::vec(0..i32::MAX, 1..40),
            sublinear: bool,
        ) {
            let found = weights().with_sublinear(sublinear).of(&ids);
            let squares: f32 = found.iter().map(|(_, weight)| weight * weight).sum();
            prop_assert!((squares - 1.0).abs() < 1e-5);
            prop_assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(found.iter().all(|(_, weight)| *weight > 0.0));
        }
    }
}
