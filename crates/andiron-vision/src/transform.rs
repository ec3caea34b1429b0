//! From an image of any size to the numbers that a network takes.

mod resize;

pub use resize::resize;

use crate::picture::{Image, luma};
use andiron_core::{ConfigError, DataError, Dataset, Example};
use serde::{Deserialize, Serialize};

/// The largest side that an image is resized to.
pub const MAX_SIDE: usize = 1024;

/// Size, channels and normalisation of the images that a network takes: saved in the bundle.
///
/// A value `v` (0 to 255) of channel `c` becomes `(v / 255 − mean[c]) / std[c]`.
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
}

impl TryFrom<Fields> for ImageTransform {
    type Error = ConfigError;
    fn try_from(fields: Fields) -> Result<Self, ConfigError> {
        Self::new(fields.width, fields.height, fields.mean, fields.std).and_then(|transform| {
            match fields.channels == transform.channels() {
                true => Ok(transform),
                false => Err(refused("channels", fields.channels, "mean has another length")),
            }
        })
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
        Ok(Self { fields: Fields { width, height, channels, mean, std } })
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

    /// How many numbers one image becomes.
    pub fn numbers(&self) -> usize {
        self.width() * self.height() * self.channels()
    }

    /// Appends the numbers of `image` to `out`: `[channels, height, width]`, row-major.
    ///
    /// An image of another size is resized by [`resize`], its aspect ratio not kept; colours
    /// become grey by [`luma`], and grey becomes three equal channels, as the transform has it.
    pub fn append(&self, image: &Image, out: &mut Vec<f32>) {
        let Fields { width, height, channels, mean, std } = &self.fields;
        let converted;
        let pixels = match (image.channels(), channels) {
            (3, 1) => {
                converted = grayscale(image.pixels());
                &converted
            }
            _ => image.pixels(),
        };
        let found = if *channels == 1 { 1 } else { usize::from(image.channels()) };
        let size = (image.width() as usize, image.height() as usize);
        let resized =
            (size != (*width, *height)).then(|| resize(pixels, found, size, (*width, *height)));
        for channel in 0..*channels {
            let (scale, shift) = (1.0 / (255.0 * std[channel]), mean[channel] / std[channel]);
            let from = channel % found;
            match &resized {
                Some(values) => out.extend(
                    values.iter().skip(from).step_by(found).map(|value| value * scale - shift),
                ),
                None => out.extend(
                    pixels.iter().skip(from).step_by(found).map(|v| f32::from(*v) * scale - shift),
                ),
            }
        }
    }
}

fn check_channels(channels: usize) -> Result<(), ConfigError> {
    match channels {
        1 | 3 => Ok(()),
        _ => Err(refused("channels", channels, "1 (grey) or 3 (red, green, blue) is wanted")),
    }
}

fn refused(field: &str, got: usize, reason: &str) -> ConfigError {
    ConfigError::Kind { field: field.to_owned(), got: got.to_string(), reason: reason.to_owned() }
}

fn grayscale(pixels: &[u8]) -> Vec<u8> {
    pixels.chunks_exact(3).map(|pixel| luma([pixel[0], pixel[1], pixel[2]])).collect()
}

/// The longer side that [`ImageStatistics::transform`] chooses at most, where none is asked for.
pub const DEFAULT_SIDE: usize = 64;

/// What a set of images has in common: sizes, channels, mean and deviation.
#[derive(Debug, Clone, Default)]
pub struct ImageStatistics {
    sizes: std::collections::BTreeMap<(u32, u32), usize>,
    colored: bool,
    images: f64,
    /// Sums over the images of the mean and the mean square: red, green, blue, and grey.
    sums: [(f64, f64); 4],
}

impl ImageStatistics {
    /// Adds an image. Every image weighs the same, whatever its size, since all are resized to one.
    pub fn add(&mut self, image: &Image) {
        *self.sizes.entry((image.width(), image.height())).or_default() += 1;
        self.images += 1.0;
        let mut counts = [[0u64; 256]; 4];
        if image.channels() == 1 {
            for value in image.pixels() {
                counts[3][usize::from(*value)] += 1;
            }
            counts = [counts[3]; 4];
        } else {
            self.colored = true;
            for pixel in image.pixels().chunks_exact(3) {
                let rgb = [pixel[0], pixel[1], pixel[2]];
                for (count, value) in counts.iter_mut().zip(rgb) {
                    count[usize::from(value)] += 1;
                }
                counts[3][usize::from(luma(rgb))] += 1;
            }
        }
        let pixels = f64::from(image.width()) * f64::from(image.height());
        for (sum, count) in self.sums.iter_mut().zip(&counts) {
            for (value, count) in count.iter().enumerate() {
                let (value, share) = (value as f64 / 255.0, *count as f64 / pixels);
                sum.0 += value * share;
                sum.1 += value * value * share;
            }
        }
    }

    /// Adds the images of every example.
    ///
    /// # Errors
    /// The first example that cannot be read.
    pub fn of(data: &dyn Dataset<Example<Image, String>>) -> Result<Self, DataError> {
        let mut statistics = Self::default();
        for index in 0..data.len() {
            statistics.add(&data.get(index)?.input);
        }
        Ok(statistics)
    }

    /// The transform for these images: mean and deviation as they are; width and height the most
    /// common (of equally common ones the smallest), shrunk in proportion to [`DEFAULT_SIDE`] if
    /// larger, unless given; grey if all are, unless given.
    ///
    /// # Errors
    /// [`ConfigError`] names the option; [`DataError::Empty`] for no image.
    pub fn transform(
        &self,
        width: Option<usize>,
        height: Option<usize>,
        channels: Option<usize>,
    ) -> Result<ImageTransform, DataError> {
        let common = self.sizes.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
        let Some(((w, h), _)) = common else {
            return Err(DataError::Empty { what: "the set of images".to_owned() });
        };
        let longer = (*w).max(*h) as usize;
        let shrunk = |side: u32| match longer > DEFAULT_SIDE {
            true => (side as usize * DEFAULT_SIDE).div_ceil(longer),
            false => side as usize,
        };
        let (width, height) = (width.unwrap_or(shrunk(*w)), height.unwrap_or(shrunk(*h)));
        let channels = channels.unwrap_or(if self.colored { 3 } else { 1 });
        check_channels(channels)?;
        let (mut mean, mut std) = (Vec::new(), Vec::new());
        for (sum, squares) in &self.sums[if channels == 1 { 3..4 } else { 0..3 }] {
            let average = sum / self.images;
            let deviation = (squares / self.images - average * average).max(0.0).sqrt();
            mean.push((average as f32).clamp(0.0, 1.0));
            // A channel that never changes is left at its scale.
            std.push(if deviation < 1e-3 { 1.0 } else { (deviation as f32).min(1.0) });
        }
        Ok(ImageTransform::new(width, height, mean, std)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(transform: &ImageTransform, image: &Image) -> Vec<f32> {
        let mut out = Vec::new();
        transform.append(image, &mut out);
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
    fn statistics_are_those_of_the_images() {
        let mut statistics = ImageStatistics::default();
        assert!(matches!(statistics.transform(None, None, None), Err(DataError::Empty { .. })));
        statistics.add(&Image::gray(3, 2, vec![0; 6]).unwrap());
        statistics.add(&Image::gray(2, 3, vec![255; 6]).unwrap());
        statistics.add(&Image::gray(2, 3, vec![255; 6]).unwrap());
        statistics.add(&Image::gray(7, 1, vec![0; 7]).unwrap());
        let transform = statistics.transform(None, None, None).unwrap();
        assert_eq!(transform, ImageTransform::new(2, 3, vec![0.5], vec![0.5]).unwrap());
        // One in colour makes the task one in colour.
        statistics.add(&Image::rgb(2, 1, vec![255, 0, 0, 255, 0, 0]).unwrap());
        let transform = statistics.transform(None, None, None).unwrap();
        assert_eq!(transform.fields.mean, [0.6, 0.4, 0.4]);
        assert_eq!(statistics.transform(Some(9), None, Some(1)).unwrap().numbers(), 27);
    }

    #[test]
    fn large_images_are_shrunk_in_proportion_and_flat_ones_keep_their_scale() {
        let mut statistics = ImageStatistics::default();
        statistics.add(&Image::gray(640, 481, vec![100; 640 * 481]).unwrap());
        let transform = statistics.transform(None, None, None).unwrap();
        assert_eq!((transform.width(), transform.height()), (64, 49));
        assert_eq!(transform.fields.std, [1.0]);
    }

    proptest! {
        #[test]
        fn resizing_keeps_a_flat_image_flat(
            value: u8, from in (1usize..40, 1usize..40), to in (1usize..40, 1usize..40), colored: bool,
        ) {
            let channels = if colored { 3 } else { 1 };
            let pixels = vec![value; from.0 * from.1 * channels];
            let resized = resize(&pixels, channels, from, to);
            prop_assert_eq!(resized.len(), to.0 * to.1 * channels);
            prop_assert!(resized.iter().all(|v| (v - f32::from(value)).abs() < 1e-3));
        }

        #[test]
        fn mirrored_in_is_mirrored_out(
            pixels in prop::collection::vec(any::<u8>(), 1..40), to in 1usize..40,
        ) {
            let mut backwards = pixels.clone();
            backwards.reverse();
            let mut mirrored = resize(&backwards, 1, (pixels.len(), 1), (to, 1));
            mirrored.reverse();
            for (a, b) in resize(&pixels, 1, (pixels.len(), 1), (to, 1)).iter().zip(mirrored) {
                prop_assert!((a - b).abs() < 1e-2, "{} {}", a, b);
            }
        }
    }

    #[test]
    fn a_long_strip_costs_little() {
        let strip = vec![128; 2_000_000];
        for from in [(2_000_000, 1), (1, 2_000_000)] {
            let resized = resize(&strip, 1, from, (7, 5));
            assert!(resized.len() == 35 && resized.iter().all(|v| (v - 128.0).abs() < 0.1));
        }
    }
}
