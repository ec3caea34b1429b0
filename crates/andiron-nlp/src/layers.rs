//! What several networks share and burn-nn lacks.

pub mod classifier_head;
pub mod encoder_layer;
pub mod masked_lm_head;
pub(crate) mod names;
pub mod rope;
pub mod text_embeddings;

pub(crate) use andiron_kernels::{add_normalise, normalise, project};
