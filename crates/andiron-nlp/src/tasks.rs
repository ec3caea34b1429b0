//! The tasks.

pub mod text_classification;
