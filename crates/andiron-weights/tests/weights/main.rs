//! Readers of weights: values against what other programs wrote, refusals, and memory.

mod folder;
mod gguf;
mod gguf_values;
mod made;
mod memory;
mod pytorch;
mod renamed;
mod spoilt;
