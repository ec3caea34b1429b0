//! A random part of an image, brought to the network's size.

use super::check_range;
use crate::{
    picture::Image,
    transform::{Filter, ImageTransform, resize},
};
use andiron_core::ConfigError;
use andiron_kernels::Dice;
use serde::{Deserialize, Serialize};

/// A window of random place, size and shape, resized to what the network takes: the crop of
/// Szegedy et al. 2014, <https://arxiv.org/abs/1409.4842>, section 6, as torchvision's
/// `RandomResizedCrop`. It stands in place of the transform's preparation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomCrop {
    /// The least and the largest share of the image's area, above 0, to 1; 0.08 to 1 by default.
    pub area: [f64; 2],
    /// The least and the largest width by height, above 0; ¾ to 4⁄3 by default.
    pub ratio: [f64; 2],
    /// Bilinear by default.
    pub filter: Filter,
}

impl Default for RandomCrop {
    fn default() -> Self {
        Self { area: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0], filter: Filter::Bilinear }
    }
}

impl RandomCrop {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_range("area", self.area, 1.0)?;
        check_range("ratio", self.ratio, 1e3)
    }

    pub(super) fn apply(
        &self,
        transform: &ImageTransform,
        image: &Image,
        dice: &mut Dice,
    ) -> Image {
        let (left, top, width, height) = self.window(image.width(), image.height(), dice);
        let part = image.window(left.into(), top.into(), width, height, 0);
        resize(&part, transform.width() as u32, transform.height() as u32, self.filter)
    }

    /// Left, top, width and height of the window, which lies inside the image.
    fn window(&self, width: u32, height: u32, dice: &mut Dice) -> (u32, u32, u32, u32) {
        let place = |w: u32, h: u32, dice: &mut Dice| {
            let left = dice.below((width - w + 1) as usize) as u32;
            let top = dice.below((height - h + 1) as usize) as u32;
            (left, top, w, h)
        };
        for _ in 0..10 {
            let pixels =
                f64::from(width) * f64::from(height) * dice.between(self.area[0], self.area[1]);
            let ratio = dice.between(self.ratio[0].ln(), self.ratio[1].ln()).exp();
            let wide = (pixels * ratio).sqrt().round() as u32;
            let high = (pixels / ratio).sqrt().round() as u32;
            if (1..=width).contains(&wide) && (1..=height).contains(&high) {
                return place(wide, high, dice);
            }
        }
        // The middle of the image, as much of it as the ratios allow.
        let ratio = f64::from(width) / f64::from(height);
        let (wide, high) = match ratio {
            _ if ratio < self.ratio[0] => {
                (width, (f64::from(width) / self.ratio[0]).round() as u32)
            }
            _ if ratio > self.ratio[1] => {
                ((f64::from(height) * self.ratio[1]).round() as u32, height)
            }
            _ => (width, height),
        };
        let (wide, high) = (wide.clamp(1, width), high.clamp(1, height));
        ((width - wide) / 2, (height - high) / 2, wide, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_window_lies_inside_and_has_its_share(width in 1u32..90, height in 1u32..70, seed: u64) {
            let crop = RandomCrop { area: [0.3, 0.6], ..RandomCrop::default() };
            let (left, top, wide, high) = crop.window(width, height, &mut Dice::new(seed));
            prop_assert!(wide > 0 && high > 0 && left + wide <= width && top + high <= height);
            // Of large images; of small ones a pixel more or less is a large share.
            let ratio = f64::from(width) / f64::from(height);
            if width > 30 && height > 30 && (0.8..1.2).contains(&ratio) {
                let share = f64::from(wide * high) / f64::from(width * height);
                prop_assert!((0.27..0.64).contains(&share), "{}", share);
            }
        }
    }
}
