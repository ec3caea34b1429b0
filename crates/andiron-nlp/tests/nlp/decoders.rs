//! The decoders against transformers' own; numbers by `scripts/golden/decoders.py`.

use andiron_core::{
    Model as _, ModelConfig, Network, device, testing,
    weights::{self, Source as _},
};
use andiron_nlp::{
    batch::TextBatch,
    chat::Message,
    decoder::Decoder,
    models::{gpt2::Gpt2Config, llama::LlamaConfig},
    published_decoder::{DecoderError, from_folder, network_from_gguf, tokenizer_from_gguf},
    tasks::text_generation::{Prompt, Sampling, Windows, log_probability},
    testing as nlp_testing,
};
use andiron_weights::gguf::Gguf;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoders")
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/decoders/decoders.json")).unwrap()
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

/// llama.cpp's name for a tensor.
fn name_in_gguf(name: &str) -> String {
    let mut own = name.replace("model.layers.", "blk.");
    for (theirs, ours) in [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ] {
        own = own.replace(theirs, ours);
    }
    own
}

/// The golden Llama 3 as llama.cpp's converter writes it, with these factors for its positions.
fn llama3_gguf(factors: &[f32]) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let source = andiron_weights::open(folder().join("llama3/model.safetensors")).unwrap();
    let mut tensors = vec![("rope_freqs.weight".to_owned(), vec![factors.len()], factors.to_vec())];
    for name in source.names() {
        let (own, data) = (name_in_gguf(&name), source.read(&name).unwrap());
        let (shape, values) = (data.shape().to_vec(), data.iter::<f32>().collect::<Vec<_>>());
        // Neighbours turn together there: the first and the second half of a head's six rows are
        // its even and odd ones.
        let row = values.len() / shape[0];
        let values = match own.contains("attn_q") || own.contains("attn_k") {
            true => (0..shape[0])
                .map(|at| at / 6 * 6 + at % 6 / 2 + at % 2 * 3)
                .flat_map(|from| values[from * row..(from + 1) * row].to_vec())
                .collect(),
            false => values,
        };
        tensors.push((own, shape, values));
    }
    let number = |n: u32| [4_u32.to_le_bytes(), n.to_le_bytes()].concat();
    let single = |x: f32| [6_u32.to_le_bytes(), x.to_le_bytes()].concat();
    let metadata = [
        ("general.architecture", [&8_u32.to_le_bytes()[..], &text("llama")].concat()),
        ("llama.embedding_length", number(12)),
        ("llama.block_count", number(2)),
        ("llama.feed_forward_length", number(14)),
        ("llama.attention.head_count", number(6)),
        ("llama.attention.head_count_kv", number(2)),
        ("llama.attention.key_length", number(6)),
        ("llama.context_length", number(48)),
        ("llama.attention.layer_norm_rms_epsilon", single(1e-5)),
        ("llama.rope.freq_base", single(500.0)),
    ];
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend([tensors.len() as u64, metadata.len() as u64].map(u64::to_le_bytes).concat());
    for (key, value) in metadata {
        bytes.extend([text(key), value].concat());
    }
    let mut values = Vec::new();
    for (name, shape, numbers) in tensors {
        bytes.extend([text(&name), (shape.len() as u32).to_le_bytes().to_vec()].concat());
        bytes.extend(shape.iter().rev().flat_map(|extent| (*extent as u64).to_le_bytes()));
        bytes.extend([&0_u32.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat());
        values.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        values.resize(values.len().next_multiple_of(32), 0);
    }
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    [bytes, values].concat()
}

/// GGUF files of Llama 3.1 and 3.2 have the scaling of their positions as a tensor.
#[test]
fn the_positions_of_a_llama_3_are_scaled_by_the_tensor_of_a_gguf_file() {
    let device = device("flex").unwrap();
    let wanted = LlamaConfig::from_hugging_face(&config_json("llama3")).unwrap();
    // 24 places are 3.8, 0.48 and 0.06 turns: one frequency between the extremes, two low ones.
    let turns = 24.0 / std::f64::consts::TAU;
    let between = 1.0 / ((turns - 1.0) / 3.0 + (1.0 - (turns - 1.0) / 3.0) / 8.0);
    let bytes = llama3_gguf(&[between as f32, 8.0, 8.0]);
    let gguf = Gguf::from_bytes(bytes.clone(), "llama3.gguf").unwrap();
    let config = LlamaConfig::from_gguf(&gguf).unwrap();
    assert_eq!(config.rope_scaling, wanted.rope_scaling);
    let network = network_from_gguf(&gguf, &device).unwrap();
    check("llama3", &network.model, &device);
    for (factors, reason) in [
        (vec![1.5, 2.0, 3.0], "not those of Llama 3.1"),
        (vec![1.0; 5], "it has 5 numbers, but a head has 3 pairs"),
    ] {
        let gguf = Gguf::from_bytes(llama3_gguf(&factors), "other.gguf").unwrap();
        let error = LlamaConfig::from_gguf(&gguf).unwrap_err();
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(said.contains("rope_freqs.weight") && said.contains(reason), "{said}");
    }
    testing::record(
        "golden",
        "Llama 3.1 as GGUF",
        "scaled positions by the tensor rope_freqs; logits as transformers' within 1e-4",
    );
}

/// A GGUF file with a tokenizer of SentencePiece's pieces, all of them plain text.
fn pieces(tokens: &[String]) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let array = |key: &str, kind: u32, values: Vec<u8>| {
        let (count, array) = (tokens.len() as u64, 9_u32);
        let head = [&array.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes()].concat();
        [text(key), head, values].concat()
    };
    let each = |value: [u8; 4]| value.repeat(tokens.len());
    let n_tensors_and_metadata = [0_u64, 4].map(u64::to_le_bytes).concat();
    [
        b"GGUF\x03\0\0\0".to_vec(),
        n_tensors_and_metadata,
        [text("tokenizer.ggml.model"), 8_u32.to_le_bytes().to_vec(), text("llama")].concat(),
        array("tokenizer.ggml.tokens", 8, tokens.iter().flat_map(|token| text(token)).collect()),
        array("tokenizer.ggml.scores", 6, each((-1.0_f32).to_le_bytes())),
        array("tokenizer.ggml.token_type", 5, each(1_i32.to_le_bytes())),
    ]
    .concat()
}

#[test]
fn a_piece_of_four_megabytes_costs_no_time() {
    let fits = ["a".to_owned(), "b".to_owned(), "ab".repeat(128)];
    assert!(nlp_testing::gguf_tokenizer(&pieces(&fits)));
    let started = std::time::Instant::now();
    for long in [257, 4 << 20] {
        let bytes = pieces(&["a".to_owned(), "b".to_owned(), "a".repeat(long)]);
        let gguf = Gguf::from_bytes(bytes.clone(), "hostile.gguf").unwrap();
        let error = tokenizer_from_gguf(&gguf).unwrap_err();
        let said = std::error::Error::source(&error).unwrap().to_string();
        let wanted = format!("cannot be a piece of {long} bytes: at most 256 are supported");
        assert!(said.ends_with(&wanted), "{said}");
        assert!(!nlp_testing::gguf_tokenizer(&bytes));
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

/// The bounded, ordinary twin of a fuzz target.
#[test]
fn a_spoilt_tokenizer_of_a_gguf_file_is_read_or_refused() {
    let whole = fs::read(folder().join("../sentencepiece.gguf")).unwrap();
    assert!(nlp_testing::gguf_tokenizer(&whole));
    let mut random = ChaCha8Rng::seed_from_u64(2024);
    let mut read = 0;
    for _ in 0..1500 {
        let mut bytes = whole.clone();
        for _ in 0..random.random_range(1..=4) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..4) {
                0 => bytes[at] ^= 1 << random.random_range(0..8),
                1 => bytes[at] = random.random(),
                2 => bytes.truncate(at.max(1)),
                _ => drop(bytes.splice(at..at, [0xff; 4])),
            }
        }
        read += usize::from(nlp_testing::gguf_tokenizer(&bytes));
    }
    assert!(read > 100, "only {read} of the spoilt files were read: the test tries too little");
}
