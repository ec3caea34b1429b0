//! The decoders against transformers' own; numbers by `scripts/golden/decoders.py`.

use andiron_core::{Model as _, ModelConfig, Network, device, testing, weights};
use andiron_nlp::{
    batch::TextBatch,
    chat::Message,
    decoder::Decoder,
    models::{gpt2::Gpt2Config, llama::LlamaConfig},
    published_decoder::{DecoderError, from_folder},
    tasks::text_generation::{Prompt, Sampling, Windows, log_probability},
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoders")
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/decoders/decoders.json")).unwrap()
}

fn texts(golden: &Value) -> Vec<Vec<i32>> {
    serde_json::from_value(golden["texts"].clone()).unwrap()
}

pub(crate) fn config_json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder().join(name).join("config.json")).unwrap()).unwrap()
}

fn load<C: ModelConfig>(name: &str, config: C, device: &Device) -> Network<C> {
    let path = folder().join(name).join("model.safetensors");
    weights::load(Network::blank(config, device).unwrap(), &path).unwrap()
}

/// The rows of `[1, length, n_tokens]` or of one batch row, flat.
fn flat(logits: Tensor<3>) -> Vec<f32> {
    logits.into_data().iter::<f32>().collect()
}

fn ids(row: &[i32], device: &Device) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(row.to_vec(), [1, row.len()]), device)
}

/// Fails unless `got` are `wanted` within 1e-4.
fn near(got: &[f32], wanted: &Value, what: &str) {
    let wanted: Vec<Vec<f64>> = serde_json::from_value(wanted.clone()).unwrap();
    let wanted: Vec<f64> = wanted.concat();
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (at, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
        assert!((f64::from(*got) - wanted).abs() < 1e-4, "{what}: {got}, not {wanted}, at {at}");
    }
}

pub(crate) fn check<M: Decoder>(name: &str, model: &M, device: &Device) {
    let golden = golden();
    let (texts, wanted) = (texts(&golden), &golden["models"][name]);
    assert_eq!(texts.len(), 4);

    let batch = model.forward(TextBatch::of(&texts, device));
    for (at, text) in texts.iter().enumerate() {
        let row = batch.clone().narrow(0, at, 1).narrow(1, 0, text.len());
        near(&flat(row), &wanted["logits"][at], &format!("{name}, text {at} of a padded batch"));
        let alone = model.forward(TextBatch::of(std::slice::from_ref(text), device));
        near(&flat(alone), &wanted["logits"][at], &format!("{name}, text {at} alone"));

        // A first part together, then token by token.
        let mut cache = model.cache(&[0]);
        let first = text.len().div_ceil(2);
        let mut parts = vec![model.logits(model.read(ids(&text[..first], device), &mut cache))];
        for id in &text[first..] {
            parts.push(model.logits(model.read(ids(&[*id], device), &mut cache)));
        }
        let cached = flat(Tensor::cat(parts, 1));
        near(&cached, &wanted["logits"][at], &format!("{name}, text {at} by the cache"));
    }

    // The same texts with the padding in front, by the cache.
    let width = texts.iter().map(Vec::len).max().unwrap();
    let padding: Vec<usize> = texts.iter().map(|text| width - text.len()).collect();
    let rows: Vec<i32> = texts
        .iter()
        .flat_map(|text| std::iter::repeat_n(1, width - text.len()).chain(text.iter().copied()))
        .collect();
    let rows = Tensor::<2, Int>::from_data(TensorData::new(rows, [texts.len(), width]), device);
    let mut cache = model.cache(&padding);
    let split = width - 1;
    let parts = [rows.clone().narrow(1, 0, split), rows.narrow(1, split, 1)]
        .map(|ids| model.logits(model.read(ids, &mut cache)));
    let together = Tensor::cat(parts.to_vec(), 1);
    for (at, text) in texts.iter().enumerate() {
        let row = together.clone().narrow(0, at, 1).narrow(1, padding[at], text.len());
        near(&flat(row), &wanted["logits"][at], &format!("{name}, text {at} padded in front"));
    }
    for (at, text) in texts.iter().enumerate() {
        let greedy: Vec<i32> = serde_json::from_value(wanted["greedy"][at].clone()).unwrap();
        let (mut cache, mut read) = (model.cache(&[0]), text.clone());
        for (place, wanted) in greedy.iter().enumerate() {
            let last = model.read(ids(&read, device), &mut cache).narrow(1, read.len() - 1, 1);
            read = vec![model.logits(last).argmax(2).into_scalar::<i32>()];
            assert_eq!(read[0], *wanted, "{name}, text {at}, token {place}");
        }
    }
    testing::record(
        "golden",
        name,
        "logits of 4 texts, padded behind and in front, alone and by the cache, equal transformers' within 1e-4",
    );
}

#[test]
fn llamas_are_those_of_transformers() {
    let device = device("flex").unwrap();
    let names = ["llama", "llama3", "mistral", "qwen2", "qwen3", "mistral_window", "qwen2_window"];
    for name in names {
        let config = LlamaConfig::from_hugging_face(&config_json(name)).unwrap();
        check(name, &load(name, config, &device).model, &device);
    }
}

/// Windows as narrow as these leave something out of all texts but one.
#[test]
fn a_window_is_read_and_matters() {
    let device = device("flex").unwrap();
    let golden = golden();
    for (name, window, n_full) in [("mistral_window", 4, 0), ("qwen2_window", 3, 1)] {
        let config = LlamaConfig::from_hugging_face(&config_json(name)).unwrap();
        assert_eq!((config.window, config.n_full_layers), (window, n_full));
        let text = &texts(&golden)[2];
        assert!(text.len() > 2 * window);
        let logits = |config: LlamaConfig| {
            let batch = TextBatch::of(std::slice::from_ref(text), &device);
            flat(load(name, config, &device).model.forward(batch))
        };
        let (with, without) = (logits(config.clone()), logits(config.with_window(0)));
        let furthest = |from: usize, to: usize| {
            let pairs = with[from * 37..to * 37].iter().zip(&without[from * 37..to * 37]);
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        // So long no token has left the window.
        assert!(furthest(0, window) < 1e-5, "{name}: {}", furthest(0, window));
        let last = furthest(text.len() - 1, text.len());
        assert!(last > 1e-2, "{name}: {last}");
    }
}

#[test]
fn gpt2_is_that_of_transformers() {
    let device = device("flex").unwrap();
    let config = Gpt2Config::from_hugging_face(&config_json("gpt2")).unwrap();
    check("gpt2", &load("gpt2", config, &device).model, &device);
}

#[test]
fn tokens_are_drawn_from_as_by_transformers() {
    let golden = golden();
    let cases = golden["sampling"].as_array().unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let logits: Vec<f32> = serde_json::from_value(case["logits"].clone()).unwrap();
        let before: Vec<u32> = serde_json::from_value(case["before"].clone()).unwrap();
        let wanted: Vec<f64> = serde_json::from_value(case["probabilities"].clone()).unwrap();
        let sampling = Sampling::read(&case["settings"]).unwrap();
        let mut got = vec![0.0; wanted.len()];
        for (id, probability) in sampling.distribution(&logits, &before).unwrap() {
            got[id as usize] = probability;
        }
        for (got, wanted) in got.iter().zip(&wanted) {
            assert!((got - wanted).abs() < 1e-7, "{}: {got}, not {wanted}", case["settings"]);
        }
    }
    testing::record(
        "golden",
        "sampling",
        "penalty, temperature, top-k, top-p and min-p leave the probabilities that transformers' leave",
    );
}

#[test]
fn perplexity_with_a_stride_is_that_of_transformers() {
    let (device, golden) = (device("flex").unwrap(), golden());
    let config = LlamaConfig::from_hugging_face(&config_json("llama")).unwrap();
    let network = load("llama", config, &device);
    let ids: Vec<u32> = serde_json::from_value(golden["long"].clone()).unwrap();
    let cases = golden["windows"].as_array().unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let number = |name: &str| case[name].as_u64().unwrap() as usize;
        let windows = Windows { width: number("width"), stride: number("stride") };
        let said = log_probability(&network.model, &ids, 1, windows, &device).unwrap();
        assert_eq!((said.tokens, number("tokens")), (ids.len() - 1, ids.len() - 1), "{windows:?}");
        let wanted = case["sum"].as_f64().unwrap();
        assert!((said.sum - wanted).abs() < 1e-3, "{windows:?}: {}, not {wanted}", said.sum);
    }
    testing::record(
        "golden",
        "perplexity, windows with a stride",
        "log-probability of a text read in overlapping windows equals transformers' within 1e-3",
    );
}

/// The tiny Llama as a folder of the hub: `n_tokens` words, a template, two ends.
fn hub_folder(dir: &Path, n_tokens: usize) {
    for file in ["config.json", "model.safetensors"] {
        fs::copy(folder().join("llama").join(file), dir.join(file)).unwrap();
    }
    let words: serde_json::Map<String, Value> =
        (0..n_tokens).map(|at| (format!("w{at}"), at.into())).collect();
    let put = |file: &str, content: Value| fs::write(dir.join(file), content.to_string()).unwrap();
    put(
        "tokenizer.json",
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": null, "decoder": null,
            "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"}
        }),
    );
    let template = "{{ bos_token }}{% for m in messages %} {{ m.content }}{% endfor %} w5";
    put(
        "tokenizer_config.json",
        json!({
            "bos_token": {"content": "w1"}, "eos_token": "w7",
            "chat_template": [
                {"name": "tools", "template": "no"}, {"name": "default", "template": template}
            ]
        }),
    );
    put("generation_config.json", json!({"eos_token_id": [9, 7]}));
}

#[test]
fn a_folder_of_the_hub_is_read() {
    let device = device("flex").unwrap();
    let dir = tempfile::tempdir().unwrap();
    hub_folder(dir.path(), 37);
    let (task, network) = from_folder::<LlamaConfig>(dir.path(), &device).unwrap();
    assert_eq!((task.max_length, &task.ends), (48, &vec![7, 9]));
    let said = task.encode(&Prompt::Messages(vec![Message::new("user", "w3 w4")])).unwrap();
    assert_eq!(said, [1, 3, 4, 5]);
    check("llama", &network.model, &device);
}

#[test]
fn a_folder_that_cannot_be_used_is_refused() {
    let device = device("flex").unwrap();
    let load = |change: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        hub_folder(dir.path(), 37);
        change(dir.path());
        from_folder::<LlamaConfig>(dir.path(), &device).map(|_| ()).unwrap_err()
    };
    let more = load(&|dir| hub_folder(dir, 38));
    assert!(matches!(more, DecoderError::Vocabulary { tokenizer: 38, network: 37, .. }), "{more}");
    let missing = load(&|dir| fs::remove_file(dir.join("tokenizer.json")).unwrap());
    assert!(matches!(missing, DecoderError::Tokenizer(_)), "{missing}");
    let missing = load(&|dir| fs::remove_file(dir.join("config.json")).unwrap());
    assert!(matches!(missing, DecoderError::Io { .. }), "{missing}");
    let missing = load(&|dir| fs::remove_file(dir.join("model.safetensors")).unwrap());
    assert!(matches!(missing, DecoderError::Read(_)), "{missing}");
    let broken = load(&|dir| fs::write(dir.join("tokenizer_config.json"), "{").unwrap());
    assert!(matches!(broken, DecoderError::Json { .. }), "{broken}");
    let chat = load(&|dir| fs::write(dir.join("chat_template.jinja"), "{% if").unwrap());
    assert!(matches!(chat, DecoderError::Chat { .. }), "{chat}");
    let other = load(&|dir| {
        fs::copy(folder().join("gpt2/config.json"), dir.join("config.json")).unwrap();
    });
    assert!(matches!(other, DecoderError::Config { .. }), "{other}");
    let layers = load(&|dir| {
        let text = fs::read_to_string(dir.join("config.json")).unwrap();
        let text = text.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
        fs::write(dir.join("config.json"), text).unwrap();
    });
    assert!(matches!(layers, DecoderError::Weights(_)), "{layers}");
}
