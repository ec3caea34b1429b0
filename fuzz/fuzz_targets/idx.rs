//! An idx array: `cargo fuzz run -s none idx`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| andiron_core::testing::fuzz::idx(bytes));
