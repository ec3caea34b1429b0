//! Models that others published: told by what they say of themselves, and refused by name.

use crate::{
    made::{chat, edit, gguf, golden, hugging_face},
    support::{Answer, andiron, andiron_with, text, write},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// What the model says to these lines.
fn said(model: &Path, lines: &[Value]) -> Answer {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    andiron_with(&["predict", text(model), "-"], lines)
}

fn inspected(model: &Path) -> Value {
    andiron(&["inspect", text(model), "--json"]).good().lines().remove(0)
}

#[test]
fn an_encoder_answers_with_vectors() {
    let dir = hugging_face("encoders/bert", &[]);
    let answers = said(dir.path(), &[json!({"text": "abc ab"}), json!({"text": "cab"})]).good();
    for answer in answers.lines() {
        assert_eq!(answer["embedding"].as_array().unwrap().len(), 20, "{answer}");
    }
    let all = inspected(dir.path());
    assert_eq!((&all["task"], &all["architecture"]), (&json!("embedding"), &json!("bert")));
    let tensors = all["tensors"].as_array().unwrap();
    let words = tensors.iter().find(|tensor| {
        tensor["name"].as_str().unwrap().ends_with("embeddings.word_embeddings.weight")
    });
    assert_eq!(words.unwrap()["shape"], json!([37, 20]));
    assert_eq!(all["preprocessing"]["max_length"], 13);
    let for_people = andiron(&["inspect", text(dir.path())]).good().out;
    assert!(for_people.contains(&format!("parameters    {}\n", all["parameters"])), "{for_people}");

    // Pairs to find again: the same report by lines and by columns.
    let pairs = dir.path().join("pairs.csv");
    write(&pairs, "text,positive\nabc,bca\ncab,ab\nab ab,cab bca\n");
    let report = andiron(&["evaluate", text(dir.path()), text(&pairs)]).good().lines().remove(0);
    assert_eq!((&report["task"], &report["examples"]), (&json!("embedding"), &json!(3)));
}

#[test]
fn a_sentence_transformers_folder_is_taken_at_its_word() {
    let module = |kind: &str, path: &str| json!({"type": format!("sentence_transformers.models.{kind}"), "path": path});
    let dir = hugging_face(
        "encoders/bert",
        &[
            ("modules.json", json!([module("Transformer", ""), module("Pooling", "1_Pooling")])),
            ("1_Pooling/config.json", json!({"pooling_mode_cls_token": true})),
            ("sentence_bert_config.json", json!({"max_seq_length": 7})),
        ],
    );
    // Its own words win over what the network was made for.
    edit(&dir.path().join("config.json"), |config| config["architectures"] = json!(["Other"]));
    let all = inspected(dir.path());
    assert_eq!(all["preprocessing"]["pooling"], "cls");
    assert_eq!(all["preprocessing"]["max_length"], 7);
}

#[test]
fn a_folder_with_a_head_does_what_its_head_was_made_for() {
    let ask = |folder: &str, line: Value| said(&golden(folder), &[line]).good().lines().remove(0);
    for encoder in ["bert", "distilbert", "roberta"] {
        let folder = |task: &str| format!("{task}/{encoder}");
        let answer = ask(&folder("token_classifiers"), json!({"text": "Ann met Bob in Utah."}));
        assert!(answer["entities"].is_array(), "{answer}");
        let line = json!({"query": "the sea", "documents": ["a ship", "old hills", "the sea"]});
        let answer = ask(&folder("rerank"), line);
        assert_eq!(answer["scores"].as_array().unwrap().len(), 3, "{answer}");
        let mask = if encoder == "roberta" { "<mask>" } else { "[MASK]" };
        let line = json!({"text": format!("the house on the {mask}")});
        let answer = ask(&folder("fill_mask"), line);
        assert!(answer["candidates"][0]["token"].is_string(), "{answer}");
    }
}

#[test]
fn decoders_write() {
    let request = json!({"prompt": "abc", "max_tokens": 3});
    for name in ["llama", "gpt2", "qwen2"] {
        let dir = hugging_face(&format!("decoders/{name}"), &[chat()]);
        let messages = json!({"messages": [{"role": "user", "content": "abc"}], "max_tokens": 3});
        let answers = said(dir.path(), &[request.clone(), messages]).good().lines();
        for answer in &answers {
            assert!(answer["text"].is_string() && answer["finish_reason"].is_string(), "{answer}");
        }
        // The template writes no special token, the prompt has two around it.
        let tokens = |at: usize| answers[at]["usage"]["prompt_tokens"].as_u64().unwrap();
        assert_eq!((tokens(0), tokens(1)), (tokens(1) + 2, tokens(0) - 2), "{name}");
        assert_eq!(inspected(dir.path())["task"], "text-generation");
    }
    // A text a line of a file is a prompt.
    let dir = hugging_face("decoders/llama", &[]);
    write(&dir.path().join("prompts.txt"), "abc\nab\n");
    let file = dir.path().join("prompts.txt");
    let by_file = andiron(&["predict", text(dir.path()), text(&file)]).good();
    let by_lines = said(dir.path(), &[json!({"prompt": "abc"}), json!({"prompt": "ab"})]).good();
    assert_eq!(by_file.out, by_lines.out);
    let refused = said(dir.path(), &[json!({"text": "abc"})]);
    assert!(refused.out.contains("field \\\"prompt\\\" must be a text"), "{}", refused.out);
}

#[test]
fn a_gguf_file_writes_wherever_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    write(&path, gguf());
    let lines = [
        json!({"prompt": "abc", "max_tokens": 4}),
        json!({"messages": [{"role": "user", "content": "cab"}], "max_tokens": 2}),
        json!({"prompt": "x", "max_tokens": 5, "temperature": 0.9, "seed": 3}),
    ];
    let by_file = said(&path, &lines).good();
    assert_eq!(
        by_file.lines()[0]["usage"],
        json!({"prompt_tokens": 2, "completion_tokens": 4,
        "total_tokens": 6})
    );
    // A folder with nothing else in it, as the hub has it, with a note of the network or without.
    assert_eq!(said(dir.path(), &lines).good().out, by_file.out);
    write(&dir.path().join("config.json"), r#"{"architectures": ["LlamaForCausalLM"]}"#);
    assert_eq!(said(dir.path(), &lines).good().out, by_file.out);
    let all = inspected(&path);
    assert_eq!((&all["architecture"], &all["config"]["d_model"]), (&json!("llama"), &json!(12)));
}

#[test]
fn a_classifier_of_fasttexts_answers_as_any_other() {
    for name in ["fasttext_tree.bin", "fasttext_quantised.ftz", "fasttext_softmax.bin"] {
        let path = golden(name);
        let all = inspected(&path);
        assert_eq!(all["architecture"], "fasttext", "{name}");
        let labels = all["preprocessing"]["labels"].as_array().unwrap().len();
        assert!(labels >= 2, "{name}");
        let answers = said(&path, &[json!({"text": "some words\nof a text"}), json!({"text": ""})]);
        assert_eq!(answers.status, Some(1));
        let lines = answers.lines();
        assert_eq!(lines[0]["scores"].as_object().unwrap().len(), labels, "{name}");
        let best = lines[0]["label"].as_str().unwrap();
        assert_eq!(lines[0]["scores"][best], lines[0]["score"]);
        assert_eq!(lines[1]["error"], "the text is empty");
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data.csv");
        write(&data, format!("text,label\nsome words,{best}\nother words,{best}\n"));
        let report = andiron(&["evaluate", text(&path), text(&data)]).good().lines().remove(0);
        assert_eq!((&report["architecture"], &report["examples"]), (&json!("fasttext"), &json!(2)));
        write(&data, "text,label\nsome words,no such label\n");
        andiron(&["evaluate", text(&path), text(&data)])
            .refused(1, "data.csv, line 2): unknown label \"no such label\"");
    }
}

#[test]
fn another_head_is_used_only_by_those_who_ask() {
    let dir = hugging_face("encoders/distilbert", &[]);
    let folder = text(dir.path());
    // It was made to guess words.
    andiron(&["inspect", folder]).good().out.contains("fill-mask").then_some(()).unwrap();
    edit(&dir.path().join("config.json"), |config| {
        config["architectures"] = json!(["DistilBertForQuestionAnswering"]);
    });
    andiron(&["predict", folder, "-"]).refused(2, "can be used for [\"embedding\"]: choose a task");
    let line = "{\"text\": \"abc\"}\n";
    let answer = andiron_with(&["predict", folder, "-", "--task", "embedding"], line).good();
    assert_eq!(answer.lines()[0]["embedding"].as_array().unwrap().len(), 20);
    andiron(&["inspect", folder, "--task", "embedding"]).good();
    andiron(&["predict", folder, "-", "--task", "text-generation"])
        .refused(1, "a network of architectures [\"DistilBertForQuestionAnswering\"]");
    andiron(&["predict", folder, "-", "--task", "cooking"])
        .refused(2, "there is no task \"cooking\"");
    andiron(&["predict", "sentiment", "-", "--task", "embedding"])
        .refused(2, "is a bundle for text-classification, not for embedding");
}

#[test]
fn what_is_not_known_is_named() {
    let refused = |change: fn(&Path), part: &str| {
        let dir = hugging_face("encoders/bert", &[]);
        change(dir.path());
        andiron(&["predict", text(dir.path()), "-"]).refused(1, part);
    };
    let config = |dir: &Path, change: fn(&mut Value)| edit(&dir.join("config.json"), change);
    refused(
        |dir| {
            edit(&dir.join("config.json"), |config| {
                config["architectures"] = json!(["MPNetModel"]);
                config["model_type"] = json!("mpnet");
            });
        },
        "nothing here loads a network of architectures [\"MPNetModel\"] and model_type \"mpnet\"; what is \
         loaded: for text-classification fastText's",
    );
    refused(|dir| fs::remove_file(dir.join("tokenizer.json")).unwrap(), "tokenizer.json");
    refused(|dir| fs::remove_file(dir.join("model.safetensors")).unwrap(), "weights");
    refused(
        |dir| edit(&dir.join("tokenizer.json"), |v| v["model"]["vocab"]["zz"] = json!(37)),
        "tokenizer.json has 38 tokens, but the network knows 37 only",
    );
    refused(|dir| write(&dir.join("config.json"), "{"), "config.json is no JSON");
    let dir = hugging_face("encoders/bert", &[]);
    config(dir.path(), |config| config["position_embedding_type"] = json!("relative_key"));
    andiron(&["predict", text(dir.path()), "-"])
        .refused(1, "setting \"position_embedding_type\" cannot be \"relative_key\"");
    config(dir.path(), |config| {
        config["position_embedding_type"] = json!("absolute");
        config["intermediate_size"] = json!(29);
    });
    andiron(&["predict", text(dir.path()), "-"]).refused(1, "misshapen [Misshapen");

    let dir = hugging_face("decoders/llama", &[]);
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    andiron(&["predict", text(dir.path()), "-"]).refused(1, "tokenizer.json");
    let dir = hugging_face("decoders/llama", &[]);
    edit(&dir.path().join("tokenizer.json"), |v| v["model"]["vocab"]["zz"] = json!(37));
    andiron(&["predict", text(dir.path()), "-"]).refused(1, "but the network knows 37 only");
    andiron::testing::record(
        "program",
        "a published model that cannot be used is refused by name",
        "architecture, setting, tokenizer, vocabulary, tensors",
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    andiron(&["predict", text(&missing), "-"]).refused(2, "it is no folder or file");
    let file = dir.path().join("notes.txt");
    write(&file, "only words");
    andiron(&["predict", text(&file), "-"])
        .refused(1, "nothing here loads a file that begins with \"only words\"");
    andiron(&["inspect", text(&file)]).refused(1, "notes.txt");
    let empty = dir.path().join("empty.gguf");
    write(&empty, "");
    andiron(&["predict", text(&empty), "-"]).refused(1, "empty.gguf");
}

/// Where `part` stands in `bytes`.
fn find(bytes: &[u8], part: &str) -> usize {
    bytes.windows(part.len()).position(|window| window == part.as_bytes()).unwrap()
}

#[test]
fn a_gguf_file_that_lies_is_refused_at_once() {
    let whole = gguf();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lying.gguf");
    let huge = u64::MAX.to_le_bytes();
    let many = (1_u64 << 40).to_le_bytes();
    let width = find(&whole, "token_embd.weight") + "token_embd.weight".len() + 4;
    let layers = find(&whole, "llama.block_count") + "llama.block_count".len() + 4;
    let tokens = find(&whole, "tokenizer.ggml.tokens") + "tokenizer.ggml.tokens".len() + 8;
    for (at, lie) in [
        (8, &huge[..]),          // tensors
        (16, &huge[..]),         // metadata
        (24, &huge[..]),         // length of the first key
        (width, &many[..]),      // columns of the first tensor
        (width + 8, &many[..]),  // and its rows
        (layers, &[255; 4][..]), // layers that are not there
        (tokens, &many[..]),     // length of a list
    ] {
        let mut bytes = whole.clone();
        bytes[at..at + lie.len()].copy_from_slice(lie);
        write(&path, bytes);
        let started = std::time::Instant::now();
        let answer = andiron(&["predict", text(&path), "-"]);
        assert!(started.elapsed().as_secs() < 10, "{at}");
        assert!(answer.err.contains("lying.gguf"), "{at}: {}", answer.err);
        assert_eq!(answer.status, Some(1), "{at}: {}", answer.err);
    }
    write(&path, &whole[..whole.len() - 7]);
    andiron(&["predict", text(&path), "-"]).refused(1, "lying.gguf");
    andiron::testing::record(
        "program",
        "a GGUF file that lies about its sizes is refused",
        "in seven fields, each in under ten seconds",
    );
}

#[test]
fn a_classifier_trained_here_on_a_published_encoder_is_a_published_classifier() {
    let base = hugging_face("encoders/bert", &[]);
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..24)
        .map(|at| if at % 2 == 0 { "abc abc bca,up\n" } else { "cab ab cab,down\n" })
        .collect();
    write(&dir.path().join("data.csv"), format!("text,label\n{rows}"));
    let toml = dir.path().join("mine.toml");
    let settings = |base: &str| {
        format!(
            "task = \"text-classification\"\nmodel = \"bert\"\noutput = \"mine\"\n\
             base = \"{base}\"\n[data]\ntrain = \"data.csv\"\nsplit = \"random\"\n\
             [training]\nmax_steps = 6\nlearning_rate = 0.01\n"
        )
    };
    write(&toml, settings(text(base.path())));
    andiron(&["train", text(&toml)]).good();
    let bundle = dir.path().join("mine");
    let lines = [json!({"text": "abc bca"}), json!({"text": "cab"})];
    let wanted = said(&bundle, &lines).good();
    assert_eq!(wanted.lines()[0]["scores"].as_object().unwrap().len(), 2);
    // Without our description it is what transformers would have written.
    let published = dir.path().join("published");
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        write(&published.join(name), fs::read(bundle.join(name)).unwrap());
    }
    let all = inspected(&published);
    assert_eq!(
        (&all["task"], &all["architecture"]),
        (&json!("text-classification"), &json!("bert"))
    );
    assert_eq!(said(&published, &lines).good().out, wanted.out);
    let again = dir.path().join("again");
    andiron(&["convert", text(&published), text(&again)]).good();
    assert_eq!(said(&again, &lines).good().out, wanted.out);
    // Its labels at once are another task, and numbers are none that is known here.
    let problem = |name: &str| {
        edit(&published.join("config.json"), |config| config["problem_type"] = json!(name));
    };
    problem("multi_label_classification");
    assert_ne!(inspected(&published)["task"], "text-classification");
    problem("regression");
    andiron(&["predict", text(&published), "-"])
        .refused(1, "setting \"problem_type\" cannot be \"regression\": supported here is");

    write(&toml, settings("no such folder"));
    andiron(&["train", text(&toml)]).refused(1, "no such folder");
    // What others published for something else is a base as well; a base must be one.
    fs::remove_file(base.path().join("config.json")).unwrap();
    write(&toml, settings(text(base.path())));
    andiron(&["train", text(&toml), "--fresh"]).refused(1, "config.json");
}
