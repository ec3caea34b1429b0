//! Random changes of training images, so that a network learns what does not matter.
//!
//! What stands here acts in training alone: [`Augment::draw`] wants a seed, which only a training
//! step has. What every image goes through, in training and in serving, is the
//! [`ImageTransform`]; it draws nothing. A drawing follows from its seed and from nothing else, so
//! a run is the same for any number of threads.
//!
//! As options of a training:
//!
//! ```toml
//! [options.augment]
//! crop = { area = [0.5, 1.0] }
//! steps = [{ mirror = { probability = 0.5 } }, "trivial-augment", { erase = { probability = 0.25 } }]
//! mix = { mixup = 0.2, cutmix = 1.0 }
//! ```

mod crop;
mod mix;
mod policy;

pub use crop::RandomCrop;
pub use mix::{Mix, Mixing};

use crate::{
    picture::Image,
    transform::{Adjustment, Affine, ImageTransform, adjust, warp},
};
use andiron_core::{ConfigError, DataError};
use andiron_kernels::Dice;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How training images are changed: first a crop, in place of the transform's preparation; then
/// steps on images of the network's size; then images of a batch are mixed.
///
/// ```
/// use andiron_vision::{Image, ImageTransform, augment::{Augment, Augmentation, RandomCrop}};
///
/// let transform = ImageTransform::new(8, 6, vec![0.5], vec![0.25])?;
/// let steps = vec![Augmentation::Mirror { probability: 0.5 }, Augmentation::TrivialAugment];
/// let augment = Augment::new(Some(RandomCrop::default()), steps, None)?;
/// let image = Image::gray(20, 15, (0..300).map(|at| (at % 251) as u8).collect())?;
/// let seen = augment.draw(&transform, &image, 7)?;
/// assert_eq!((seen.width(), seen.height()), (8, 6));
/// assert_eq!(seen, augment.draw(&transform, &image, 7)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Augment {
    crop: Option<RandomCrop>,
    steps: Vec<Augmentation>,
    mix: Option<Mix>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crop: Option<RandomCrop>,
    #[serde(default)]
    steps: Vec<Augmentation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mix: Option<Mix>,
}

impl TryFrom<Written> for Augment {
    type Error = ConfigError;
    fn try_from(written: Written) -> Result<Self, ConfigError> {
        Self::new(written.crop, written.steps, written.mix)
    }
}

impl From<Augment> for Written {
    fn from(augment: Augment) -> Self {
        Self { crop: augment.crop, steps: augment.steps, mix: augment.mix }
    }
}

/// One random change of an image of the network's size. As JSON an object with its name, in lower
/// case with hyphens; one without settings is the name alone.
///
/// What comes into the image from outside is black.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Augmentation {
    /// Left and right change places.
    Mirror {
        /// How often, 0 to 1.
        probability: f64,
    },
    /// Top and bottom change places.
    Flip {
        /// How often, 0 to 1.
        probability: f64,
    },
    /// Moved by up to so many pixels to each side: padding and a random crop.
    Shift {
        /// 0 to 1024.
        pixels: usize,
    },
    /// Turned around the middle by up to so many degrees either way.
    Rotate {
        /// 0 to 180.
        degrees: f64,
    },
    /// Brightness, contrast, saturation and hue changed in a random order, as torchvision's
    /// `ColorJitter`: a factor between 1 − v and 1 + v (not below 0), for the hue a turn of up to v
    /// of the colour circle.
    Jitter {
        /// 0 or more; 0 unless said.
        #[serde(default)]
        brightness: f64,
        /// 0 or more; 0 unless said.
        #[serde(default)]
        contrast: f64,
        /// 0 or more; 0 unless said.
        #[serde(default)]
        saturation: f64,
        /// 0 to ½; 0 unless said.
        #[serde(default)]
        hue: f64,
    },
    /// The values 0 and 255 of each channel become two that are drawn from 0 to 255, and those between
    /// lie between: casts of any colour, pale and turned channels, colours for what was grey.
    Tones {
        /// How often, 0 to 1.
        probability: f64,
    },
    /// So many of fourteen operations, each of one strength: Cubuk, Zoph, Shlens & Le 2019,
    /// <https://arxiv.org/abs/1909.13719>, with torchvision's operations and strengths.
    RandAugment {
        /// 1 to 14.
        operations: usize,
        /// 0 to 30.
        magnitude: usize,
    },
    /// One of fourteen operations with a random strength: Müller & Hutter 2021,
    /// <https://arxiv.org/abs/2103.10158>, with the wide ranges of its table.
    TrivialAugment,
    /// A window of random place, size and shape filled with the mean of the data: Zhong et al. 2017,
    /// <https://arxiv.org/abs/1708.04896>, algorithm 1.
    Erase {
        /// How often, 0 to 1.
        probability: f64,
        /// The least and the largest share of the image, above 0, to 1.
        #[serde(default = "erased_area")]
        area: [f64; 2],
        /// The least and the largest height by width, above 0.
        #[serde(default = "erased_ratio")]
        ratio: [f64; 2],
    },
}

fn erased_area() -> [f64; 2] {
    [0.02, 0.33]
}
fn erased_ratio() -> [f64; 2] {
    [0.3, 3.3]
}

/// Checks a range of two numbers above 0, the first of which is the lower one.
fn check_range(name: &'static str, [low, high]: [f64; 2], most: f64) -> Result<(), ConfigError> {
    ConfigError::within(name, f64::MIN_POSITIVE, most, low)?;
    ConfigError::within(name, low, most, high)
}

impl Augment {
    /// Crop, steps and mixing, each of which may be left out.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] names the setting.
    pub fn new(
        crop: Option<RandomCrop>,
        steps: Vec<Augmentation>,
        mix: Option<Mix>,
    ) -> Result<Self, ConfigError> {
        if let Some(crop) = &crop {
            crop.check()?;
        }
        steps.iter().try_for_each(Augmentation::check)?;
        if let Some(mix) = &mix {
            mix.check()?;
        }
        Ok(Self { crop, steps, mix })
    }

    /// How images of a batch are mixed, if they are.
    pub fn mix(&self) -> Option<&Mix> {
        self.mix.as_ref()
    }

    /// A changed image of the transform's size; the same for the same seed.
    ///
    /// # Errors
    /// As [`ImageTransform::prepare`].
    pub fn draw<'a>(
        &self,
        transform: &ImageTransform,
        image: &'a Image,
        seed: u64,
    ) -> Result<Cow<'a, Image>, DataError> {
        let mut dice = Dice::new(seed);
        let mut seen = match &self.crop {
            Some(crop) => Cow::Owned(crop.apply(transform, image, &mut dice)),
            None => transform.prepare(image)?,
        };
        for step in &self.steps {
            if let Some(changed) = step.apply(&seen, transform, &mut dice) {
                seen = Cow::Owned(changed);
            }
        }
        Ok(seen)
    }
}

impl Augmentation {
    fn check(&self) -> Result<(), ConfigError> {
        let within = ConfigError::within;
        match *self {
            Self::Mirror { probability }
            | Self::Flip { probability }
            | Self::Tones { probability } => within("probability", 0.0, 1.0, probability),
            Self::Shift { pixels } => within("pixels", 0.0, 1024.0, pixels as f64),
            Self::Rotate { degrees } => within("degrees", 0.0, 180.0, degrees),
            Self::Jitter { brightness, contrast, saturation, hue } => {
                within("brightness", 0.0, 100.0, brightness)?;
                within("contrast", 0.0, 100.0, contrast)?;
                within("saturation", 0.0, 100.0, saturation)?;
                within("hue", 0.0, 0.5, hue)
            }
            Self::RandAugment { operations, magnitude } => {
                within("operations", 1.0, 14.0, operations as f64)?;
                within("magnitude", 0.0, 30.0, magnitude as f64)
            }
            Self::TrivialAugment => Ok(()),
            Self::Erase { probability, area, ratio } => {
                within("probability", 0.0, 1.0, probability)?;
                check_range("area", area, 1.0)?;
                check_range("ratio", ratio, 1e3)
            }
        }
    }

    /// The changed image; none if the dice leave it as it is.
    fn apply(&self, image: &Image, transform: &ImageTransform, dice: &mut Dice) -> Option<Image> {
        match *self {
            Self::Mirror { probability } => dice.chance(probability).then(|| image.mirrored()),
            Self::Flip { probability } => dice.chance(probability).then(|| image.flipped()),
            Self::Shift { pixels } => {
                let mut by = || dice.below(2 * pixels + 1) as i64 - pixels as i64;
                let (x, y) = (by(), by());
                Some(image.window(x, y, image.width(), image.height(), 0))
            }
            Self::Rotate { degrees } => {
                let degrees = dice.between(-degrees, degrees);
                Some(warp(image, Affine::rotation(degrees, image.width(), image.height()), 0))
            }
            Self::Jitter { brightness, contrast, saturation, hue } => {
                Some(jitter(image, [brightness, contrast, saturation, hue], dice))
            }
            Self::Tones { probability } => dice.chance(probability).then(|| tones(image, dice)),
            Self::RandAugment { operations, magnitude } => {
                let mut image = Cow::Borrowed(image);
                for _ in 0..operations {
                    let operation = policy::of_strength(&image, magnitude, dice);
                    image = Cow::Owned(operation.apply(&image));
                }
                Some(image.into_owned())
            }
            Self::TrivialAugment => Some(policy::of_any_strength(dice).apply(image)),
            Self::Erase { probability, area, ratio } => dice
                .chance(probability)
                .then(|| erase(image, transform, area, ratio, dice))
                .flatten(),
        }
    }
}

fn jitter(image: &Image, strengths: [f64; 4], dice: &mut Dice) -> Image {
    let mut order = [0, 1, 2, 3];
    for at in (1..order.len()).rev() {
        order.swap(at, dice.below(at + 1));
    }
    let mut image = Cow::Borrowed(image);
    for kind in order {
        let strength = strengths[kind];
        if strength == 0.0 {
            continue;
        }
        let factor = dice.between((1.0 - strength).max(0.0), 1.0 + strength) as f32;
        let adjustment = match kind {
            0 => Adjustment::Brightness(factor),
            1 => Adjustment::Contrast(factor),
            2 => Adjustment::Saturation(factor),
            // Between 1 − v and 1 + v, so between −v and v.
            _ => Adjustment::Hue(factor - 1.0),
        };
        image = Cow::Owned(adjust(&image, adjustment));
    }
    image.into_owned()
}

fn tones(image: &Image, dice: &mut Dice) -> Image {
    let channels = usize::from(image.channels());
    let tables: Vec<[u8; 256]> = (0..channels)
        .map(|_| {
            let (black, white) = (dice.between(0.0, 255.0), dice.between(0.0, 255.0));
            std::array::from_fn(|value| {
                (black + (white - black) * value as f64 / 255.0).round() as u8
            })
        })
        .collect();
    let values = image.pixels().iter().enumerate();
    let pixels = values.map(|(at, value)| tables[at % channels][usize::from(*value)]).collect();
    Image::from_parts(image.width(), image.height(), image.channels(), pixels)
}

/// The image with a window filled; none if ten windows did not fit.
fn erase(
    image: &Image,
    transform: &ImageTransform,
    area: [f64; 2],
    ratio: [f64; 2],
    dice: &mut Dice,
) -> Option<Image> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (window_width, window_height) = (0..10).find_map(|_| {
        let pixels = (width * height) as f64 * dice.between(area[0], area[1]);
        let ratio = dice.between(ratio[0].ln(), ratio[1].ln()).exp();
        let high = (pixels * ratio).sqrt().round() as usize;
        let wide = (pixels / ratio).sqrt().round() as usize;
        (high > 0 && wide > 0 && high < height && wide < width).then_some((wide, high))
    })?;
    let left = dice.below(width - window_width + 1);
    let top = dice.below(height - window_height + 1);
    let channels = usize::from(image.channels());
    let mean = transform.mean();
    let fill: Vec<u8> =
        (0..channels).map(|channel| (mean[channel % mean.len()] * 255.0).round() as u8).collect();
    let mut pixels = image.pixels().to_vec();
    for row in pixels.chunks_exact_mut(width * channels).skip(top).take(window_height) {
        let window = &mut row[left * channels..(left + window_width) * channels];
        window.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(&fill));
    }
    Some(Image::from_parts(image.width(), image.height(), image.channels(), pixels))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
