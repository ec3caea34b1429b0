//! The tasks.

pub mod embedding;
pub mod multi_label;
pub mod text_classification;
pub mod text_generation;
