//! Rows of a table in place of lines of JSON: every cell is a text, and counts as what it says.

use crate::{
    made::{chat, golden, hugging_face},
    support::{andiron, andiron_with, text, write},
};
use serde_json::{Value, json};
use std::path::Path;

/// What the model says to lines of JSON, and to the same as a table with the columns `columns`.
fn both_ways(model: &Path, columns: &[&str], lines: &[Value]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let quoted = |text: String| format!("\"{}\"", text.replace('"', "\"\""));
    let row = |line: &Value| {
        let cells: Vec<String> = columns.iter().map(|name| quoted(cell(&line[*name]))).collect();
        format!("{}\n", cells.join(","))
    };
    let table: String = lines.iter().map(row).collect();
    let path = dir.path().join("table.csv");
    write(&path, format!("{}\n{table}", columns.join(",")));
    let json: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let from_json = andiron_with(&["predict", text(model), "-"], json).good().lines();
    let from_table = andiron(&["predict", text(model), text(&path)]).good().lines();
    assert_eq!(from_table, from_json);
    from_json
}

#[test]
fn prompts_and_how_they_go_on() {
    let (name, settings) = chat();
    let dir = hugging_face("decoders/llama", &[(name, settings)]);
    let columns =
        ["prompt", "messages", "max_tokens", "temperature", "top_p", "top_k", "seed", "stop"];
    let answers = both_ways(
        dir.path(),
        &columns,
        &[
            json!({"prompt": "ab", "max_tokens": 2, "temperature": 0.7, "top_p": 0.9, "seed": 3}),
            json!({"prompt": "ab cab", "max_tokens": 3, "top_k": 2, "temperature": 1.5}),
            json!({"messages": [{"role": "user", "content": "abc"}], "max_tokens": 1}),
            json!({"prompt": "bca", "max_tokens": 2, "stop": "c"}),
        ],
    );
    assert!(answers.iter().all(|answer| answer["text"].is_string()), "{answers:?}");
    assert_eq!(answers[2]["usage"]["completion_tokens"], 1);
    let dir_of_table = tempfile::tempdir().unwrap();
    let table = dir_of_table.path().join("bad.csv");
    write(&table, "prompt,temperature\nab,warm\n");
    let answer = andiron(&["predict", text(dir.path()), text(&table)]);
    assert_eq!(
        answer.lines()[0]["error"],
        "field \"temperature\" must be a number of 0 or more, but is \"warm\""
    );
}

#[test]
fn queries_and_their_documents() {
    let model = golden("rerank/bert");
    let lines = [
        json!({"query": "the cat", "documents": ["the dog, and the mat", "a \"hat\""]}),
        json!({"query": "dog", "documents": ["the cat"], "truncate": true}),
    ];
    let answers = both_ways(&model, &["query", "documents", "truncate"], &lines);
    assert_eq!(answers[0]["scores"].as_array().unwrap().len(), 2);
    let dir = tempfile::tempdir().unwrap();
    let report = |name: &str, content: &str| {
        let path = dir.path().join(name);
        write(&path, content);
        andiron(&["evaluate", text(&model), text(&path)]).good().lines().remove(0)
    };
    let scores = |report: Value| report["scores"].clone();
    let wanted = report(
        "a.jsonl",
        "{\"query\": \"cat\", \"documents\": [\"the cat\", \"a mat\"], \"scores\": [0.5, 1]}\n",
    );
    let cells = "query\tdocuments\tscores\ncat\t[\"the cat\", \"a mat\"]\t[0.5, 1]\n";
    assert_eq!(scores(report("a.tsv", cells)), scores(wanted));
    let relevant = "query\tdocuments\trelevant\ncat\t[\"the cat\", \"a mat\"]\t[1]\n";
    assert_eq!(report("b.tsv", relevant)["examples"], 1);
}
