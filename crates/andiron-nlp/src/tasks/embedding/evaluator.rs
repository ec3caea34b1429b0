//! Measuring vectors by what they find.

use super::{Embedding, Similarity, TextVector, nearest};
use crate::text::Text;
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Predictor, Report, Task,
    data::{ExampleOf, all},
    evaluator::{Bootstrap, Fingerprint, Outcome},
};
use std::collections::BTreeMap;

/// How many texts and queries are held as vectors or ranked at once.
const CHUNK: usize = 64;
/// The names of the scores, in the order of [`values`].
const SCORES: [&str; 3] = ["recall@1", "recall@10", "mrr"];

/// Searches, for each query, its positive among all different positives of the data, by cosine.
///
/// `recall@k` is the share of the queries whose positive is among the first `k`; `mrr` the mean of
/// one over its place, counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RetrievalEvaluator {
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

impl Evaluator<Embedding> for RetrievalEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<Embedding>,
        data: &dyn Dataset<ExampleOf<Embedding>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap.check()?;
        let pairs = all(data)?;
        if pairs.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() }.into());
        }
        let mut fingerprint = Fingerprint::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut positives, mut truth) = (Vec::new(), Vec::new());
        for (index, pair) in pairs.iter().enumerate() {
            let added = fingerprint.add(&pair.input).and_then(|()| fingerprint.add(&pair.target));
            added.map_err(|error| error.at(index, None))?;
            let place = *places.entry(&pair.target.text.text).or_insert_with(|| {
                positives.push((index, pair.target.text.clone()));
                positives.len() - 1
            });
            truth.push(place);
        }
        let queries = pairs.iter().map(|pair| pair.input.clone()).enumerate().collect();
        let (queries, corpus) = (vectors(predictor, queries)?, vectors(predictor, positives)?);
        let ranks = ranks(&queries, &corpus, &truth)?;
        let scores = self.bootstrap.scores(ranks.len(), |indices, out| {
            let mut sums = [0.0; SCORES.len()];
            for index in indices {
                for (sum, value) in sums.iter_mut().zip(values(ranks[*index])) {
                    *sum += value;
                }
            }
            out.extend(sums.map(|sum| sum / indices.len().max(1) as f64));
        })?;
        Ok(Report::new(
            (Embedding::NAME, predictor.architecture()),
            SCORES.map(str::to_owned).into_iter().zip(scores).collect(),
            ranks
                .iter()
                .map(|rank| Outcome { right: *rank == 1, loss: 1.0 - 1.0 / *rank as f64 })
                .collect(),
            &self.bootstrap,
            fingerprint.finish(),
        ))
    }
}

/// For each query the place of its own among all of `corpus`, counted from 1.
fn ranks(
    queries: &[Vec<f32>],
    corpus: &[Vec<f32>],
    truth: &[usize],
) -> Result<Vec<usize>, DataError> {
    let mut ranks = Vec::with_capacity(queries.len());
    for (queries, truth) in queries.chunks(CHUNK).zip(truth.chunks(CHUNK)) {
        let found = nearest(queries, corpus, corpus.len(), Similarity::Cosine)?;
        for (found, own) in found.iter().zip(truth) {
            let before = found.iter().take_while(|neighbour| neighbour.index != *own);
            ranks.push(before.count() + 1);
        }
    }
    Ok(ranks)
}

fn values(rank: usize) -> [f64; SCORES.len()] {
    let among = |k: usize| if rank <= k { 1.0 } else { 0.0 };
    [among(1), among(10), 1.0 / rank as f64]
}

/// One vector a text; an error names the example that the text is of.
pub(super) fn vectors(
    predictor: &Predictor<Embedding>,
    texts: Vec<(usize, Text)>,
) -> Result<Vec<Vec<f32>>, DataError> {
    let mut found = Vec::with_capacity(texts.len());
    for part in texts.chunks(CHUNK) {
        let together: Vec<Text> = part.iter().map(|(_, text)| text.clone()).collect();
        let answers = match predictor.predict(&together) {
            Ok(answers) => answers,
            // One of them cannot be used: ask for each alone, to tell which.
            Err(_) => {
                let mut answers: Vec<TextVector> = Vec::with_capacity(part.len());
                for (index, text) in part {
                    let alone = predictor.predict(std::slice::from_ref(text));
                    answers.extend(alone.map_err(|error| error.at(*index, None))?);
                }
                answers
            }
        };
        found.extend(answers.into_iter().map(|answer| answer.embedding));
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{models::bert::BertConfig, tasks::embedding::toy};
    use andiron_core::{Example, Network};
    use burn::tensor::Device;

    fn predictor() -> Predictor<Embedding> {
        let task = toy::task();
        let config = BertConfig::new(task.tokenizer.n_tokens()).with_d_model(12).with_n_heads(3);
        let config = config.with_n_layers(1).with_d_hidden(10).with_max_length(40);
        let network = Network::init(config, 3, &Device::flex()).unwrap();
        Predictor::new(task, network, &Device::flex())
    }

    #[test]
    fn a_text_finds_itself() {
        let texts = ["a cat", "rain", "flour, water, salt", "a cat"];
        let pairs: Vec<_> =
            texts.map(|text| Example { input: text.into(), target: text.into() }).to_vec();
        let report = RetrievalEvaluator::default().evaluate(&predictor(), &pairs).unwrap();
        for name in SCORES {
            assert_eq!(report.score(name).unwrap().value, 1.0, "{name}");
        }
        assert!(report.outcomes.iter().all(|outcome| outcome.right && outcome.loss == 0.0));
    }

    #[test]
    fn the_place_of_the_positive_counts() {
        // Both queries have one vector, so they rank alike: one of them finds its own second.
        let pairs: Vec<_> = [("rain", "a cat"), ("rain", "flour, water, salt")]
            .map(|(query, found)| Example { input: query.into(), target: found.into() })
            .to_vec();
        let report = RetrievalEvaluator::default().evaluate(&predictor(), &pairs).unwrap();
        assert_eq!(report.score("recall@1").unwrap().value, 0.5);
        assert_eq!(report.score("mrr").unwrap().value, 0.75);
    }

    #[test]
    fn a_text_that_cannot_be_used_is_named() {
        let mut pairs = toy::pairs();
        pairs[4].target = " ".into();
        let refused = RetrievalEvaluator::default().evaluate(&predictor(), &pairs).unwrap_err();
        let EvalError::Data(DataError::Example { index: 4, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert!(RetrievalEvaluator::default().evaluate(&predictor(), &Vec::new()).is_err());
    }
}
