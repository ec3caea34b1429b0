//! The tokenizer that a GGUF file holds as arrays.

mod sentencepiece;

use super::DecoderError;
use crate::tokenizer::Tokenizer;
use andiron_core::{ConfigError, weights::Source};
use andiron_weights::{ReadError, gguf::Gguf};
use serde_json::{Map, Value, json};

/// `tokenizer.ggml.token_type` of a special token, and of one that a user added.
const CONTROL: i64 = 3;
const ADDED: i64 = 4;
/// Special tokens that end a text by their name, whatever the metadata calls the end.
const ENDS: [&str; 4] = ["<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>"];
/// How Llama 3 and Qwen2 split a text; GPT-2's way with contractions in any case and numbers of so
/// many digits at the most.
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What a file says of its tokens.
pub(super) struct Parts {
    pub(super) tokenizer: Tokenizer,
    /// The tokens that end a text.
    pub(super) ends: Vec<u32>,
    /// What `bos_token` stands for in the chat template.
    pub(super) start_token: Option<String>,
    /// What `eos_token` stands for in the chat template.
    pub(super) end_token: Option<String>,
}

pub(super) fn read(gguf: &Gguf) -> Result<Parts, DecoderError> {
    let tokens: &[String] = gguf.get("tokenizer.ggml.tokens")?;
    let kinds: Vec<i64> = gguf.find("tokenizer.ggml.token_type")?.unwrap_or_default();
    let kind: &str = gguf.get("tokenizer.ggml.model")?;
    let Form { normalizer, pre_tokenizer, decoder, model, specials } = match kind {
        "gpt2" => pairs_of_bytes(gguf, tokens)?,
        "llama" => sentencepiece::form(gguf, tokens, &kinds)?,
        _ => {
            let known = "supported are gpt2 and llama";
            return Err(refused(gguf, "tokenizer.ggml.model", kind, known));
        }
    };
    let number = |name: &str| gguf.find::<u32>(&format!("tokenizer.ggml.{name}_token_id"));
    let start = number("bos")?.or(specials.start);
    let end = number("eos")?.or(specials.end);
    let name = |id: Option<u32>| id.and_then(|id| tokens.get(id as usize)).cloned();
    let around = |flag: &str, by_itself: bool, id: Option<u32>| {
        let wanted = gguf.find(&format!("tokenizer.ggml.{flag}"))?.unwrap_or(by_itself);
        Ok::<_, ReadError>(if wanted { id.zip(name(id)) } else { None })
    };
    let first = around("add_bos_token", specials.starts, start)?;
    let last = around("add_eos_token", false, end)?;
    let added: Vec<Value> = tokens
        .iter()
        .zip(&kinds)
        .enumerate()
        .filter(|(_, (_, kind))| matches!(**kind, CONTROL | ADDED))
        .map(|(id, (token, kind))| {
            json!({
                "id": id, "content": token, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": *kind == CONTROL
            })
        })
        .collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
        "post_processor": put_around(first, last), "decoder": decoder, "model": model
    });
    let text = tokenizer.to_string();
    let named = format!("the tokenizer in {}", gguf.path().display());
    let tokenizer = Tokenizer::from_bytes(text.as_bytes(), &named)?;
    let mut ends: Vec<u32> = end.into_iter().collect();
    for id in ["eot", "eom"].map(number) {
        ends.extend(id?);
    }
    let special = |id: &u32| kinds.get(*id as usize) == Some(&CONTROL);
    ends.extend(ENDS.iter().filter_map(|token| tokenizer.id(token)).filter(special));
    let mut seen = std::collections::BTreeSet::new();
    ends.retain(|id| (*id as usize) < tokens.len() && seen.insert(*id));
    Ok(Parts { tokenizer, ends, start_token: name(start), end_token: name(end) })
}

/// What differs between one kind of tokenizer and another, as `tokenizer.json` has it.
struct Form {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    model: Value,
    specials: Specials,
}

/// What holds of special tokens where the file does not say.
#[derive(Default)]
struct Specials {
    start: Option<u32>,
    end: Option<u32>,
    /// Whether the first stands in front of every text.
    starts: bool,
}

/// Pairs of bytes, merged in the order in which they are listed.
fn pairs_of_bytes(gguf: &Gguf, tokens: &[String]) -> Result<Form, DecoderError> {
    let merges: &[String] = gguf.get("tokenizer.ggml.merges")?;
    let pairs: Vec<Value> = merges
        .iter()
        .map(|merge| merge.split_once(' ').map_or(json!([merge, ""]), |(a, b)| json!([a, b])))
        .collect();
    let (normalizer, pre_tokenizer, ignore_merges) = splitting(gguf)?;
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
        "ignore_merges": ignore_merges, "vocab": numbered(tokens), "merges": pairs
    });
    let decoder = byte_level(true);
    Ok(Form { normalizer, pre_tokenizer, decoder, model, specials: Specials::default() })
}

fn numbered(tokens: &[String]) -> Map<String, Value> {
    tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into())).collect()
}

fn refused(gguf: &Gguf, field: &str, got: &str, reason: &str) -> DecoderError {
    DecoderError::Config {
        path: gguf.path().into(),
        source: ConfigError::Kind {
            field: field.to_owned(),
            got: got.to_owned(),
            reason: reason.to_owned(),
        },
    }
}

fn byte_level(use_regex: bool) -> Value {
    json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex
    })
}

/// The normaliser, how a text is split before pairs are merged, and whether a split that is a token
/// is taken as it is.
fn splitting(gguf: &Gguf) -> Result<(Value, Value, bool), DecoderError> {
    let in_turn = |parts: Value| json!({"type": "Sequence", "pretokenizers": parts});
    let split = |pattern: &str| {
        json!({
            "type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false
        })
    };
    let digits = json!({"type": "Digits", "individual_digits": true});
    Ok(match gguf.find::<&str>("tokenizer.ggml.pre")?.unwrap_or("default") {
        "gpt-2" | "gpt2" | "default" => (Value::Null, byte_level(true), false),
        "smollm" => (Value::Null, in_turn(json!([digits, byte_level(true)])), false),
        "llama-bpe" | "llama3" => {
            (Value::Null, in_turn(json!([split(LLAMA_3), byte_level(false)])), true)
        }
        "qwen2" => {
            (json!({"type": "NFC"}), in_turn(json!([split(QWEN_2), byte_level(false)])), false)
        }
        other => {
            let known = "supported are gpt-2, default, smollm, llama-bpe and qwen2";
            return Err(refused(gguf, "tokenizer.ggml.pre", other, known));
        }
    })
}

/// What puts a token in front of every text, or behind it.
fn put_around(first: Option<(u32, String)>, last: Option<(u32, String)>) -> Value {
    if first.is_none() && last.is_none() {
        return Value::Null;
    }
    let of_text = |name: &str, kind: u32| {
        let special = |token: &Option<(u32, String)>| {
            token.as_ref().map(|(_, token)| json!({"SpecialToken": {"id": token, "type_id": kind}}))
        };
        let text = json!({"Sequence": {"id": name, "type_id": kind}});
        [special(&first), Some(text), special(&last)].into_iter().flatten().collect::<Vec<_>>()
    };
    let known: Map<String, Value> = [&first, &last]
        .into_iter()
        .flatten()
        .map(|(id, token)| (token.clone(), json!({"id": token, "ids": [id], "tokens": [token]})))
        .collect();
    let pair = [of_text("A", 0), of_text("B", 1)].concat();
    json!({
        "type": "TemplateProcessing", "single": of_text("A", 0), "pair": pair,
        "special_tokens": known
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use andiron_core::testing;
    use std::path::Path;

    /// Numbers by `scripts/golden/sentencepiece_gguf.py`.
    #[test]
    fn pieces_are_those_of_sentencepiece() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let text = std::fs::read_to_string(folder.join("sentencepiece.json")).unwrap();
        let golden: Value = serde_json::from_str(&text).unwrap();
        let gguf = Gguf::open(folder.join("sentencepiece.gguf")).unwrap();
        let parts = read(&gguf).unwrap();
        let tokenizer = parts.tokenizer;
        assert_eq!(tokenizer.n_tokens() as u64, golden["n_tokens"].as_u64().unwrap());
        assert_eq!((parts.start_token.unwrap().as_str(), parts.ends), ("<s>", vec![2]));
        let cases = golden["cases"].as_array().unwrap();
        assert!(cases.len() >= 8);
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let wanted: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            let ids = tokenizer.ids(text, false).unwrap();
            assert_eq!(ids, wanted, "{text:?}");
            assert_eq!(tokenizer.decode(&ids, true).unwrap(), case["decoded"], "{text:?}");
            // A text begins with the start token unless the file says otherwise.
            assert_eq!(tokenizer.ids(text, true).unwrap(), [&[1], &ids[..]].concat());
        }
        testing::record(
            "golden",
            "SentencePiece in GGUF",
            "tokens and text of 8 texts equal those of the package sentencepiece",
        );
    }

    #[test]
    fn a_file_that_lacks_what_the_tokens_need_is_refused() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sentencepiece.gguf");
        let whole = std::fs::read(&path).unwrap();
        let changed = |from: &str, to: &str| {
            assert_eq!(from.len(), to.len(), "no length in the file may change");
            let mut bytes = whole.clone();
            let at = bytes.windows(from.len()).rposition(|part| part == from.as_bytes()).unwrap();
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            let error = read(&Gguf::from_bytes(bytes, &path).unwrap()).map(|_| ()).unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", source.unwrap_or_default())
        };
        for (from, to, wanted) in [
            ("llama", "t5xxx", "supported are gpt2 and llama"),
            ("ggml.tokens", "ggml.tokenz", "tokenizer.ggml.tokens"),
            ("ggml.scores", "ggml.scorez", "tokenizer.ggml.scores"),
            ("ggml.token_type", "ggml.token_typo", "tokenizer.ggml.token_type"),
        ] {
            let said = changed(from, to);
            assert!(said.contains(wanted), "{said}");
        }
    }

    #[test]
    fn tokens_are_put_around_a_text() {
        assert_eq!(put_around(None, None), Value::Null);
        let end = Some((9, "</s>".to_owned()));
        let last = put_around(None, end.clone());
        assert_eq!(last["single"][1]["SpecialToken"]["id"], "</s>");
        let both = put_around(Some((4, "<s>".to_owned())), end);
        assert_eq!(both["pair"].as_array().unwrap().len(), 6);
        assert_eq!(both["pair"][3]["SpecialToken"], json!({"id": "<s>", "type_id": 1}));
        assert_eq!(both["special_tokens"]["</s>"]["ids"], json!([9]));
    }
}
