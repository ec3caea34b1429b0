//! The tokenizer in a GGUF file: `cargo fuzz run -s none gguf_tokenizer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    andiron_nlp::testing::gguf_tokenizer(bytes);
});
