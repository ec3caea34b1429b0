//! A weights file (safetensors): `cargo fuzz run -s none weights`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| andiron_core::testing::fuzz::weights(bytes));
