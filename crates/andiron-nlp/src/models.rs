//! The networks.

pub mod bert;
pub mod distilbert;
pub mod gpt2;
pub mod hashed_linear;
pub mod llama;
pub mod masked_lm;
pub mod roberta;
pub mod sequence_classifier;
pub mod text_encoder;
pub mod token_classifier;
pub mod word_tagger;
