//! The tasks.

pub mod text_classification;
pub mod text_generation;
