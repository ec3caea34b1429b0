//! Bundles that were damaged, and what `inspect` and `models` say of whole ones.

use crate::support::{andiron, andiron_with, reviews_run, root, text, write};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// A bundle, made from a built-in one.
fn copy(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("crates/andiron-cli/builtin").join(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    dir
}

/// Changes the description, and makes its own hash fit again, as someone would who means to.
fn edit(dir: &Path, change: impl FnOnce(&mut Value)) {
    let path = dir.join("andiron.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    let zeros = "0".repeat(64);
    if value.is_object() {
        value["sha256"] = zeros.clone().into();
    }
    let open = serde_json::to_string_pretty(&value).unwrap();
    let hash = andiron::hash::sha256(open.as_bytes());
    write(&path, open.replace(&zeros, &hash));
}

/// A built-in bundle of each scenario, and a word of its description.
const SCENARIOS: [(&str, &str); 3] =
    [("sentiment", "English"), ("digits", "handwritten"), ("languages", "spoken")];

#[test]
fn one_flipped_bit_is_seen_in_every_file() {
    for (name, word) in SCENARIOS {
        for file in ["model.safetensors", "README.md", "andiron.json"] {
            let dir = copy(name);
            let path = dir.path().join(file);
            let mut bytes = fs::read(&path).unwrap();
            // In a word of the description the flip leaves valid JSON, which only its hash tells.
            let found = bytes.windows(word.len()).position(|part| part == word.as_bytes());
            let at = if file == "model.safetensors" { 5000 } else { found.unwrap() };
            bytes[at] ^= 4;
            write(&path, bytes);
            let part = format!("{file} was changed or damaged: its SHA-256 is");
            andiron(&["predict", text(dir.path()), "-"]).refused(1, &part);
            andiron(&["inspect", text(dir.path())]).refused(1, &part);
            andiron(&["evaluate", text(dir.path()), "x.csv"]).refused(1, &part);
        }
    }
}

#[test]
fn other_bundles_are_refused_for_what_they_are() {
    for (name, _) in SCENARIOS {
        let refused = |change: fn(&mut Value), part: &str| {
            let dir = copy(name);
            edit(dir.path(), change);
            andiron_with(&["predict", text(dir.path()), "-"], "{\"text\": \"x\"}\n")
                .refused(1, part);
        };
        refused(
            |v| v["format"] = json!(99),
            "has bundle format 99, but this program reads format 1",
        );
        refused(|v| v["task"] = json!("cooking"), "task \"cooking\" is not known here");
        refused(|v| v["architecture"] = json!("abacus"), "architecture \"abacus\" is not known");
        refused(
            |v| v["files"]["../x"] = json!("0"),
            "lists the file \"../x\", which does not lie in",
        );
        let wider = |v: &mut Value| match v["architecture"].as_str().unwrap() {
            "small-cnn" => v["config"]["widths"] = json!([16, 33]),
            "mel-cnn" => v["config"]["channels"] = json!([16, 32, 64, 97]),
            _ => v["config"]["d_model"] = json!(9),
        };
        refused(wider, "misshapen [Misshapen");
        refused(|v| v["preprocessing"] = json!(null), "andiron.json is no bundle description");
        refused(|v| *v = json!([]), "andiron.json is no bundle description");

        let dir = copy(name);
        fs::remove_file(dir.path().join("model.safetensors")).unwrap();
        andiron(&["predict", text(dir.path()), "-"]).refused(1, "model.safetensors: No such file");
        let dir = copy(name);
        let path = dir.path().join("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        write(&path, &bytes[..bytes.len() / 2]);
        andiron(&["predict", text(dir.path()), "-"])
            .refused(1, "model.safetensors was changed or damaged");
    }
    let empty = tempfile::tempdir().unwrap();
    andiron(&["predict", text(empty.path()), "-"]).refused(1, "a folder without config.json");
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let refused = |name: &str, change: fn(&mut Value), part: &str| {
        let dir = copy(name);
        edit(dir.path(), change);
        andiron(&["predict", text(dir.path()), "-"]).refused(1, part);
    };
    let more =
        |v: &mut Value| v["preprocessing"]["labels"].as_array_mut().unwrap().push("~".into());
    let fewer =
        |v: &mut Value| drop(v["preprocessing"]["labels"].as_array_mut().unwrap().remove(1));
    refused("sentiment", more, "the number of labels is 2 for the network, but 3 for the task");
    refused("digits", fewer, "the number of labels is 10 for the network, but 9 for the task");
    refused("languages", fewer, "the number of labels is 5 for the network, but 4 for the task");
    let wider = |v: &mut Value| v["preprocessing"]["transform"]["width"] = json!(9);
    refused("digits", wider, "width is 8 for the network, but 9 for the task");
    let bands = |v: &mut Value| v["preprocessing"]["frontend"]["mel"]["n_mels"] = json!(41);
    refused("languages", bands, "the width of a frame is 40 for the network, but 41 for the task");
    let words = |v: &mut Value| {
        v["preprocessing"]["features"] =
            json!({"kind": "vocabulary", "max_length": 5, "words": ["a"]});
    };
    refused("sentiment", words, "features is n-grams for the network, but vocabulary for the task");
}

#[test]
fn a_folder_wins_over_a_built_in_name() {
    let (dir, config) = reviews_run("max_steps = 3");
    andiron(&["train", text(&config), "--set", "output=sentiment"]).good();
    let command = || {
        let mut command = crate::support::program();
        command.current_dir(dir.path());
        command
    };
    let inspect = |name: &str| -> Value {
        let output = command().args(["inspect", name, "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(inspect("sentiment")["preprocessing"]["labels"], json!(["1", "5"]));
    // A folder that is no bundle does not hide the built-in model.
    fs::create_dir(dir.path().join("digits")).unwrap();
    assert_eq!(inspect("digits")["task"], "image-classification");
}

#[test]
fn a_bundle_is_inspected_without_running_it() {
    let all = andiron(&["inspect", "digits", "--json"]).good().lines().remove(0);
    assert_eq!(all["task"], "image-classification");
    assert_eq!(all["preprocessing"]["labels"].as_array().unwrap().len(), 10);
    let tensors = all["tensors"].as_array().unwrap();
    let numbers = |tensor: &Value| -> u64 {
        tensor["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product()
    };
    assert!(!tensors.is_empty());
    assert_eq!(all["parameters"], tensors.iter().map(numbers).sum::<u64>());
    // Two batch normalisations, of 16 and of 32 channels, have a mean and a variance each.
    assert_eq!(all["running_statistics"], 2 * 16 + 2 * 32);
    assert_eq!(all["trained_parameters"], all["parameters"].as_u64().unwrap() - 96);
    assert!(all["card"]["metrics"]["accuracy"]["value"].is_f64());
    let text = andiron(&["inspect", "digits"]).good().out;
    for tensor in tensors {
        assert!(text.contains(tensor["name"].as_str().unwrap()), "{tensor}");
    }
    let counts = format!(
        "parameters    {}: {} trained, 96 running statistics\n",
        all["parameters"], all["trained_parameters"]
    );
    for part in [
        "image-classification",
        "preprocessing",
        "labels: [\"0\",\"1\"",
        "95 % interval",
        &counts,
        // The card's own count is the whole one.
        &format!("- parameters: {}\n", all["parameters"]),
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    // Where nothing is counted but parameters, there is one number.
    let all = andiron(&["inspect", "sentiment", "--json"]).good().lines().remove(0);
    assert_eq!(
        (&all["running_statistics"], &all["parameters"]),
        (&json!(0), &all["trained_parameters"])
    );
    let text = andiron(&["inspect", "sentiment"]).good().out;
    assert!(text.contains(&format!("parameters    {}\n", all["parameters"])), "{text}");
}

#[test]
fn a_bundle_of_anyones_cannot_steer_the_terminal() {
    let dir = copy("sentiment");
    edit(dir.path(), |v| v["card"]["description"] = json!("red \u{1b}[31malert\u{7}"));
    let out = andiron(&["inspect", text(dir.path())]).good().out;
    assert!(out.contains("red \u{fffd}[31malert\u{fffd}"), "{out}");
}

#[test]
fn the_built_in_models_are_listed() {
    let (lines, readable): (Vec<Value>, Vec<Value>) = andiron(&["models", "--json"])
        .good()
        .lines()
        .into_iter()
        .partition(|line| line.get("name").is_some());
    for (task, reads) in [
        ("text-classification", "fastText's supervised .bin and .ftz"),
        ("embedding", "sentence-transformers"),
        ("text-generation", "LlamaForCausalLM"),
    ] {
        let line = readable.iter().find(|line| line["task"] == task);
        let all =
            line.unwrap_or_else(|| panic!("{task} is not in {readable:?}"))["reads"].as_array();
        assert!(all.unwrap().contains(&reads.into()), "{readable:?}");
    }
    let names: Vec<&Value> = lines.iter().map(|line| &line["name"]).collect();
    assert_eq!(names, ["digits", "languages", "sentiment"]);
    for line in &lines {
        assert!(line["bytes"].as_u64().unwrap() <= 2_000_000, "{line}");
        assert!(line["card"]["metrics"]["accuracy"]["low"].is_f64(), "{line}");
        for field in ["description", "licence", "command", "limits"] {
            assert!(!line["card"][field].as_str().unwrap().is_empty(), "{field}: {line}");
        }
        let data = &line["card"]["data"][0];
        for field in ["name", "licence", "authors", "sha256"] {
            assert!(!data[field].as_str().unwrap().is_empty(), "{field}: {line}");
        }
    }
    assert_eq!(lines[0]["input"], json!({"image": "PATH"}));
    assert_eq!(lines[1]["input"], json!({"audio": "PATH"}));
    assert_eq!(lines[2]["input"], json!({"text": "TEXT"}));
    let text = andiron(&["models"]).good().out;
    for name in ["digits", "languages", "sentiment"] {
        assert!(text.contains(&format!("\n{name}  ")) || text.starts_with(name), "{text}");
    }
    assert!(text.contains("\n  embedding: sentence-transformers, BertModel, "), "{text}");
}
