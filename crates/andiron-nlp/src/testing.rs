//! What must hold of a tokenizer that a GGUF file of any origin holds. The fuzz target in `fuzz/` calls
//! this, and so does an ordinary test, on inputs that it spoils by itself.

use crate::{models::llama::LlamaConfig, published_decoder::tokenizer_from_gguf};
use andiron_weights::gguf::Gguf;
use std::path::Path;

/// Texts with what tokenizers treat in a way of their own.
const TEXTS: [&str; 3] = ["", "Two  words, 123 \u{e9}\u{1f980}\n", "\u{2581}<s>\u{0}"];

/// Reads the tokenizer in `bytes`, a GGUF file; gives whether there is one.
///
/// # Panics
/// If the tokenizer gives a token that it does not count.
pub fn gguf_tokenizer(bytes: &[u8]) -> bool {
    let Ok(gguf) = Gguf::from_bytes(bytes.to_vec(), Path::new("fuzz.gguf")) else { return false };
    if let Err(error) = LlamaConfig::from_gguf(&gguf) {
        assert!(!error.to_string().is_empty());
    }
    let tokenizer = match tokenizer_from_gguf(&gguf) {
        Ok(tokenizer) => tokenizer,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    for text in TEXTS {
        // What it cannot split it refuses.
        let ids = tokenizer.ids(text, true).unwrap_or_default();
        assert!(ids.iter().all(|id| (*id as usize) < tokenizer.n_tokens()), "{ids:?} of {text:?}");
        let _ = tokenizer.decode(&ids, false);
    }
    true
}
