//! Language models trained here load in transformers with equal logits, and those saved there load
//! here: `scripts/interchange` runs the first test, Python, and the second.

use crate::smollm2::say;
use andiron_core::{
    Example, GradientTrainer, Network, Recipe, Trainer as _, TrainingConfig, device, testing,
    trainer::Progress,
};
use andiron_nlp::{
    batch::TextBatch,
    chat::ChatTemplate,
    decoder::Decoder,
    models::{gpt2::Gpt2Config, llama::LlamaConfig},
    published_decoder::{PublishedDecoder, from_folder},
    tasks::text_generation::{Prompt, Request, TextGeneration},
};
use burn::tensor::Device;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where Andiron writes and transformers reads, and the other way round.
const FOLDER: &str = "ANDIRON_INTERCHANGE";

const TEXTS: [&str; 4] =
    ["the sea", "some days are longer than others by far", "É, été: naïve 日本", "a"];

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    if folder.is_none() {
        say(&format!("scripts/interchange gives a folder by {FOLDER}"));
    }
    folder
}

/// For each text its tokens, and the logits behind each of them.
fn said<M: Decoder>(task: &TextGeneration, model: &M, device: &Device) -> Value {
    let one = |text: &&str| {
        let ids = task.encode(&Prompt::Text((*text).to_owned())).unwrap();
        let row: Vec<i32> = ids.iter().map(|id| *id as i32).collect();
        let logits = model.forward(TextBatch::of(&[row], device));
        let width = logits.dims()[2];
        let flat: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let rows: Vec<&[f32]> = flat.chunks(width).collect();
        json!({"text": text, "ids": ids, "logits": rows})
    };
    TEXTS.iter().map(one).collect()
}

/// Trains for a few steps, so that no parameter is where it began, and saves.
fn write<C>(dir: &Path, options: Value, change: impl FnOnce(C) -> C)
where
    C: Recipe<TextGeneration> + PublishedDecoder,
{
    let device = device("flex").unwrap();
    let examples: Vec<Example<Request, String>> = TEXTS
        .map(|text| Example { input: Request::from(text), target: " and so on".to_owned() })
        .to_vec();
    let (task, config) = C::prepare(&options, &examples).unwrap();
    let template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]";
    let task = task.with_chat_template(ChatTemplate::new(template).unwrap());
    let network = Network::init(change(config), 5, &device).unwrap();
    let training = TrainingConfig::new(12).with_learning_rate(2e-2).with_batch_size(4);
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &examples, &Vec::new(), &device).unwrap();
    let predictor = fitted.predictor;
    predictor.save(dir).unwrap();
    let model = &predictor.network::<C>().unwrap().model;
    let chat = Prompt::Messages(vec![andiron_nlp::chat::Message::new("user", "the sea")]);
    let mut all = json!({"texts": said(predictor.task(), model, &device)});
    all["chat"] = json!(predictor.task().encode(&chat).unwrap());
    all["ends"] = json!(predictor.task().ends);
    fs::write(dir.with_extension("json"), all.to_string()).unwrap();
    // What transformers reads is what `from_folder` reads.
    let (_, again) = from_folder::<C>(dir, &device).unwrap();
    assert_eq!(said(predictor.task(), &again.model, &device), all["texts"]);
}

#[test]
fn language_models_are_written() {
    let Some(folder) = folder() else { return };
    let small = |more: Value| {
        let mut options = json!({
            "n_tokens": 280, "d_model": 24, "n_heads": 6, "n_layers": 2, "d_hidden": 20,
            "max_length": 60, "dropout": 0.0
        });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    };
    write::<Gpt2Config>(&folder.join("gpt2"), small(json!({})), |config| config);
    let llama = |name: &str, change: fn(LlamaConfig) -> LlamaConfig| {
        write::<LlamaConfig>(&folder.join(name), small(json!({})), change);
    };
    llama("llama", |config| config);
    llama("llama_grouped", |config| {
        config.with_n_kv_heads(2).with_d_head(8).with_tied(false).with_theta(500.0)
    });
    llama("mistral", |config| config.with_n_kv_heads(3).with_window(3));
    llama("qwen2", |config| config.with_input_bias(true).with_window(4).with_n_full_layers(1));
    llama("qwen3", |config| config.with_head_norm(true).with_d_head(6));
}

/// The network that transformers has saved in `dir`, and what it says, in `dir.json`.
fn read<C: PublishedDecoder>(dir: &Path) {
    let device = device("flex").unwrap();
    let (task, network) = from_folder::<C>(dir, &device).unwrap();
    let text = fs::read_to_string(dir.with_extension("json")).unwrap();
    let wanted: Value = serde_json::from_str(&text).unwrap();
    let got = said(&task, &network.model, &device);
    let (got, wanted) = (got.as_array().unwrap(), wanted["texts"].as_array().unwrap());
    assert_eq!((got.len(), wanted.len()), (TEXTS.len(), TEXTS.len()));
    for (got, wanted) in got.iter().zip(wanted) {
        assert_eq!(got["ids"], wanted["ids"], "{}", dir.display());
        let rows = |value: &Value| -> Vec<f64> {
            serde_json::from_value::<Vec<Vec<f64>>>(value["logits"].clone()).unwrap().concat()
        };
        let (got, wanted) = (rows(got), rows(wanted));
        assert_eq!(got.len(), wanted.len());
        let off = got.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-4, "{}: a logit is off by {off:.1e}", dir.display());
    }
}

#[test]
fn language_models_are_read_back() {
    let Some(folder) = folder() else { return };
    read::<Gpt2Config>(&folder.join("back/gpt2"));
    let llamas = ["llama", "llama_grouped", "mistral", "qwen2", "qwen3"];
    for name in llamas {
        read::<LlamaConfig>(&folder.join("back").join(name));
    }
    testing::record(
        "interchange",
        "language models",
        "trained here, read by transformers; saved by transformers, read here: equal logits within 1e-4",
    );
}
