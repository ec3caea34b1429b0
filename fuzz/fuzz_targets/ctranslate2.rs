//! A `model.bin` of CTranslate2: `cargo fuzz run -s none ctranslate2`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    andiron_weights::testing::ctranslate2(bytes);
});
