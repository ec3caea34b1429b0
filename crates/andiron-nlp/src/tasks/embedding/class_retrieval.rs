//! Measuring vectors by whether texts of one class lie together.

use super::{Embedding, evaluator::vectors};
use crate::text::Text;
use andiron_core::{
    Dataset, EvalError, Example, Predictor, Report, Task,
    data::all,
    evaluator::{Bootstrap, ClassRetrieval, Fingerprint},
};

/// [`ClassRetrieval`] of the vectors of labelled texts.
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
        let retrieval = ClassRetrieval { k: self.k, bootstrap: self.bootstrap };
        retrieval.check()?;
        let texts = all(data)?;
        let mut fingerprint = Fingerprint::new();
        for (index, example) in texts.iter().enumerate() {
            let added =
                fingerprint.add(&example.input).and_then(|()| fingerprint.add(&example.target));
            added.map_err(|error| error.at(index, None))?;
        }
        let labels: Vec<&str> = texts.iter().map(|example| example.target.as_str()).collect();
        let inputs = texts.iter().map(|example| example.input.clone()).enumerate().collect();
        let vectors = vectors(predictor, inputs)?;
        let names = [Embedding::NAME, predictor.architecture()];
        retrieval.report(names, &vectors, &labels, fingerprint)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{models::bert::BertConfig, tasks::embedding::toy};
    use andiron_core::{DataError, Network};
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
            let found = ClassRetrieval { k, ..Default::default() }.values(&vectors, &labels);
            let found = found.unwrap();
            let wanted: Vec<[f64; 4]> = serde_json::from_value(case["scores"].clone()).unwrap();
            assert_eq!(found.len(), wanted.len());
            for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                for (got, wanted) in found.iter().zip(wanted) {
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
