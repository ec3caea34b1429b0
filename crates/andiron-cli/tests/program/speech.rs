//! Sound: who speaks and when, from published weights and from training. What needs weights or
//! recordings that are not shipped runs where `scripts/fetch-assets` has brought them.

use crate::{
    assets::{ask, asset},
    support::{andiron, root, text},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// A shipped prompt.
fn prompt(language: &str, name: &str) -> String {
    let path = root().join("examples/data/prompts").join(language).join(name);
    assert!(path.is_file(), "{}", path.display());
    text(&path).to_owned()
}

pub(crate) fn write_lines(path: &Path, lines: &[Value]) {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, lines).unwrap();
}

#[test]
fn a_line_asks_for_subtitles_and_an_unknown_field_is_refused_by_name() {
    let Some(model) = asset("whisper-tiny-en") else { return };
    let dir = tempfile::tempdir().unwrap();
    let lines = dir.path().join("lines.jsonl");
    let audio = prompt("en", "queue-thankyou.wav");
    let asked = [
        json!({"audio": audio, "text": "not a setting"}),
        json!({"audio": audio, "format": "srt", "beams": 2}),
        json!({"audio": audio, "timestamps": false, "format": "text"}),
        json!({"audio": audio, "langauge": "en"}),
        json!({"audio": audio, "language": "de"}),
    ];
    write_lines(&lines, &asked);
    let said = andiron(&["predict", text(&model), text(&lines)]);
    assert_eq!(said.status, Some(1), "{}", said.err);
    let answers = said.lines();
    assert_eq!(answers.len(), asked.len());
    assert!(answers[0].get("written").is_none());
    let file = answers[1]["written"].as_str().unwrap();
    assert!(file.starts_with("1\n00:00:00,000 --> 00:00:"), "{file}");
    let words = answers[2]["text"].as_str().unwrap();
    assert_eq!(answers[2]["written"].as_str().unwrap().trim_end(), words);
    for (answer, name) in [(&answers[3], "\"langauge\""), (&answers[4], "English alone")] {
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(name), "{error}");
    }
    let Some(detector) = asset("silero-vad") else { return };
    write_lines(&lines, &[json!({"audio": audio, "treshold": 0.4})]);
    let said = andiron(&["predict", text(&detector), text(&lines)]);
    let error = said.lines().remove(0)["error"].as_str().unwrap().to_owned();
    assert!(error.contains("\"treshold\""), "{error}");
}

#[test]
fn speech_is_found_by_the_published_file_its_bundle_and_a_network_trained_on() {
    let Some(folder) = asset("silero-vad") else { return };
    let file = folder.join("silero_vad_16k.safetensors");
    let line = json!({"audio": prompt("en", "queue-thankyou.wav")});
    let answer = ask(text(&file), &line);
    let segments = answer["segments"].as_array().unwrap();
    assert!(!segments.is_empty(), "{answer}");
    for segment in segments {
        let number = |name: &str| segment[name].as_f64().unwrap();
        assert!(number("start") < number("end") && number("probability") > 0.5, "{segment}");
    }
    assert_eq!(answer["frame"], 0.032);

    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("vad");
    andiron(&["convert", text(&file), text(&bundle)]).good();
    assert_eq!(ask(text(&bundle), &line), answer);
    let said = andiron(&["inspect", text(&bundle)]).good().out;
    assert!(said.contains("voice-activity") && said.contains("silero-vad"), "{said}");

    let data = dir.path().join("data.jsonl");
    let spans = json!([{"start": 0.0, "end": 1.0}]);
    let names = ["queue-thankyou.wav", "vm-saved.wav", "vm-message.wav", "please-try-again.wav"];
    let lines: Vec<Value> = names
        .iter()
        .flat_map(|name| ["en", "it"].map(|language| prompt(language, name)))
        .map(|audio| json!({"audio": audio, "segments": spans}))
        .collect();
    write_lines(&data, &lines);
    let report = andiron(&["evaluate", text(&bundle), text(&data)]).good().lines().remove(0);
    assert!(report["scores"]["auc"]["value"].as_f64().unwrap() > 0.0, "{report}");

    let config = dir.path().join("train.toml");
    let settings = format!(
        "task = \"voice-activity\"\nmodel = \"silero-vad\"\noutput = \"tuned\"\nrun = \"run\"\n\
         [options]\nbase = {:?}\nthreshold = 0.4\n\
         [data]\ntrain = {:?}\nvalid = 0.25\nseed = 7\n\
         [training]\nmax_steps = 2\nlearning_rate = 0.0001\n",
        text(&file),
        text(&data)
    );
    fs::write(&config, settings).unwrap();
    andiron(&["train", text(&config)]).good();
    let tuned = ask(text(&dir.path().join("tuned")), &line);
    assert!(tuned["probabilities"].as_array().unwrap().len() > 10, "{tuned}");
    assert_ne!(tuned["probabilities"], answer["probabilities"]);
    andiron::testing::record(
        "program",
        "voice-activity: silero-vad",
        "predict, convert, inspect, evaluate and train from the published file",
    );
}

#[test]
fn voices_have_vectors_and_are_told_apart() {
    let Some(folder) = asset("resemblyzer") else { return };
    let line = json!({"audio": prompt("ru", "vm-saved.wav")});
    let answer = ask(text(&folder), &line);
    assert_eq!(answer["embedding"].as_array().unwrap().len(), 256);
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("speakers");
    andiron(&["convert", text(&folder), text(&bundle)]).good();
    assert_eq!(ask(text(&bundle), &line), answer);

    let data = dir.path().join("data.jsonl");
    let names = ["queue-thankyou.wav", "vm-saved.wav", "vm-message.wav", "please-try-again.wav"];
    let lines: Vec<Value> = ["fr", "it", "ru"]
        .iter()
        .flat_map(|language| {
            names.map(|name| json!({"audio": prompt(language, name), "label": language}))
        })
        .collect();
    write_lines(&data, &lines);
    let report = andiron(&["evaluate", text(&bundle), text(&data)]).good().lines().remove(0);
    assert!(report["scores"]["eer"]["value"].as_f64().unwrap() < 0.5, "{report}");

    // All shipped prompts: every part then has speakers who speak twice.
    let data = root().join("examples/data/prompts");
    let config = dir.path().join("train.toml");
    let settings = format!(
        "task = \"speaker-embedding\"\nmodel = \"ge2e\"\noutput = \"small\"\nrun = \"run\"\n\
         [options]\nrate = 8000\npartial_frames = 40\nd_hidden = 8\nn_layers = 1\n\
         [data]\ntrain = {:?}\nvalid = 0.25\nseed = 7\n\
         [training]\nmax_steps = 2\nlearning_rate = 0.01\n",
        text(&data)
    );
    fs::write(&config, settings).unwrap();
    andiron(&["train", text(&config)]).good();
    let small = ask(text(&dir.path().join("small")), &line);
    assert_eq!(small["embedding"].as_array().unwrap().len(), 64);
    andiron::testing::record(
        "program",
        "speaker-embedding: ge2e",
        "predict, convert, evaluate and train, from the published checkpoint and from nothing",
    );
}
