//! How well scores order the candidates of a query: nDCG, reciprocal rank and recall, at a cutoff.
//!
//! Candidates of equal score have no order. Each metric is then what it is on average over all
//! orders of the equals, so that nothing is won or lost by the order of the input. scikit-learn's
//! `ndcg_score` does the same (McSherry & Najork 2008, <https://doi.org/10.1007/978-3-540-78646-7_38>);
//! trec_eval sorts equals by name.
//!
//! A query without a relevant candidate scores 0 in all three, as in trec_eval: leave such queries
//! out, or know that they count.

use super::{Bootstrap, Score};
use crate::{DataError, EvalError};
use std::collections::BTreeMap;

/// What a query's answer says of one candidate, and what is true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The higher, the further in front; finite.
    pub score: f64,
    /// How relevant it is: 0 for not at all, above 0 for more or less. Reciprocal rank and recall
    /// heed only whether it is above 0.
    pub relevance: f64,
}

impl From<(f64, f64)> for Candidate {
    /// From score and relevance.
    fn from((score, relevance): (f64, f64)) -> Self {
        Self { score, relevance }
    }
}

/// Normalised discounted cumulative gain of the first `k` candidates, 0 to 1.
///
/// ```text
/// DCG@k = Σ_{i ≤ k} relevance_i / log₂(i + 1)        nDCG@k = DCG@k / its greatest value
/// ```
///
/// The gain is the relevance itself, as in scikit-learn and trec_eval, not 2^relevance − 1.
///
/// Source: Järvelin & Kekäläinen 2002, <https://doi.org/10.1145/582415.582418>; as scikit-learn's
/// `ndcg_score`.
///
/// ```
/// use andiron_core::evaluator::ranking::{Candidate, ndcg};
///
/// let query = [(0.9, 0.0), (0.8, 1.0), (0.1, 0.0)].map(Candidate::from);
/// assert!((ndcg(&query, 10)? - 1.0 / 3f64.log2()).abs() < 1e-15);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::TooShort`] for `k = 0`, [`DataError::Empty`] for no candidate,
/// [`DataError::NotFinite`] for a score or a relevance that is no finite number,
/// [`DataError::Negative`] for a relevance below 0.
pub fn ndcg(candidates: &[Candidate], k: usize) -> Result<f64, DataError> {
    let order = Order::of(candidates, k)?;
    let mut best: Vec<f64> = candidates.iter().map(|one| one.relevance).collect();
    best.sort_unstable_by(|a, b| b.total_cmp(a));
    let discount = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let greatest: f64 =
        best.iter().take(k).enumerate().map(|(place, gain)| gain * discount(place)).sum();
    let mut sum = 0.0;
    for group in order.groups() {
        let mean = group.relevances().sum::<f64>() / group.len() as f64;
        let discounts: f64 = (group.start..group.end().min(k)).map(discount).sum();
        sum += mean * discounts;
    }
    Ok(if greatest > 0.0 { (sum / greatest).min(1.0) } else { 0.0 })
}

/// One divided by the place of the first relevant candidate, counted from 1; 0 if none of the first
/// `k` is relevant. Its mean over queries is the mean reciprocal rank (MRR), 0 to 1.
///
/// Source: Voorhees 1999, <https://trec.nist.gov/pubs/trec8/papers/qa_report.pdf>; as trec_eval's
/// `recip_rank`.
///
/// # Errors
/// As [`ndcg`].
pub fn reciprocal_rank(candidates: &[Candidate], k: usize) -> Result<f64, DataError> {
    let order = Order::of(candidates, k)?;
    let first = order.groups().find(|group| group.relevant() > 0);
    let Some(group) = first else { return Ok(0.0) };
    let (size, relevant) = (group.len() as f64, group.relevant() as f64);
    // That the first j of a random order of the group are not relevant, and the next one is.
    let (mut missed, mut mean) = (1.0, 0.0);
    for (j, place) in (group.start..group.end().min(k)).enumerate() {
        let here = (relevant / (size - j as f64)).min(1.0);
        mean += missed * here / (place as f64 + 1.0);
        missed *= 1.0 - here;
    }
    Ok(mean)
}

/// Share of the relevant candidates that are among the first `k`, 0 to 1.
///
/// Source: Manning, Raghavan & Schütze 2008, *Introduction to Information Retrieval*, section 8.4;
/// as trec_eval's `recall`.
///
/// # Errors
/// As [`ndcg`].
pub fn recall(candidates: &[Candidate], k: usize) -> Result<f64, DataError> {
    let order = Order::of(candidates, k)?;
    let (mut found, mut all) = (0.0, 0);
    for group in order.groups() {
        let within = group.end().min(k).saturating_sub(group.start) as f64;
        found += group.relevant() as f64 * within / group.len() as f64;
        all += group.relevant();
    }
    Ok(if all > 0 { found / all as f64 } else { 0.0 })
}

/// `ndcg`, `mrr` and `recall`, each at `k`: the means over the queries, with bootstrap intervals
/// over the queries. A query is the list of its candidates.
///
/// # Errors
/// [`EvalError::Data`] for no query, or as [`ndcg`] with the query's place; [`EvalError::Config`]
/// as [`Bootstrap::check`].
pub fn ranking_scores<Q: AsRef<[Candidate]>>(
    queries: &[Q],
    k: usize,
    bootstrap: &Bootstrap,
) -> Result<BTreeMap<String, Score>, EvalError> {
    if queries.is_empty() {
        return Err(DataError::Empty { what: "the list of queries".to_owned() }.into());
    }
    let of = |candidates: &[Candidate]| -> Result<[f64; 3], DataError> {
        Ok([ndcg(candidates, k)?, reciprocal_rank(candidates, k)?, recall(candidates, k)?])
    };
    let each = queries
        .iter()
        .enumerate()
        .map(|(at, query)| of(query.as_ref()).map_err(|error| EvalError::Data(error.at(at, None))));
    let each = each.collect::<Result<Vec<[f64; 3]>, _>>()?;
    let scores = bootstrap.scores(each.len(), |indices, out| {
        let mut sums = [0.0; 3];
        for index in indices {
            sums.iter_mut().zip(each[*index]).for_each(|(sum, value)| *sum += value);
        }
        out.extend(sums.map(|sum| sum / indices.len() as f64));
    })?;
    Ok(["ndcg", "mrr", "recall"].map(str::to_owned).into_iter().zip(scores).collect())
}

/// The candidates by falling score.
struct Order(Vec<Candidate>);

/// Candidates of one score, and how many stand before them.
struct Group<'a> {
    start: usize,
    members: &'a [Candidate],
}

impl Order {
    fn of(candidates: &[Candidate], k: usize) -> Result<Self, DataError> {
        if k == 0 {
            return Err(DataError::TooShort { what: "the cutoff k", least: 1, got: 0 });
        }
        if candidates.is_empty() {
            return Err(DataError::Empty { what: "the list of candidates".to_owned() });
        }
        for (at, Candidate { score, relevance }) in candidates.iter().enumerate() {
            for (what, got) in
                [("the list of scores", score), ("the list of relevances", relevance)]
            {
                if !got.is_finite() {
                    return Err(DataError::NotFinite { what, got: *got as f32, at });
                }
            }
            if *relevance < 0.0 {
                return Err(DataError::Negative {
                    what: "the list of relevances",
                    got: *relevance,
                    at,
                });
            }
        }
        let mut ordered = candidates.to_vec();
        ordered.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        Ok(Self(ordered))
    }

    fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let mut start = 0;
        self.0.chunk_by(|a, b| a.score == b.score).map(move |members| {
            let group = Group { start, members };
            start += members.len();
            group
        })
    }
}

impl Group<'_> {
    fn len(&self) -> usize {
        self.members.len()
    }

    fn end(&self) -> usize {
        self.start + self.members.len()
    }

    fn relevances(&self) -> impl Iterator<Item = f64> {
        self.members.iter().map(|one| one.relevance)
    }

    fn relevant(&self) -> usize {
        self.relevances().filter(|relevance| *relevance > 0.0).count()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn query(pairs: &[(f64, f64)]) -> Vec<Candidate> {
        pairs.iter().copied().map(Candidate::from).collect()
    }

    #[test]
    fn equals_are_averaged_over_their_orders() {
        // One of three equals is relevant: at place 1, 2 or 3, each in a third of the orders.
        let equals = query(&[(0.5, 0.0), (0.5, 2.0), (0.5, 0.0)]);
        let third = 1.0 / 3.0;
        assert!((reciprocal_rank(&equals, 9).unwrap() - third * (1.0 + 0.5 + third)).abs() < 1e-15);
        assert!((reciprocal_rank(&equals, 2).unwrap() - third * 1.5).abs() < 1e-15);
        assert!((recall(&equals, 2).unwrap() - 2.0 * third).abs() < 1e-15);
        let gain = third * (1.0 + 1.0 / 3f64.log2() + 0.5);
        assert!((ndcg(&equals, 3).unwrap() - gain).abs() < 1e-15);
        // Zeros of both signs are equals.
        let zeros = query(&[(-0.0, 1.0), (0.0, 0.0)]);
        assert_eq!(reciprocal_rank(&zeros, 2).unwrap(), 0.75);
    }

    #[test]
    fn one_candidate_and_none_relevant() {
        let alone = query(&[(0.3, 4.0)]);
        assert_eq!((ndcg(&alone, 1).unwrap(), recall(&alone, 1).unwrap()), (1.0, 1.0));
        let none = query(&[(0.3, 0.0), (0.1, 0.0)]);
        assert_eq!(ndcg(&none, 5).unwrap(), 0.0);
        assert_eq!(reciprocal_rank(&none, 5).unwrap(), 0.0);
        assert_eq!(recall(&none, 5).unwrap(), 0.0);
    }

    #[test]
    fn what_cannot_be_ranked_is_refused() {
        let refused = |pairs: &[(f64, f64)], k| {
            let error = ndcg(&query(pairs), k).unwrap_err().to_string();
            assert_eq!(reciprocal_rank(&query(pairs), k).unwrap_err().to_string(), error);
            assert_eq!(recall(&query(pairs), k).unwrap_err().to_string(), error);
            error
        };
        assert_eq!(refused(&[(1.0, 1.0)], 0), "the cutoff k is 0, but must be at least 1");
        assert_eq!(refused(&[], 3), "the list of candidates is empty");
        assert_eq!(
            refused(&[(1.0, 1.0), (2.0, -0.5)], 3),
            "the list of relevances holds -0.5 at position 1; no value may be below 0"
        );
        assert!(refused(&[(f64::NAN, 1.0)], 3).starts_with("the list of scores holds NaN"));
        let queries = [query(&[(1.0, 1.0)]), query(&[])];
        let error = ranking_scores(&queries, 3, &Bootstrap::default()).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "example 1");
        let none: [Vec<Candidate>; 0] = [];
        assert!(ranking_scores(&none, 3, &Bootstrap::default()).is_err());
    }

    #[test]
    fn one_query_has_an_interval_of_no_width() {
        let queries = [query(&[(0.9, 0.0), (0.8, 1.0)])];
        let scores = ranking_scores(&queries, 10, &Bootstrap::default()).unwrap();
        assert_eq!(scores["mrr"], Score { value: 0.5, low: 0.5, high: 0.5 });
    }
}
