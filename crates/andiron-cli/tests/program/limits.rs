//! Lines that are too long, empty, or no text at all: each costs its own place, bounded time and
//! bounded memory, and the next is answered.

use crate::{
    made::{edit, gguf, golden, hugging_face},
    support::{andiron, andiron_with, program, text, write},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Stdio,
    time::Instant,
};

/// The answers to `lines`, and the most memory that the program had, in bytes.
fn answers(model: &str, lines: &[String]) -> (Vec<Value>, u64) {
    let mut child = program()
        .args(["predict", model, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut answers = Vec::new();
    for line in lines {
        writeln!(input, "{line}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        answers.push(serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer:?}")));
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    drop(input);
    child.wait().unwrap();
    (answers, kilobytes * 1024)
}

/// Ten megabytes of words.
fn long() -> String {
    "abc ab cab bca ".repeat(700_000)
}

#[test]
fn a_line_of_ten_megabytes_is_answered_or_refused_and_the_next_is_answered() {
    let encoder = hugging_face("encoders/bert", &[]);
    let decoder = hugging_face("decoders/llama", &[]);
    let dir = tempfile::tempdir().unwrap();
    let tiny = dir.path().join("tiny.gguf");
    write(&tiny, gguf());
    let long = long();
    assert!(long.len() > 10_000_000);
    let without_spaces = long.replace(' ', "");
    for (model, field) in [
        (text(encoder.path()), "text"),
        (text(decoder.path()), "prompt"),
        (text(&tiny), "prompt"),
        (text(&golden("fasttext_tree.bin")), "text"),
        ("sentiment", "text"),
    ] {
        let line = |value: &str, truncate: bool| {
            json!({field: value, "truncate": truncate, "max_tokens": 2}).to_string()
        };
        let started = Instant::now();
        let (all, peak) = answers(
            model,
            &[
                line("abc", false),
                line(&long, false),
                line(&without_spaces, true),
                line(&long, true),
                "x".repeat(10_000_000),
                line("abc", false),
            ],
        );
        assert!(started.elapsed().as_secs() < 60, "{model}: {:?}", started.elapsed());
        assert!(peak < 600 << 20, "{model} took {peak} bytes");
        assert!(all[0].get("error").is_none(), "{model}: {}", all[0]);
        assert_eq!(all[0], all[5], "{model}");
        assert!(all[4]["error"].as_str().unwrap().contains("it is not JSON"), "{}", all[4]);
        for answer in &all[1..4] {
            match answer["error"].as_str() {
                Some(error) => assert!(error.contains("over the limit"), "{model}: {error}"),
                None => assert!(answer.to_string().len() < 100_000, "{model}"),
            }
        }
    }
    andiron::testing::record(
        "program",
        "a line of ten megabytes costs bounded time and memory",
        "in five models; the next line is answered as before",
    );
}

/// Models of tasks beyond those above that take 32,768 tokens, each with a line for it whose text is
/// `long`.
/// A model, and the line that asks it about a text.
type Asked = (String, Box<dyn Fn(&str) -> Value>);

fn models_of_long_texts(dir: &Path) -> Vec<Asked> {
    let texts = ["abc ab", "cab bca ab", "bca abc cab", "ab ab", "cab", "bca bca"];
    let rows = |row: &dyn Fn(usize, &str) -> Value| {
        let lines = (0..12).map(|at| format!("{}\n", row(at, texts[at % 6])));
        lines.collect::<String>()
    };
    let labels = |at: usize| if at.is_multiple_of(2) { vec!["a", "b"] } else { vec!["b"] };
    let relevant = |at: usize, text: &str| json!({"query": "abc", "documents": [text, "bca"], "relevant": [at % 2]});
    let entity = |_: usize, text: &str| json!({"text": text, "entities": [{"label": "A", "start": 0, "end": 2}]});
    type Line = Box<dyn Fn(&str) -> Value>;
    let kinds: [(&str, String, Line); 4] = [
        (
            "multi-label-classification",
            rows(&|at, text| json!({"text": text, "labels": labels(at)})),
            Box::new(|long| json!({"text": long})),
        ),
        ("rerank", rows(&relevant), Box::new(|long| json!({"query": "abc", "documents": [long]}))),
        (
            "fill-mask",
            rows(&|_, text| json!({"text": text})),
            Box::new(|long| json!({"text": format!("[MASK] {long}")})),
        ),
        ("token-classification", rows(&entity), Box::new(|long| json!({"text": long}))),
    ];
    let train = |(task, data, line): (&str, String, Line)| {
        let config = dir.join(format!("{task}.toml"));
        write(&dir.join(format!("{task}.jsonl")), data);
        write(
            &config,
            format!(
                "task = \"{task}\"\nmodel = \"bert\"\noutput = \"{task}\"\n\
                 [data]\ntrain = \"{task}.jsonl\"\nsplit = \"random\"\ntest = 0.0\nvalid = 0.0\n\
                 [options]\nd_model = 6\nn_heads = 1\nn_layers = 1\nd_hidden = 8\n\
                 max_length = 32768\n[training]\nmax_steps = 1\n"
            ),
        );
        andiron(&["train", text(&config)]).good();
        (text(&dir.join(task)).to_owned(), line)
    };
    kinds.into_iter().map(train).collect()
}

#[test]
fn a_model_of_long_texts_refuses_a_longer_one_without_reading_it_all() {
    let dir = tempfile::tempdir().unwrap();
    let decoder = hugging_face("decoders/llama", &[]);
    edit(&decoder.path().join("config.json"), |config| {
        config["max_position_embeddings"] = json!(131_072);
    });
    let mut models = models_of_long_texts(dir.path());
    let prompt = |long: &str| json!({"prompt": long, "max_tokens": 2});
    models.push((text(decoder.path()).to_owned(), Box::new(prompt)));
    let long = long();
    for (model, line) in models {
        let started = Instant::now();
        let lines =
            ["abc", &long, &"abc".repeat(3_500_000), "abc"].map(|text| line(text).to_string());
        let (all, peak) = answers(&model, &lines);
        eprintln!("{model}: {:.1} s, {} MB", started.elapsed().as_secs_f64(), peak >> 20);
        assert!(started.elapsed().as_secs() < 60, "{model}: {:?}", started.elapsed());
        assert!(peak < 600 << 20, "{model} took {peak} bytes");
        assert!(all[0].get("error").is_none(), "{model}: {}", all[0]);
        assert_eq!(all[0], all[3], "{model}");
        for answer in &all[1..3] {
            let error = answer["error"].as_str().unwrap_or_default();
            assert!(error.contains("over the limit"), "{model}: {error}");
        }
    }
    andiron::testing::record(
        "program",
        "ten megabytes are refused in a moment by models of long texts",
        "of 32,768 and 131,072 tokens, in five tasks",
    );
}

#[test]
fn a_text_over_the_length_is_cut_only_when_asked_and_the_answer_says_so() {
    let dir = hugging_face("encoders/bert", &[]);
    // Thirteen tokens, two of them special.
    let text_of = |words: usize| vec!["abc"; words].join(" ");
    let lines = [
        json!({"text": text_of(11)}),
        json!({"text": text_of(12)}),
        json!({"text": text_of(12), "truncate": true}),
        json!({"text": text_of(11), "truncate": true}),
    ];
    let lines = lines.map(|line| format!("{line}\n")).concat();
    let said = andiron_with(&["predict", text(dir.path()), "-"], lines);
    let answers = said.lines();
    assert_eq!((said.status, answers.len()), (Some(1), 4));
    let error = answers[1]["error"].as_str().unwrap();
    assert_eq!(error, "the length of the text in tokens is 14, which is over the limit of 13");
    assert_eq!(answers[2]["truncated"], json!(true));
    assert_eq!(answers[2]["embedding"], answers[0]["embedding"], "the twelfth word was not read");
    assert_eq!((answers[0].get("truncated"), &answers[3]), (None, &answers[0]));

    // What is asked for beyond a decoder's length is refused, not shortened.
    let dir = hugging_face("decoders/llama", &[]);
    let lines = [
        json!({"prompt": text_of(60)}),
        json!({"prompt": text_of(4), "max_tokens": 60}),
        json!({"prompt": text_of(4), "max_tokens": 2}),
    ];
    let lines = lines.map(|line| format!("{line}\n")).concat();
    let answers = andiron_with(&["predict", text(dir.path()), "-"], lines).lines();
    for answer in &answers[..2] {
        assert!(answer["error"].as_str().unwrap().contains("over the limit of "), "{answer}");
    }
    assert!(answers[2]["text"].is_string(), "{}", answers[2]);
    andiron::testing::record(
        "program",
        "a text over the length is cut only when asked",
        "and the answer says so",
    );
}

#[test]
fn what_is_no_text_is_told() {
    let encoder = hugging_face("encoders/bert", &[]);
    let decoder = hugging_face("decoders/gpt2", &[]);
    for (model, field) in [
        (encoder.path(), "text"),
        (decoder.path(), "prompt"),
        (golden("fasttext_tree.bin").as_path(), "text"),
        (Path::new("sentiment"), "text"),
    ] {
        let lines = [
            format!("{{\"{field}\": \"abc \\ud83d\"}}"),
            format!("{{\"{field}\": \"\\udca9 abc\"}}"),
            format!("{{\"{field}\": \"\\ud83d\\ud83d\"}}"),
            format!("{{\"{field}\": \"abc\\ud83d\\udca9\"}}"),
            format!("{{\"{field}\": 5}}"),
            "{}".to_owned(),
            format!("{{\"{field}\": \"abc\"}}"),
        ];
        let said = andiron_with(&["predict", text(model), "-"], lines.join("\n"));
        let answers = said.lines();
        assert_eq!((said.status, answers.len()), (Some(1), lines.len()), "{}", said.err);
        for (at, part) in [
            (0, "it is not JSON: "),
            (1, "it is not JSON: "),
            (2, "it is not JSON: "),
            (4, "must be a text, but is 5"),
            (5, "must be a text, but is missing"),
        ] {
            let error = answers[at]["error"].as_str().unwrap_or_default();
            assert!(error.contains(part), "{}: {}", model.display(), answers[at]);
        }
        for at in [3, 6] {
            assert!(answers[at].get("error").is_none(), "{}: {}", model.display(), answers[at]);
        }
    }
    let empty = ["", " \\t", "\\u0000", "\\u200e"]
        .map(|text| format!("{{\"text\": \"{text}\"}}\n"))
        .concat();
    for answer in andiron_with(&["predict", text(encoder.path()), "-"], empty).lines() {
        assert_eq!(answer["error"], "the text is empty");
    }
}

/// 143 MiB are the pixels themselves. The program holds them as they are decoded, as they are turned to
/// grey, and its network.
#[test]
fn a_photograph_of_fifty_megapixels_takes_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (large, small) = (dir.path().join("large.jpg"), dir.path().join("small.png"));
    let scene = image::RgbImage::from_fn(8_660, 5_774, |x, y| {
        image::Rgb([(x / 40) as u8, (y / 30) as u8, ((x + y) / 50) as u8])
    });
    scene.save(&large).unwrap();
    drop(scene);
    crate::support::png(&small, true, 1);
    let line = |path: &Path| json!({ "image": path }).to_string();
    let (answers, peak) = answers("digits", &[line(&large), line(&small)]);
    assert!(answers.iter().all(|answer| answer["label"].is_string()), "{answers:?}");
    assert!(peak < 3 * (143 << 20), "{} MiB", peak >> 20);
}
