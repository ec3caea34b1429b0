//! The description of a bundle (`andiron.json`): `cargo fuzz run -s none bundle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| andiron_core::testing::fuzz::bundle(bytes));
