//! A GGUF file: `cargo fuzz run -s none gguf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    andiron_weights::testing::gguf(bytes);
});
