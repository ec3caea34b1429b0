//! Token classification by the program: files of words and tags, and lines with entities.

use crate::support::{andiron, andiron_with, names, text, write};
use serde_json::{Value, json};
use std::path::Path;

const PEOPLE: [&str; 5] = ["Ana", "Bob", "Carla", "Dév", "Emma"];
const FAMILY: [&str; 3] = ["Smith", "Moreno", "Hill"];
const PLACES: [&[&str]; 4] = [&["Oslo"], &["New", "York"], &["São", "Paulo"], &["Rome"]];

/// The words and tags of `n` invented sentences.
fn sentences(n: usize) -> Vec<Vec<(String, String)>> {
    let tagged = |words: &[&str], label: &str| -> Vec<(String, String)> {
        let tag = |at: usize| format!("{}-{label}", if at == 0 { "B" } else { "I" });
        words.iter().enumerate().map(|(at, word)| ((*word).to_owned(), tag(at))).collect()
    };
    let plain = |words: &str| -> Vec<(String, String)> {
        words.split(' ').map(|word| (word.to_owned(), "O".to_owned())).collect()
    };
    let sentence = |i: usize| {
        let (first, family) = (PEOPLE[i % 5], FAMILY[i % 3]);
        let person = if i.is_multiple_of(2) { vec![first] } else { vec![first, family] };
        let (person, place) = (tagged(&person, "PER"), tagged(PLACES[i % 4], "LOC"));
        match i % 4 {
            0 => [person, plain("lives in"), place, plain(".")].concat(),
            1 => [plain("we met"), person, plain("on the way to"), place].concat(),
            2 => [plain("nobody , they say , has been to"), place, plain("yet .")].concat(),
            _ => [plain("ask"), person, plain("!")].concat(),
        }
    };
    (0..n).map(sentence).collect()
}

fn conll(sentences: &[Vec<(String, String)>]) -> String {
    let line = |(word, tag): &(String, String)| format!("{word}\t{tag}\n");
    let lines = |sentence: &Vec<(String, String)>| sentence.iter().map(line).collect::<String>();
    sentences.iter().map(lines).collect::<Vec<_>>().join("\n")
}

fn config(model: &str, more: &str) -> String {
    format!(
        "task = \"token-classification\"\nmodel = \"{model}\"\noutput = \"{model}\"\n\
         [data]\ntrain = \"names.conll\"\nsplit = \"random\"\n[options]\nwords = \"space\"\n{more}"
    )
}

fn f1(report: &Value) -> f64 {
    report["scores"]["f1_micro"]["value"].as_f64().unwrap()
}

/// A folder with 120 sentences and a trained word tagger.
fn trained() -> (tempfile::TempDir, Value) {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("names.conll"), conll(&sentences(120)));
    let path = dir.path().join("fast.toml");
    write(&path, config("word-tagger", "[training]\nmax_steps = 60\nlearning_rate = 0.05\n"));
    let answer = andiron(&["train", text(&path)]).good();
    let [report] = &answer.lines()[..] else { panic!("one report: {}", answer.out) };
    (dir, report.clone())
}

#[test]
fn words_and_tags_are_learnt_measured_and_answered() {
    let (dir, report) = trained();
    let at = |name: &str| dir.path().join(name);
    assert!(f1(&report) > 0.9, "{report}");
    assert_eq!((&report["examples"], &report["labels"]), (&json!(24), &json!(["LOC", "PER"])));
    assert_eq!(names(&at("word-tagger")), ["README.md", "andiron.json", "model.safetensors"]);

    // Two ways to write one data set, one report.
    write(&at("new.conll"), conll(&sentences(17)));
    write(&at("new.jsonl"), lines(&at("new.conll")));
    let evaluate = |data: &str| {
        andiron(&["evaluate", text(&at("word-tagger")), text(&at(data))]).good().lines()[0].clone()
    };
    let wanted = evaluate("new.conll");
    assert_eq!(wanted["examples"], 17);
    assert_eq!(evaluate("new.jsonl"), wanted);

    let ask = json!({"text": "Zoë Hill lives in New York"});
    let answers = andiron_with(&["predict", text(&at("word-tagger")), "-"], format!("{ask}\n"));
    let entities = answers.good().lines()[0]["entities"].clone();
    let found: Vec<[&Value; 4]> = entities
        .as_array()
        .unwrap()
        .iter()
        .map(|e| [&e["label"], &e["text"], &e["start"], &e["end"]])
        .collect();
    let wanted = [json!(["PER", "Zoë Hill", 0, 8]), json!(["LOC", "New York", 18, 26])];
    assert_eq!(json!(found), json!(wanted), "{entities}");
}

/// The sentences of a file of words and tags, as lines of `text` and `entities`.
fn lines(path: &Path) -> String {
    let rows = andiron::TASKS
        .iter()
        .flat_map(|tasks| tasks.iter())
        .find(|task| task.name == "token-classification")
        .unwrap()
        .rows(path)
        .unwrap();
    rows.into_iter().map(|row| format!("{}\n", row.value)).collect()
}

#[test]
fn an_encoder_is_compared_with_the_word_tagger() {
    let (dir, _) = trained();
    let path = dir.path().join("strong.toml");
    let options = "d_model = 16\nn_heads = 2\nn_layers = 1\nd_hidden = 24\nn_tokens = 200\n";
    let training = "[training]\nmax_steps = 30\nlearning_rate = 0.01\n";
    write(&path, config("bert", &format!("{options}{training}")));
    let report = andiron(&["train", text(&path)]).good().lines()[0].clone();
    assert_eq!(report["architecture"], "bert");
    let bundle = dir.path().join("bert");
    // What transformers reads it by lies beside.
    let files = names(&bundle);
    assert!(
        ["config.json", "tokenizer.json"].iter().all(|file| files.contains(&(*file).to_owned()))
    );
    let fast = dir.path().join("word-tagger");
    let data = dir.path().join("names.conll");
    let args = ["evaluate", text(&bundle), text(&data), "--compare", text(&fast)];
    let both = andiron(&args).good().lines()[0].clone();
    let difference = &both["comparison"]["f1_difference"];
    let wanted = f1(&both["second"]) - f1(&both["first"]);
    assert!((difference["value"].as_f64().unwrap() - wanted).abs() < 1e-9, "{both}");
    let table = andiron(&[&args[..], &["--table"]].concat()).good().out;
    assert!(table.contains("F1, second − first: ") && table.contains("f1_micro"), "{table}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let (dir, _) = trained();
    let model = dir.path().join("word-tagger");
    let refused = |name: &str, content: &str, wanted: &str| {
        let path = dir.path().join(name);
        write(&path, content);
        andiron(&["evaluate", text(&model), text(&path)]).refused(1, wanted);
    };
    refused("a.conll", "Ana\tB-PER\n\nOslo\tLOC\n", "a.conll, line 3: a tag is O, or B-");
    refused("b.jsonl", "{\"text\": \"Ana\"}\n", "entities");
    let long =
        "{\"text\": \"Ana\", \"entities\": [{\"label\": \"PER\", \"start\": 0, \"end\": 4}]}\n";
    refused("c.jsonl", long, "entities[0]");
}
