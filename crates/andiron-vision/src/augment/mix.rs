//! Pairs of images of a batch made into one, and their truths with them.

use andiron_core::ConfigError;
use andiron_kernels::Dice;
use serde::{Deserialize, Serialize};

/// How the images of a batch are mixed in pairs; where both kinds are set, each is drawn for half of
/// the batches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// α of mixup, 0 to 100; 0 leaves it out. Zhang, Cisse, Dauphin & Lopez-Paz 2017,
    /// <https://arxiv.org/abs/1710.09412>, equation in section 2.
    pub mixup: f64,
    /// α of CutMix, 0 to 100; 0 leaves it out. Yun et al. 2019, <https://arxiv.org/abs/1905.04899>,
    /// equations 1 and 2.
    pub cutmix: f64,
}

/// How one batch is mixed. With `λ` the share and `p` the partner of an image:
///
/// ```text
/// mixup    x ← λ x + (1 − λ) x_p
/// CutMix   x ← x outside the window, x_p inside; λ is the share of what is outside
/// both     y ← λ y + (1 − λ) y_p
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mixing {
    /// λ: how much of an image's own truth is left, 0 to 1.
    pub share: f64,
    /// The partner of each image.
    pub partners: Vec<usize>,
    /// Left, top, right and bottom of the window that comes from the partner, the latter two beyond
    /// it; none for mixup.
    pub window: Option<[usize; 4]>,
}

impl Mix {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::within("mixup", 0.0, 100.0, self.mixup)?;
        ConfigError::within("cutmix", 0.0, 100.0, self.cutmix)
    }

    /// How `images` images of `width` by `height` pixels are mixed; the same for the same seed. None
    /// if neither kind is set, or there is no pair.
    pub fn draw(&self, images: usize, width: usize, height: usize, seed: u64) -> Option<Mixing> {
        let mut dice = Dice::new(seed);
        let (up, cut) = (self.mixup > 0.0, self.cutmix > 0.0);
        if images < 2 || !(up || cut) {
            return None;
        }
        let cuts = cut && (!up || dice.chance(0.5));
        let share = dice.beta(if cuts { self.cutmix } else { self.mixup });
        // Partners along a random circle, so none is its own.
        let mut circle: Vec<usize> = (0..images).collect();
        for at in (1..images).rev() {
            circle.swap(at, dice.below(at + 1));
        }
        let mut partners = vec![0; images];
        for (at, image) in circle.iter().enumerate() {
            partners[*image] = circle[(at + 1) % images];
        }
        if !cuts {
            return Some(Mixing { share, partners, window: None });
        }
        // Equation 2: sides in proportion to √(1 − λ) around a random middle, cut off at the edge.
        let side = (1.0 - share).sqrt();
        let mut span = |length: usize| {
            let half = side * length as f64 / 2.0;
            let middle = dice.between(0.0, length as f64);
            let at = |edge: f64| edge.round().clamp(0.0, length as f64) as usize;
            [at(middle - half), at(middle + half)]
        };
        let ([left, right], [top, bottom]) = (span(width), span(height));
        let inside = ((right - left) * (bottom - top)) as f64 / (width * height) as f64;
        let window = Some([left, top, right, bottom]);
        Some(Mixing { share: 1.0 - inside, partners, window })
    }
}

impl Mixing {
    /// How much of an image's own pixel is left at a column and a row, 0 to 1.
    pub fn share_at(&self, x: usize, y: usize) -> f64 {
        match self.window {
            None => self.share,
            Some([left, top, right, bottom]) => {
                let inside = (left..right).contains(&x) && (top..bottom).contains(&y);
                if inside { 0.0 } else { 1.0 }
            }
        }
    }

    /// Mixes the numbers of images, `[images, channels, height, width]`.
    ///
    /// # Panics
    /// If `values` has not the size that the shape says.
    pub fn apply(&self, values: &mut [f32], [images, channels, height, width]: [usize; 4]) {
        let image = channels * height * width;
        assert_eq!(values.len(), images * image, "the numbers of a batch of this shape");
        let old = values.to_vec();
        for (new, partner) in values.chunks_exact_mut(image.max(1)).zip(&self.partners) {
            let other = &old[partner * image..][..image];
            match self.window {
                None => {
                    let (own, rest) = (self.share as f32, (1.0 - self.share) as f32);
                    for (value, other) in new.iter_mut().zip(other) {
                        *value = own * *value + rest * other;
                    }
                }
                Some([left, top, right, bottom]) => {
                    for row in (0..channels).flat_map(|channel| {
                        (top..bottom).map(move |y| (channel * height + y) * width)
                    }) {
                        let part = row + left..row + right;
                        new[part.clone()].copy_from_slice(&other[part]);
                    }
                }
            }
        }
    }

    /// The truths as shares of the classes, `[images, classes]` row by row.
    pub fn truths(&self, classes: &[usize], n_classes: usize) -> Vec<f32> {
        let mut truths = vec![0.0; classes.len() * n_classes];
        for (at, (own, partner)) in classes.iter().zip(&self.partners).enumerate() {
            truths[at * n_classes + own] += self.share as f32;
            truths[at * n_classes + classes[*partner]] += (1.0 - self.share) as f32;
        }
        truths
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIXUP: Mix = Mix { mixup: 0.4, cutmix: 0.0 };
    const CUTMIX: Mix = Mix { mixup: 0.0, cutmix: 1.0 };

    proptest! {
        /// What is left of an image, counted by its pixels, is what its truth says.
        #[test]
        fn pixels_and_truths_are_mixed_alike(images in 2usize..6, width in 1usize..9, height in 1usize..7, seed: u64) {
            for mix in [MIXUP, CUTMIX] {
                let mixing = mix.draw(images, width, height, seed).unwrap();
                prop_assert_eq!(&mixing, &mix.draw(images, width, height, seed).unwrap());
                // Image i holds i + 1 everywhere, in two channels.
                let pixels = 2 * width * height;
                let mut values: Vec<f32> =
                    (0..images).flat_map(|image| vec![image as f32 + 1.0; pixels]).collect();
                mixing.apply(&mut values, [images, 2, height, width]);
                let classes: Vec<usize> = (0..images).collect();
                let truths = mixing.truths(&classes, images);
                for image in 0..images {
                    prop_assert_ne!(mixing.partners[image], image);
                    let row = &truths[image * images..][..images];
                    prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                    let wanted: f32 = row.iter().zip(1u8..).map(|(y, x)| y * f32::from(x)).sum();
                    let found = values[image * pixels..][..pixels].iter().sum::<f32>() / pixels as f32;
                    prop_assert!((found - wanted).abs() < 1e-4, "{} for {}", found, wanted);
                }
            }
        }
    }

    #[test]
    fn both_kinds_are_drawn_and_one_image_has_no_partner() {
        let both = Mix { mixup: 1.0, cutmix: 1.0 };
        let cut = (0..200).filter(|seed| both.draw(3, 8, 6, *seed).unwrap().window.is_some());
        assert!((70..130).contains(&cut.count()));
        assert_eq!(both.draw(1, 8, 6, 1), None);
        assert_eq!(Mix::default().draw(5, 8, 6, 1), None);
    }
}
