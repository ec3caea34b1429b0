//! What programs of Hugging Face's want beside the weights of a Whisper.

use crate::models::whisper::WhisperConfig;
use andiron_core::HomeFile;
use serde_json::{Value, json};

/// `config.json`, `generation_config.json` and `tokenizer.json` for a network of `config` and the
/// task as it is saved; none for a task that is no Whisper's.
pub(crate) fn home_files(config: &WhisperConfig, task: &Value) -> Vec<HomeFile> {
    let listener = &task["method"]["whisper"];
    let tokenizer = &listener["vocabulary"];
    let Some(added) = tokenizer["added_tokens"].as_array() else { return Vec::new() };
    let id = |name: &str| {
        let named = added.iter().find(|token| token["content"] == name);
        named.map_or(Value::Null, |token| token["id"].clone())
    };
    let (start, end) = (id("<|startoftranscript|>"), id("<|endoftext|>"));
    let description = json!({
        "architectures": super::ARCHITECTURES, "model_type": "whisper", "torch_dtype": "float32",
        "vocab_size": config.n_tokens, "num_mel_bins": config.n_mels, "d_model": config.d_model,
        "encoder_layers": config.n_layers, "decoder_layers": config.decoder_layers(),
        "encoder_attention_heads": config.n_heads, "decoder_attention_heads": config.n_heads,
        "encoder_ffn_dim": config.hidden(), "decoder_ffn_dim": config.hidden(),
        "max_source_positions": config.n_frames, "max_target_positions": config.max_length,
        "activation_function": "gelu", "scale_embedding": false, "tie_word_embeddings": true,
        "decoder_start_token_id": start, "bos_token_id": end, "eos_token_id": end,
        "pad_token_id": end
    });
    let generation = json!({
        "is_multilingual": listener["multilingual"], "suppress_tokens": listener["suppress"],
        "decoder_start_token_id": start, "bos_token_id": end, "eos_token_id": end,
        "pad_token_id": end, "no_timestamps_token_id": id("<|notimestamps|>"),
        "max_length": config.max_length
    });
    vec![
        HomeFile::json("config.json", &description),
        HomeFile::json("generation_config.json", &generation),
        HomeFile::json("tokenizer.json", tokenizer),
    ]
}
