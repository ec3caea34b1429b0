//! From an image of any size to the numbers that a network takes, and the changes of an image that
//! are the same at every call.

mod colour;
mod preparation;
mod resize;
mod statistics;
mod warp;

pub use colour::{Adjustment, adjust};
pub use preparation::{MAX_PREPARED, Place, Placement, Preparation};
pub use resize::{Filter, resize};
pub use statistics::{DEFAULT_SIDE, ImageStatistics};
pub use warp::{Affine, warp};

use crate::picture::{Image, luma};
use andiron_core::{ConfigError, DataError};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The largest side that an image is brought to.
pub const MAX_SIDE: usize = 1024;

/// Size, channels and normalisation of the images that a network takes: saved in the bundle.
///
/// A value `v` (0 to 255) of channel `c` becomes `(v / 255 − mean[c]) / std[c]`.
///
/// ```
/// use andiron_vision::{Image, ImageTransform, transform::{Filter, Preparation}};
///
/// // The middle of a photograph, as ImageNet's networks want it: (v − 127) / 128.
/// let transform = ImageTransform::new(224, 224, vec![127.0 / 255.0; 3], vec![128.0 / 255.0; 3])?
///     .with_preparation(vec![
///         Preparation::ShorterSide { pixels: 256, filter: Filter::Bicubic },
///         Preparation::CentreCrop { width: 224, height: 224 },
///     ])?;
/// let mut numbers = Vec::new();
/// transform.append(&Image::rgb(400, 300, vec![255; 360_000])?, &mut numbers)?;
/// assert_eq!(numbers.len(), transform.numbers());
/// assert!(numbers.iter().all(|value| (value - 1.0).abs() < 1e-6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct ImageTransform {
    fields: Fields,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    width: usize,
    height: usize,
    channels: usize,
    mean: Vec<f32>,
    std: Vec<f32>,
    /// None resizes each side on its own, bilinearly: what bundles without the field do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prepare: Option<Vec<Preparation>>,
}

impl TryFrom<Fields> for ImageTransform {
    type Error = ConfigError;
    fn try_from(fields: Fields) -> Result<Self, ConfigError> {
        let Fields { width, height, channels, mean, std, prepare } = fields;
        let transform = Self::new(width, height, mean, std)?;
        if channels != transform.channels() {
            return Err(refused("channels", channels, "mean has another length"));
        }
        match prepare {
            Some(steps) => transform.with_preparation(steps),
            None => Ok(transform),
        }
    }
}

impl From<ImageTransform> for Fields {
    fn from(transform: ImageTransform) -> Self {
        transform.fields
    }
}

impl ImageTransform {
    /// A transform to `width` by `height` pixels (1 to [`MAX_SIDE`] each) with one `mean` (0 to 1)
    /// and one `std` (above 0, to 1) a channel; 1 channel for grey or 3.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn new(
        width: usize,
        height: usize,
        mean: Vec<f32>,
        std: Vec<f32>,
    ) -> Result<Self, ConfigError> {
        let most = MAX_SIDE as f64;
        ConfigError::within("width", 1.0, most, width as f64)?;
        ConfigError::within("height", 1.0, most, height as f64)?;
        let channels = mean.len();
        check_channels(channels)?;
        if std.len() != channels {
            return Err(refused("std", std.len(), "as many numbers as in mean are wanted"));
        }
        for (mean, std) in mean.iter().zip(&std) {
            ConfigError::within("mean", 0.0, 1.0, f64::from(*mean))?;
            ConfigError::within("std", 1e-6, 1.0, f64::from(*std))?;
        }
        Ok(Self { fields: Fields { width, height, channels, mean, std, prepare: None } })
    }

    /// The same transform that brings images to size by `steps`, in order; without them each side is
    /// resized on its own, bilinearly.
    ///
    /// # Errors
    /// [`ConfigError`] for a side out of range, for steps after which the size still depends on the
    /// image, and for another size than the transform's.
    pub fn with_preparation(mut self, steps: Vec<Preparation>) -> Result<Self, ConfigError> {
        let (width, height) = preparation::size_after(&steps)?;
        if (width, height) != (self.width(), self.height()) {
            let reason = format!("images of {} by {} are wanted", self.width(), self.height());
            return Err(refused("prepare", format!("{width} by {height}"), &reason));
        }
        self.fields.prepare = Some(steps);
        Ok(self)
    }

    /// The width in pixels.
    pub fn width(&self) -> usize {
        self.fields.width
    }

    /// The height in pixels.
    pub fn height(&self) -> usize {
        self.fields.height
    }

    /// 1 for grey, 3 for red, green and blue.
    pub fn channels(&self) -> usize {
        self.fields.channels
    }

    /// What is taken from each channel, as a share of 255.
    pub fn mean(&self) -> &[f32] {
        &self.fields.mean
    }

    /// What each channel is divided by then, as a share of 255.
    pub fn std(&self) -> &[f32] {
        &self.fields.std
    }

    /// How many numbers one image becomes.
    pub fn numbers(&self) -> usize {
        self.width() * self.height() * self.channels()
    }

    /// The steps that bring an image to size.
    pub fn preparation(&self) -> Cow<'_, [Preparation]> {
        match &self.fields.prepare {
            Some(steps) => steps.into(),
            None => {
                let (width, height) = (self.width(), self.height());
                vec![Preparation::Resize { width, height, filter: Filter::Bilinear }].into()
            }
        }
    }

    /// The image at the transform's size, still in its own colours.
    ///
    /// # Errors
    /// [`DataError::TooLarge`] for a strip that a step would blow up, see [`MAX_PREPARED`].
    pub fn prepare<'a>(&self, image: &'a Image) -> Result<Cow<'a, Image>, DataError> {
        let mut prepared = Cow::Borrowed(image);
        for step in self.preparation().iter() {
            prepared = Cow::Owned(step.apply(&prepared)?);
        }
        Ok(prepared)
    }

    /// Where [`prepare`](Self::prepare) puts the pixels of an image of `width` by `height`.
    pub fn placement(&self, mut width: u32, mut height: u32) -> Placement {
        let mut whole = Placement { scale: [1.0, 1.0], shift: [0.0, 0.0] };
        for step in self.preparation().iter() {
            let one = step.placement(width, height);
            let new = step.size(width, height);
            // An image that would be larger is refused before it is made.
            (width, height) = (new.0.min(MAX_PREPARED) as u32, new.1.min(MAX_PREPARED) as u32);
            whole.shift = one.forward(whole.shift);
            whole.scale = [whole.scale[0] * one.scale[0], whole.scale[1] * one.scale[1]];
        }
        whole
    }

    /// Appends the numbers of `image` to `out`: `[channels, height, width]`, row-major.
    ///
    /// It is brought to size by [`prepare`](Self::prepare); colours become grey by [`luma`], and
    /// grey becomes three equal channels, as the transform has it.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn append(&self, image: &Image, out: &mut Vec<f32>) -> Result<(), DataError> {
        // Grey first where grey is wanted: a third of the work.
        let image = match (image.channels(), self.channels()) {
            (3, 1) => Cow::Owned(grayscale(image)),
            _ => Cow::Borrowed(image),
        };
        self.append_prepared(&*self.prepare(&image)?, out);
        Ok(())
    }

    /// Appends the numbers of an image that has the transform's size already.
    ///
    /// # Panics
    /// If it has another size.
    pub fn append_prepared(&self, image: &Image, out: &mut Vec<f32>) {
        let (found, wanted) = ((image.width(), image.height()), (self.width(), self.height()));
        assert_eq!((found.0 as usize, found.1 as usize), wanted, "the size of a prepared image");
        let converted;
        let pixels = match (image.channels(), self.channels()) {
            (3, 1) => {
                converted = grayscale(image);
                converted.pixels()
            }
            _ => image.pixels(),
        };
        let Fields { channels, mean, std, .. } = &self.fields;
        let found = if *channels == 1 { 1 } else { usize::from(image.channels()) };
        for channel in 0..*channels {
            let (scale, shift) = (1.0 / (255.0 * std[channel]), mean[channel] / std[channel]);
            let values = pixels.iter().skip(channel % found).step_by(found);
            out.extend(values.map(|value| f32::from(*value) * scale - shift));
        }
    }
}

fn check_channels(channels: usize) -> Result<(), ConfigError> {
    match channels {
        1 | 3 => Ok(()),
        _ => Err(refused("channels", channels, "1 (grey) or 3 (red, green, blue) is wanted")),
    }
}

fn refused(field: &str, got: impl ToString, reason: &str) -> ConfigError {
    ConfigError::Kind { field: field.to_owned(), got: got.to_string(), reason: reason.to_owned() }
}

fn grayscale(image: &Image) -> Image {
    let colours = image.pixels().as_chunks::<3>().0;
    let pixels = colours.iter().copied().map(luma).collect();
    Image::from_parts(image.width(), image.height(), 1, pixels)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn numbers(transform: &ImageTransform, image: &Image) -> Vec<f32> {
        let mut out = Vec::new();
        transform.append(image, &mut out).unwrap();
        out
    }

    #[test]
    fn values_are_normalised_channel_by_channel() {
        let transform =
            ImageTransform::new(2, 1, vec![0.0, 0.5, 1.0], vec![1.0, 0.5, 0.25]).unwrap();
        let image = Image::rgb(2, 1, vec![0, 0, 0, 255, 255, 255]).unwrap();
        assert_eq!(numbers(&transform, &image), [0.0, 1.0, -1.0, 1.0, -4.0, 0.0]);
    }

    #[test]
    fn colours_and_greys_are_converted() {
        let close = |found: &[f32], wanted: &[f32]| {
            let pairs = found.iter().zip(wanted);
            found.len() == wanted.len() && pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6)
        };
        let grey = ImageTransform::new(1, 2, vec![0.0], vec![1.0]).unwrap();
        let image = Image::rgb(1, 2, vec![255, 0, 0, 0, 0, 255]).unwrap();
        assert!(close(&numbers(&grey, &image), &[76.0 / 255.0, 29.0 / 255.0]));
        let color = ImageTransform::new(1, 2, vec![0.0; 3], vec![1.0; 3]).unwrap();
        let image = Image::gray(1, 2, vec![0, 51]).unwrap();
        assert!(close(&numbers(&color, &image), &[0.0, 0.2, 0.0, 0.2, 0.0, 0.2]));
        // Resized on the way: a flat image stays flat.
        let image = Image::rgb(5, 3, [255, 0, 51].repeat(15)).unwrap();
        assert!(close(&numbers(&color, &image), &[1.0, 1.0, 0.0, 0.0, 0.2, 0.2]));
    }

    #[test]
    fn settings_are_checked_also_when_read() {
        let refusal = |width, height, mean: &[f32], std: &[f32]| {
            ImageTransform::new(width, height, mean.to_vec(), std.to_vec()).unwrap_err().to_string()
        };
        assert_eq!(refusal(0, 5, &[0.5], &[0.5]), "width must lie in 1..=1024, but is 0");
        assert_eq!(refusal(5, 1025, &[0.5], &[0.5]), "height must lie in 1..=1024, but is 1025");
        assert!(
            refusal(5, 5, &[0.5; 2], &[0.5; 2]).starts_with("setting \"channels\" cannot be 2")
        );
        assert!(refusal(5, 5, &[0.5; 3], &[0.5]).starts_with("setting \"std\" cannot be 1"));
        assert_eq!(refusal(5, 5, &[1.5], &[0.5]), "mean must lie in 0..=1, but is 1.5");
        assert_eq!(refusal(5, 5, &[0.5], &[0.0]), "std must lie in 0.000001..=1, but is 0");
        let transform = ImageTransform::new(3, 2, vec![0.25], vec![0.5]).unwrap();
        let text = serde_json::to_string(&transform).unwrap();
        assert_eq!(text, r#"{"width":3,"height":2,"channels":1,"mean":[0.25],"std":[0.5]}"#);
        assert_eq!(serde_json::from_str::<ImageTransform>(&text).unwrap(), transform);
        for (good, bad) in
            [("\"width\":3", "\"width\":0"), ("\"channels\":1", "\"channels\":3"), ("0.5", "0.0")]
        {
            assert!(
                serde_json::from_str::<ImageTransform>(&text.replace(good, bad)).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn steps_are_written_and_read_and_checked() {
        let plain = ImageTransform::new(6, 4, vec![0.5], vec![0.25]).unwrap();
        let steps = vec![
            Preparation::ShorterSide { pixels: 7, filter: Filter::Bicubic },
            Preparation::CentreCrop { width: 6, height: 4 },
        ];
        let transform = plain.clone().with_preparation(steps.clone()).unwrap();
        let text = serde_json::to_string(&transform).unwrap();
        let written = r#""prepare":[{"shorter-side":{"pixels":7,"filter":"bicubic"}},{"centre-crop":{"width":6,"height":4}}]"#;
        assert!(text.contains(written), "{text}");
        assert_eq!(serde_json::from_str::<ImageTransform>(&text).unwrap(), transform);
        for (good, bad) in [
            ("\"width\":6,\"height\":4}", "\"width\":5,\"height\":4}"),
            ("bicubic", "cubic"),
            ("\"pixels\"", "\"pixel\""),
            ("centre-crop", "center-crop"),
        ] {
            assert!(text.contains(good), "{good}");
            assert!(
                serde_json::from_str::<ImageTransform>(&text.replace(good, bad)).is_err(),
                "{bad}"
            );
        }
        let refused = plain.with_preparation(steps[..1].to_vec()).unwrap_err().to_string();
        assert!(refused.starts_with("setting \"prepare\" cannot be 1 steps"), "{refused}");
    }

    #[test]
    fn points_go_where_the_pixels_go() {
        let steps = vec![
            Preparation::ShorterSide { pixels: 20, filter: Filter::Bilinear },
            Preparation::CentreCrop { width: 16, height: 12 },
        ];
        let transform = ImageTransform::new(16, 12, vec![0.0], vec![1.0]).unwrap();
        let transform = transform.with_preparation(steps).unwrap();
        // 60 by 40 becomes 30 by 20, of which the middle begins at (7, 4).
        let placement = transform.placement(60, 40);
        assert_eq!(placement.forward([30.0, 20.0]), [8.0, 6.0]);
        assert_eq!(placement.back([8.0, 6.0]), [30.0, 20.0]);
        // A bright block of the image is the bright block of what the network sees.
        let bright = |x: u32, y: u32| (20..30).contains(&x) && (16..24).contains(&y);
        let at = |at: u32| if bright(at % 60, at / 60) { 255 } else { 0 };
        let image = Image::gray(60, 40, (0..2400).map(at).collect()).unwrap();
        let seen = transform.prepare(&image).unwrap().into_owned();
        let [left, top] = placement.forward([20.0, 16.0]);
        let [right, bottom] = placement.forward([30.0, 24.0]);
        assert_eq!([left, top, right, bottom], [3.0, 4.0, 8.0, 8.0]);
        for (index, value) in seen.pixels().iter().enumerate() {
            let (x, y) = ((index % 16) as f64, (index / 16) as f64);
            let inside = left <= x && x < right && top <= y && y < bottom;
            assert_eq!(*value > 127, inside, "{x} {y}");
        }
    }
}
