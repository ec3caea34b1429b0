//! What several networks share and burn-nn lacks.

pub mod encoder_layer;
mod fused;
pub(crate) mod names;
pub mod text_embeddings;

pub(crate) use fused::{add_normalise, normalise, project};
