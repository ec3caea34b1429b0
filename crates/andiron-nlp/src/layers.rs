//! What several networks share and burn-nn lacks.

pub mod classifier_head;
pub mod encoder_layer;
mod fused;
pub mod kv_cache;
pub mod masked_lm_head;
pub(crate) mod names;
pub mod rope;
pub mod text_embeddings;

pub(crate) use fused::{add_normalise, normalise, project};
