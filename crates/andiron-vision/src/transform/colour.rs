//! Changes of lightness and colour by a given amount, value for value as Pillow makes them.
//!
//! A factor of 1 leaves the image as it is; 0 gives the named flat version, and above 1 leads away
//! from it (Haeberli & Voorhies 1994, "Image processing by interpolation and extrapolation").

use super::luma;
use crate::picture::Image;

/// Which change to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Adjustment {
    /// From black (0) on: Pillow's `ImageEnhance.Brightness`.
    Brightness(f32),
    /// From the mean grey (0) on: `ImageEnhance.Contrast`.
    Contrast(f32),
    /// From the image in grey (0) on: `ImageEnhance.Color`.
    Saturation(f32),
    /// From a smoothed image (0) on: `ImageEnhance.Sharpness`.
    Sharpness(f32),
    /// Turns the hue by a share of the colour circle, −½ to ½, in 255ths: torchvision's
    /// `adjust_hue`.
    Hue(f32),
    /// Keeps so many high bits of each value, 1 to 8: `ImageOps.posterize`.
    Posterise(u32),
    /// Turns values at the threshold or above round (255 − v): `ImageOps.solarize`. 256 changes
    /// nothing.
    Solarise(u16),
    /// Stretches each channel to 0 to 255: `ImageOps.autocontrast`.
    AutoContrast,
    /// Spreads the values of each channel evenly: `ImageOps.equalize`.
    Equalise,
}

/// Makes the change.
///
/// ```
/// use andiron_vision::{Image, transform::{Adjustment, adjust}};
///
/// let image = Image::gray(3, 1, vec![10, 100, 200])?;
/// assert_eq!(adjust(&image, Adjustment::Brightness(1.5)).pixels(), [15, 150, 255]);
/// assert_eq!(adjust(&image, Adjustment::Solarise(150)).pixels(), [10, 100, 55]);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
pub fn adjust(image: &Image, adjustment: Adjustment) -> Image {
    match adjustment {
        Adjustment::Brightness(factor) => by_value(image, |value| blend(0, value, factor)),
        Adjustment::Contrast(factor) => {
            let mean = mean_grey(image);
            by_value(image, |value| blend(mean, value, factor))
        }
        Adjustment::Saturation(factor) => by_pixel(image, |rgb| {
            let grey = luma(rgb);
            rgb.map(|value| blend(grey, value, factor))
        }),
        Adjustment::Sharpness(factor) => {
            let smooth = smoothed(image);
            let pairs = smooth.iter().zip(image.pixels());
            like(image, pairs.map(|(smooth, value)| blend(*smooth, *value, factor)).collect())
        }
        Adjustment::Hue(share) => {
            // As a byte that wraps around.
            let turn = (share * 255.0) as i32;
            by_pixel(image, |rgb| turned(rgb, turn))
        }
        Adjustment::Posterise(bits) => {
            let mask = u8::MAX << (8 - bits.clamp(1, 8));
            by_value(image, |value| value & mask)
        }
        Adjustment::Solarise(threshold) => {
            by_value(image, |value| if u16::from(value) < threshold { value } else { 255 - value })
        }
        Adjustment::AutoContrast => by_channel(image, stretched),
        Adjustment::Equalise => by_channel(image, equalised),
    }
}

/// An image of the same size with other values.
fn like(image: &Image, pixels: Vec<u8>) -> Image {
    Image::from_parts(image.width(), image.height(), image.channels(), pixels)
}

/// Each value by itself, through a table.
fn by_value(image: &Image, change: impl Fn(u8) -> u8) -> Image {
    let table: [u8; 256] = std::array::from_fn(|value| change(value as u8));
    like(image, image.pixels().iter().map(|value| table[usize::from(*value)]).collect())
}

/// Each colour by itself; grey has none to change.
fn by_pixel(image: &Image, change: impl Fn([u8; 3]) -> [u8; 3]) -> Image {
    if image.channels() == 1 {
        return image.clone();
    }
    let colours = image.pixels().as_chunks::<3>().0;
    like(image, colours.iter().copied().flat_map(change).collect())
}

/// Each channel through a table that follows from how often its values occur.
fn by_channel(image: &Image, table: impl Fn(&[u32; 256]) -> [u8; 256]) -> Image {
    let channels = usize::from(image.channels());
    let mut counts = vec![[0u32; 256]; channels];
    for pixel in image.pixels().chunks_exact(channels) {
        for (counts, value) in counts.iter_mut().zip(pixel) {
            counts[usize::from(*value)] += 1;
        }
    }
    let tables: Vec<[u8; 256]> = counts.iter().map(table).collect();
    let pixels = image.pixels().iter().enumerate();
    like(image, pixels.map(|(at, value)| tables[at % channels][usize::from(*value)]).collect())
}

/// `from + factor · (to − from)`, cut to a whole number between 0 and 255.
fn blend(from: u8, to: u8, factor: f32) -> u8 {
    let (from, to) = (f32::from(from), f32::from(to));
    // A cast of a float to a byte cuts at both ends.
    (from + factor * (to - from)) as u8
}

/// The mean of the image in grey, rounded.
fn mean_grey(image: &Image) -> u8 {
    let sum: u64 = match image.channels() {
        1 => image.pixels().iter().map(|value| u64::from(*value)).sum(),
        _ => image.pixels().as_chunks::<3>().0.iter().map(|rgb| u64::from(luma(*rgb))).sum(),
    };
    let pixels = u64::from(image.width()) * u64::from(image.height());
    (sum as f64 / pixels as f64 + 0.5) as u8
}

/// The mean of 3 by 3 values of which the middle one weighs five; the edge stays as it is.
fn smoothed(image: &Image) -> Vec<u8> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let channels = usize::from(image.channels());
    let old = image.pixels();
    let mut new = old.to_vec();
    let at = |x: usize, y: usize, channel: usize| (y * width + x) * channels + channel;
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            for channel in 0..channels {
                let mut sum = 4 * u32::from(old[at(x, y, channel)]);
                for (dx, dy) in (0..9).map(|place| (place % 3, place / 3)) {
                    sum += u32::from(old[at(x + dx - 1, y + dy - 1, channel)]);
                }
                new[at(x, y, channel)] = ((2 * sum + 13) / 26) as u8;
            }
        }
    }
    new
}

/// The table of `ImageOps.autocontrast`.
fn stretched(counts: &[u32; 256]) -> [u8; 256] {
    let low = counts.iter().position(|count| *count > 0).unwrap_or(0);
    let high = counts.iter().rposition(|count| *count > 0).unwrap_or(255);
    if high <= low {
        return std::array::from_fn(|value| value as u8);
    }
    let scale = 255.0 / (high - low) as f64;
    let shift = -(low as f64) * scale;
    std::array::from_fn(|value| (value as f64 * scale + shift) as u8)
}

/// The table of `ImageOps.equalize`.
fn equalised(counts: &[u32; 256]) -> [u8; 256] {
    let used = || counts.iter().filter(|count| **count > 0);
    let last = used().next_back().copied().unwrap_or(0);
    let step = (counts.iter().sum::<u32>() - last) / 255;
    if used().count() <= 1 || step == 0 {
        return std::array::from_fn(|value| value as u8);
    }
    let mut sum = step / 2;
    counts.map(|count| {
        let value = (sum / step).min(255) as u8;
        sum += count;
        value
    })
}

/// Turns a hue, through hue, saturation and value as bytes, as Pillow converts them.
fn turned([red, green, blue]: [u8; 3], turn: i32) -> [u8; 3] {
    let (high, low) = (red.max(green).max(blue), red.min(green).min(blue));
    if high == low {
        return [high; 3];
    }
    let range = f32::from(high - low);
    let part = |value: u8| f32::from(high - value) / range;
    let sixths = match high {
        _ if high == red => part(blue) - part(green),
        _ if high == green => 2.0 + part(red) - part(blue),
        _ => 4.0 + part(green) - part(red),
    };
    let hue = ((sixths / 6.0 + 1.0) % 1.0 * 255.0) as i32;
    let saturation = (range / f32::from(high) * 255.0) as u8;
    let hue = (hue + turn).rem_euclid(256) as u8;
    if saturation == 0 {
        return [high; 3];
    }
    let (whole, value) = (f32::from(saturation) / 255.0, f32::from(high));
    let sixths = f32::from(hue) * 6.0 / 255.0;
    let rest = sixths - sixths.floor();
    let fallen = |share: f32| (value * (1.0 - whole * share)).round() as u8;
    let (least, falling, rising) = (fallen(1.0), fallen(rest), fallen(1.0 - rest));
    match sixths.floor() as u8 % 6 {
        0 => [high, rising, least],
        1 => [falling, high, least],
        2 => [least, high, rising],
        3 => [least, falling, high],
        4 => [rising, least, high],
        _ => [high, least, falling],
    }
}
