//! Measuring an order of documents by how far in front the relevant ones stand.

use super::{Ranked, Rerank, Shortlist};
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Predictor, Report, Task,
    data::{ExampleOf, all},
    evaluator::{
        Bootstrap, Fingerprint, Outcome,
        ranking::{Candidate, ndcg, ranking_scores, reciprocal_rank},
    },
};
use std::collections::BTreeMap;

/// How many queries are asked at once.
const CHUNK: usize = 16;

/// Puts the documents of each query in the order of their scores and looks where the relevant ones
/// stand: `ndcg@k`, `mrr@k` and `recall@k`, as [`ranking`](andiron_core::evaluator::ranking)
/// defines them, each the mean over the queries with an interval by a bootstrap over the queries.
///
/// An outcome is a query: right if the document in front is relevant, and its loss is
/// `1 − ndcg@k`, so that [`Report::compare`] tests the difference of two mean nDCG.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RerankEvaluator {
    /// How many places in front count; 1 or more, default 10.
    pub k: usize,
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

impl Default for RerankEvaluator {
    fn default() -> Self {
        Self { k: 10, bootstrap: Bootstrap::default() }
    }
}

impl Evaluator<Rerank> for RerankEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<Rerank>,
        data: &dyn Dataset<ExampleOf<Rerank>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap.check()?;
        let queries = all(data)?;
        let lists: Vec<Shortlist> = queries.iter().map(|query| query.input.clone()).collect();
        let scores = scores(predictor, &lists)?;
        self.report(predictor.architecture(), &queries, &scores)
    }
}

impl RerankEvaluator {
    /// The report on scores that are there already, one a document of each query, whatever gave
    /// them: to compare a network with another way to put the same documents in order.
    /// `architecture` is what the report calls it.
    ///
    /// # Errors
    /// [`EvalError::Data`] for no query, or names the one whose scores or relevances cannot be used;
    /// [`EvalError::Config`] as [`Bootstrap::check`].
    pub fn report(
        &self,
        architecture: &str,
        queries: &[ExampleOf<Rerank>],
        scores: &[Vec<f32>],
    ) -> Result<Report, EvalError> {
        if queries.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() }.into());
        }
        let unpaired = |left, right, n_left, n_right| match n_left == n_right {
            true => Ok(()),
            false => Err(DataError::Unpaired { left, right, n_left, n_right }),
        };
        unpaired("queries", "lists of scores", queries.len(), scores.len())?;
        let mut fingerprint = Fingerprint::new();
        let (mut lists, mut outcomes) = (Vec::new(), Vec::new());
        for (index, (query, scores)) in queries.iter().zip(scores).enumerate() {
            let mut measure = || -> Result<(), DataError> {
                fingerprint.add(&query.input)?;
                fingerprint.add(&query.target)?;
                let truth = &query.target;
                unpaired("documents", "relevances", query.input.documents.len(), truth.len())?;
                unpaired("documents", "scores", query.input.documents.len(), scores.len())?;
                let list: Vec<Candidate> = scores
                    .iter()
                    .zip(truth)
                    .map(|(score, relevance)| Candidate::from((f64::from(*score), *relevance)))
                    .collect();
                let loss = 1.0 - ndcg(&list, self.k)?;
                // Of equals in front, some of them relevant, none is the first.
                outcomes.push(Outcome { right: reciprocal_rank(&list, 1)? >= 1.0, loss });
                lists.push(list);
                Ok(())
            };
            measure().map_err(|error| error.at(index, None))?;
        }
        let found = ranking_scores(&lists, self.k, &self.bootstrap)?;
        let scores = found.into_iter().map(|(name, score)| (format!("{name}@{}", self.k), score));
        Ok(Report {
            settings: BTreeMap::from([("k".to_owned(), self.k.to_string())]),
            ..Report::new(
                (Rerank::NAME, architecture),
                scores.collect(),
                outcomes,
                &self.bootstrap,
                fingerprint.finish(),
            )
        })
    }
}

/// The scores of each list; an error names the query.
fn scores(predictor: &Predictor<Rerank>, lists: &[Shortlist]) -> Result<Vec<Vec<f32>>, DataError> {
    let mut found = Vec::with_capacity(lists.len());
    for (part, start) in lists.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        let answers = match predictor.predict(part) {
            Ok(answers) => answers,
            // One of them cannot be used: ask for each alone, to tell which.
            Err(_) => {
                let mut answers: Vec<Ranked> = Vec::with_capacity(part.len());
                for (at, list) in part.iter().enumerate() {
                    let alone = predictor.predict(std::slice::from_ref(list));
                    answers.extend(alone.map_err(|error| error.at(start + at, None))?);
                }
                answers
            }
        };
        found.extend(answers.into_iter().map(|answer| answer.scores));
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use andiron_core::Example;

    fn query(documents: &[&str], target: &[f64]) -> ExampleOf<Rerank> {
        let input = Shortlist::new("q", documents.iter().copied());
        Example { input, target: target.to_vec() }
    }

    #[test]
    fn the_place_of_the_relevant_document_counts() {
        let queries = [query(&["a", "b", "c"], &[0.0, 1.0, 0.0]), query(&["a", "b"], &[1.0, 0.0])];
        let evaluator = RerankEvaluator::default();
        let best = [vec![0.1, 0.9, -3.0], vec![5.0, 4.0]];
        let report = evaluator.report("hand", &queries, &best).unwrap();
        for name in ["ndcg@10", "mrr@10", "recall@10"] {
            assert_eq!(report.score(name).unwrap().value, 1.0, "{name}");
        }
        assert!(report.outcomes.iter().all(|outcome| outcome.right && outcome.loss == 0.0));
        let worse = [vec![0.9, 0.1, -3.0], vec![5.0, 4.0]];
        let second = evaluator.report("hand", &queries, &worse).unwrap();
        assert_eq!(second.score("mrr@10").unwrap().value, 0.75);
        let gain = 1.0 / 3f64.log2();
        assert!((second.score("ndcg@10").unwrap().value - (1.0 + gain) / 2.0).abs() < 1e-12);
        let comparison = report.compare(&second).unwrap();
        assert!((comparison.loss_difference.value - (1.0 - gain) / 2.0).abs() < 1e-12);
        assert_eq!((comparison.only_first, comparison.only_second), (1, 0));
        let first = RerankEvaluator { k: 1, ..evaluator };
        let report = first.report("hand", &queries, &worse).unwrap();
        assert_eq!(report.score("recall@1").unwrap().value, 0.5);
    }

    #[test]
    fn equals_in_front_are_not_right() {
        let queries = [query(&["a", "b"], &[1.0, 0.0])];
        let report = RerankEvaluator::default().report("hand", &queries, &[vec![2.0, 2.0]]);
        assert!(!report.unwrap().outcomes[0].right);
    }

    #[test]
    fn what_cannot_be_measured_is_named() {
        let refused = |queries: &[ExampleOf<Rerank>], scores: &[Vec<f32>]| {
            let error = RerankEvaluator::default().report("hand", queries, scores).unwrap_err();
            match error {
                EvalError::Data(DataError::Example { index, source, .. }) => {
                    format!("{index}: {source}")
                }
                EvalError::Data(error) => error.to_string(),
                other => panic!("{other:?}"),
            }
        };
        let good = query(&["a", "b"], &[1.0, 0.0]);
        assert_eq!(refused(&[], &[]), "the data set is empty");
        assert_eq!(
            refused(std::slice::from_ref(&good), &[]),
            "queries and lists of scores must be equally many, but are 1 and 0"
        );
        assert_eq!(
            refused(&[good.clone(), query(&["a", "b"], &[1.0])], &[vec![1.0, 0.0], vec![1.0, 0.0]]),
            "1: documents and relevances must be equally many, but are 2 and 1"
        );
        assert_eq!(
            refused(std::slice::from_ref(&good), &[vec![1.0]]),
            "0: documents and scores must be equally many, but are 2 and 1"
        );
        assert!(
            refused(std::slice::from_ref(&good), &[vec![f32::NAN, 1.0]])
                .starts_with("0: the list of scores")
        );
        assert!(
            refused(&[query(&["a", "b"], &[-1.0, 0.0])], &[vec![0.0, 1.0]])
                .starts_with("0: the list of relevances holds -1")
        );
        assert!(refused(&[query(&[], &[])], &[vec![]]).ends_with("is empty"));
    }
}
