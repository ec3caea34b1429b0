//! The files with which transformers reads what was trained here.

use super::{HeadBase, Headed};
use crate::tasks::embedding::Pooling;
use andiron_core::HomeFile;
use serde_json::{Map, Value, json};

/// The roles of special tokens in transformers, and how the vocabularies of these encoders write
/// them.
const ROLES: [(&str, [&str; 2]); 7] = [
    ("bos_token", ["<s>", "<s>"]),
    ("eos_token", ["</s>", "</s>"]),
    ("unk_token", ["[UNK]", "<unk>"]),
    ("sep_token", ["[SEP]", "</s>"]),
    ("pad_token", ["[PAD]", "<pad>"]),
    ("cls_token", ["[CLS]", "<s>"]),
    ("mask_token", ["[MASK]", "<mask>"]),
];

/// `config.json`, `tokenizer.json` and `tokenizer_config.json` for a network that `class` of
/// transformers reads: `fields` are those of the configuration beside the encoder's own.
/// `tokenizer` is the content of a `tokenizer.json`. An adapted network has none of them, since
/// transformers would read its weights without their factors and say nothing: PEFT reads those, see
/// [`peft`](super::peft).
pub fn home_files<C: Headed>(
    config: &C,
    class: &str,
    fields: Map<String, Value>,
    tokenizer: &Value,
    max_length: usize,
) -> Vec<HomeFile> {
    if config.adaptation().is_lora() {
        return Vec::new();
    }
    written(config.encoder(), class, fields, tokenizer, max_length)
}

/// The same files for an encoder alone, saved with a task that makes vectors of texts, and the one in
/// which sentence-transformers looks for the longest text. Without a list of modules it takes the mean
/// of the tokens' vectors, as it is; so there are none for another pooling.
pub fn encoder_files<E: HeadBase>(encoder: &E, task: &Value) -> Vec<HomeFile> {
    let tokenizer = &task["tokenizer"];
    if !tokenizer.is_object() || task["pooling"] != json!(Pooling::Mean) {
        return Vec::new();
    }
    let max_length = task["max_length"].as_u64().unwrap_or_default() as usize;
    let mut files = written(encoder, E::ENCODER, Map::new(), tokenizer, max_length);
    let told = json!({"max_seq_length": max_length, "do_lower_case": false});
    files.push(HomeFile::json("sentence_bert_config.json", &told));
    files
}

fn written<E: HeadBase>(
    encoder: &E,
    class: &str,
    fields: Map<String, Value>,
    tokenizer: &Value,
    max_length: usize,
) -> Vec<HomeFile> {
    let mut description = encoder.to_hugging_face();
    description.insert("architectures".to_owned(), json!([class]));
    description.insert("dtype".to_owned(), json!("float32"));
    description.extend(fields);
    let mut settings = special_tokens(tokenizer);
    settings.insert("tokenizer_class".to_owned(), json!("PreTrainedTokenizerFast"));
    settings.insert("model_max_length".to_owned(), json!(max_length));
    // Unless told so, transformers leaves the segments out, and scores a pair as one text.
    if description.get("type_vocab_size").and_then(Value::as_u64).is_some_and(|kinds| kinds > 1) {
        let inputs = json!(["input_ids", "token_type_ids", "attention_mask"]);
        settings.insert("model_input_names".to_owned(), inputs);
    }
    vec![
        HomeFile::json("config.json", &Value::Object(description)),
        HomeFile::json("tokenizer.json", tokenizer),
        HomeFile::json("tokenizer_config.json", &Value::Object(settings)),
    ]
}

/// The special tokens of a `tokenizer.json` by their role, as `tokenizer_config.json` has them.
pub fn special_tokens(tokenizer: &Value) -> Map<String, Value> {
    let added = tokenizer["added_tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has = |text: &str| added.iter().any(|token| token["content"] == text);
    let roles = ROLES.iter().filter_map(|(role, written)| {
        let text = written.iter().find(|text| has(text))?;
        Some(((*role).to_owned(), json!(text)))
    });
    roles.collect()
}

/// The numbers of the labels and back, as `config.json` has them.
pub(crate) fn labels(names: &[&str]) -> Map<String, Value> {
    let by_number: Map<String, Value> =
        names.iter().enumerate().map(|(at, name)| (at.to_string(), json!(name))).collect();
    let by_name: Map<String, Value> =
        names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), json!(at))).collect();
    let mut fields = Map::new();
    fields.insert("id2label".to_owned(), Value::Object(by_number));
    fields.insert("label2id".to_owned(), Value::Object(by_name));
    fields
}
