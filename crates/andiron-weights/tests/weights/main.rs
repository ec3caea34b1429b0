//! Readers of weights: values against what other programs wrote, refusals, and memory.
#![allow(clippy::unwrap_used, reason = "tests")]

mod anonymous;
mod ctranslate2;
mod folder;
mod gguf;
mod gguf_values;
mod made;
mod memory;
mod pytorch;
mod renamed;
mod spoilt;
