//! Images in memory, and how files become images.
//!
//! Formats: PNG, JPEG, GIF, BMP, TIFF, WebP; told by the first bytes, never by a file's name.
//! What is not pixels is settled here, once:
//!
//! - Size: the header is read first, and an image over [`MAX_PIXELS`] is refused before memory
//!   is spent on its pixels.
//! - Animation (GIF, WebP, APNG): the first frame.
//! - Depth: 16 bits a channel become 8, rounded. Palettes become colours.
//! - Transparency: the image is laid on white paper, as a viewer shows it.
//! - Grey stays grey (one channel); everything else becomes red, green, blue.
//! - Rotation: the orientation that a camera noted in the file (EXIF) is applied.

use ::image::{
    ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError,
    ImageFormat, ImageReader, Limits, codecs::png::PngEncoder, metadata::Orientation,
};
use andiron_core::DataError;
use serde::Serialize;
use std::{io::Cursor, path::Path};

mod geometry;

/// The most pixels that an image may have; a photograph of a large camera has 50 million.
pub const MAX_PIXELS: u64 = 100_000_000;
/// The most bytes that decoding one image may take.
pub const MAX_BYTES: u64 = 512 << 20;
/// The largest file that [`Image::open`] reads, in bytes.
pub const MAX_FILE: u64 = 256 << 20;

const FORMATS: [ImageFormat; 6] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::Gif,
    ImageFormat::Bmp,
    ImageFormat::Tiff,
    ImageFormat::WebP,
];

/// An image: bytes with a width, a height and one or three channels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Image {
    width: u32,
    height: u32,
    channels: u8,
    pixels: Vec<u8>,
}

impl Image {
    /// A grey image: one byte a pixel, 0 black to 255 white, row by row from the top.
    ///
    /// ```
    /// use andiron_vision::Image;
    ///
    /// let image = Image::gray(3, 2, vec![0, 1, 2, 3, 4, 5])?;
    /// assert_eq!((image.width(), image.height(), image.channels()), (3, 2, 1));
    /// assert!(Image::gray(3, 2, vec![0; 5]).is_err());
    /// # Ok::<(), andiron_core::DataError>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError::TooShort`] for a side of 0, [`DataError::TooLarge`] over [`MAX_PIXELS`],
    /// [`DataError::Decode`] if there are more or fewer bytes than pixels.
    pub fn gray(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, DataError> {
        Self::of(width, height, 1, pixels)
    }

    /// A colour image: red, green and blue of each pixel in turn, row by row from the top.
    ///
    /// # Errors
    /// As [`gray`](Self::gray), with three bytes a pixel.
    pub fn rgb(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, DataError> {
        Self::of(width, height, 3, pixels)
    }

    fn of(width: u32, height: u32, channels: u8, pixels: Vec<u8>) -> Result<Self, DataError> {
        check_size(width, height)?;
        let wanted = u64::from(width) * u64::from(height) * u64::from(channels);
        if pixels.len() as u64 != wanted {
            let reason = format!(
                "{width} by {height} pixels of {channels} channels are {wanted} bytes, but there are {}",
                pixels.len()
            );
            return Err(DataError::Decode { what: "array of pixels".to_owned(), reason });
        }
        Ok(Self { width, height, channels, pixels })
    }

    /// An image whose bytes are known to fit its size.
    pub(crate) fn from_parts(width: u32, height: u32, channels: u8, pixels: Vec<u8>) -> Self {
        debug_assert_eq!(pixels.len(), width as usize * height as usize * usize::from(channels));
        Self { width, height, channels, pixels }
    }

    /// An image from numbers with a shape: `[height, width]`, `[height, width, 1]` or
    /// `[height, width, 3]`, row-major, each 0 to 255 (rounded to a whole number).
    ///
    /// # Errors
    /// [`DataError::Field`] for another shape or a number outside 0 to 255,
    /// [`DataError::NotFinite`] for NaN and infinities, and as [`gray`](Self::gray).
    pub fn from_array(shape: &[usize], data: &[f32]) -> Result<Self, DataError> {
        let (height, width, channels) = match *shape {
            [height, width] | [height, width, 1] => (height, width, 1),
            [height, width, 3] => (height, width, 3),
            _ => {
                let wanted = "[height, width], [height, width, 1] or [height, width, 3]";
                let got = format!("{shape:?}");
                return Err(DataError::Field { field: "shape".to_owned(), wanted, got });
            }
        };
        // The limit on pixels is far below u32::MAX, so a side that does not fit is too large.
        let side = |extent: usize| u32::try_from(extent).unwrap_or(u32::MAX);
        check_size(side(width), side(height))?;
        let mut pixels = Vec::with_capacity(data.len());
        for (at, value) in data.iter().enumerate() {
            if !value.is_finite() {
                return Err(DataError::NotFinite { what: "the array of pixels", got: *value, at });
            }
            if !(0.0..=255.0).contains(value) {
                let (field, wanted) = (format!("pixel value {at}"), "between 0 and 255");
                return Err(DataError::Field { field, wanted, got: value.to_string() });
            }
            pixels.push(value.round() as u8);
        }
        Self::of(side(width), side(height), channels, pixels)
    }

    /// Decodes the bytes of an image file; see the [module](self) for what is decided.
    ///
    /// # Errors
    /// [`DataError::Empty`] for no bytes, [`DataError::TooLarge`] over [`MAX_PIXELS`] or
    /// [`MAX_BYTES`], [`DataError::Decode`] for bytes that are no image, truncated or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, DataError> {
        if bytes.is_empty() {
            return Err(DataError::Empty { what: "the image".to_owned() });
        }
        let format = ::image::guess_format(bytes).ok().filter(|format| FORMATS.contains(format));
        let Some(format) = format else {
            let reason = "its first bytes are not those of PNG, JPEG, GIF, BMP, TIFF or WebP";
            return Err(DataError::Decode { what: "image".to_owned(), reason: reason.to_owned() });
        };
        let fail = |error: ImageError| DataError::Decode {
            what: format!("{} image", name(format)),
            reason: error.to_string(),
        };
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(fail)?;
        let (width, height) = decoder.dimensions();
        check_size(width, height)?;
        let bytes_needed = decoder.total_bytes();
        if bytes_needed > MAX_BYTES {
            let what = "the memory that the image takes, in bytes";
            return Err(DataError::TooLarge { what, limit: MAX_BYTES, got: bytes_needed });
        }
        if format == ImageFormat::Jpeg && !ends(bytes) {
            let reason = "it is truncated: the mark of its end is missing".to_owned();
            return Err(DataError::Decode { what: "JPEG image".to_owned(), reason });
        }
        // A note about rotation that cannot be read is no reason to refuse the pixels.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut image = DynamicImage::from_decoder(decoder).map_err(fail)?;
        image.apply_orientation(orientation);
        Ok(Self::from_dynamic(image))
    }

    /// Reads and decodes a file.
    ///
    /// # Errors
    /// [`DataError::Io`] naming the file, [`DataError::TooLarge`] over [`MAX_FILE`], and as
    /// [`decode`](Self::decode).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        Self::decode(&read_limited(path.as_ref())?)
    }

    fn from_dynamic(image: DynamicImage) -> Self {
        let (width, height) = (image.width(), image.height());
        let color = image.color();
        let is_gray =
            matches!(color, ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16);
        let (channels, pixels) = match (is_gray, color.has_alpha()) {
            (true, false) => (1, image.into_luma8().into_raw()),
            (true, true) => (1, on_white::<2>(image.into_luma_alpha8().into_raw())),
            (false, false) => (3, image.into_rgb8().into_raw()),
            (false, true) => (3, on_white::<4>(image.into_rgba8().into_raw())),
        };
        Self { width, height, channels, pixels }
    }

    /// The bytes of a PNG file of this image.
    pub fn to_png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let color =
            if self.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
        PngEncoder::new(&mut bytes)
            .write_image(&self.pixels, self.width, self.height, color)
            .expect("the buffer has the size of the image, and writing to memory does not fail");
        bytes
    }

    /// The width in pixels; 1 or more.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The height in pixels; 1 or more.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// 1 for grey, 3 for red, green and blue.
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// The image in block characters, two rows of pixels a line: for a terminal, and images small
    /// enough for it. A pixel is drawn if it is at least as light as halfway between the darkest
    /// and the lightest.
    ///
    /// ```
    /// use andiron_vision::Image;
    ///
    /// let image = Image::gray(3, 3, vec![0, 9, 0, 9, 9, 0, 0, 9, 9])?;
    /// assert_eq!(image.sketch(), "▄█ \n ▀▀\n");
    /// # Ok::<(), andiron_core::DataError>(())
    /// ```
    pub fn sketch(&self) -> String {
        let shades: Vec<u8> = match self.pixels.as_chunks::<3>().0 {
            colours if self.channels() == 3 => colours.iter().copied().map(luma).collect(),
            _ => self.pixels.clone(),
        };
        let darkest = shades.iter().min().copied().unwrap_or(0);
        let lightest = shades.iter().max().copied().unwrap_or(0);
        let middle = darkest.midpoint(lightest).max(1);
        let width = self.width as usize;
        let lit = |x: usize, y: usize| shades.get(y * width + x).is_some_and(|at| *at >= middle);
        let mut sketch = String::new();
        for y in (0..self.height as usize).step_by(2) {
            sketch.extend((0..width).map(|x| match (lit(x, y), lit(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }));
            sketch.push('\n');
        }
        sketch
    }

    /// The values, row by row from the top, the channels of a pixel side by side.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The values without the image around them.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }
}

/// The lightness of a colour, by the weights of ITU-R BT.601 (0.299, 0.587, 0.114) in sixteen-bit
/// fractions: what Pillow computes, and so what published networks of grey images were fed.
pub fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471;
    // The weights sum to 65,536, so the rounded quotient is at most 255.
    ((sum + 0x8000) >> 16) as u8
}

/// Reads a file that is no larger than [`MAX_FILE`].
fn read_limited(path: &Path) -> Result<Vec<u8>, DataError> {
    let size = std::fs::metadata(path).map_err(|source| DataError::io(path, source))?.len();
    if size > MAX_FILE {
        return Err(DataError::TooLarge { what: "the file, in bytes", limit: MAX_FILE, got: size });
    }
    std::fs::read(path).map_err(|source| DataError::io(path, source))
}

fn check_size(width: u32, height: u32) -> Result<(), DataError> {
    for (what, got) in [("the image's width", width), ("the image's height", height)] {
        if got == 0 {
            return Err(DataError::TooShort { what, least: 1, got: 0 });
        }
    }
    let got = u64::from(width) * u64::from(height);
    if got > MAX_PIXELS {
        return Err(DataError::TooLarge { what: "the image, in pixels", limit: MAX_PIXELS, got });
    }
    Ok(())
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Gif => "GIF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::WebP => "WebP",
        _ => "unknown",
    }
}

/// Lays pixels of `N - 1` colours and an opacity on white: `c α + 255 (1 − α)`, rounded.
fn on_white<const N: usize>(pixels: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len() / N * (N - 1));
    for pixel in pixels.chunks_exact(N) {
        let alpha = u32::from(pixel[N - 1]);
        let lay = |color: &u8| (u32::from(*color) * alpha + 255 * (255 - alpha) + 127) / 255;
        // A weighted mean of two bytes is a byte.
        out.extend(pixel[..N - 1].iter().map(|color| lay(color) as u8));
    }
    out
}

/// Whether a JPEG file has the mark of its end. The decoder fills what is missing with grey and
/// says nothing, so the segments are walked here (ITU-T T.81, annex B).
fn ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // The next marker. Behind a scan's header this passes over its data, in which 0xFF is
        // followed by 0 or by a restart mark.
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(gap) = rest.windows(2).position(|pair| {
            pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0x01 | 0xD0..=0xD7 | 0xFF)
        }) else {
            return false;
        };
        if rest[gap + 1] == 0xD9 {
            return true;
        }
        let Some(&[high, low]) = rest.get(gap + 2..gap + 4) else { return false };
        at += gap + 2 + usize::from(u16::from_be_bytes([high, low]));
    }
}

#[cfg(test)]
mod tests;
