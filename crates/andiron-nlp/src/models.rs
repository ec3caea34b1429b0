//! The networks.

pub mod hashed_linear;
pub mod text_encoder;
