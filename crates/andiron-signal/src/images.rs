//! Resizing of images of bytes.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};

/// How the new pixels are made from the old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The old pixel at that place.
    Nearest,
    /// The triangle, stretched where the image shrinks.
    Bilinear,
    /// The cubic of Keys 1981 with a = −½, likewise.
    Bicubic,
}

/// Pixels of one byte, or of three if `coloured`, row by row, from `[width, height]` to another
/// size. If both sides change, the height does first, with its result rounded to bytes.
///
/// ```
/// use andiron_signal::images::{Filter, resized};
///
/// let grey = resized(&[0, 100], [2, 1], [4, 1], false, Filter::Bilinear);
/// assert_eq!(grey, [0, 25, 75, 100]);
/// let one_pixel = resized(&[10, 20, 30], [1, 1], [2, 1], true, Filter::Nearest);
/// assert_eq!(one_pixel, [10, 20, 30, 10, 20, 30]);
/// ```
///
/// # Panics
/// If there are not as many bytes as the size says, or a side of either size is 0.
pub fn resized(
    pixels: &[u8],
    from: [u32; 2],
    to: [u32; 2],
    coloured: bool,
    filter: Filter,
) -> Vec<u8> {
    assert!(from.iter().chain(&to).all(|side| *side > 0), "an image has at least one pixel");
    let kind = if coloured { PixelType::U8x3 } else { PixelType::U8 };
    let algorithm = match filter {
        Filter::Nearest => ResizeAlg::Nearest,
        Filter::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Filter::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
    };
    let old =
        ImageRef::new(from[0], from[1], pixels, kind).expect("as many bytes as the size says");
    let mut new = Image::new(to[0], to[1], kind);
    Resizer::new()
        .resize(&old, &mut new, &ResizeOptions::new().resize_alg(algorithm))
        .expect("both have one kind of pixel, and the whole image is resized");
    new.into_vec()
}
