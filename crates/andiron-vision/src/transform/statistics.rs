//! What a set of images has in common, and the transform that follows from it.

use super::{ImageTransform, check_channels, luma};
use crate::picture::Image;
use andiron_core::{DataError, Dataset, Example};

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
        assert_eq!(transform.mean(), [0.6, 0.4, 0.4]);
        assert_eq!(statistics.transform(Some(9), None, Some(1)).unwrap().numbers(), 27);
    }

    #[test]
    fn large_images_are_shrunk_in_proportion_and_flat_ones_keep_their_scale() {
        let mut statistics = ImageStatistics::default();
        statistics.add(&Image::gray(640, 481, vec![100; 640 * 481]).unwrap());
        let transform = statistics.transform(None, None, None).unwrap();
        assert_eq!((transform.width(), transform.height()), (64, 49));
        assert_eq!(transform.std(), [1.0]);
    }
}
