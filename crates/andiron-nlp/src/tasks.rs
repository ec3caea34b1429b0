//! The tasks.

pub mod embedding;
pub mod text_classification;
pub mod text_generation;
pub mod token_classification;
