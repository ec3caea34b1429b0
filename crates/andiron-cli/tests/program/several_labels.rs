//! Any number of labels a text: `andiron train` on a table, and what `evaluate` and `predict` make of it.

use crate::support::{andiron, andiron_with, text, write};
use serde_json::{Value, json};

/// What a message says of each subject.
const SUBJECTS: [(&str, &str); 3] = [
    ("delivery", "the parcel came late"),
    ("price", "it costs too much"),
    ("quality", "the handle broke"),
];

/// The text about the subjects whose bits `at` has, and its labels as they stand in a cell.
fn message(at: usize) -> (String, String) {
    let told = (0..3_usize).filter(|bit| (at >> *bit) & 1 == 1).map(|bit| SUBJECTS[bit]);
    let (labels, parts): (Vec<&str>, Vec<&str>) = told.unzip();
    let greeting = ["hello", "good morning", "dear shop"][at % 3];
    ([&[greeting][..], &parts[..]].concat().join(", "), labels.join("; "))
}

#[test]
fn labels_in_a_cell_are_learnt_measured_answered_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let (data, config) = (dir.path().join("messages.csv"), dir.path().join("mine.toml"));
    let rows = (0..72).map(message).map(|(said, labels)| format!("\"{said}\",{labels}\n"));
    write(&data, format!("text,labels\n{}", rows.collect::<String>()));
    let settings = "task = \"multi-label-classification\"\nmodel = \"hashed-linear\"\noutput = \"mine\"\n\
        [data]\ntrain = \"messages.csv\"\n[training]\nlearning_rate = 0.05\nmax_steps = 200\n";
    write(&config, settings);
    andiron(&["train", text(&config)]).good();
    let few = ["--set", "output=other", "--set", "run=runs/other", "--set", "training.max_steps=1"];
    andiron(&[&["train", text(&config)][..], &few[..]].concat()).good();
    let (mine, other) = (dir.path().join("mine"), dir.path().join("other"));

    let report = andiron(&["evaluate", text(&mine), text(&data)]).good().lines().remove(0);
    assert_eq!(report["labels"], json!(["delivery", "price", "quality"]));
    let score = |name: &str| report["scores"][name]["value"].as_f64().unwrap();
    assert!(score("f1_micro") > 0.9 && score("exact") > 0.8, "{report}");

    let asked = [0, 5, 6, 7].map(|at| message(at).0);
    let lines = asked.map(|said| format!("{}\n", json!({ "text": said }))).concat();
    let answers = andiron_with(&["predict", text(&mine), "-"], lines).good().lines();
    let said: Vec<&Value> = answers.iter().map(|answer| &answer["labels"]).collect();
    let wanted: [&[&str]; 4] =
        [&[], &["delivery", "quality"], &["price", "quality"], &["delivery", "price", "quality"]];
    assert_eq!(json!(said), json!(wanted));

    let args = ["evaluate", text(&mine), text(&data), "--compare", text(&other)];
    let both = andiron(&args).good().lines().remove(0);
    assert_eq!((&both["first"], &both["comparison"]["examples"]), (&report, &json!(72)));
    assert!(both["comparison"]["only_first"].as_u64().unwrap() > 0, "{both}");
    assert!(both["comparison"]["loss_difference"]["low"].as_f64().unwrap() > 0.0, "{both}");
}
