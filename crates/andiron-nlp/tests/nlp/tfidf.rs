//! Weights of hashed n-grams against scikit-learn's; numbers by `scripts/golden/tfidf.py`.

use andiron_core::{Example, Recipe as _, device, testing};
use andiron_nlp::{features::Features, models::hashed_linear::HashedLinearConfig, text::Text};
use serde_json::{Value, json};

#[test]
fn document_weights_are_scikit_learns() {
    let golden: Value = serde_json::from_str(include_str!("../golden/tfidf.json")).unwrap();
    let device = device("flex").unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 3);
    for case in cases {
        let texts = |field: &str| -> Vec<Text> {
            let texts: Vec<String> = serde_json::from_value(case[field].clone()).unwrap();
            texts.into_iter().map(Text::from).collect()
        };
        let train: Vec<_> = texts("train")
            .into_iter()
            .enumerate()
            .map(|(at, input)| Example { input, target: ["a", "b"][at % 2].to_owned() })
            .collect();
        let mut options = json!({
            "weights": if case["sublinear"] == true { "log-tf-idf" } else { "tf-idf" }
        });
        for field in ["words", "least_characters", "most_characters", "n_buckets"] {
            options[field] = case[field].clone();
        }
        let (task, config) = HashedLinearConfig::prepare(&options, &train).unwrap();
        assert_eq!(config.fits(&task), Ok(()));
        // As a bundle has it.
        let saved = serde_json::to_string(&task.features).unwrap();
        let features: Features = serde_json::from_str(&saved).unwrap();
        assert_eq!(features, task.features);

        let texts = texts("texts");
        let batch = features.batch(&texts.iter().collect::<Vec<_>>(), false, &device).unwrap();
        let wanted: Vec<Vec<(i32, f64)>> = serde_json::from_value(case["weights"].clone()).unwrap();
        let [n, width] = batch.ids.dims();
        assert_eq!((n, width), (wanted.len(), wanted.iter().map(Vec::len).max().unwrap()));
        let ids: Vec<i32> = batch.ids.into_data().iter::<i32>().collect();
        let weights: Vec<f32> = batch.weights.unwrap().into_data().iter::<f32>().collect();
        for (row, wanted) in wanted.iter().enumerate() {
            let at = row * width;
            let found = ids[at..].iter().zip(&weights[at..]).take(wanted.len());
            for ((id, weight), (wanted_id, wanted)) in found.zip(wanted) {
                assert_eq!(id, wanted_id);
                assert!((f64::from(*weight) - wanted).abs() < 1e-6, "{weight}, not {wanted}");
            }
            assert!(weights[at + wanted.len()..at + width].iter().all(|weight| *weight == 0.0));
        }
    }
    testing::record(
        "golden",
        "hashed-linear: document weights",
        "weights of word and character n-grams equal scikit-learn's TfidfVectorizer within 1e-6",
    );
}
