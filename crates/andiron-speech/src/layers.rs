//! What several networks share and burn-nn lacks.

pub mod lstm;
pub(crate) mod transformer;

pub use lstm::{Lstm, LstmState};

use andiron_core::ConfigError;
use burn::tensor::{Bool, Tensor};

/// Layers of a network at the most; this and the next are bounds on what a description from outside
/// can ask for before its weights are looked at.
pub(crate) const MAX_LAYERS: usize = 256;
/// Numbers side by side in a network at the most, tokens too.
pub(crate) const MAX_WIDTH: usize = 1 << 18;

/// Checks that each size is 1 to `most`.
pub(crate) fn sizes<const N: usize>(
    most: usize,
    sizes: [(&'static str, usize); N],
) -> Result<(), ConfigError> {
    sizes.into_iter().try_for_each(|(field, size)| {
        ConfigError::at_least(field, 1, size)?;
        ConfigError::within(field, 1.0, most as f64, size as f64)
    })
}

/// A mask of frames as numbers that multiply `[batch, channels, bands, frames]`.
pub(crate) fn over_time(mask: &Tensor<2, Bool>) -> Tensor<4> {
    let [clips, frames] = mask.dims();
    mask.clone().float().reshape([clips, 1, 1, frames])
}
