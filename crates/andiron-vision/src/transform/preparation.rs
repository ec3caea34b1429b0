//! From an image of any size to one of a fixed size, the same at every call: what training,
//! measuring and serving do alike. What is random stands in [`augment`](crate::augment).

use super::{Filter, MAX_SIDE, refused, resize};
use crate::picture::Image;
use andiron_core::{ConfigError, DataError};
use serde::{Deserialize, Serialize};

/// The most pixels that a step may make of an image. A strip whose shorter side is enlarged would
/// otherwise grow without measure.
pub const MAX_PREPARED: u64 = 1 << 24;

/// A step that changes an image's size; no step draws a random number.
///
/// As JSON an object with the step's name: `{"shorter-side": {"pixels": 256, "filter": "bicubic"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Preparation {
    /// To `width` by `height` pixels, each side on its own: the aspect ratio is not kept.
    Resize {
        /// The new width in pixels, 1 to [`MAX_SIDE`].
        width: usize,
        /// The new height in pixels, 1 to [`MAX_SIDE`].
        height: usize,
        /// Bilinear unless said otherwise.
        #[serde(default)]
        filter: Filter,
    },
    /// The shorter side to `pixels`, the longer one in proportion, cut to a whole number: as
    /// torchvision's `Resize`.
    ShorterSide {
        /// 1 to [`MAX_SIDE`].
        pixels: usize,
        /// Bilinear unless said otherwise.
        #[serde(default)]
        filter: Filter,
    },
    /// The longer side to `pixels`, the shorter one in proportion, cut to a whole number, at least
    /// 1.
    LongerSide {
        /// 1 to [`MAX_SIDE`].
        pixels: usize,
        /// Bilinear unless said otherwise.
        #[serde(default)]
        filter: Filter,
    },
    /// The middle `width` by `height` pixels; an image that is smaller is padded with black. Half a
    /// pixel goes to the even side, as in torchvision's `CenterCrop`.
    CentreCrop {
        /// The new width in pixels, 1 to [`MAX_SIDE`].
        width: usize,
        /// The new height in pixels, 1 to [`MAX_SIDE`].
        height: usize,
    },
    /// Filled up to `width` by `height` pixels, for images known to be no larger.
    Pad {
        /// The new width in pixels, 1 to [`MAX_SIDE`].
        width: usize,
        /// The new height in pixels, 1 to [`MAX_SIDE`].
        height: usize,
        /// What every channel of the new pixels holds; black unless said otherwise.
        #[serde(default)]
        value: u8,
        /// Where the image stands in the new one; in the middle unless said otherwise.
        #[serde(default)]
        place: Place,
    },
}

/// Where an image stands in a larger one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the middle; of an odd rest the larger half is at the right and below.
    #[default]
    Centre,
    /// At the left and above.
    Corner,
}

/// Where the pixels of an image come to lie: `x` becomes `scale[0] · x + shift[0]`, `y` becomes
/// `scale[1] · y + shift[1]`, where a pixel reaches from its number to the next one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Factors of width and height.
    pub scale: [f64; 2],
    /// What is added then, in new pixels.
    pub shift: [f64; 2],
}

impl Placement {
    /// A point of the old image in the new one.
    pub fn forward(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.scale[0] * x + self.shift[0], self.scale[1] * y + self.shift[1]]
    }

    /// A point of the new image in the old one.
    pub fn back(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [(x - self.shift[0]) / self.scale[0], (y - self.shift[1]) / self.scale[1]]
    }
}

/// What is known of a size before any image is seen.
#[derive(Clone, Copy)]
enum Known {
    Nothing,
    AtMost(usize, usize),
    Exactly(usize, usize),
}

/// The size that `steps` give every image.
///
/// # Errors
/// [`ConfigError`] for a side outside 1 to [`MAX_SIDE`], for a padding that does not hold what comes
/// before it, and for steps after which the size still depends on the image.
pub(super) fn size_after(steps: &[Preparation]) -> Result<(usize, usize), ConfigError> {
    let side = |field: &'static str, pixels: usize| {
        ConfigError::within(field, 1.0, MAX_SIDE as f64, pixels as f64)
    };
    let mut known = Known::Nothing;
    for step in steps {
        known = match *step {
            Preparation::Resize { width, height, .. }
            | Preparation::CentreCrop { width, height }
            | Preparation::Pad { width, height, .. } => {
                side("width", width)?;
                side("height", height)?;
                let holds = match known {
                    Known::AtMost(w, h) | Known::Exactly(w, h) => w <= width && h <= height,
                    Known::Nothing => false,
                };
                if matches!(step, Preparation::Pad { .. }) && !holds {
                    let reason = "what comes before it may be larger; resize the longer side first";
                    return Err(refused("pad", format!("{width} by {height}"), reason));
                }
                Known::Exactly(width, height)
            }
            Preparation::ShorterSide { pixels, .. } => {
                side("pixels", pixels)?;
                Known::Nothing
            }
            Preparation::LongerSide { pixels, .. } => {
                side("pixels", pixels)?;
                Known::AtMost(pixels, pixels)
            }
        };
    }
    match known {
        Known::Exactly(width, height) => Ok((width, height)),
        _ => {
            let reason = "the last must give every image one size: resize, centre-crop or pad";
            Err(refused("prepare", format!("{} steps", steps.len()), reason))
        }
    }
}

impl Preparation {
    /// Does the step.
    ///
    /// # Errors
    /// [`DataError::TooLarge`] if the new image has more than [`MAX_PREPARED`] pixels.
    pub fn apply(&self, image: &Image) -> Result<Image, DataError> {
        let (width, height) = self.size(image.width(), image.height());
        let got = width * height;
        if got > MAX_PREPARED {
            let what = "the resized image, in pixels";
            return Err(DataError::TooLarge { what, limit: MAX_PREPARED, got });
        }
        // Below the limit, so both fit.
        let (width, height) = (width as u32, height as u32);
        Ok(match *self {
            Self::Resize { filter, .. }
            | Self::ShorterSide { filter, .. }
            | Self::LongerSide { filter, .. } => resize(image, width, height, filter),
            Self::CentreCrop { .. } => {
                let [left, top] = self.corner(image.width(), image.height());
                image.window(-left, -top, width, height, 0)
            }
            Self::Pad { value, .. } => {
                let [left, top] = self.corner(image.width(), image.height());
                image.window(-left, -top, width, height, value)
            }
        })
    }

    /// Where the step puts the pixels of an image of `width` by `height`.
    pub fn placement(&self, width: u32, height: u32) -> Placement {
        let (new_width, new_height) = self.size(width, height);
        match self {
            Self::CentreCrop { .. } | Self::Pad { .. } => {
                let shift = self.corner(width, height).map(|pixels| pixels as f64);
                Placement { scale: [1.0, 1.0], shift }
            }
            _ => Placement {
                scale: [new_width as f64 / f64::from(width), new_height as f64 / f64::from(height)],
                shift: [0.0, 0.0],
            },
        }
    }

    /// The new width and height of an image of `width` by `height`.
    pub(super) fn size(&self, width: u32, height: u32) -> (u64, u64) {
        let (old_width, old_height) = (u64::from(width), u64::from(height));
        let scaled = |pixels: usize, by: u64| {
            let scale = |side: u64| (side * pixels as u64 / by).max(1);
            (scale(old_width), scale(old_height))
        };
        match *self {
            Self::Resize { width, height, .. }
            | Self::CentreCrop { width, height }
            | Self::Pad { width, height, .. } => (width as u64, height as u64),
            Self::ShorterSide { pixels, .. } => scaled(pixels, old_width.min(old_height)),
            Self::LongerSide { pixels, .. } => scaled(pixels, old_width.max(old_height)),
        }
    }

    /// Where the old upper left corner comes to lie.
    fn corner(&self, width: u32, height: u32) -> [i64; 2] {
        let old = [i64::from(width), i64::from(height)];
        let new = self.size(width, height);
        let rest = [new.0 as i64 - old[0], new.1 as i64 - old[1]];
        match self {
            Self::Pad { place: Place::Corner, .. } => [0, 0],
            Self::Pad { .. } => rest.map(|rest| rest.div_euclid(2)),
            // Python's `round` of half the rest: a half goes to the even number.
            _ => rest.map(|rest| match rest {
                0.. => rest / 2,
                _ => -((-rest as f64 / 2.0).round_ties_even() as i64),
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const FILTER: Filter = Filter::Bilinear;

    #[test]
    fn steps_that_leave_the_size_open_are_refused() {
        let refusal = |steps: &[Preparation]| size_after(steps).unwrap_err().to_string();
        let shorter = Preparation::ShorterSide { pixels: 9, filter: FILTER };
        let longer = |pixels| Preparation::LongerSide { pixels, filter: FILTER };
        let crop = Preparation::CentreCrop { width: 5, height: 4 };
        let pad = Preparation::Pad { width: 7, height: 6, value: 9, place: Place::Centre };
        for open in [&[][..], &[shorter.clone()], &[crop.clone(), longer(4)]] {
            assert!(refusal(open).contains("must give every image one size"), "{open:?}");
        }
        for unheld in
            [&[pad.clone()][..], &[shorter.clone(), pad.clone()], &[longer(7), pad.clone()]]
        {
            assert!(refusal(unheld).contains("resize the longer side first"), "{unheld:?}");
        }
        assert_eq!(size_after(&[shorter, crop.clone()]).unwrap(), (5, 4));
        assert_eq!(size_after(&[longer(6), pad.clone()]).unwrap(), (7, 6));
        assert_eq!(size_after(&[crop, pad]).unwrap(), (7, 6));
        assert_eq!(refusal(&[longer(0)]), "pixels must lie in 1..=1024, but is 0");
        let wide = Preparation::CentreCrop { width: 1025, height: 1 };
        assert_eq!(refusal(&[wide]), "width must lie in 1..=1024, but is 1025");
        let flat = Preparation::Resize { width: 1, height: 0, filter: FILTER };
        assert_eq!(refusal(&[flat]), "height must lie in 1..=1024, but is 0");
    }

    #[test]
    fn a_strip_is_refused_before_it_grows() {
        let strip = Image::gray(70_000, 1, vec![7; 70_000]).unwrap();
        let step = Preparation::ShorterSide { pixels: 16, filter: FILTER };
        match step.apply(&strip) {
            Err(DataError::TooLarge { limit: MAX_PREPARED, got, .. }) => {
                assert_eq!(got, 16 * 16 * 70_000);
            }
            other => panic!("{:?}", other.map(|image| image.width())),
        }
        let longer = Preparation::LongerSide { pixels: 20, filter: FILTER };
        let image = longer.apply(&strip).unwrap();
        assert_eq!((image.width(), image.height()), (20, 1));
    }

    /// A point keeps its place in what is seen, and comes back.
    #[test]
    fn placements_follow_the_pixels() {
        let step = Preparation::Pad { width: 9, height: 8, value: 0, place: Place::Centre };
        let image = Image::gray(4, 3, (1..13).collect()).unwrap();
        let padded = step.apply(&image).unwrap();
        let placement = step.placement(4, 3);
        for y in 0..3 {
            for x in 0..4 {
                let [new_x, new_y] = placement.forward([f64::from(x), f64::from(y)]);
                let new = padded.pixels()[new_y as usize * 9 + new_x as usize];
                assert_eq!(new, image.pixels()[(y * 4 + x) as usize]);
                assert_eq!(placement.back([new_x, new_y]), [f64::from(x), f64::from(y)]);
            }
        }
        let longer = Preparation::LongerSide { pixels: 8, filter: FILTER }.placement(4, 3);
        assert_eq!(longer.forward([4.0, 3.0]), [8.0, 6.0]);
    }
}
