//! Training that begins with a published model, for tasks whose network is that model itself.

use crate::{
    made::{edit, gguf, golden, hugging_face},
    support::{Answer, andiron, andiron_with, names, text, write},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// A folder of sentence-transformers around the tiny BERT: the first token's vector, as it is.
fn sentence_transformers() -> tempfile::TempDir {
    let kind = |kind: &str, path: &str| json!({"type": format!("sentence_transformers.models.{kind}"), "path": path});
    let modules = json!([kind("Transformer", ""), kind("Pooling", "1_Pooling")]);
    hugging_face(
        "encoders/bert",
        &[
            ("modules.json", modules),
            ("1_Pooling/config.json", json!({"pooling_mode_cls_token": true})),
            ("sentence_bert_config.json", json!({"max_seq_length": 9})),
        ],
    )
}

fn pairs(n: usize) -> String {
    let pairs = [("abc", "bca cab"), ("cab", "ab"), ("ab ab", "cab bca"), ("bca", "abc abc")];
    (0..n)
        .map(|at| {
            let (query, found) = pairs[at % 4];
            format!("{}\n", json!({"text": query, "positive": found}))
        })
        .collect()
}

/// Trains by these lines of a configuration.
fn train(dir: &Path, name: &str, settings: &str) -> Answer {
    let path = dir.join(format!("{name}.toml"));
    write(&path, format!("output = \"{name}\"\n{settings}"));
    andiron(&["train", text(&path), "--fresh"])
}

fn description(bundle: &Path) -> Value {
    serde_json::from_slice(&fs::read(bundle.join("andiron.json")).unwrap()).unwrap()
}

/// What the model says to these lines.
fn said(model: &Path, lines: &[Value]) -> Vec<Value> {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    andiron_with(&["predict", text(model), "-"], lines).good().lines()
}

/// The furthest that two lists of vectors are apart.
fn apart(left: &[Value], right: &[Value]) -> f64 {
    let numbers = |lines: &[Value]| -> Vec<f64> {
        let rows = lines.iter().flat_map(|line| line["embedding"].as_array().unwrap());
        rows.map(|number| number.as_f64().unwrap()).collect()
    };
    let (left, right) = (numbers(left), numbers(right));
    assert!(left.len() == right.len() && !left.is_empty());
    left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

const PAIRS: &str = "task = \"embedding\"\nmodel = \"bert\"\nbase = \"base\"\n\
                     [data]\ntrain = \"pairs.jsonl\"\ntest = 0\nvalid = 0\n";

#[test]
fn vectors_are_trained_on_a_published_model() {
    let base = sentence_transformers();
    let dir = tempfile::tempdir().unwrap();
    fs::rename(base.path(), dir.path().join("base")).unwrap();
    write(&dir.path().join("pairs.jsonl"), pairs(16));
    let lines = ["abc ab", "cab", "bca bca bca"].map(|text| json!({ "text": text }));
    let published = said(&dir.path().join("base"), &lines);

    // Without a step to speak of the answers are those of the base.
    let still = format!("{PAIRS}[training]\nmax_steps = 1\nlearning_rate = 1e-9\n");
    train(dir.path(), "still", &still).good();
    let bundle = dir.path().join("still");
    assert!(apart(&said(&bundle, &lines), &published) < 1e-5);
    let task = &description(&bundle)["preprocessing"];
    assert_eq!((&task["pooling"], &task["normalize"]), (&json!("cls"), &json!(false)));
    assert_eq!(task["max_length"], 9);
    // Neither the folder nor the name of the base is part of such a network.
    for field in ["config", "preprocessing"] {
        let written = description(&bundle)[field].to_string();
        assert!(!written.contains(text(dir.path())), "{written}");
    }

    // The options win over what the base says.
    let options =
        "[options]\npooling = \"mean\"\nnormalize = true\nmax_length = 8\ndropout = 0.0\n";
    train(dir.path(), "moved", &format!("{PAIRS}{options}[training]\nmax_steps = 8\n")).good();
    let moved = dir.path().join("moved");
    let task = &description(&moved)["preprocessing"];
    assert_eq!((&task["pooling"], &task["max_length"]), (&json!("mean"), &json!(8)));
    assert!(apart(&said(&moved, &lines), &published) > 1e-3);
    let refused = |more: &str, wanted: &str| {
        train(dir.path(), "no", &format!("{PAIRS}[options]\n{more}\n")).refused(2, wanted);
    };
    refused("d_model = 12", "setting \"d_model\" cannot be 12: the base decides it");
    refused("max_length = 99", "the network's length must be at least 99, but is 13");
    for wrong in [0, 21] {
        let wanted = format!("dimensions must lie in 1..=20, but is {wrong}");
        refused(&format!("dimensions = {wrong}"), &wanted);
    }

    // The first numbers alone are learnt and answered, at length 1.
    let options = "[options]\nnormalize = true\ndimensions = 5\n";
    train(dir.path(), "cut", &format!("{PAIRS}{options}[training]\nmax_steps = 2\n")).good();
    let cut = dir.path().join("cut");
    assert_eq!(description(&cut)["preprocessing"]["dimensions"], 5);
    for answer in said(&cut, &lines) {
        let vector: Vec<f64> = serde_json::from_value(answer["embedding"].clone()).unwrap();
        assert_eq!(vector.len(), 5);
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
}

#[test]
fn texts_over_the_length_are_cut_in_pairs_too() {
    let dir = tempfile::tempdir().unwrap();
    let long = "abc ".repeat(40);
    write(&dir.path().join("pairs.jsonl"), pairs(16));
    let line = |long: &str| json!({"text": "bca", "positive": long});
    write(&dir.path().join("test.jsonl"), format!("{}{}\n", pairs(3), line(&long)));
    let settings = "task = \"embedding\"\nmodel = \"distilbert\"\n\
        [data]\ntrain = \"pairs.jsonl\"\ntest = \"test.jsonl\"\nvalid = 0\n\
        [options]\nd_model = 12\nn_heads = 3\nn_layers = 1\nd_hidden = 10\nmax_length = 8\n\
        [training]\nmax_steps = 2\n";
    let answer = train(dir.path(), "cut", settings).good();
    assert!(answer.err.contains("are cut to it, as in the training"), "{}", answer.err);
    assert_eq!(answer.lines()[0]["examples"], 4);
    // Alone it is refused, unless the line says that it may be cut.
    let bundle = dir.path().join("cut");
    let data = dir.path().join("test.jsonl");
    andiron(&["evaluate", text(&bundle), text(&data)]).refused(1, "test.jsonl, line 4)");
    let mut may = line(&long);
    may["truncate"] = json!(true);
    write(&data, format!("{}{may}\n", pairs(3)));
    let report = andiron(&["evaluate", text(&bundle), text(&data)]).good().lines().remove(0);
    assert_eq!(report["examples"], 4);
}

fn texts(n: usize) -> String {
    let line = |at: usize| json!({"prompt": "ab", "target": (["cab bca", "bca ab"][at % 2])});
    (0..n).map(|at| format!("{}\n", line(at))).collect()
}

#[test]
fn a_language_model_is_trained_on_a_published_one() {
    for (name, model) in [("decoders/llama", "llama"), ("decoders/gpt2", "gpt2")] {
        let base = hugging_face(name, &[]);
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("texts.jsonl"), texts(20));
        let settings = |more: &str| {
            format!(
                "task = \"text-generation\"\nmodel = \"{model}\"\nbase = \"{}\"\n\
                 [data]\ntrain = \"texts.jsonl\"\n{more}",
                text(base.path())
            )
        };
        let data = dir.path().join("texts.jsonl");
        let bits = |model: &Path| {
            let report = andiron(&["evaluate", text(model), text(&data)]).good().lines().remove(0);
            report["scores"]["bits_per_byte"]["value"].as_f64().unwrap()
        };
        let published = bits(base.path());
        let still = settings("[training]\nmax_steps = 1\nlearning_rate = 1e-9\n");
        train(dir.path(), "still", &still).good();
        let same = bits(&dir.path().join("still"));
        assert!((same - published).abs() < 1e-5, "{model}: {same}, not {published}");
        train(dir.path(), "moved", &settings("[training]\nmax_steps = 60\nlearning_rate = 0.01\n"))
            .good();
        let moved = dir.path().join("moved");
        let after = bits(&moved);
        assert!(after < 0.7 * published, "{model}: {after} after {published}");
        // Two language models are compared by what a byte of a text costs them.
        let (first, second) = (text(base.path()), text(&moved));
        let both = andiron(&["evaluate", first, text(&data), "--compare", second]).good();
        let difference = &both.lines()[0]["comparison"]["loss_difference"];
        assert!(difference["high"].as_f64().unwrap() < 0.0, "{difference}");
        // And what was trained here is a base as well.
        train(
            dir.path(),
            "again",
            &settings("")
                .replace(first, "moved")
                .replace("[data]\n", "[training]\nmax_steps = 1\nlearning_rate = 1e-9\n[data]\n"),
        )
        .good();
        assert!((bits(&dir.path().join("again")) - after).abs() < 1e-5);
        train(dir.path(), "no", &settings("[options]\nn_layers = 1\n"))
            .refused(2, "setting \"n_layers\" cannot be 1: the base decides it");
    }
}

#[test]
fn a_converted_file_is_a_base() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tiny.gguf");
    write(&file, gguf());
    write(&dir.path().join("texts.jsonl"), texts(12));
    let settings = |base: &str| {
        format!(
            "task = \"text-generation\"\nmodel = \"llama\"\nbase = \"{base}\"\n\
             [data]\ntrain = \"texts.jsonl\"\n[training]\nmax_steps = 2\n"
        )
    };
    train(dir.path(), "no", &settings("tiny.gguf"))
        .refused(2, "setting \"base\" cannot be tiny.gguf: a folder was wanted");
    andiron(&["convert", text(&file), text(&dir.path().join("whole"))]).good();
    train(dir.path(), "mine", &settings("whole")).good();
    let answers = said(&dir.path().join("mine"), &[json!({"prompt": "ab", "max_tokens": 2})]);
    assert!(answers[0]["usage"]["completion_tokens"].as_u64() > Some(0), "{answers:?}");
}

#[test]
fn a_base_among_the_options_is_relative_to_the_file_too() {
    let base = hugging_face("encoders/bert", &[]);
    let dir = tempfile::tempdir().unwrap();
    fs::rename(base.path(), dir.path().join("base")).unwrap();
    let rows: String =
        (0..12).map(|at| if at % 2 == 0 { "abc,up\n" } else { "cab,down\n" }).collect();
    write(&dir.path().join("data.csv"), format!("text,label\n{rows}"));
    let settings = |at_the_top: bool, adaptation: &str| {
        let base = "base = \"base\"\n";
        let (top, option) = if at_the_top { (base, "") } else { ("", base) };
        format!(
            "task = \"text-classification\"\nmodel = \"bert\"\n{top}\
             [options]\n{option}adaptation = {{ kind = \"{adaptation}\" }}\n\
             [data]\ntrain = \"data.csv\"\n[training]\nmax_steps = 2\n"
        )
    };
    // The bundle knows the base by the name that the configuration has for it.
    for at_the_top in [true, false] {
        let name = if at_the_top { "top" } else { "option" };
        train(dir.path(), name, &settings(at_the_top, "lora")).good();
        let bundle = dir.path().join(name);
        assert_eq!(description(&bundle)["config"]["base"], "base");
        let adapter = fs::read(bundle.join("adapter_config.json")).unwrap();
        let adapter: Value = serde_json::from_slice(&adapter).unwrap();
        assert_eq!(adapter["base_model_name_or_path"], "base");
    }
    let weights = |name: &str| fs::read(dir.path().join(name).join("model.safetensors")).unwrap();
    assert_eq!(weights("top"), weights("option"));
    // So a run goes on where its folder, with the base in it, has been moved to.
    let stopped = settings(true, "full").replace("max_steps = 2", "max_steps = 4");
    train(dir.path(), "moving", &stopped).good();
    fs::remove_dir_all(dir.path().join("moving")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let place = elsewhere.path().join("all");
    fs::rename(dir.path(), &place).unwrap();
    let again = andiron(&["train", text(&place.join("moving.toml"))]).good();
    assert!(!again.err.contains("step 4/4"), "{}", again.err);
    assert!(names(&place).contains(&"moving".to_owned()));
    fs::rename(&place, dir.path()).unwrap();
}

#[test]
fn a_base_with_whole_entities_stays_one() {
    let base = hugging_face("token_classifiers/bert", &[]);
    let tags = ["O", "B-X", "I-X", "E-X", "S-X"];
    let config = base.path().join("config.json");
    let known: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    let n = known["id2label"].as_object().unwrap().len();
    let names = |n: usize| {
        (0..n).map(|at| tags.get(at).map_or(format!("B-Y{at}"), |tag| (*tag).to_owned()))
    };
    assert!(n >= tags.len(), "{n} labels");
    edit(&config, |config| {
        config["id2label"] =
            names(n).enumerate().map(|(at, name)| (at.to_string(), json!(name))).collect();
        config["label2id"] = names(n).enumerate().map(|(at, name)| (name, json!(at))).collect();
    });
    let dir = tempfile::tempdir().unwrap();
    let line = json!({"text": "abc bca", "entities": [{"label": "X", "start": 4, "end": 7}]});
    write(&dir.path().join("data.jsonl"), format!("{line}\n").repeat(12));
    let settings = |more: &str| {
        format!(
            "task = \"token-classification\"\nmodel = \"bert\"\nbase = \"{}\"\n{more}\
             [data]\ntrain = \"data.jsonl\"\n[training]\nmax_steps = 1\n",
            text(base.path())
        )
    };
    let task = |name: &str| description(&dir.path().join(name))["preprocessing"].clone();
    train(dir.path(), "kept", &settings("")).good();
    assert_eq!(task("kept")["scheme"], "bioes");
    assert_eq!(task("kept")["labels"], names(n).map(Value::from).collect::<Value>());
    // Who asks for another scheme gets a head of that scheme.
    train(dir.path(), "other", &settings("[options]\nscheme = \"bio\"\n")).good();
    assert_eq!(task("other")["labels"], json!(["O", "B-X", "I-X"]));
    assert!(golden("token_classifiers/bert").is_dir());
}
