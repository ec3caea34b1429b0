//! GGUF files: networks as llama.cpp's converter writes them, against transformers; tokenizers, with
//! numbers by `scripts/golden/gguf_splits.py`; and files that cannot be used.

use crate::decoders::{check, config_json, folder};
use andiron_core::{device, testing, weights::Source as _};
use andiron_nlp::{
    layers::rope::RopeScaling,
    models::llama::LlamaConfig,
    published_decoder::{DecoderError, network_from_gguf, tokenizer_from_gguf},
    testing as nlp_testing,
};
use andiron_weights::gguf::Gguf;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::Value;
use std::{collections::BTreeMap, error::Error as _, fs};

/// llama.cpp's name for a tensor.
fn name_in_gguf(name: &str) -> String {
    let mut own = name.replace("model.layers.", "blk.");
    for (theirs, ours) in [
        ("model.embed_tokens", "token_embd"),
        ("lm_head", "output"),
        ("model.norm", "output_norm"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
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

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

// Values of metadata: the number of the type, then the value.

fn word(value: &str) -> Vec<u8> {
    [&8_u32.to_le_bytes()[..], &text(value)].concat()
}

fn number(value: usize) -> Vec<u8> {
    [4_u32.to_le_bytes(), (value as u32).to_le_bytes()].concat()
}

fn single(value: f64) -> Vec<u8> {
    [6_u32.to_le_bytes(), (value as f32).to_le_bytes()].concat()
}

/// A golden network as llama.cpp's converter writes it.
#[derive(Clone)]
struct Made {
    metadata: BTreeMap<String, Vec<u8>>,
    /// Name, shape and values.
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl Made {
    fn of(name: &str, architecture: &str) -> Self {
        let config = LlamaConfig::from_hugging_face(&config_json(name)).unwrap();
        let source = andiron_weights::open(folder().join(name).join("model.safetensors")).unwrap();
        let (width, mut tensors) = (config.head_width(), Vec::new());
        for name in source.names() {
            let (own, data) = (name_in_gguf(&name), source.read(&name).unwrap());
            let (shape, values) = (data.shape().to_vec(), data.iter::<f32>().collect::<Vec<_>>());
            // Neighbours turn together in what is called a Llama: the first and the second half of
            // a head's rows are its even and odd ones. Qwen's rows stay where they are.
            let turned = own.contains(".attn_q.") || own.contains(".attn_k.");
            let row = values.len() / shape[0];
            let values = match architecture == "llama" && turned {
                true => (0..shape[0])
                    .map(|at| at / width * width + at % width / 2 + at % 2 * (width / 2))
                    .flat_map(|from| values[from * row..(from + 1) * row].to_vec())
                    .collect(),
                false => values,
            };
            tensors.push((own, shape, values));
        }
        let mut metadata = vec![
            ("embedding_length", number(config.d_model)),
            ("block_count", number(config.n_layers)),
            ("feed_forward_length", number(config.d_hidden)),
            ("attention.head_count", number(config.n_heads)),
            ("attention.head_count_kv", number(config.kv_heads())),
            ("context_length", number(config.max_length)),
            ("attention.layer_norm_rms_epsilon", single(config.epsilon)),
            ("rope.freq_base", single(config.theta)),
        ];
        if config.d_head > 0 {
            metadata.push(("attention.key_length", number(config.d_head)));
        }
        if architecture == "llama" {
            metadata.push(("rope.dimension_count", number(width)));
        }
        let metadata = metadata
            .into_iter()
            .map(|(key, value)| (format!("{architecture}.{key}"), value))
            .chain([("general.architecture".to_owned(), word(architecture))])
            .collect();
        Self { metadata, tensors }
    }

    /// The same, saying this as well, or in place of what it said.
    fn saying(&self, key: &str, value: Vec<u8>) -> Self {
        let mut made = self.clone();
        made.metadata.insert(key.to_owned(), value);
        made
    }

    /// The same with a tensor of what the frequencies of positions are divided by.
    fn scaled(&self, factors: &[f32]) -> Self {
        let mut made = self.clone();
        let shape = vec![factors.len()];
        made.tensors.push(("rope_freqs.weight".to_owned(), shape, factors.to_vec()));
        made
    }

    fn gguf(&self) -> Gguf {
        let (n_tensors, n_metadata) = (self.tensors.len() as u64, self.metadata.len() as u64);
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend([n_tensors, n_metadata].map(u64::to_le_bytes).concat());
        for (key, value) in &self.metadata {
            bytes.extend([&text(key)[..], value].concat());
        }
        let mut values: Vec<u8> = Vec::new();
        for (name, shape, numbers) in &self.tensors {
            bytes.extend([text(name), (shape.len() as u32).to_le_bytes().to_vec()].concat());
            bytes.extend(shape.iter().rev().flat_map(|extent| (*extent as u64).to_le_bytes()));
            bytes.extend([&0_u32.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat());
            values.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            values.resize(values.len().next_multiple_of(32), 0);
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        Gguf::from_bytes([bytes, values].concat(), "made.gguf").unwrap()
    }
}

/// What is behind the refusal of a file's configuration.
fn refused(made: &Made) -> (DecoderError, String) {
    let error = LlamaConfig::from_gguf(&made.gguf()).unwrap_err();
    let cause = error.source().unwrap().to_string();
    (error, cause)
}

#[test]
fn networks_of_each_architecture_are_those_of_transformers() {
    let device = device("flex").unwrap();
    for (name, architecture) in
        [("llama", "llama"), ("mistral", "llama"), ("qwen2", "qwen2"), ("qwen3", "qwen3")]
    {
        let gguf = Made::of(name, architecture).gguf();
        let wanted = LlamaConfig::from_hugging_face(&config_json(name)).unwrap();
        let network = network_from_gguf(&gguf, &device).unwrap();
        let told = |config: &LlamaConfig| (config.tied, config.input_bias, config.head_norm);
        assert_eq!(told(&network.config), told(&wanted), "{name}");
        check(name, &network.model, &device);
        testing::record(
            "golden",
            &format!("{name} as GGUF"),
            &format!("architecture {architecture}; logits as transformers' within 1e-4"),
        );
    }
}

/// GGUF files of Llama 3.1 and 3.2 have the scaling of their positions as a tensor.
#[test]
fn the_positions_of_a_llama_3_are_scaled_by_the_tensor_of_a_gguf_file() {
    let device = device("flex").unwrap();
    let wanted = LlamaConfig::from_hugging_face(&config_json("llama3")).unwrap();
    // 24 places are 3.8, 0.48 and 0.06 turns: one frequency between the extremes, two low ones.
    let turns = 24.0 / std::f64::consts::TAU;
    let between = 1.0 / ((turns - 1.0) / 3.0 + (1.0 - (turns - 1.0) / 3.0) / 8.0);
    let made = Made::of("llama3", "llama");
    let gguf = made.scaled(&[between as f32, 8.0, 8.0]).gguf();
    let config = LlamaConfig::from_gguf(&gguf).unwrap();
    assert_eq!(config.rope_scaling, wanted.rope_scaling);
    let network = network_from_gguf(&gguf, &device).unwrap();
    check("llama3", &network.model, &device);
    for (factors, reason) in [
        (vec![1.5, 2.0, 3.0], "not those of Llama 3.1"),
        (vec![1.0; 5], "it has 5 numbers, but a head has 3 pairs"),
    ] {
        let (_, said) = refused(&made.scaled(&factors));
        assert!(said.contains("rope_freqs.weight") && said.contains(reason), "{said}");
    }
    testing::record(
        "golden",
        "Llama 3.1 as GGUF",
        "scaled positions by the tensor rope_freqs; logits as transformers' within 1e-4",
    );
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let made = Made::of("llama", "llama");
    let listed = format!("the file lists {} tensors in all", made.tensors.len());
    for (key, value, got, reason) in [
        ("general.architecture", word("gemma3"), "gemma3", "supported are llama, qwen2, qwen3"),
        ("llama.expert_count", number(8), "8", "it is not supported"),
        ("llama.attention.sliding_window", number(7), "7", "it is not supported"),
        ("llama.rope.scaling.type", word("yarn"), "yarn", "supported are none and linear"),
        ("llama.rope.dimension_count", number(2), "2", "supported is the width of a head alone"),
        ("llama.block_count", number(1000), "1000", listed.as_str()),
    ] {
        let (error, cause) = refused(&made.saying(key, value));
        assert!(matches!(error, DecoderError::Config { .. }), "{key}: {error:?}");
        assert_eq!(cause, format!("setting {key:?} cannot be {got}: {reason}"));
    }
    // Another architecture's keys say nothing here.
    for (key, value) in [
        ("llama.expert_count", number(0)),
        ("qwen2.expert_count", number(8)),
        ("llama.attention.sliding_window", number(0)),
        ("llama.rope.scaling.type", word("none")),
        ("llama.rope.dimension_count", number(0)),
    ] {
        let config = LlamaConfig::from_gguf(&made.saying(key, value).gguf()).unwrap();
        assert_eq!(config.rope_scaling, RopeScaling::None, "{key}");
    }
}

#[test]
fn positions_are_scaled_by_the_metadata_or_by_the_tensor() {
    let linear = Made::of("llama", "llama").saying("llama.rope.scaling.type", word("linear"));
    let (_, cause) = refused(&linear);
    assert!(cause.ends_with("has no metadata \"llama.rope.scaling.factor\""), "{cause}");
    let linear = linear.saying("llama.rope.scaling.factor", single(4.0));
    let config = LlamaConfig::from_gguf(&linear.gguf()).unwrap();
    assert_eq!(config.rope_scaling, RopeScaling::Linear { factor: 4.0 });
    let (error, cause) = refused(&linear.scaled(&[8.0, 8.0]));
    assert!(matches!(error, DecoderError::Config { .. }), "{error:?}");
    assert!(cause.contains("\"rope_freqs.weight\""), "{cause}");
    assert!(cause.ends_with("the metadata scale the positions as well"), "{cause}");
}

#[test]
fn what_is_missing_is_named() {
    let made = Made::of("qwen3", "qwen3");
    for key in [
        "general.architecture",
        "qwen3.embedding_length",
        "qwen3.block_count",
        "qwen3.feed_forward_length",
        "qwen3.attention.head_count",
        "qwen3.context_length",
        "qwen3.attention.layer_norm_rms_epsilon",
    ] {
        let mut without = made.clone();
        assert!(without.metadata.remove(key).is_some(), "{key}");
        let (error, cause) = refused(&without);
        assert!(matches!(error, DecoderError::Read(_)), "{key}: {error:?}");
        assert!(cause.ends_with(&format!("has no metadata {key:?}")), "{cause}");
    }
    let mut without = made.clone();
    without.tensors.retain(|(name, ..)| name != "token_embd.weight");
    assert_eq!(without.tensors.len() + 1, made.tensors.len());
    let (_, cause) = refused(&without);
    assert!(cause.ends_with("has no tensor \"token_embd.weight\""), "{cause}");
    // Whether a tensor of a layer is there is seen when the network is loaded.
    let mut without = made;
    without.tensors.retain(|(name, ..)| name != "blk.1.attn_k_norm.weight");
    let error = network_from_gguf(&without.gguf(), &device("flex").unwrap()).map(|_| ());
    let error = error.unwrap_err();
    assert!(matches!(error, DecoderError::Weights(_)), "{error:?}");
}

#[test]
fn texts_are_split_as_by_transformers() {
    let golden: Value = serde_json::from_str(include_str!("../golden/gguf_splits.json")).unwrap();
    let splits = golden["splits"].as_object().unwrap();
    assert_eq!(splits.len(), 2);
    for (name, cases) in splits {
        let file = format!("../split_{}.gguf", name.replace('-', "_"));
        let gguf = Gguf::open(folder().join(file)).unwrap();
        assert_eq!(gguf.get::<&str>("tokenizer.ggml.pre").unwrap(), name.as_str());
        let tokenizer = tokenizer_from_gguf(&gguf).unwrap();
        assert_eq!(tokenizer.n_tokens() as u64, golden["n_tokens"].as_u64().unwrap());
        let cases = cases.as_array().unwrap();
        assert!(cases.len() >= 20);
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let wanted: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            let ids = tokenizer.ids(text, false).unwrap();
            assert_eq!(ids, wanted, "{name}: {text:?}");
            // Qwen2's normalises.
            if name == "llama-bpe" {
                assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
            }
        }
        testing::record(
            "golden",
            &format!("the split {name} of a GGUF file"),
            &format!("tokens of {} texts equal those of transformers' split", cases.len()),
        );
    }
}

#[test]
fn an_unknown_split_is_refused() {
    let mut bytes = fs::read(folder().join("../split_qwen2.gguf")).unwrap();
    // The last one: the architecture is called so as well.
    let at = bytes.windows(5).rposition(|part| part == b"qwen2").unwrap();
    bytes[at..at + 5].copy_from_slice(b"qwen9");
    let gguf = Gguf::from_bytes(bytes, "other.gguf").unwrap();
    let cause = tokenizer_from_gguf(&gguf).unwrap_err().source().unwrap().to_string();
    assert_eq!(
        cause,
        "setting \"tokenizer.ggml.pre\" cannot be qwen9: \
         supported are gpt-2, default, smollm, llama-bpe and qwen2"
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
