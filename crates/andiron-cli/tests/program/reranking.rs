//! A cross-encoder by the program: trained on lines of JSON, measured, asked.

use crate::support::{andiron, andiron_with, text, write};
use serde_json::{Value, json};

/// Questions about a fruit or a tool, each with two documents of which one speaks of the same thing;
/// neither document tells by itself which one that is.
fn lines(n: usize) -> String {
    let things = ["apple", "hammer", "pear", "saw"];
    let about = ["is sold here", "was on the table", "costs little"];
    (0..n)
        .map(|i| {
            let (own, other) = (things[i % 4], things[(i + 1 + i / 4 % 3) % 4]);
            let (first, second) = (about[i % 3], about[(i + 1) % 3]);
            let documents = [format!("the {own} {first}"), format!("the {other} {second}")];
            let (documents, relevant) = match i % 2 {
                0 => (documents.to_vec(), 0),
                _ => ([documents[1].clone(), documents[0].clone()].to_vec(), 1),
            };
            let line = json!({"query": format!("where is the {own}"), "documents": documents,
                              "relevant": [relevant]});
            format!("{line}\n")
        })
        .collect()
}

#[test]
fn a_cross_encoder_is_trained_measured_and_asked() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("queries.jsonl"), lines(126));
    let config = dir.path().join("fruit.toml");
    write(
        &config,
        "task = \"rerank\"\nmodel = \"bert\"\noutput = \"fruit\"\n\
         [data]\ntrain = \"queries.jsonl\"\nsplit = \"random\"\nseed = 3\n\
         [options]\nd_model = 24\nn_heads = 3\nn_layers = 2\nd_hidden = 32\nmax_length = 32\ndropout = 0.0\n\
         [training]\nmax_steps = 300\nbatch_size = 16\nlearning_rate = 0.005\n",
    );
    let answer = andiron(&["train", text(&config)]).good();
    let report = answer.lines().remove(0);
    assert_eq!(report["task"], "rerank");
    let ndcg = |report: &Value| report["scores"]["ndcg@10"]["value"].as_f64().unwrap();
    assert!(ndcg(&report) > 0.9, "{report}");

    let bundle = dir.path().join("fruit");
    let data = dir.path().join("queries.jsonl");
    let all = andiron(&["evaluate", text(&bundle), text(&data)]).good().lines().remove(0);
    assert_eq!(all["examples"], 126);
    assert!(ndcg(&all) > 0.9, "{all}");

    let ask = "{\"query\": \"where is the apple\", \"documents\": [\"the saw is sold here\", \"the apple costs little\"]}\n\
               {\"query\": \"where is the apple\", \"documents\": []}\n\
               {\"query\": \"where is the apple\", \"documents\": [\"the apple\", 5]}\n";
    let answer = andiron_with(&["predict", text(&bundle), "-"], ask);
    assert_eq!(answer.status, Some(1), "{}", answer.err);
    let lines = answer.lines();
    let scores = lines[0]["scores"].as_array().unwrap();
    assert!(scores.len() == 2 && scores[1].as_f64() > scores[0].as_f64(), "{}", answer.out);
    assert_eq!(lines[1]["error"], "the list of documents is empty");
    assert_eq!(lines[2]["error"], "field \"documents[1]\" must be a text, but is 5");
}

#[test]
fn lines_that_say_nothing_of_relevance_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let line = json!({"query": "a", "documents": ["b", "c"], "scores": [1]});
    let queries = dir.path().join("queries.jsonl");
    let config = dir.path().join("fruit.toml");
    write(
        &config,
        "task = \"rerank\"\nmodel = \"distilbert\"\noutput = \"fruit\"\n\
         [data]\ntrain = \"queries.jsonl\"\ntest = 0\nvalid = 0\n\
         [options]\nd_model = 12\nn_heads = 3\nn_layers = 1\n\
         [training]\nmax_steps = 1\nbatch_size = 2\n",
    );
    // Of 25 lines a run of one step sees two: what is wrong is said before it.
    let refused = |line: Value, wanted: &str| {
        write(&queries, format!("{}{line}\n{}", lines(20), lines(4)));
        let answer = andiron(&["train", text(&config), "--fresh"]);
        assert!(answer.err.contains("queries.jsonl, line 21)"), "{}", answer.err);
        assert!(!answer.err.contains("step 1/1"), "{}", answer.err);
        answer.refused(1, wanted);
    };
    refused(line.clone(), "documents and relevances must be equally many, but are 2 and 1");
    let with = |field: &str, value: Value| {
        let mut line = json!({"query": "a", "documents": ["b", "c"], "scores": [1, 0]});
        line[field] = value;
        line
    };
    refused(with("scores", json!([1, -1])), "the list of relevances holds -1 at position 1");
    refused(with("scores", json!([0, 1.5])), "a relevance must lie in 0..=1, but is 1.5");
    refused(with("query", json!(" ")), "the query is empty");
    refused(with("documents", json!(["b", ""])), "documents[1] is empty");
    // So is what only measuring would meet.
    write(&queries, lines(20));
    write(&dir.path().join("test.jsonl"), format!("{}{line}\n", lines(3)));
    let test = ["--set", "data.test=test.jsonl"];
    let answer = andiron(&["train", text(&config), "--fresh", test[0], test[1]]);
    assert!(answer.err.contains("test.jsonl, line 4)"), "{}", answer.err);
    answer.refused(1, "documents and relevances must be equally many");
}
