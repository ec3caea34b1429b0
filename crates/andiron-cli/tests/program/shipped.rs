//! The built-in models, measured anew on the shipped examples that they have not learnt from.

use crate::support::{andiron, root, text};
use serde_json::Value;
use std::fs;

/// The report of a built-in model; it must be the one that its card was made from.
fn report(name: &str, data: &[&str]) -> Value {
    let args = [&["evaluate", name][..], data].concat();
    let report = andiron(&args).good().lines().remove(0);
    let bundle = root().join("crates/andiron-cli/builtin").join(name).join("andiron.json");
    let bundle: Value = serde_json::from_slice(&fs::read(bundle).unwrap()).unwrap();
    let card = &bundle["card"];
    assert_eq!(report["examples"], card["data"][0]["examples"]["test"], "{name}");
    assert_eq!(card["command"], format!("andiron train models/{name}.toml"));
    for metric in ["accuracy", "f1_macro"] {
        let of = |scores: &Value| scores[metric]["value"].as_f64().unwrap();
        let (now, then) = (of(&report["scores"]), of(&card["metrics"]));
        // Another processor sums in another order; an example on the border may fall.
        assert!((now - then).abs() < 0.006, "{name}, {metric}: {now}, but the card says {then}");
    }
    report
}

fn value(report: &Value, metric: &str) -> f64 {
    report["scores"][metric]["value"].as_f64().unwrap()
}

#[test]
fn sentiment_is_as_good_as_it_says() {
    let report = report("sentiment", &["--config", "models/sentiment.toml"]);
    assert!(value(&report, "accuracy") >= 0.80, "{report}");
    assert!(value(&report, "f1_macro") >= 0.73, "{report}");
}

#[test]
fn digits_is_as_good_as_it_says() {
    let report = report("digits", &["--config", "models/digits.toml"]);
    assert!(value(&report, "accuracy") >= 0.97, "{report}");
}

#[test]
fn languages_is_as_good_as_it_says() {
    let report = report("languages", &["examples/data/prompts"]);
    assert!(value(&report, "accuracy") >= 0.92, "{report}");
    assert_eq!(report["examples"], 200);
    // The same examples by the configuration, which needs nothing that is not shipped for it.
    let by_config = andiron(&["evaluate", "languages", "--config", "models/languages.toml"]);
    assert_eq!(by_config.good().lines()[0], report);
}

#[test]
fn shipped_files_are_answered() {
    let sound = root().join("examples/data/prompts/fr/digits-13.wav");
    let answer = andiron(&["predict", "languages", text(&sound)]).good().lines().remove(0);
    assert_eq!(answer["scores"].as_object().unwrap().len(), 5);
    let images = "examples/data/digits/digits-images-idx3-ubyte.gz";
    let labels = "examples/data/digits/digits-labels-idx1-ubyte.gz";
    let all = andiron(&["evaluate", "digits", images, "--labels", labels]).good();
    assert_eq!(all.lines()[0]["examples"], 1797);
    andiron(&["evaluate", "digits", images]).refused(1, "its name must end in .csv");
}
