//! From an image of any size to the one size that a detector takes, without bending it.

use crate::{
    picture::Image,
    transform::{Filter, resize},
};
use andiron_core::{ConfigError, DataError, Raw};
use serde::{Deserialize, Serialize};

/// The longest side that is accepted, in pixels.
pub const MAX_SIDE: usize = 4096;
/// The shortest side of an image that is accepted, in pixels.
pub const LEAST_SIDE: u32 = 2;

/// The image is enlarged or reduced until it just fits, and lies in the upper left corner; the rest
/// is filled. Values become `(value / 255 − mean) / std`.
///
/// It is data: a bundle holds it, so training and serving see the same pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Letterbox {
    fields: Written,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    width: usize,
    height: usize,
    fill: u8,
    mean: Vec<f32>,
    std: Vec<f32>,
    blue_first: bool,
}

impl TryFrom<Written> for Letterbox {
    type Error = ConfigError;
    fn try_from(fields: Written) -> Result<Self, ConfigError> {
        let within =
            |field, side: usize| ConfigError::within(field, 1.0, MAX_SIDE as f64, side as f64);
        within("width", fields.width)?;
        within("height", fields.height)?;
        if !matches!(fields.mean.len(), 1 | 3) {
            let reason = "an image has 1 or 3 channels".to_owned();
            let got = format!("{:?}", fields.mean);
            return Err(ConfigError::Kind { field: "mean".to_owned(), got, reason });
        }
        ConfigError::agree("the number of channels", fields.mean.len(), fields.std.len())?;
        for mean in &fields.mean {
            ConfigError::within("mean", -255.0, 255.0, f64::from(*mean))?;
        }
        for std in &fields.std {
            ConfigError::within("std", 1e-6, 255.0, f64::from(*std))?;
        }
        Ok(Self { fields })
    }
}

impl From<Letterbox> for Written {
    fn from(letterbox: Letterbox) -> Self {
        letterbox.fields
    }
}

impl Letterbox {
    /// A frame of `width` by `height` pixels, filled with the grey 114 of the `yolox` package. `mean`
    /// and `std` have a number a channel, for values from 0 to 1.
    ///
    /// ```
    /// use andiron_vision::{Image, letterbox::Letterbox};
    ///
    /// let frame = Letterbox::new(8, 6, vec![0.5], vec![0.5])?;
    /// // An image of 4 by 2 is doubled; two rows are left.
    /// let image = Image::gray(4, 2, vec![255; 8])?;
    /// let mut values = Vec::new();
    /// assert_eq!(frame.append(&image, &mut values)?, 2.0);
    /// assert_eq!(values.len(), 8 * 6);
    /// assert_eq!((values[0], values[4 * 8]), (1.0, (114.0 / 255.0 - 0.5) / 0.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] for a side outside 1 to [`MAX_SIDE`], another number of channels than 1 or 3,
    /// and numbers that are not finite or divide by nothing.
    pub fn new(
        width: usize,
        height: usize,
        mean: Vec<f32>,
        std: Vec<f32>,
    ) -> Result<Self, ConfigError> {
        Written { width, height, fill: 114, mean, std, blue_first: false }.try_into()
    }

    /// The frame of published YOLOX weights: values 0 to 255, blue first.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn published(width: usize, height: usize) -> Result<Self, ConfigError> {
        let mut frame = Self::new(width, height, vec![0.0; 3], vec![1.0 / 255.0; 3])?;
        frame.fields.blue_first = true;
        Ok(frame)
    }

    /// In pixels.
    pub fn width(&self) -> usize {
        self.fields.width
    }

    /// In pixels.
    pub fn height(&self) -> usize {
        self.fields.height
    }

    /// 1 or 3.
    pub fn channels(&self) -> usize {
        self.fields.mean.len()
    }

    /// By what an image of this size is enlarged, and its size then.
    fn fit(&self, width: u32, height: u32) -> (f64, u32, u32) {
        let across = self.width() as f64 / f64::from(width);
        let down = self.height() as f64 / f64::from(height);
        let scale = across.min(down);
        let side = |side: u32| ((f64::from(side) * scale) as u32).max(1);
        (scale, side(width), side(height))
    }

    /// By what an image is enlarged: a point of it lies in the frame at its place times this.
    pub fn scale(&self, image: &Image) -> f64 {
        self.fit(image.width(), image.height()).0
    }

    /// Width and height of an image in the frame, from its upper left corner on.
    pub fn size(&self, image: &Image) -> (u32, u32) {
        self.size_of(image.width(), image.height())
    }

    /// [`size`](Self::size) of an image of this width and height.
    pub(crate) fn size_of(&self, width: u32, height: u32) -> (u32, u32) {
        let (_, width, height) = self.fit(width, height);
        (width, height)
    }

    /// Appends the numbers of one image, channel by channel, and gives its [`scale`](Self::scale).
    ///
    /// # Errors
    /// [`DataError::TooShort`] for an image with a side below [`LEAST_SIDE`].
    pub fn append(&self, image: &Image, out: &mut Vec<f32>) -> Result<f64, DataError> {
        let least = u64::from(LEAST_SIDE);
        for (what, side) in
            [("the image's width", image.width()), ("the image's height", image.height())]
        {
            if u64::from(side) < least {
                return Err(DataError::TooShort { what, least, got: side.into() });
            }
        }
        let (scale, width, height) = self.fit(image.width(), image.height());
        let pixels =
            with_channels(&resize(image, width, height, Filter::Bilinear), self.channels());
        let fields = &self.fields;
        let start = out.len();
        for channel in 0..self.channels() {
            let (mean, std) = (fields.mean[channel], fields.std[channel]);
            let normal = |value: u8| (f32::from(value) / 255.0 - mean) / std;
            let empty = normal(fields.fill);
            let from = if fields.blue_first { self.channels() - 1 - channel } else { channel };
            for row in pixels.chunks_exact(width as usize * self.channels()) {
                out.extend(row.iter().skip(from).step_by(self.channels()).map(|v| normal(*v)));
                out.resize(out.len() + self.width() - width as usize, empty);
            }
            out.resize(start + (channel + 1) * self.width() * self.height(), empty);
        }
        Ok(scale)
    }
}

/// An image from what a program or a service was given.
pub(crate) fn read_image(raw: Raw<'_>) -> Result<Image, DataError> {
    match raw {
        Raw::Bytes(bytes) => Image::decode(bytes),
        Raw::Array { shape, data } => Image::from_array(shape, data),
        Raw::Json(_) => Err(DataError::WrongKind { wanted: "an image", got: raw.kind() }),
    }
}

/// The pixels as grey or as colours.
pub(crate) fn with_channels(image: &Image, channels: usize) -> Vec<u8> {
    match (usize::from(image.channels()), channels) {
        (1, 3) => image.pixels().iter().flat_map(|value| [*value; 3]).collect(),
        (3, 1) => {
            image.pixels().as_chunks::<3>().0.iter().copied().map(crate::picture::luma).collect()
        }
        _ => image.pixels().to_vec(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn colours_stand_channel_by_channel_and_blue_may_be_first() {
        let image = Image::rgb(2, 2, [[10, 20, 30]; 4].concat()).unwrap();
        let mut values = Vec::new();
        let frame = Letterbox::published(3, 2).unwrap();
        assert_eq!(frame.append(&image, &mut values).unwrap(), 1.0);
        let rounded: Vec<i32> = values.iter().map(|value| value.round() as i32).collect();
        let row = |value| [value, value, 114, value, value, 114];
        assert_eq!(rounded, [row(30), row(20), row(10)].concat());
    }

    #[test]
    fn grey_becomes_colours_and_colours_grey() {
        let grey = Image::gray(2, 2, vec![9; 4]).unwrap();
        assert_eq!(with_channels(&grey, 3), vec![9; 12]);
        let red = Image::rgb(1, 2, vec![255, 0, 0, 255, 0, 0]).unwrap();
        assert_eq!(with_channels(&red, 1), vec![76, 76]);
    }

    #[test]
    fn it_is_data_and_what_cannot_be_is_refused() {
        let frame = Letterbox::new(8, 6, vec![0.5; 3], vec![0.25; 3]).unwrap();
        let written = serde_json::to_value(&frame).unwrap();
        assert_eq!(serde_json::from_value::<Letterbox>(written.clone()).unwrap(), frame);
        for (field, value, reason) in [
            ("width", json!(0), "width must lie in 1..=4096, but is 0"),
            ("height", json!(5000), "height must lie in 1..=4096, but is 5000"),
            ("mean", json!([0.1, 0.2]), "setting \"mean\" cannot be [0.1, 0.2]"),
            ("std", json!([0.0, 1.0, 1.0]), "std must lie in"),
            ("std", json!([1.0]), "the number of channels is 3"),
            ("widht", json!(3), "unknown field"),
        ] {
            let mut bad = written.clone();
            bad[field] = value;
            let refused = serde_json::from_value::<Letterbox>(bad).unwrap_err().to_string();
            assert!(refused.starts_with(reason), "{refused}");
        }
    }

    #[test]
    fn an_image_of_one_pixel_is_refused() {
        let frame = Letterbox::new(8, 6, vec![0.5], vec![0.25]).unwrap();
        for (width, height) in [(1, 1), (5, 1), (1, 7)] {
            let image = Image::gray(width, height, vec![0; (width * height) as usize]).unwrap();
            let refused = frame.append(&image, &mut Vec::new()).unwrap_err();
            assert!(matches!(refused, DataError::TooShort { least: 2, got: 1, .. }), "{refused}");
        }
    }

    #[test]
    fn long_images_keep_a_pixel_of_their_short_side() {
        let frame = Letterbox::new(32, 64, vec![0.5], vec![0.25]).unwrap();
        let image = Image::gray(2, 3000, vec![0; 6000]).unwrap();
        let mut values = Vec::new();
        frame.append(&image, &mut values).unwrap();
        assert_eq!(values.len(), 32 * 64);
    }
}
