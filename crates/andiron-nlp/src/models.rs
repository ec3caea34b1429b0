//! The networks.

pub mod bert;
pub mod distilbert;
pub mod hashed_linear;
pub mod roberta;
pub mod text_encoder;
