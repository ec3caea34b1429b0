//! Published models of full size as a MODEL. Runs where `scripts/fetch-assets` has brought them;
//! with `ANDIRON_ASSETS=required` it fails where they are not.

use crate::support::{andiron, andiron_with, root, text};
use serde_json::{Value, json};
use std::{io::Write as _, path::PathBuf};

/// What was fetched under `name`, or nothing, said aloud.
pub(crate) fn asset(name: &str) -> Option<PathBuf> {
    let path = root().join("assets").join(name);
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var("ANDIRON_ASSETS").is_ok_and(|value| value == "required");
    assert!(!required, "{} is not there; scripts/fetch-assets fetches it", path.display());
    // Past the test harness, which keeps what a test that passes prints to itself.
    let said =
        format!("LEFT OUT: {} is not there; scripts/fetch-assets fetches it\n", path.display());
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    None
}

/// The answer to a line.
pub(crate) fn ask(model: &str, line: &Value) -> Value {
    andiron_with(&["predict", model, "-"], format!("{line}\n")).good().lines().remove(0)
}

#[test]
fn a_sentence_encoder_gives_its_vectors_before_and_after_it_is_a_bundle() {
    let Some(model) = asset("all-minilm-l6-v2") else { return };
    let line = json!({"text": "This is an example sentence"});
    let answer = ask(text(&model), &line);
    let numbers: Vec<f64> =
        answer["embedding"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    // The first that sentence-transformers gives.
    let wanted = [0.06766, 0.06350, 0.04871, 0.07930];
    assert_eq!(numbers.len(), 384);
    for (got, wanted) in numbers.iter().zip(wanted) {
        assert!((got - wanted).abs() < 1e-4, "{got}, but {wanted} was wanted");
    }
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("minilm");
    andiron(&["convert", text(&model), text(&bundle)]).good();
    assert_eq!(ask(text(&bundle), &line), answer);
    andiron::testing::record(
        "program",
        "convert: all-MiniLM-L6-v2",
        "the published vector before and after, number for number",
    );
}

#[test]
fn a_language_model_and_a_language_identifier_answer() {
    if let Some(folder) = asset("smollm2") {
        let path = folder.join("SmolLM2-135M-Instruct.Q4_1.gguf");
        let line = json!({"prompt": "The capital of France is", "max_tokens": 2});
        assert_eq!(ask(text(&path), &line)["text"], " Paris.");
        let question = json!({"role": "user", "content": "What is the capital of France?"});
        let answer = ask(text(&path), &json!({"messages": [question], "max_tokens": 12}));
        assert_eq!(answer["text"], "The capital of France is Paris.");
        assert_eq!(answer["finish_reason"], "stop");
        andiron::testing::record(
            "program",
            "text-generation: SmolLM2-135M-Instruct as GGUF",
            "a prompt and a conversation about the capital of France",
        );
    }
    if let Some(folder) = asset("lid-176") {
        let path = folder.join("lid.176.ftz");
        for (line, language) in [
            ("Wo ist die Bibliothek?", "de"),
            ("Où est la bibliothèque ?", "fr"),
            ("Где находится библиотека?", "ru"),
        ] {
            assert_eq!(ask(text(&path), &json!({"text": line}))["label"], language);
        }
        andiron::testing::record(
            "program",
            "text-classification: lid.176.ftz",
            "three languages told by fastText's own file",
        );
    }
}

#[test]
fn photographs_are_classified_by_published_weights_that_are_named() {
    let (Some(weights), Some(images)) = (asset("efficientnet-lite0"), asset("imagenet-sample"))
    else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("lite0");
    let name = "efficientnet-lite0";
    andiron(&["convert", text(&weights), text(&bundle), "--architecture", name]).good();
    // The class stands behind the last line of a photograph's name.
    let mut lines = String::new();
    for entry in std::fs::read_dir(images).unwrap() {
        let path = entry.unwrap().path();
        let label = path.file_stem().unwrap().to_str().unwrap().rsplit('_').next().unwrap();
        lines += &format!(
            "{}\n",
            json!({"image": path, "label": label.parse::<u32>().unwrap().to_string()})
        );
    }
    let data = dir.path().join("photographs.jsonl");
    std::fs::write(&data, lines).unwrap();
    let report = andiron(&["evaluate", text(&bundle), text(&data)]).good().lines().remove(0);
    assert_eq!(report["scores"]["accuracy"]["value"], 0.9, "18 of 20");
    andiron::testing::record(
        "program",
        "convert, evaluate: EfficientNet-Lite0",
        "18 of 20 photographs of ImageNet, from the published .pth to the report",
    );
}
