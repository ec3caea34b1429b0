//! A vocabulary of the most probable pieces, as XLM-R has one; numbers by
//! `scripts/golden/token_classifiers.py`.

use andiron_core::testing;
use andiron_nlp::tokenizer::Tokenizer;
use serde_json::Value;
use std::{fs, path::Path};

fn of<V: serde::de::DeserializeOwned>(value: &Value) -> V {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn pieces_of_xlm_roberta_are_those_of_transformers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/token_classifiers")
        .join("xlm_roberta");
    let case: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("case.json")).unwrap()).unwrap();
    let file = folder.join("tokenizer.json");
    let written: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(written["model"]["type"], "Unigram");
    let tokenizer = Tokenizer::from_file(&file).unwrap();
    let again: Tokenizer =
        serde_json::from_str(&serde_json::to_string(&tokenizer).unwrap()).unwrap();
    let texts = case["pieces"].as_array().unwrap();
    assert!(texts.len() >= 15);
    for wanted in texts {
        let text = wanted["text"].as_str().unwrap();
        let got = tokenizer.encode(&text.into(), 64, false).unwrap();
        assert_eq!(got.ids, of::<Vec<u32>>(&wanted["ids"]), "{text:?}");
        assert_eq!(got.offsets, of::<Vec<(usize, usize)>>(&wanted["offsets"]), "{text:?}");
        assert_eq!(got.words, of::<Vec<Option<u32>>>(&wanted["words"]), "{text:?}");
        assert_eq!(again.encode(&text.into(), 64, false).unwrap(), got, "{text:?}");
    }
    testing::record(
        "golden",
        "Unigram tokenizer of XLM-R",
        &format!("tokens of {} texts, their places and words, equal transformers'", texts.len()),
    );
}
