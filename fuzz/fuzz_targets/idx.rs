//! An idx array: `cargo +nightly fuzz run idx`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| andiron_core::testing::fuzz::idx(bytes));
