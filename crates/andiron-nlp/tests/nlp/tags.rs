//! Entities from token scores against transformers' pipeline; numbers by `scripts/golden/tags.py`.

use andiron_core::testing;
use andiron_nlp::tags::{Aggregation, Scheme, TokenScores, decode};
use serde_json::Value;

type Token = (usize, usize, Option<usize>, Vec<f32>);

#[test]
fn entities_are_transformers() {
    let file: Value = serde_json::from_str(include_str!("../golden/tags.json")).unwrap();
    let (cases, mut found) = (file["cases"].as_array().unwrap(), 0);
    assert!(cases.len() >= 20);
    for (at, case) in cases.iter().enumerate() {
        let labels: Vec<String> = serde_json::from_value(case["labels"].clone()).unwrap();
        let tokens: Vec<Token> = serde_json::from_value(case["tokens"].clone()).unwrap();
        let tokens: Vec<TokenScores> = tokens
            .into_iter()
            .map(|(start, end, word, scores)| TokenScores { scores, start, end, word })
            .collect();
        let text = case["text"].as_str().unwrap();
        let characters: Vec<char> = text.chars().collect();
        for aggregation in
            [Aggregation::Simple, Aggregation::First, Aggregation::Average, Aggregation::Max]
        {
            let name = serde_json::to_value(aggregation).unwrap();
            let wanted: Vec<(String, usize, usize, f32)> =
                serde_json::from_value(case["entities"][name.as_str().unwrap()].clone()).unwrap();
            for scheme in [Scheme::Bio, Scheme::Bioes] {
                // No label here begins with E- or S-, so the schemes agree.
                let got = decode(text, &labels, &tokens, aggregation, scheme).unwrap();
                assert_eq!(got.len(), wanted.len(), "case {at}, {name}: {got:?}");
                for (got, (label, start, end, score)) in got.iter().zip(&wanted) {
                    assert_eq!(
                        (&got.label, got.start, got.end),
                        (label, *start, *end),
                        "case {at}"
                    );
                    assert!((got.score - score).abs() < 1e-6, "case {at}, {name}: {got:?} {score}");
                    let part: String = characters[*start..*end].iter().collect();
                    assert_eq!(got.text, part);
                    found += 1;
                }
            }
        }
    }
    assert!(found > 400, "only {found} entities compared");
    testing::record(
        "golden",
        "entities from token scores",
        "20 texts by 4 aggregations equal transformers' token classification pipeline",
    );
}
