//! Small models as others publish them.

use crate::support::{noise, root, write};
use andiron::nlp::tokenizer::word_piece;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// A file among the committed ones of the language crate.
pub(crate) fn golden(name: &str) -> std::path::PathBuf {
    root().join("crates/andiron-nlp/tests/golden").join(name)
}

/// A network that transformers wrote, `encoders/bert` or the like, with a tokenizer of at most 37
/// tokens and these files beside it.
pub(crate) fn hugging_face(name: &str, files: &[(&str, Value)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(golden(name).join(file), dir.path().join(file)).unwrap();
    }
    let tokenizer = word_piece(&["abc bca cab ab abc bca cab ab"], 37).unwrap();
    write(&dir.path().join("tokenizer.json"), serde_json::to_string(&tokenizer).unwrap());
    for (file, content) in files {
        write(&dir.path().join(file), content.to_string());
    }
    dir
}

/// Changes a file of JSON.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    write(path, value.to_string());
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// GPT-2's signs for bytes: those that can be seen stand for themselves.
fn bytes_as_signs() -> Vec<String> {
    let mut further = 256;
    let sign = |byte: u32| match byte {
        33..=126 | 161..=172 | 174..=255 => byte,
        _ => {
            further += 1;
            further - 1
        }
    };
    (0..256).map(sign).map(|code| char::from_u32(code).unwrap().to_string()).collect()
}

/// A Llama of one layer in a GGUF file, with a tokenizer of bytes and a chat template.
pub(crate) fn gguf() -> Vec<u8> {
    let (width, heads, kv_heads, hidden, length) = (12, 3, 1, 10, 40_u32);
    let mut tokens = bytes_as_signs();
    tokens.extend(["ab", "<|im_end|>"].map(str::to_owned));
    let end = tokens.len() as u32 - 1;
    let kinds: Vec<i32> = (0..=end).map(|id| if id == end { 3 } else { 1 }).collect();
    let list = |kind: u32, n: usize, items: Vec<u8>| {
        [&kind.to_le_bytes()[..], &(n as u64).to_le_bytes(), &items].concat()
    };
    let texts = |all: &[String]| list(8, all.len(), all.iter().flat_map(|one| text(one)).collect());
    let number = |n: u32| (4, n.to_le_bytes().to_vec());
    let template = "{% for m in messages %}{{ m.content }}{% endfor %}";
    let metadata: Vec<(&str, (u32, Vec<u8>))> = vec![
        ("general.architecture", (8, text("llama"))),
        ("llama.embedding_length", number(width)),
        ("llama.block_count", number(1)),
        ("llama.feed_forward_length", number(hidden)),
        ("llama.attention.head_count", number(heads)),
        ("llama.attention.head_count_kv", number(kv_heads)),
        ("llama.context_length", number(length)),
        ("llama.attention.layer_norm_rms_epsilon", (6, 1e-5_f32.to_le_bytes().to_vec())),
        ("tokenizer.ggml.model", (8, text("gpt2"))),
        ("tokenizer.ggml.tokens", (9, texts(&tokens))),
        ("tokenizer.ggml.merges", (9, texts(&["a b".to_owned()]))),
        ("tokenizer.ggml.eos_token_id", number(end)),
        ("tokenizer.chat_template", (8, text(template))),
        (
            "tokenizer.ggml.token_type",
            (9, list(5, kinds.len(), kinds.iter().flat_map(|kind| kind.to_le_bytes()).collect())),
        ),
    ];
    // In ggml's order: the width of a row first.
    let kv = width / heads * kv_heads;
    let tensors: Vec<(String, Vec<u32>)> = [
        ("token_embd", vec![width, end + 1]),
        ("output_norm", vec![width]),
        ("blk.0.attn_norm", vec![width]),
        ("blk.0.attn_q", vec![width, width]),
        ("blk.0.attn_k", vec![width, kv]),
        ("blk.0.attn_v", vec![width, kv]),
        ("blk.0.attn_output", vec![width, width]),
        ("blk.0.ffn_norm", vec![width]),
        ("blk.0.ffn_gate", vec![width, hidden]),
        ("blk.0.ffn_up", vec![width, hidden]),
        ("blk.0.ffn_down", vec![hidden, width]),
    ]
    .map(|(name, shape)| (format!("{name}.weight"), shape))
    .to_vec();

    written(metadata, &tensors)
}

/// A GGUF file with these metadata, and tensors of numbers that are the same at every call.
fn written(metadata: Vec<(&str, (u32, Vec<u8>))>, tensors: &[(String, Vec<u32>)]) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((metadata.len() as u64).to_le_bytes());
    for (key, (kind, value)) in metadata {
        bytes.extend([text(key), kind.to_le_bytes().to_vec(), value].concat());
    }
    let (mut values, mut noise) = (Vec::new(), noise(5));
    for (name, shape) in tensors {
        bytes.extend(text(name));
        bytes.extend((shape.len() as u32).to_le_bytes());
        bytes.extend(shape.iter().flat_map(|n| u64::from(*n).to_le_bytes()));
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend((values.len() as u64).to_le_bytes());
        let n = shape.iter().product::<u32>();
        values.extend((0..n).flat_map(|_| (noise() - 0.3).to_le_bytes()));
        values.resize(values.len().next_multiple_of(32), 0);
    }
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend(values);
    bytes
}

/// The chat template and special tokens of a folder, as transformers writes them.
pub(crate) fn chat() -> (&'static str, Value) {
    let template = "{% for m in messages %}{{ m.content }} {% endfor %}";
    ("tokenizer_config.json", json!({ "chat_template": template, "eos_token": "[SEP]" }))
}
