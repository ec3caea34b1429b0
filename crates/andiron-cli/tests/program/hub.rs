//! A name on the hub in place of a path, with a hub on this machine.

use crate::{
    made::{gguf, golden, hugging_face},
    server::{COMMIT, Fault, NAME, Server},
    support::{program, text, write},
};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
};

/// Runs the program with a cache and a hub of the test's own.
fn run(home: &Path, endpoint: &str, offline: bool, args: &[&str], input: &Path) -> Output {
    program()
        .args(args)
        .env("HF_HOME", home)
        .env("HF_ENDPOINT", endpoint)
        .env("HF_HUB_OFFLINE", if offline { "1" } else { "0" })
        .env_remove("HF_TOKEN")
        .stdin(Stdio::from(fs::File::open(input).unwrap()))
        .output()
        .unwrap()
}

/// The only line of standard output, or what was said instead.
fn line(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"))
}

fn refused(output: &Output, status: i32, part: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(part), "{part:?} is not in: {said}");
}

/// A hub with an encoder of [`hugging_face`]'s.
fn encoder() -> Server {
    let dir = hugging_face("encoders/bert", &[]);
    let files = ["config.json", "model.safetensors", "tokenizer.json"]
        .map(|name| (name, fs::read(dir.path().join(name)).unwrap()));
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    Server::new(&files)
}

#[test]
fn a_name_on_the_hub_is_a_model() {
    let (server, home) = (encoder(), tempfile::tempdir().unwrap());
    let input = home.path().join("input.jsonl");
    write(&input, "{\"text\": \"abc ab\"}\n");
    let model = format!("hf:{NAME}");
    let predict = ["predict", model.as_str(), "-"];
    let none = run(home.path(), &server.endpoint, true, &predict, &input);
    refused(&none, 1, "HF_HUB_OFFLINE forbids to fetch it");
    assert!(server.asked().is_empty(), "nothing is asked when offline");

    let fetched = line(&run(home.path(), &server.endpoint, false, &predict, &input));
    assert_eq!(fetched["embedding"].as_array().unwrap().len(), 20);
    assert!(!server.asked().is_empty());
    // From the cache, by branch and by commit, without a hub.
    let by_commit = format!("{model}@{COMMIT}");
    for name in [&model, &by_commit] {
        let args = ["predict", name.as_str(), "-"];
        assert_eq!(line(&run(home.path(), "http://127.0.0.1:1", true, &args, &input)), fetched);
    }
    let bundle = home.path().join("bundle");
    let args = ["convert", model.as_str(), text(&bundle)];
    let converted = run(home.path(), "http://127.0.0.1:1", true, &args, &input);
    assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
    let args = ["predict", text(&bundle), "-"];
    assert_eq!(line(&run(home.path(), "", true, &args, &input)), fetched);
    let description: Value =
        serde_json::from_slice(&fs::read(bundle.join("andiron.json")).unwrap()).unwrap();
    let command = description["card"]["command"].as_str().unwrap();
    assert!(command.starts_with(&format!("andiron convert {model} ")), "{command}");
    andiron::testing::record(
        "program",
        "hf:owner/name is a model",
        "fetched from a hub on this machine, then by branch and commit offline",
    );
}

#[test]
fn one_file_of_a_repository_is_a_model() {
    let gguf = gguf();
    let server = Server::new(&[("a-Q8.gguf", &gguf), ("b-Q4.gguf", b"another one")]);
    let home = tempfile::tempdir().unwrap();
    let input = home.path().join("input.jsonl");
    write(&input, "{\"prompt\": \"abc\", \"max_tokens\": 2}\n");
    let predict =
        |name: &str| run(home.path(), &server.endpoint, false, &["predict", name, "-"], &input);
    refused(&predict(&format!("hf:{NAME}")), 1, "choose one: [\"a-Q8.gguf\", \"b-Q4.gguf\"]");
    let answer = line(&predict(&format!("hf:{NAME}/a-Q8.gguf@main")));
    assert_eq!(answer["usage"]["completion_tokens"], 2);
    refused(&predict(&format!("hf:{NAME}/c.gguf")), 1, "has no file \"c.gguf\"");
    // The other is no GGUF file, whatever it is called.
    refused(
        &predict(&format!("hf:{NAME}/b-Q4.gguf")),
        1,
        "a file that begins with \"another one\"",
    );
}

#[test]
fn what_the_hub_refuses_is_told() {
    let (server, home) = (encoder(), tempfile::tempdir().unwrap());
    let input = home.path().join("input.jsonl");
    write(&input, "");
    let predict =
        |name: &str| run(home.path(), &server.endpoint, false, &["predict", name, "-"], &input);
    for name in
        ["hf:", "hf:alone", "hf:a/", "hf:/b", "hf:a/b/", "hf:a b/c", "hf:../b/c", "hf:a/b@../x"]
    {
        let said = predict(name);
        assert_eq!(
            said.status.code(),
            Some(2),
            "{name}: {}",
            String::from_utf8_lossy(&said.stderr)
        );
    }
    refused(&predict("hf:alone"), 2, "hf:owner/name[/file][@revision] was wanted");
    refused(&predict("hf:a b/c"), 2, "a model is called owner/name, not \"a b/c\"");
    refused(&predict("hf:a/b@../x"), 2, "\"../x\" cannot be a revision");
    assert!(server.asked().is_empty(), "no such name leaves the machine");
    let model = format!("hf:{NAME}");
    refused(&predict("hf:no/body"), 1, "the hub has no no/body at main");
    server.fails(Fault::Status(401, "/api/"), 1);
    refused(&predict(&model), 1, "wants a token that may read it: set HF_TOKEN");
    server.fails(Fault::Status(503, "/api/"), 9);
    refused(&predict(&model), 1, "cannot be fetched now");
    refused(
        &run(home.path(), "http://127.0.0.1:1", false, &["inspect", &model], &input),
        1,
        "cannot be fetched now",
    );
}

#[test]
fn a_training_can_begin_with_a_model_of_the_hub() {
    let (server, home) = (encoder(), tempfile::tempdir().unwrap());
    let toml = home.path().join("mine.toml");
    let data = home.path().join("data.csv");
    write(&data, "text,label\nabc,a\ncab,b\nbca,a\nab,b\nabc ab,a\ncab ab,b\n");
    write(
        &toml,
        format!(
            "task = \"text-classification\"\nmodel = \"hashed-linear\"\noutput = \"out\"\n\
             base = \"hf:{NAME}\"\n[data]\ntrain = \"data.csv\"\ntest = 0\nvalid = 0\n"
        ),
    );
    // This architecture begins from nothing, and says so before anything is fetched.
    let output = run(home.path(), &server.endpoint, false, &["train", text(&toml)], &data);
    refused(&output, 2, "there is no setting \"base\"");
    assert!(server.asked().is_empty(), "{:?}", server.asked());

    // That of the model on the hub begins with it, and stays near it in one step.
    let bert = ["train", text(&toml), "--set", "model=bert", "--set", "training.max_steps=1"];
    let output = run(home.path(), &server.endpoint, false, &bert, &data);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(server.asked().iter().any(|asked| asked.path.contains("model.safetensors")));
    let read = |folder: &Path, name: &str| -> Vec<f32> {
        let bytes = fs::read(folder.join("model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let values = file.tensor(name).unwrap().data().to_vec();
        values.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let name = "encoder.layer.0.attention.self.query.weight";
    let learnt = read(&home.path().join("out"), &format!("bert.{name}"));
    let base = read(&golden("encoders/bert"), name);
    assert_eq!(learnt.len(), base.len());
    let furthest = learnt.iter().zip(&base).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest > 0.0 && furthest < 0.01, "{furthest}");
    andiron::testing::record(
        "program",
        "a training begins with a model of the hub",
        "by its name; an architecture that begins from nothing says so before anything is fetched",
    );
}
