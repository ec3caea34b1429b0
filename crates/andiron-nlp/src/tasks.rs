//! The tasks.

pub mod embedding;
pub mod fill_mask;
pub mod multi_label;
pub mod rerank;
pub mod text_classification;
pub mod text_generation;
pub mod token_classification;
