//! Language from outside, in one program: burn is linked once.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../../andiron-weights/tests/weights/anonymous.rs"]
mod anonymous;
mod chat;
mod classifiers;
mod decoders;
mod differences;
mod encoders;
mod fasttext;
mod fill_mask;
mod gguf;
mod golden;
mod interchange_classifiers;
mod interchange_decoders;
mod interchange_embeddings;
mod interchange_token_classifiers;
mod memory;
mod minilm;
mod read_back;
mod rerank;
mod smollm2;
mod tags;
mod text_metrics;
mod tfidf;
mod token_classifiers;
mod tweets;
mod unigram;
