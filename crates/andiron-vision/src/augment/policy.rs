//! The fourteen operations that RandAugment and TrivialAugment choose from, with torchvision's
//! ranges of strength.

use crate::{
    picture::Image,
    transform::{Adjustment, Affine, adjust, warp},
};
use andiron_kernels::Dice;

/// An operation with its strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operation {
    Identity,
    Adjust(Adjustment),
    ShearX(f64),
    ShearY(f64),
    /// In pixels.
    TranslateX(f64),
    TranslateY(f64),
    /// In degrees.
    Rotate(f64),
}

impl Operation {
    pub(super) fn apply(self, image: &Image) -> Image {
        let under = |affine| warp(image, affine, 0);
        match self {
            Self::Identity => image.clone(),
            Self::Adjust(adjustment) => adjust(image, adjustment),
            Self::ShearX(share) => under(Affine::shear_x(share)),
            Self::ShearY(share) => under(Affine::shear_y(share)),
            Self::TranslateX(pixels) => under(Affine::translation(pixels, 0.0)),
            Self::TranslateY(pixels) => under(Affine::translation(0.0, pixels)),
            Self::Rotate(degrees) => {
                under(Affine::rotation(degrees, image.width(), image.height()))
            }
        }
    }
}

/// The strongest of each operation.
struct Range {
    shear: f64,
    /// In pixels, of an image's width and height.
    translate: [f64; 2],
    degrees: f64,
    /// How far a factor goes from 1.
    factor: f64,
    /// How many bits are cut.
    bits: f64,
}

/// The strengths are 31 equal steps from nothing.
const STRONGEST: usize = 30;

/// One of the operations with strength `magnitude` of [`STRONGEST`].
pub(super) fn of_strength(image: &Image, magnitude: usize, dice: &mut Dice) -> Operation {
    // 150 of the 331 pixels that the paper's images had.
    let share = 150.0 / 331.0;
    let translate = [f64::from(image.width()) * share, f64::from(image.height()) * share];
    let range = Range { shear: 0.3, translate, degrees: 30.0, factor: 0.9, bits: 4.0 };
    choose(&range, magnitude, dice)
}

/// One of the operations with a random strength, in wide ranges.
pub(super) fn of_any_strength(dice: &mut Dice) -> Operation {
    let range =
        Range { shear: 0.99, translate: [32.0; 2], degrees: 135.0, factor: 0.99, bits: 6.0 };
    let magnitude = dice.below(STRONGEST + 1);
    choose(&range, magnitude, dice)
}

fn choose(range: &Range, magnitude: usize, dice: &mut Dice) -> Operation {
    let (operation, sign) = (dice.below(14), dice.sign());
    let share = magnitude as f64 / STRONGEST as f64;
    let factor = (1.0 + sign * range.factor * share) as f32;
    match operation {
        0 => Operation::Identity,
        1 => Operation::ShearX(sign * range.shear * share),
        2 => Operation::ShearY(sign * range.shear * share),
        // Whole pixels.
        3 => Operation::TranslateX((sign * range.translate[0] * share).trunc()),
        4 => Operation::TranslateY((sign * range.translate[1] * share).trunc()),
        5 => Operation::Rotate(sign * range.degrees * share),
        6 => Operation::Adjust(Adjustment::Brightness(factor)),
        7 => Operation::Adjust(Adjustment::Saturation(factor)),
        8 => Operation::Adjust(Adjustment::Contrast(factor)),
        9 => Operation::Adjust(Adjustment::Sharpness(factor)),
        10 => {
            let cut = (share * range.bits).round_ties_even();
            Operation::Adjust(Adjustment::Posterise(8 - cut as u32))
        }
        11 => Operation::Adjust(Adjustment::Solarise((255.0 * (1.0 - share)).ceil() as u16)),
        12 => Operation::Adjust(Adjustment::AutoContrast),
        _ => Operation::Adjust(Adjustment::Equalise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_are_those_of_the_papers() {
        let image = Image::from_parts(331, 662, 1, vec![0; 331 * 662]);
        let mut seen = [false; 14];
        for seed in 0..2000 {
            let operation = of_strength(&image, 30, &mut Dice::new(seed));
            let close = |found: f64, wanted: f64| (found.abs() - wanted).abs() < 1e-5;
            let around_one = |factor: f32| close(f64::from(factor) - 1.0, 0.9);
            let (at, right) = match operation {
                Operation::Identity => (0, true),
                Operation::ShearX(share) => (1, close(share, 0.3)),
                Operation::ShearY(share) => (2, close(share, 0.3)),
                Operation::TranslateX(pixels) => (3, close(pixels, 150.0)),
                Operation::TranslateY(pixels) => (4, close(pixels, 300.0)),
                Operation::Rotate(degrees) => (5, close(degrees, 30.0)),
                Operation::Adjust(Adjustment::Brightness(factor)) => (6, around_one(factor)),
                Operation::Adjust(Adjustment::Saturation(factor)) => (7, around_one(factor)),
                Operation::Adjust(Adjustment::Contrast(factor)) => (8, around_one(factor)),
                Operation::Adjust(Adjustment::Sharpness(factor)) => (9, around_one(factor)),
                Operation::Adjust(Adjustment::Posterise(bits)) => (10, bits == 4),
                Operation::Adjust(Adjustment::Solarise(threshold)) => (11, threshold == 0),
                Operation::Adjust(Adjustment::AutoContrast) => (12, true),
                Operation::Adjust(_) => (13, operation == Operation::Adjust(Adjustment::Equalise)),
            };
            assert!(right, "{operation:?}");
            seen[at] = true;
        }
        assert_eq!(seen, [true; 14]);
    }

    #[test]
    fn any_strength_stays_within_the_wide_ranges_of_the_paper_and_reaches_their_ends() {
        let (mut seen, mut most) = ([false; 14], [0.0_f64; 14]);
        for seed in 0..20_000 {
            let operation = of_any_strength(&mut Dice::new(seed));
            // The strength as a share of the strongest.
            let around_one = |factor: f32| (f64::from(factor) - 1.0).abs() / 0.99;
            let (at, share) = match operation {
                Operation::Identity => (0, 1.0),
                Operation::ShearX(share) => (1, share.abs() / 0.99),
                Operation::ShearY(share) => (2, share.abs() / 0.99),
                Operation::TranslateX(pixels) => (3, pixels.abs() / 32.0),
                Operation::TranslateY(pixels) => (4, pixels.abs() / 32.0),
                Operation::Rotate(degrees) => (5, degrees.abs() / 135.0),
                Operation::Adjust(Adjustment::Brightness(factor)) => (6, around_one(factor)),
                Operation::Adjust(Adjustment::Saturation(factor)) => (7, around_one(factor)),
                Operation::Adjust(Adjustment::Contrast(factor)) => (8, around_one(factor)),
                Operation::Adjust(Adjustment::Sharpness(factor)) => (9, around_one(factor)),
                Operation::Adjust(Adjustment::Posterise(bits)) => (10, f64::from(8 - bits) / 6.0),
                Operation::Adjust(Adjustment::Solarise(level)) => {
                    (11, 1.0 - f64::from(level) / 255.0)
                }
                Operation::Adjust(Adjustment::AutoContrast) => (12, 1.0),
                Operation::Adjust(_) => (13, 1.0),
            };
            assert!((0.0..=1.0 + 1e-6).contains(&share), "{operation:?}");
            seen[at] = true;
            most[at] = most[at].max(share);
        }
        assert_eq!(seen, [true; 14]);
        assert!(most.iter().all(|share| (share - 1.0).abs() < 1e-6), "{most:?}");
    }

    #[test]
    fn no_strength_changes_nothing_but_contrast() {
        let image = Image::from_parts(9, 7, 3, (0..189).map(|at| (at * 37 % 251) as u8).collect());
        for seed in 0..300 {
            let operation = of_strength(&image, 0, &mut Dice::new(seed));
            let stretches = matches!(
                operation,
                Operation::Adjust(Adjustment::AutoContrast | Adjustment::Equalise)
            );
            // At no strength 255 itself is still turned round; the image has none.
            assert!(stretches || operation.apply(&image) == image, "{operation:?}");
        }
    }
}
