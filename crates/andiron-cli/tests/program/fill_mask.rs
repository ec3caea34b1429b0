//! Hidden words by the program: a network trained on plain texts, measured, asked.

use crate::support::{andiron, andiron_with, text, write};
use serde_json::{Value, json};
use std::path::Path;

/// Sentences whose every word follows from the others.
fn lines(n: usize) -> String {
    let sentences = [
        ["cows", "eat", "green", "grass", "on", "meadows"],
        ["ships", "sail", "over", "blue", "water", "slowly"],
        ["bakers", "bake", "bread", "from", "white", "flour"],
    ];
    (0..n).map(|i| format!("{}\n", json!({"text": sentences[i % 3].join(" ")}))).collect()
}

#[test]
fn hidden_words_are_learnt_measured_and_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("texts.jsonl"), lines(48));
    let config = dir.path().join("words.toml");
    write(
        &config,
        "task = \"fill-mask\"\nmodel = \"bert\"\noutput = \"words\"\n\
         [data]\ntrain = \"texts.jsonl\"\nsplit = \"random\"\nseed = 3\n\
         [options]\nd_model = 24\nn_heads = 3\nn_layers = 2\nd_hidden = 32\nmax_length = 16\ndropout = 0.0\n\
         [training]\nmax_steps = 400\nbatch_size = 16\nlearning_rate = 0.01\n",
    );
    let report = andiron(&["train", text(&config)]).good().lines().remove(0);
    assert_eq!(report["task"], "fill-mask");
    let score = |report: &Value, name: &str| report["scores"][name]["value"].as_f64().unwrap();
    assert!(score(&report, "loss") < 1.0 && score(&report, "accuracy") > 0.8, "{report}");

    let bundle = dir.path().join("words");
    let data = dir.path().join("texts.jsonl");
    let all = andiron(&["evaluate", text(&bundle), text(&data)]).good().lines().remove(0);
    assert_eq!(all["examples"], 48);
    assert!((score(&all, "perplexity") - score(&all, "loss").exp()).abs() < 1e-9, "{all}");

    let ask = "{\"text\": \"ships sail over blue [MASK] slowly\", \"top_k\": 2}\n\
               {\"text\": \"ships sail over blue water slowly\"}\n\
               {\"text\": \"[MASK] sail over blue [MASK]\"}\n";
    let answer = andiron_with(&["predict", text(&bundle), "-"], ask);
    assert_eq!(answer.status, Some(1), "{}", answer.err);
    let lines = answer.lines();
    let candidates = lines[0]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2);
    assert_eq!(candidates[0]["token"], "water");
    let wanted = "field \"text\" must be a text with exactly one mask token, but is one with";
    for line in &lines[1..] {
        assert!(line["error"].as_str().unwrap().starts_with(wanted), "{line}");
    }
}

/// A configuration of a tiny network on `texts.jsonl`.
fn tiny(path: &Path, output: &str, options: &str) {
    let sizes = "d_model = 12\nn_heads = 3\nn_layers = 1\nd_hidden = 10\nmax_length = 16";
    write(
        path,
        format!(
            "task = \"fill-mask\"\nmodel = \"distilbert\"\noutput = \"{output}\"\n\
             [data]\ntrain = \"texts.jsonl\"\n[options]\n{sizes}\n{options}\n\
             [training]\nmax_steps = 2\nbatch_size = 2\n"
        ),
    );
}

#[test]
fn a_text_without_a_word_to_hide_is_named_before_the_training() {
    let dir = tempfile::tempdir().unwrap();
    let (texts, config) = (dir.path().join("texts.jsonl"), dir.path().join("tiny.toml"));
    tiny(&config, "tiny", "");
    write(&texts, format!("{}{}\n{}", lines(20), json!({"text": " "}), lines(9)));
    let none = ["--set", "data.test=0", "--set", "data.valid=0"];
    let answer = andiron(&[&["train", text(&config)], &none[..]].concat());
    assert!(answer.err.contains("texts.jsonl, line 21)"), "{}", answer.err);
    answer.refused(1, "the text is empty");
}

#[test]
fn only_what_hides_the_same_words_is_compared() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("texts.jsonl"), lines(30));
    for (name, options) in [("a", "share = 0.2"), ("b", "share = 0.2\n"), ("c", "share = 0.5")] {
        let config = dir.path().join(format!("{name}.toml"));
        tiny(&config, name, options);
        andiron(&["train", text(&config), "--set", "training.seed=7"]).good();
    }
    let config = dir.path().join("d.toml");
    tiny(&config, "d", "share = 0.2\nn_tokens = 30");
    andiron(&["train", text(&config)]).good();
    let compared = |other: &str| {
        let (first, other) = (dir.path().join("a"), dir.path().join(other));
        let data = dir.path().join("texts.jsonl");
        andiron(&["evaluate", text(&first), text(&data), "--compare", text(&other)])
    };
    let both = compared("b").good().lines().remove(0);
    assert_eq!(both["comparison"]["loss_difference"]["value"], json!(0.0));
    for other in ["c", "d"] {
        compared(other).refused(1, "the reports are about different examples");
    }
}
