//! The tasks: raw value, batch, prediction.

pub mod image_classification;
pub mod image_embedding;
pub mod image_segmentation;
pub mod object_detection;
