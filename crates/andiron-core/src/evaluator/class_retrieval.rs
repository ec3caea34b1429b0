//! Measuring vectors by whether those of one class lie together.

use super::{Bootstrap, Fingerprint, Outcome, Report};
use crate::{ConfigError, DataError, EvalError, Similarity, nearest};
use std::collections::BTreeMap;

/// How many vectors are ranked at once.
const CHUNK: usize = 64;

/// Searches, for each of a set of labelled vectors, the nearest `k` of all others by cosine, and
/// counts those of its class.
///
/// With `c` of the `k` of the class, which has `r` other vectors in the set, the scores are means of
///
/// ```text
/// success@k = 1 if c > 0, else 0        precision@k = c / k        recall@k = c / min(k, r)
/// ```
///
/// and `success@1` of the nearest alone. `success@k` is what papers on metric learning call Recall@K
/// (Jégou et al. 2011, <https://doi.org/10.1109/TPAMI.2010.57>); `recall@k` is the capped recall of
/// BEIR (Thakur et al. 2021, <https://arxiv.org/abs/2104.08663>), since of a class of a thousand no
/// more than `k` can be among the first `k`. One that is alone in its class scores 0 in all, as in
/// trec_eval.
///
/// In the report's outcomes a vector is right by `success@k` and loses `1 − recall@k`, so that
/// [`Report::compare`] tests both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassRetrieval {
    /// How many neighbours are looked at; 1 or more, default 10.
    pub k: usize,
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

impl Default for ClassRetrieval {
    fn default() -> Self {
        Self { k: 10, bootstrap: Bootstrap::default() }
    }
}

impl ClassRetrieval {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] for `k = 0` or intervals that cannot be made.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("k", 1, self.k)?;
        self.bootstrap.check()
    }

    /// The report on the vectors of a task's examples, each with its label. `fingerprint` is that of
    /// the examples.
    ///
    /// # Errors
    /// [`EvalError::Data`] for no vector, or vectors that cannot be compared; [`EvalError::Config`] as
    /// [`check`](Self::check).
    pub fn report<V: AsRef<[f32]>>(
        &self,
        [task, architecture]: [&str; 2],
        vectors: &[V],
        labels: &[&str],
        fingerprint: Fingerprint,
    ) -> Result<Report, EvalError> {
        self.check()?;
        let values = self.values(vectors, labels)?;
        let names = [
            "success@1".to_owned(),
            self.name("success"),
            self.name("precision"),
            self.name("recall"),
        ];
        let scores = self.bootstrap.scores(values.len(), |indices, out| {
            let mut sums = [0.0; 4];
            for index in indices {
                sums.iter_mut().zip(values[*index]).for_each(|(sum, value)| *sum += value);
            }
            out.extend(sums.map(|sum| sum / indices.len() as f64));
        })?;
        let outcome = |[_, success, _, recall]: &[f64; 4]| Outcome {
            right: *success > 0.0,
            loss: 1.0 - recall,
        };
        Ok(Report {
            settings: BTreeMap::from([("k".to_owned(), self.k.to_string())]),
            ..Report::new(
                (task, architecture),
                names.into_iter().zip(scores).collect(),
                values.iter().map(outcome).collect(),
                &self.bootstrap,
                fingerprint.finish(),
            )
        })
    }

    fn name(&self, score: &str) -> String {
        format!("{score}@{}", self.k)
    }

    /// `success@1`, `success@k`, `precision@k` and `recall@k` of each vector among the others, by
    /// the label of each.
    ///
    /// # Errors
    /// [`DataError::Empty`] for no vector, and as [`nearest`](crate::nearest::nearest).
    pub fn values<V: AsRef<[f32]>>(
        &self,
        vectors: &[V],
        labels: &[&str],
    ) -> Result<Vec<[f64; 4]>, DataError> {
        let found = self.found(vectors, labels)?;
        Ok(found.into_iter().map(|found| found.values(self.k)).collect())
    }

    /// What each vector finds among the others, by the label of each.
    fn found<V: AsRef<[f32]>>(
        &self,
        vectors: &[V],
        labels: &[&str],
    ) -> Result<Vec<Found>, DataError> {
        if vectors.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() });
        }
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for label in labels {
            *sizes.entry(label).or_default() += 1;
        }
        let mut all = Vec::with_capacity(vectors.len());
        for (start, queries) in (0..).step_by(CHUNK).zip(vectors.chunks(CHUNK)) {
            // One more, since each finds itself; or an equal text first, and then itself behind it.
            let found = nearest(queries, vectors, self.k.saturating_add(1), Similarity::Cosine)?;
            for (own, neighbours) in (start..).zip(found) {
                let others = neighbours.iter().map(|neighbour| neighbour.index);
                let others = others.filter(|index| *index != own).take(self.k);
                let same: Vec<bool> = others.map(|index| labels[index] == labels[own]).collect();
                all.push(Found {
                    first: same.first().copied().unwrap_or(false),
                    same: same.iter().filter(|same| **same).count(),
                    relevant: sizes[labels[own]] - 1,
                });
            }
        }
        Ok(all)
    }
}

/// What one vector finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    /// Whether the nearest is of its class.
    first: bool,
    /// How many of the nearest k are.
    same: usize,
    /// How many others of its class there are.
    relevant: usize,
}

impl Found {
    /// `success@1`, `success@k`, `precision@k`, `recall@k`.
    fn values(self, k: usize) -> [f64; 4] {
        let one = |is: bool| if is { 1.0 } else { 0.0 };
        let recall = self.same as f64 / self.relevant.min(k).max(1) as f64;
        [one(self.first), one(self.same > 0), self.same as f64 / k as f64, recall]
    }
}
