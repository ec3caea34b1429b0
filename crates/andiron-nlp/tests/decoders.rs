//! The decoders against transformers' own; numbers by `scripts/golden/decoders.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{ModelConfig, Network, device, testing, weights};
use andiron_nlp::{
    batch::TextBatch,
    decoder::Decoder,
    models::{gpt2::Gpt2Config, llama::LlamaConfig},
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::Value;
use std::{fs, path::PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoders")
}

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/decoders/decoders.json")).unwrap()
}

fn texts(golden: &Value) -> Vec<Vec<i32>> {
    serde_json::from_value(golden["texts"].clone()).unwrap()
}

fn config_json(name: &str) -> Value {
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

fn check<M: Decoder>(name: &str, model: &M, device: &Device) {
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
    testing::record(
        "golden",
        name,
        "logits of 4 texts, padded behind and in front, alone and by the cache, equal transformers' within 1e-4",
    );
}

#[test]
fn llamas_are_those_of_transformers() {
    let device = device("flex").unwrap();
    for name in ["llama", "llama3", "mistral", "qwen2", "qwen3"] {
        let config = LlamaConfig::from_hugging_face(&config_json(name)).unwrap();
        check(name, &load(name, config, &device).model, &device);
    }
}

#[test]
fn gpt2_is_that_of_transformers() {
    let device = device("flex").unwrap();
    let config = Gpt2Config::from_hugging_face(&config_json("gpt2")).unwrap();
    check("gpt2", &load("gpt2", config, &device).model, &device);
}
