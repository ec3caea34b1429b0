//! Whatever can be read becomes a bundle, whole or not at all, and answers as before.

use crate::{
    made::{chat, gguf, golden, hugging_face},
    support::{andiron, andiron_with, names, text, write},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Converts `model`, checks that the bundle answers `lines` as the model does, and gives its
/// description.
fn converted(model: &str, more: &[&str], lines: &[Value]) -> Value {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    let args = |first: &[&str]| -> Vec<String> {
        first.iter().chain(more).map(|part| (*part).to_owned()).collect()
    };
    let run = |args: &[String]| andiron(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let said = run(&args(&["convert", model, text(&bundle)])).good();
    assert!(said.out.is_empty() && said.err.contains(": saved to "), "{}", said.err);
    let before = args(&["predict", model, "-"]);
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let before = andiron_with(&before, &lines).good();
    let after = andiron_with(&["predict", text(&bundle), "-"], &lines).good();
    assert_eq!(before.out, after.out, "{model}");
    assert_eq!(names(dir.path()), ["bundle"], "nothing else is left");
    let inspect = run(&args(&["inspect", model, "--json"])).good().lines().remove(0);
    let all = andiron(&["inspect", text(&bundle), "--json"]).good().lines().remove(0);
    for part in ["task", "architecture", "config", "preprocessing", "parameters", "tensors"] {
        assert_eq!(inspect[part], all[part], "{part} of {model}");
    }
    all
}

#[test]
fn every_layout_becomes_a_bundle_with_the_same_answers() {
    let texts = [json!({"text": "abc ab"}), json!({"text": "cab bca cab"})];
    for name in ["encoders/bert", "encoders/roberta"] {
        let dir = hugging_face(name, &[]);
        let head = ["--task", "embedding"];
        let all = converted(text(dir.path()), &head, &texts);
        assert_eq!(all["task"], "embedding");
        let command = all["card"]["command"].as_str().unwrap();
        assert!(command.starts_with("andiron convert ") && command.ends_with(" --task embedding"));
    }
    let prompts = [
        json!({"prompt": "abc", "max_tokens": 5}),
        json!({"prompt": "ab cab", "max_tokens": 4, "temperature": 1.1, "seed": 9}),
    ];
    let talk = json!({"messages": [{"role": "user", "content": "abc"}], "max_tokens": 4});
    for name in ["llama", "gpt2", "mistral", "qwen3"] {
        let dir = hugging_face(&format!("decoders/{name}"), &[chat()]);
        let lines = [&prompts[..], std::slice::from_ref(&talk)].concat();
        assert_eq!(converted(text(dir.path()), &[], &lines)["task"], "text-generation");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    write(&path, gguf());
    let all = converted(text(&path), &[], &[&prompts[..], &[talk]].concat());
    assert!(all["card"]["description"].as_str().unwrap().contains("tiny.gguf"), "{all}");
    let heads: [(&str, &str, &[Value]); 3] = [
        ("token_classifiers", "token-classification", &[json!({"text": "Ann met Bob in Utah."})]),
        ("fill_mask", "fill-mask", &[json!({"text": "the house on the MASK"})]),
        ("rerank", "rerank", &[json!({"query": "the sea", "documents": ["a ship", "old hills"]})]),
    ];
    for (folder, task, lines) in heads {
        for (encoder, mask) in [("bert", "[MASK]"), ("distilbert", "[MASK]"), ("roberta", "<mask>")]
        {
            let lines: Vec<Value> = lines
                .iter()
                .map(|line| serde_json::from_str(&line.to_string().replace("MASK", mask)).unwrap())
                .collect();
            let model = golden(folder).join(encoder);
            assert_eq!(converted(text(&model), &[], &lines)["task"], task, "{encoder}");
        }
    }
    for name in ["fasttext_tree.bin", "fasttext_quantised.ftz"] {
        let all = converted(text(&golden(name)), &[], &texts);
        assert_eq!(all["architecture"], "fasttext");
    }
    andiron::testing::record(
        "program",
        "convert: the bundle answers as what it was made from",
        "encoders, decoders, GGUF and fastText, byte for byte",
    );
}

#[test]
fn a_bundle_keeps_its_card() {
    let all = converted("sentiment", &[], &[json!({"text": "lovely"})]);
    let own = andiron(&["inspect", "sentiment", "--json"]).good().lines().remove(0);
    assert_eq!(all["card"], own["card"]);
    // Every bit: the files are those of the bundle it was made from.
    assert_eq!(all["files"]["model.safetensors"], own["files"]["model.safetensors"]);
}

#[test]
fn what_stands_there_is_replaced_if_it_is_a_bundle_and_left_alone_if_not() {
    let model = hugging_face("encoders/bert", &[]);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("mine");
    write(&folder.join("letter.txt"), "dear");
    let refused = |to: &Path, part: &str| {
        andiron(&["convert", text(model.path()), text(to)]).refused(1, part);
    };
    refused(&folder, "exists and belongs to no bundle, so it is not replaced");
    refused(&folder.join("letter.txt"), "exists and belongs to no bundle");
    assert_eq!(fs::read(folder.join("letter.txt")).unwrap(), b"dear");
    // Not even the model's own folder.
    refused(model.path(), "exists and belongs to no bundle");
    let before = names(model.path());

    let bundle = dir.path().join("bundle");
    andiron(&["convert", "digits", text(&bundle)]).good();
    andiron(&["convert", text(model.path()), text(&bundle)]).good();
    let all = andiron(&["inspect", text(&bundle), "--json"]).good().lines().remove(0);
    assert_eq!(all["task"], "embedding");
    assert_eq!(names(model.path()), before);

    // A model that cannot be read leaves the bundle that stands there, and nothing beside it.
    fs::remove_file(model.path().join("tokenizer.json")).unwrap();
    refused(&bundle, "tokenizer.json");
    refused(&dir.path().join("new"), "tokenizer.json");
    assert_eq!(names(dir.path()), ["bundle", "mine"]);
    andiron(&["inspect", text(&bundle)]).good();
    andiron(&["convert", "no such model", text(&bundle)]).refused(2, "there is no model");
}
