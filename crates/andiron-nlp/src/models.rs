//! The networks.

pub mod gpt2;
pub mod hashed_linear;
pub mod llama;
pub mod text_encoder;
