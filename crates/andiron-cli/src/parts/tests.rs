use super::*;
use crate::{builtin::registry, error::chain};
use std::{collections::BTreeMap, fs, path::PathBuf};

fn config(text: &str) -> DataConfig {
    toml::from_str(text).unwrap()
}

fn table(dir: &Path, name: &str, rows: impl Iterator<Item = (String, String)>) -> PathBuf {
    let path = dir.join(name);
    let lines = rows.map(|(text, label)| format!("\"{text}\",{label}\n")).collect::<String>();
    fs::write(&path, format!("text,label\n{lines}")).unwrap();
    path
}

fn texts(records: &Records) -> Vec<String> {
    records.entries.iter().map(|entry| entry.line["text"].as_str().unwrap().to_owned()).collect()
}

fn read(text: &str, dir: &Path) -> Result<Parts, String> {
    of("text-classification", text, dir)
}

fn of(task: &str, text: &str, dir: &Path) -> Result<Parts, String> {
    let task = registry().task(task).unwrap();
    Parts::read(&config(text), dir, task).map_err(|error| chain(&error))
}

#[test]
fn the_default_split_is_stratified_and_seeded() {
    let dir = tempfile::tempdir().unwrap();
    let rows = (0..50).map(|n| (format!("t{n}"), if n % 5 == 0 { "rare" } else { "often" }.into()));
    table(dir.path(), "a.csv", rows);
    let parts = read("train = \"a.csv\"", dir.path()).unwrap();
    assert_eq!((parts.train.len(), parts.valid.len(), parts.test.len()), (35, 5, 10));
    let rare =
        |records: &Records| records.labels().unwrap().iter().filter(|l| *l == "rare").count();
    assert_eq!((rare(&parts.train), rare(&parts.valid), rare(&parts.test)), (7, 1, 2));
    let again = read("train = \"a.csv\"", dir.path()).unwrap();
    assert_eq!(texts(&parts.test), texts(&again.test));
    let other = read("train = \"a.csv\"\nseed = 1", dir.path()).unwrap();
    assert_ne!(texts(&parts.test), texts(&other.test));
    // The test part alone is the same.
    let task = registry().task("text-classification").unwrap();
    let test = Parts::test_of(&config("train = \"a.csv\""), dir.path(), task).unwrap();
    assert_eq!(texts(&parts.test), texts(&test));
}

#[test]
fn variants_of_a_text_stay_together() {
    let dir = tempfile::tempdir().unwrap();
    let variants = ["Oh, day {n}!", "OH DAY {n}!!!", "oh day {n}"];
    let rows = (0..60).map(|n| {
        let text = variants[n % 3].replace("{n}", &(n / 3).to_string());
        (text, if n / 3 % 2 == 0 { "a" } else { "b" }.to_owned())
    });
    table(dir.path(), "a.csv", rows);
    let text = "train = \"a.csv\"\nsplit = \"group\"\ngroup = \"normalised-text\"\ntest = 0.3";
    let parts = read(text, dir.path()).unwrap();
    let words = |records: &Records| -> BTreeSet<String> {
        texts(records).iter().map(|text| normalised(text)).collect()
    };
    assert_eq!((parts.train.len(), parts.valid.len(), parts.test.len()), (36, 6, 18));
    assert!(words(&parts.train).is_disjoint(&words(&parts.test)));
    assert!(words(&parts.valid).is_disjoint(&words(&parts.test)));
    // Stratified as far as groups allow: of ten groups a label three.
    let mut labels = BTreeMap::new();
    parts
        .test
        .labels()
        .unwrap()
        .into_iter()
        .for_each(|label| *labels.entry(label).or_insert(0) += 1);
    assert_eq!(labels, BTreeMap::from([("a".to_owned(), 9), ("b".to_owned(), 9)]));
}

#[test]
fn groups_of_a_test_set_are_not_learnt() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["1", "2", "3", "4", "5", "6", "7"] {
        for label in ["x", "y"] {
            let path = dir.path().join(format!("train/{label}/{name}.txt"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{label}{name}")).unwrap();
        }
    }
    for (label, name) in [("x", "3"), ("y", "5")] {
        let path = dir.path().join(format!("test/{label}/{name}.txt"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, label).unwrap();
    }
    let text =
        "train = \"train\"\ntest = \"test\"\nvalid = 0.2\nsplit = \"group\"\ngroup = \"file-stem\"";
    let parts = read(text, dir.path()).unwrap();
    assert_eq!((parts.train.len(), parts.valid.len(), parts.test.len()), (8, 2, 2));
    assert_eq!(parts.left_out, 4);
    let stems = |records: &Records| -> BTreeSet<String> {
        let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        records.entries.iter().map(|entry| stem(entry.file().unwrap())).collect()
    };
    assert!(stems(&parts.train).is_disjoint(&stems(&parts.test)));
    assert!(stems(&parts.train).is_disjoint(&stems(&parts.valid)));
}

#[test]
fn what_cannot_be_split_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let few = |n: usize| (0..n).map(|n| (format!("t{n}"), ["a", "b"][n % 2].to_owned()));
    table(dir.path(), "a.csv", few(4));
    table(dir.path(), "t.csv", [("t".to_owned(), "c".to_owned())].into_iter());
    for (text, reason) in [
        ("test = 1.5", "test must lie in"),
        ("test = \"t.csv\"\nvalid = 0", "unknown label \"c\"; known are [\"a\", \"b\"]"),
        ("split = \"group\"", "data.group: a split by group needs a column"),
        ("group = \"x\"", "data.group: it has a meaning only with"),
        ("split = \"group\"\ngroup = \"who\"", "there is no column \"who\"; there are"),
        ("split = \"group\"\ngroup = \"file-stem\"", "there is no column \"file-stem\""),
    ] {
        let refused = read(&format!("train = \"a.csv\"\n{text}"), dir.path()).unwrap_err();
        assert!(refused.contains(reason), "{text}: {refused}");
    }
    // One for each part that was asked for, and none where there are fewer than parts.
    let least = read("train = \"a.csv\"", dir.path()).unwrap();
    assert_eq!((least.train.len(), least.valid.len(), least.test.len()), (2, 1, 1));
    table(dir.path(), "b.csv", few(2));
    let refused = read("train = \"b.csv\"", dir.path()).unwrap_err();
    let reason = "a stratified split needs at least 3 examples, but there are 2";
    assert!(refused.contains(reason), "{refused}");
    let none = read("train = \"a.csv\"\nvalid = 0\ntest = 0", dir.path()).unwrap();
    assert_eq!((none.train.len(), none.valid.len(), none.test.len()), (4, 0, 0));
}

#[test]
fn what_has_no_labels_is_split_at_random() {
    let dir = tempfile::tempdir().unwrap();
    let lines = |keys: &str, n: usize| {
        (0..n).map(|at| format!("{{{keys}}}\n").replace('#', &at.to_string())).collect::<String>()
    };
    for (task, keys) in [
        ("multi-label-classification", r#""text": "t#", "labels": ["a", "b"]"#),
        ("embedding", r#""text": "t#", "positive": "p#""#),
        ("embedding", r#""text": "t#", "positive": "p#", "label": "l#""#),
        ("rerank", r#""text": "t#", "query": "q#", "documents": ["d", "e"], "scores": [1, 0]"#),
        ("fill-mask", r#""text": "t#""#),
        ("text-generation", r#""text": "t#", "prompt": "p#", "target": "t#""#),
        ("token-classification", r#""text": "t#", "entities": []"#),
    ] {
        fs::write(dir.path().join("a.jsonl"), lines(keys, 50)).unwrap();
        fs::write(dir.path().join("b.jsonl"), lines(keys, 60)).unwrap();
        let parts = of(task, "train = \"a.jsonl\"", dir.path()).unwrap();
        assert_eq!((parts.train.len(), parts.valid.len(), parts.test.len()), (35, 5, 10), "{task}");
        let random = of(task, "train = \"a.jsonl\"\nsplit = \"random\"", dir.path()).unwrap();
        assert_eq!(texts(&parts.test), texts(&random.test), "{task}");
        // A class that only the test has is nothing to be learnt, where it is not what is answered.
        let own = "train = \"a.jsonl\"\ntest = \"b.jsonl\"\nvalid = 0";
        assert_eq!(of(task, own, dir.path()).unwrap().test.len(), 60, "{task}");
    }
    let refused = of("fill-mask", "train = \"a.jsonl\"\nsplit = \"stratified\"", dir.path());
    assert!(refused.unwrap_err().contains("there is no column \"label\""));
}
