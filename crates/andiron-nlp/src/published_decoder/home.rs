//! The files with which transformers reads a decoder that was saved here.

use andiron_core::HomeFile;
use serde_json::{Map, Value, json};

/// `config.json`, `generation_config.json` and the tokenizer's files, for a network that `class` of
/// transformers reads; `fields` are the network's own of the configuration, `task` is the saved
/// [`TextGeneration`](crate::tasks::text_generation::TextGeneration). None for any other task.
pub(crate) fn home_files(class: &str, fields: Map<String, Value>, task: &Value) -> Vec<HomeFile> {
    let (tokenizer, Some(ends)) = (&task["tokenizer"], task["ends"].as_array()) else {
        return Vec::new();
    };
    if !tokenizer.is_object() {
        return Vec::new();
    }
    let mut description = fields;
    description.insert("architectures".to_owned(), json!([class]));
    description.insert("torch_dtype".to_owned(), json!("float32"));
    // Otherwise transformers takes the numbers of the first network of the kind.
    description.insert("bos_token_id".to_owned(), Value::Null);
    description.insert("eos_token_id".to_owned(), ends.first().cloned().unwrap_or_default());
    let template = &task["chat_template"];
    let end = ends.first().and_then(|id| token(tokenizer, id));
    let settings: Map<String, Value> = [
        ("tokenizer_class", json!("PreTrainedTokenizerFast")),
        ("model_max_length", task["max_length"].clone()),
        ("clean_up_tokenization_spaces", json!(false)),
        ("bos_token", template["bos_token"].clone()),
        ("eos_token", end.map_or_else(|| template["eos_token"].clone(), Value::from)),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_null())
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let mut files = vec![
        HomeFile::json("config.json", &Value::Object(description)),
        HomeFile::json("generation_config.json", &json!({"eos_token_id": ends})),
        HomeFile::json("tokenizer.json", tokenizer),
        HomeFile::json("tokenizer_config.json", &Value::Object(settings)),
    ];
    if let Some(source) = template["source"].as_str() {
        let (name, bytes) = ("chat_template.jinja".to_owned(), source.as_bytes().to_vec());
        files.push(HomeFile { name, bytes });
    }
    files
}

/// How a `tokenizer.json` writes the token of a number.
fn token(tokenizer: &Value, id: &Value) -> Option<String> {
    let added = tokenizer["added_tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(token) = added.iter().find(|token| token["id"] == *id) {
        return token["content"].as_str().map(str::to_owned);
    }
    let known = tokenizer["model"]["vocab"].as_object()?;
    known.iter().find(|(_, number)| *number == id).map(|(token, _)| token.clone())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(files: &[HomeFile], name: &str) -> Value {
        let file = files.iter().find(|file| file.name == name).unwrap();
        serde_json::from_slice(&file.bytes).unwrap()
    }

    #[test]
    fn ends_and_template_are_in_the_files_that_transformers_reads() {
        let task = json!({
            "tokenizer": {
                "added_tokens": [{"id": 7, "content": "<end>"}], "model": {"vocab": {"a": 3}}
            },
            "max_length": 40, "ends": [7, 3],
            "chat_template": {"source": "{{ x }}", "bos_token": "<s>", "eos_token": "no"}
        });
        let files = home_files("X", Map::new(), &task);
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let wanted = ["config.json", "generation_config.json", "tokenizer.json"];
        assert_eq!(names[..3], wanted);
        assert_eq!(names[3..], ["tokenizer_config.json", "chat_template.jinja"]);
        assert_eq!(read(&files, "generation_config.json")["eos_token_id"], json!([7, 3]));
        let settings = read(&files, "tokenizer_config.json");
        assert_eq!(
            (&settings["eos_token"], &settings["bos_token"]),
            (&json!("<end>"), &json!("<s>"))
        );
        assert_eq!(read(&files, "config.json")["eos_token_id"], 7);
        assert_eq!(files[4].bytes, b"{{ x }}");
        let mut other = task.clone();
        other["ends"] = json!([3]);
        other["chat_template"] = Value::Null;
        let files = home_files("X", Map::new(), &other);
        assert_eq!(
            (files.len(), &read(&files, "tokenizer_config.json")["eos_token"]),
            (4, &json!("a"))
        );
        assert!(home_files("X", Map::new(), &json!({"labels": []})).is_empty());
    }
}
