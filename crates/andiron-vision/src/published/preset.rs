//! Networks that are known by a name.

use super::{Base, PublishedBackbone};
use crate::transform::{Filter, ImageTransform, Preparation};
use andiron_core::ConfigError;

/// Mean and deviation of ImageNet's training images, as shares of 255.
pub(super) const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// A published network whose weights come without a description: what its authors say of it.
#[derive(Debug)]
pub struct Preset<C> {
    /// Its names, ours first.
    pub names: &'static [&'static str],
    /// The network.
    pub config: fn() -> C,
    /// How its images are prepared.
    pub pixels: Pixels,
}

/// How an image becomes a square of numbers: the shorter side is brought to size, the middle cut
/// out, and each channel normalised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pixels {
    /// What the shorter side is brought to, in pixels.
    pub shorter: usize,
    /// Side of the square that is cut out then.
    pub side: usize,
    /// How the image is resized.
    pub filter: Filter,
    /// Mean of each channel, as a share of 255.
    pub mean: [f32; 3],
    /// Deviation of each channel, as a share of 255.
    pub std: [f32; 3],
}

impl Pixels {
    /// The same as a transform.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    pub fn transform(&self) -> Result<ImageTransform, ConfigError> {
        let (width, height) = (self.side, self.side);
        ImageTransform::new(width, height, self.mean.to_vec(), self.std.to_vec())?.with_preparation(
            vec![
                Preparation::ShorterSide { pixels: self.shorter, filter: self.filter },
                Preparation::CentreCrop { width, height },
            ],
        )
    }
}

impl<C: PublishedBackbone> Preset<C> {
    /// The preset that goes by `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        C::PRESETS.iter().find(|preset| preset.names.contains(&name))
    }

    /// What is known of the network; its labels are the numbers of its classes.
    pub fn base(&self) -> Base<C> {
        let config = (self.config)();
        let labels = (0..config.ends().n_classes).map(|at| at.to_string()).collect();
        let transform = self.pixels.transform().expect("a test makes the transform of each preset");
        Base { config, labels, transform }
    }
}
