//! Measuring vectors by whether texts of one class lie together.

use super::{Embedding, Similarity, evaluator::vectors, nearest};
use crate::text::Text;
use andiron_core::{
    ConfigError, DataError, Dataset, EvalError, Example, Predictor, Report, Task,
    data::all,
    evaluator::{Bootstrap, Fingerprint, Outcome},
};
use std::collections::BTreeMap;

/// How many texts are ranked at once.
const CHUNK: usize = 64;

/// Searches, for each text of a labelled set, the nearest `k` of all others by cosine, and counts
/// those of its class.
///
/// With `c` of the `k` of the class, which has `r` other texts in the set, the scores are means of
///
/// ```text
/// success@k = 1 if c > 0, else 0        precision@k = c / k        recall@k = c / min(k, r)
/// ```
///
/// and `success@1` of the nearest alone. `success@k` is what papers on metric learning call Recall@K
/// (Jégou et al. 2011, <https://doi.org/10.1109/TPAMI.2010.57>); `recall@k` is the capped recall of
/// BEIR (Thakur et al. 2021, <https://arxiv.org/abs/2104.08663>), since of a class of a thousand
/// texts no more than `k` can be among the first `k`. A text that is alone in its class scores 0 in
/// all, as in trec_eval.
///
/// In the report's outcomes a text is right by `success@k` and loses `1 − recall@k`, so that
/// [`Report::compare`] tests both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassRetrievalEvaluator {
    /// How many neighbours are looked at; 1 or more, default 10.
    pub k: usize,
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

impl Default for ClassRetrievalEvaluator {
    fn default() -> Self {
        Self { k: 10, bootstrap: Bootstrap::default() }
    }
}

impl ClassRetrievalEvaluator {
    /// Measures a predictor on labelled texts.
    ///
    /// # Errors
    /// [`EvalError::Data`] names the text that cannot be used, or says that there is none;
    /// [`EvalError::Config`] for `k = 0` or intervals that cannot be made.
    pub fn evaluate(
        &self,
        predictor: &Predictor<Embedding>,
        data: &dyn Dataset<Example<Text, String>>,
    ) -> Result<Report, EvalError> {
        self.check()?;
        let texts = all(data)?;
        let mut fingerprint = Fingerprint::new();
        for (index, example) in texts.iter().enumerate() {
            let added =
                fingerprint.add(&example.input).and_then(|()| fingerprint.add(&example.target));
            added.map_err(|error| error.at(index, None))?;
        }
        let labels: Vec<&str> = texts.iter().map(|example| example.target.as_str()).collect();
        let inputs = texts.iter().map(|example| example.input.clone()).enumerate().collect();
        let found = self.found(&vectors(predictor, inputs)?, &labels)?;
        let names = [
            "success@1".to_owned(),
            self.name("success"),
            self.name("precision"),
            self.name("recall"),
        ];
        let values: Vec<[f64; 4]> = found.iter().map(|found| found.values(self.k)).collect();
        let scores = self.bootstrap.scores(values.len(), |indices, out| {
            let mut sums = [0.0; 4];
            for index in indices {
                sums.iter_mut().zip(values[*index]).for_each(|(sum, value)| *sum += value);
            }
            out.extend(sums.map(|sum| sum / indices.len() as f64));
        })?;
        let Bootstrap { resamples, confidence, seed } = self.bootstrap;
        Ok(Report {
            task: Embedding::NAME.to_owned(),
            architecture: predictor.architecture().to_owned(),
            examples: values.len(),
            confidence,
            resamples,
            seed,
            // With k = 1 two have one name, and one value.
            scores: names.into_iter().zip(scores).collect(),
            labels: Vec::new(),
            classes: Vec::new(),
            confusion: Vec::new(),
            fingerprint: fingerprint.finish(),
            outcomes: values
                .iter()
                .map(|[_, success, _, recall]| Outcome {
                    right: *success > 0.0,
                    loss: 1.0 - recall,
                })
                .collect(),
            found: Vec::new(),
        })
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("k", 1, self.k)?;
        self.bootstrap.check()
    }

    fn name(&self, score: &str) -> String {
        format!("{score}@{}", self.k)
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

/// What one text finds.
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{models::bert::BertConfig, tasks::embedding::toy};
    use andiron_core::Network;
    use burn::tensor::Device;
    use serde_json::Value;

    fn predictor() -> Predictor<Embedding> {
        let task = toy::task();
        let config = BertConfig::new(task.tokenizer.n_tokens()).with_d_model(12).with_n_heads(3);
        let config = config.with_n_layers(1).with_d_hidden(10).with_max_length(40);
        let network = Network::init(config, 3, &Device::flex()).unwrap();
        Predictor::new(task, network, &Device::flex())
    }

    fn texts(pairs: &[(&str, &str)]) -> Vec<Example<Text, String>> {
        let example = |(text, label): &(&str, &str)| Example {
            input: Text::from(*text),
            target: (*label).to_owned(),
        };
        pairs.iter().map(example).collect()
    }

    #[test]
    fn the_scores_are_trec_evals() {
        let golden: Value =
            serde_json::from_str(include_str!("../../../tests/golden/class_retrieval.json"))
                .unwrap();
        let cases = golden["cases"].as_array().unwrap();
        assert!(cases.len() > 3);
        for case in cases {
            let vectors: Vec<Vec<f32>> = serde_json::from_value(case["vectors"].clone()).unwrap();
            let labels: Vec<String> = serde_json::from_value(case["labels"].clone()).unwrap();
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let k = case["k"].as_u64().unwrap() as usize;
            let evaluator = ClassRetrievalEvaluator { k, ..Default::default() };
            let found = evaluator.found(&vectors, &labels).unwrap();
            let wanted: Vec<[f64; 4]> = serde_json::from_value(case["scores"].clone()).unwrap();
            assert_eq!(found.len(), wanted.len());
            for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                for (got, wanted) in found.values(k).into_iter().zip(wanted) {
                    assert!((got - wanted).abs() < 1e-12, "text {at}, k {k}: {got}, not {wanted}");
                }
            }
        }
        andiron_core::testing::record(
            "golden",
            "embedding: retrieval by class",
            "success@1, success@k, precision@k and recall@k of each text equal trec_eval's",
        );
    }

    #[test]
    fn a_text_is_not_its_own_neighbour() {
        let evaluator = ClassRetrievalEvaluator { k: 2, ..Default::default() };
        // Equal texts of two classes: each finds the other of its own text first.
        let data = texts(&[("rain", "a"), ("rain", "b"), ("a cat", "a"), ("a cat", "c")]);
        let report = evaluator.evaluate(&predictor(), &data).unwrap();
        assert_eq!(report.score("success@1").unwrap().value, 0.0);
        // The two of class a are each other's second or third; b and c are alone in theirs.
        assert!(report.score("success@2").unwrap().value <= 0.5);
        assert_eq!((report.examples, report.outcomes.len()), (4, 4));
        assert!(!report.outcomes[1].right && report.outcomes[1].loss == 1.0);
        let same = texts(&[("rain", "a"), ("rain", "a"), ("a cat", "b"), ("a cat", "b")]);
        let report = evaluator.evaluate(&predictor(), &same).unwrap();
        let value = |name: &str| report.score(name).unwrap().value;
        assert_eq!(value("success@1"), 1.0);
        assert_eq!((value("precision@2"), value("recall@2")), (0.5, 1.0));
        assert!(report.outcomes.iter().all(|outcome| outcome.right && outcome.loss == 0.0));
        assert_ne!(report.compare(&report).unwrap().accuracy_p, 0.0);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let data = texts(&[("rain", "a"), (" ", "a")]);
        let evaluator = ClassRetrievalEvaluator::default();
        let refused = evaluator.evaluate(&predictor(), &data).unwrap_err();
        assert!(matches!(refused, EvalError::Data(DataError::Example { index: 1, .. })));
        let none = Vec::new();
        assert!(evaluator.evaluate(&predictor(), &none).is_err());
        let refused = ClassRetrievalEvaluator { k: 0, ..evaluator };
        let refused = refused.evaluate(&predictor(), &data[..1].to_vec()).unwrap_err();
        assert!(matches!(refused, EvalError::Config(_)), "{refused:?}");
    }
}
