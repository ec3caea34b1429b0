//! Resizing, with the filters and the rounding of Pillow.

use crate::picture::{Image, MAX_PIXELS};
use andiron_signal::images;
use serde::{Deserialize, Serialize};

/// How the pixels of a resized image are made from the old ones.
///
/// `Bilinear` and `Bicubic` are antialiased: when an image shrinks, the filter is stretched with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// The old pixel whose place it is, unmixed: for masks, whose values are class numbers.
    Nearest,
    /// The triangle filter, which enlarges bilinearly.
    #[default]
    Bilinear,
    /// The cubic filter of Keys 1981 with a = −½, <https://doi.org/10.1109/TASSP.1981.1163711>.
    Bicubic,
}

impl Filter {
    fn algorithm(self) -> images::Filter {
        match self {
            Self::Nearest => images::Filter::Nearest,
            Self::Bilinear => images::Filter::Bilinear,
            Self::Bicubic => images::Filter::Bicubic,
        }
    }
}

/// Resizes an image to `width` by `height` pixels, each side on its own.
///
/// The value of a new pixel is the weighted mean of the old ones around its centre. The width is
/// changed first and rounded to bytes, then the height, as Pillow does it: the two agree within 1.
///
/// ```
/// use andiron_vision::{Image, transform::{Filter, resize}};
///
/// // Two pixels side by side, enlarged to four.
/// let wide = resize(&Image::gray(2, 1, vec![0, 100])?, 4, 1, Filter::Bilinear);
/// assert_eq!(wide.pixels(), [0, 25, 75, 100]);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Panics
/// If a side is 0, or the new image has more than [`MAX_PIXELS`].
pub fn resize(image: &Image, width: u32, height: u32, filter: Filter) -> Image {
    assert!(width > 0 && height > 0, "an image has at least one pixel");
    let pixels = u64::from(width) * u64::from(height);
    assert!(pixels <= MAX_PIXELS, "an image of {pixels} pixels is over the limit");
    // One call with both sides would change the height first. That is right for a strip alone,
    // which would grow without measure by its new width.
    if u64::from(width) * u64::from(image.height()) <= MAX_PIXELS {
        along(&along(image, width, image.height(), filter), width, height, filter)
    } else {
        along(&along(image, image.width(), height, filter), width, height, filter)
    }
}

/// Changes one side; the other is as it was.
fn along(image: &Image, width: u32, height: u32, filter: Filter) -> Image {
    if (width, height) == (image.width(), image.height()) {
        return image.clone();
    }
    let (from, coloured) = ([image.width(), image.height()], image.channels() == 3);
    let new = images::resized(image.pixels(), from, [width, height], coloured, filter.algorithm());
    Image::from_parts(width, height, image.channels(), new)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILTERS: [Filter; 3] = [Filter::Nearest, Filter::Bilinear, Filter::Bicubic];

    proptest! {
        #[test]
        fn resizing_keeps_a_flat_image_flat(
            value: u8, from in (1u32..40, 1u32..40), to in (1u32..40, 1u32..40), colored: bool,
        ) {
            let channels = if colored { 3 } else { 1 };
            let pixels = vec![value; (from.0 * from.1 * channels) as usize];
            let image = match colored {
                true => Image::rgb(from.0, from.1, pixels).unwrap(),
                false => Image::gray(from.0, from.1, pixels).unwrap(),
            };
            for filter in FILTERS {
                let resized = resize(&image, to.0, to.1, filter);
                prop_assert_eq!((resized.width(), resized.height()), to);
                prop_assert!(resized.pixels().iter().all(|found| *found == value));
            }
        }

        /// Within the rounding of a half, which goes up on either side.
        #[test]
        fn mirrored_in_is_mirrored_out(
            pixels in prop::collection::vec(any::<u8>(), 1..40), to in 1u32..40,
        ) {
            let image = Image::gray(pixels.len() as u32, 1, pixels).unwrap();
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let mirrored = resize(&image.mirrored(), to, 1, filter).mirrored();
                for (a, b) in resize(&image, to, 1, filter).pixels().iter().zip(mirrored.pixels()) {
                    prop_assert!(a.abs_diff(*b) <= 1, "{} {}", a, b);
                }
            }
        }
    }

    #[test]
    fn a_long_strip_costs_little() {
        for (width, height) in [(2_000_000, 1), (1, 2_000_000)] {
            let strip = Image::gray(width, height, vec![128; 2_000_000]).unwrap();
            let resized = resize(&strip, 1024, 5, Filter::Bilinear);
            assert!(resized.pixels().iter().all(|value| *value == 128));
        }
    }
}
