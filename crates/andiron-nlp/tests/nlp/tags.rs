//! Entities from token scores against transformers' pipeline, and from tags against seqeval; numbers by
//! `scripts/golden/tags.py`.

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

/// Label, first token, and the token behind the last.
type Found = (String, usize, usize);

/// What `decode` finds where each token is a word that is sure of its tag.
fn found(tags: &[String], aggregation: Aggregation) -> Vec<Found> {
    let mut labels = tags.to_vec();
    labels.sort();
    labels.dedup();
    let tokens: Vec<TokenScores> = tags
        .iter()
        .enumerate()
        .map(|(at, tag)| {
            let scores = labels.iter().map(|label| f32::from(u8::from(label == tag))).collect();
            TokenScores { scores, start: at, end: at + 1, word: Some(at) }
        })
        .collect();
    let text = "é".repeat(tags.len());
    let entities = decode(&text, &labels, &tokens, aggregation, Scheme::Bioes).unwrap();
    entities.into_iter().map(|entity| (entity.label, entity.start, entity.end)).collect()
}

/// seqeval's strict scheme leaves out what is not well formed. Here, as in its default mode, it is
/// read as far as it goes.
#[test]
fn entities_of_bioes_tags_are_seqevals() {
    let file: Value = serde_json::from_str(include_str!("../golden/tags.json")).unwrap();
    let (cases, mut strictly, mut left_out) = (file["bioes"].as_array().unwrap(), 0, 0);
    assert!(cases.len() >= 30);
    for case in cases {
        let tags: Vec<String> = serde_json::from_value(case["tags"].clone()).unwrap();
        let strict: Vec<Found> = serde_json::from_value(case["strict"].clone()).unwrap();
        let default: Vec<Found> = serde_json::from_value(case["default"].clone()).unwrap();
        for aggregation in [Aggregation::Simple, Aggregation::First, Aggregation::Average] {
            let got = found(&tags, aggregation);
            assert_eq!(got, default, "{tags:?}");
            assert!(strict.iter().all(|entity| got.contains(entity)), "{tags:?}");
            if case["well_formed"] == true {
                assert_eq!(got, strict, "{tags:?}");
            }
        }
        strictly += strict.len();
        left_out += default.len() - strict.len();
    }
    assert!(strictly > 60 && left_out > 40, "{strictly} entities, and {left_out} not well formed");
    testing::record(
        "golden",
        "entities from BIOES tags",
        &format!(
            "of {} taggings, {strictly} entities as seqeval's strict IOBES, and {left_out} that are not well formed as its default mode",
            cases.len()
        ),
    );
}
