//! What several networks share and burn-nn lacks.

mod fused;
pub mod kv_cache;
pub mod rope;

pub(crate) use fused::project;
