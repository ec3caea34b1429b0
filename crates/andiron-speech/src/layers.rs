//! What several networks share and burn-nn lacks.

pub mod lstm;
pub(crate) mod transformer;

pub use lstm::{Lstm, LstmState};

use burn::tensor::{Bool, Tensor};

/// A mask of frames as numbers that multiply `[batch, channels, bands, frames]`.
pub(crate) fn over_time(mask: &Tensor<2, Bool>) -> Tensor<4> {
    let [clips, frames] = mask.dims();
    mask.clone().float().reshape([clips, 1, 1, frames])
}
