//! Hidden words by the program: a network trained on plain texts, measured, asked.

use crate::support::{andiron, andiron_with, text, write};
use serde_json::{Value, json};

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
