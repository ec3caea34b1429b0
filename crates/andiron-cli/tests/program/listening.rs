//! What is said: keywords in a stream, and text by networks that learn from nothing and from a
//! published folder. The sounds are made here.

use crate::{
    assets::ask,
    speech::write_lines,
    support::{andiron, root, sounds, text, tone, wav, write},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

const RATE: u32 = 8_000;

/// Trains by a configuration, so many steps, and gives the report. The loss falls.
#[track_caller]
fn trained(dir: &Path, steps: usize, settings: &str) -> Value {
    let config = dir.join("train.toml");
    write(&config, format!("run = \"run\"\n{settings}max_steps = {steps}\n"));
    let report = andiron(&["train", text(&config)]).good().lines().remove(0);
    let log = fs::read_to_string(dir.join("run/log.jsonl")).unwrap();
    let loss = |line: &str| serde_json::from_str::<Value>(line).unwrap()["loss"].as_f64().unwrap();
    let losses: Vec<f64> = log.lines().map(loss).collect();
    assert_eq!(losses.len(), steps, "{losses:?}");
    assert!(losses[steps - 1] < losses[0], "{losses:?}");
    report
}

/// The report on some data.
#[track_caller]
fn evaluated(model: &Path, data: &Path) -> Value {
    andiron(&["evaluate", text(model), text(data)]).good().lines().remove(0)
}

/// Asserts that a report has the scores of transcripts, of texts made equal as English.
#[track_caller]
fn is_of_english(report: &Value, examples: usize) {
    assert_eq!(report["task"], "speech-recognition");
    assert_eq!(report["examples"], examples, "{report}");
    assert_eq!(report["settings"], json!({"normalizer": "english"}), "{report}");
    for name in ["wer", "mer", "wil", "cer"] {
        assert!(report["scores"][name]["value"].is_number(), "{name}: {report}");
    }
}

#[test]
fn keywords_are_learnt_from_clips_and_counted_in_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    sounds(here, 6);
    let clip = |n: u32| {
        let (folder, label) = if n.is_multiple_of(2) { ("high", "beep") } else { ("low", "other") };
        json!({"audio": format!("{folder}/{}.wav", n / 2), "label": label})
    };
    write_lines(&here.join("clips.jsonl"), &(0..12).map(clip).collect::<Vec<_>>());
    // Three seconds with the keyword in their middle.
    let parts = [(300.0, 1.25), (1_500.0, 0.5), (300.0, 1.25)];
    let parts = parts.map(|(hertz, seconds)| tone(hertz, seconds, RATE, 5));
    let (stream, streams) = (here.join("stream.wav"), here.join("streams.jsonl"));
    wav(&stream, &parts.concat(), RATE);
    let there = json!([{"label": "beep", "start": 1.25, "end": 1.75}]);
    write_lines(&streams, &[json!({"audio": "stream.wav", "keywords": there})]);

    // No keyword has to be probable: how many are reported follows from the settings alone.
    let report = trained(
        here,
        3,
        "task = \"keyword-spotting\"\nmodel = \"ds-cnn\"\noutput = \"keywords\"\n\
         [options]\nn_mels = 20\nchannels = 8\nn_blocks = 1\ndropout = 0.0\n\
         spotting = { threshold = 0.0, refractory = 1.5 }\n\
         [data]\ntrain = \"clips.jsonl\"\nvalid = 0.25\ntest = \"streams.jsonl\"\n\
         [training]\nlearning_rate = 0.003\n",
    );
    let score = |name: &str| report["scores"][name]["value"].as_f64().unwrap();
    // Of three reports in three seconds, the one at 2.5 s is less than a second late.
    assert_eq!((&report["examples"], score("hit_rate")), (&json!(1), 1.0), "{report}");
    assert!((score("false_accepts_per_hour") - 2.0 * 1_200.0).abs() < 1e-6, "{report}");
    let bundle = here.join("keywords");
    assert_eq!(evaluated(&bundle, &streams), report);

    let said = andiron(&["inspect", text(&bundle)]).good().out;
    assert!(said.contains("keyword-spotting") && said.contains("ds-cnn"), "{said}");
    let answer = andiron(&["predict", text(&bundle), text(&stream)]).good().lines().remove(0);
    let keywords = answer["keywords"].as_array().unwrap();
    let times: Vec<f64> = keywords.iter().map(|one| one["time"].as_f64().unwrap()).collect();
    // The last in the silence behind the end, and told at the end.
    assert_eq!(times, [1.0, 2.5, 3.0], "{answer}");
    for one in keywords {
        assert!(one["label"] == "beep" && one["score"].is_number(), "{answer}");
    }
    write_lines(&streams, &[json!({"audio": text(&stream), "threshold": 0.5})]);
    let said = andiron(&["predict", text(&bundle), text(&streams)]);
    let error = said.lines().remove(0)["error"].as_str().unwrap().to_owned();
    assert!(error.contains("\"threshold\""), "{error}");
    andiron::testing::record(
        "program",
        "keyword-spotting: ds-cnn",
        "train from clips, inspect, predict and evaluate a stream",
    );
}

/// A sound whose pitches say letters.
fn spelled(letters: &str) -> Vec<f32> {
    let hertz = |letter: char| match letter {
        'a' => 300.0,
        'b' => 900.0,
        'c' => 2_100.0,
        _ => 0.0,
    };
    letters.chars().flat_map(|letter| tone(hertz(letter), 0.15, RATE, 5)).collect()
}

#[test]
fn a_conformer_learns_from_nothing_and_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let texts = ["ab", "bca", "cc", "a c", "cab", "b", "ba"];
    let mut lines = Vec::new();
    for (number, said) in texts.iter().enumerate() {
        let name = format!("{number}.wav");
        wav(&here.join(&name), &spelled(said), RATE);
        lines.push(json!({"audio": name, "text": said}));
    }
    let data = here.join("spoken.jsonl");
    write_lines(&data, &lines);
    let report = trained(
        here,
        5,
        "task = \"speech-recognition\"\nmodel = \"conformer-ctc\"\noutput = \"letters\"\n\
         [options]\nn_mels = 12\nd_model = 16\nn_heads = 2\nn_layers = 1\nd_hidden = 20\n\
         kernel = 3\nchannels = 4\ndropout = 0.0\nlanguage = \"en\"\n\
         [data]\ntrain = \"spoken.jsonl\"\nvalid = 0\ntest = \"spoken.jsonl\"\n\
         [training]\nlearning_rate = 0.003\n",
    );
    is_of_english(&report, texts.len());
    assert_eq!(report["architecture"], "conformer-ctc");
    let bundle = here.join("letters");
    assert_eq!(evaluated(&bundle, &data), report);

    let audio = here.join("1.wav");
    let answer = ask(text(&bundle), &json!({"audio": text(&audio), "format": "json", "beams": 3}));
    assert_eq!(answer["language"], "en");
    let letters = answer["text"].as_str().unwrap();
    assert!(letters.chars().all(|letter| " abc".contains(letter)), "{answer}");
    let file: Value = serde_json::from_str(answer["written"].as_str().unwrap()).unwrap();
    assert_eq!((&file["text"], &file["segments"]), (&answer["text"], &answer["segments"]));
    // It knows no other language that a line could ask for.
    write_lines(&data, &[json!({"audio": text(&audio), "language": "de"})]);
    let said = andiron(&["predict", text(&bundle), text(&data)]);
    let error = said.lines().remove(0)["error"].as_str().unwrap().to_owned();
    assert!(error.contains("\"language\""), "{error}");
    andiron::testing::record(
        "program",
        "speech-recognition: conformer-ctc",
        "train from nothing, evaluate and predict",
    );
}

/// A published Whisper: the weights that are committed, and a vocabulary of bytes, of which the
/// network knows every token.
fn published(dir: &Path) {
    let golden = root().join("crates/andiron-speech/tests/golden/whisper_tiny");
    for name in ["config.json", "model.safetensors"] {
        write(&dir.join(name), fs::read(golden.join(name)).unwrap());
    }
    let vocabulary = andiron::speech::whisper::Vocabulary::of_bytes();
    write(&dir.join("tokenizer.json"), serde_json::to_string(&vocabulary).unwrap());
}

#[test]
fn a_whisper_learns_from_a_published_folder_and_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let base = here.join("published");
    published(&base);
    // A window is 0.22 seconds.
    let mut lines = Vec::new();
    for (number, said) in ["up", "down", "up again", "down", "up"].iter().enumerate() {
        let name = format!("{number}.wav");
        let hertz = if said.starts_with("up") { 1_500.0 } else { 300.0 };
        wav(&here.join(&name), &tone(hertz, 0.2, RATE, number as u64), RATE);
        lines.push(json!({"audio": name, "text": said}));
    }
    let data = here.join("spoken.jsonl");
    write_lines(&data, &lines);
    is_of_english(&evaluated(&base, &data), lines.len());
    let report = trained(
        here,
        2,
        "task = \"speech-recognition\"\nmodel = \"whisper\"\noutput = \"tuned\"\n\
         [options]\nbase = \"published\"\n\
         [data]\ntrain = \"spoken.jsonl\"\nvalid = 0\ntest = \"spoken.jsonl\"\n\
         [training]\nlearning_rate = 0.001\n",
    );
    is_of_english(&report, lines.len());
    let bundle = here.join("tuned");
    assert_eq!(evaluated(&bundle, &data), report);

    // It began with the published weights, and stays near them in two steps.
    let read = |folder: &Path| -> Vec<f32> {
        let bytes = fs::read(folder.join("model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let values = file.tensor("model.decoder.embed_tokens.weight").unwrap().data().to_vec();
        values.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let (learnt, before) = (read(&bundle), read(&base));
    assert_eq!(learnt.len(), before.len());
    let furthest = learnt.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest > 0.0 && furthest < 0.01, "{furthest}");

    let answer = ask(text(&bundle), &json!({"audio": text(&here.join("0.wav")), "beams": 2}));
    assert_eq!(answer["language"], "en");
    assert!(answer["text"].is_string() && answer["segments"].is_array(), "{answer}");
    andiron::testing::record(
        "program",
        "speech-recognition: whisper",
        "evaluate a published folder, train from it, evaluate and predict",
    );
}
