//! Andiron's tensor operations.

pub mod activation;
pub mod attention;
pub mod conv;
mod flex;
pub mod gelu;
pub mod linear;
pub mod norm;
pub mod random;
pub mod rotary;
pub mod softmax;
mod sweep;

pub use activation::{Activation, silu};
pub use attention::{AttentionOptions, attention};
pub use conv::{FoldedNorm, conv1d_norm_act, conv2d_act, conv2d_norm_act};
pub use gelu::gelu;
pub use linear::linear;
pub use norm::{add_layer_norm, add_rms_norm, layer_norm, rms_norm};
pub use random::{dropout, is_training, mix, split_mix, training};
pub use rotary::{RotaryLayout, RotaryTable, rotary};
pub use softmax::masked_softmax;
