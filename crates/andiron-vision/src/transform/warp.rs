//! Turning, leaning and moving an image by a given amount.

use crate::picture::Image;

/// An affine map from the points of the new image to those of the old one: a new point `(x, y)`
/// shows what was at `(m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5])`. The corner of the first
/// pixel is `(0, 0)`, its middle `(½, ½)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine(pub [f64; 6]);

impl Affine {
    /// Turns the image around its middle, against the clock.
    pub fn rotation(degrees: f64, width: u32, height: u32) -> Self {
        let (sin, cos) = (-degrees.to_radians()).sin_cos();
        let (x, y) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
        // What the middle is moved by is taken back.
        Self([cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y])
    }

    /// Leans the image to the left: a row lies `share` of its height above the lower edge of the
    /// first row to the left of where it was.
    pub fn shear_x(share: f64) -> Self {
        Self([1.0, share, 0.0, 0.0, 1.0, 0.0])
    }

    /// As [`shear_x`](Self::shear_x) with the sides exchanged.
    pub fn shear_y(share: f64) -> Self {
        Self([1.0, 0.0, 0.0, share, 1.0, 0.0])
    }

    /// Moves the image by `x` pixels to the right and `y` pixels down.
    pub fn translation(x: f64, y: f64) -> Self {
        Self([1.0, 0.0, -x, 0.0, 1.0, -y])
    }
}

/// The image under an affine map, at the same size; between pixels the values are mixed bilinearly,
/// and what comes from outside is `outside`. As Pillow's `transform` with `AFFINE` and `BILINEAR`.
///
/// ```
/// use andiron_vision::{Image, transform::{Affine, warp}};
///
/// let image = Image::gray(3, 1, vec![10, 20, 40])?;
/// assert_eq!(warp(&image, Affine::translation(1.0, 0.0), 7).pixels(), [7, 10, 20]);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
pub fn warp(image: &Image, Affine(m): Affine, outside: u8) -> Image {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let channels = usize::from(image.channels());
    let pixels = image.pixels();
    let mut out = vec![outside; pixels.len()];
    for (at, new) in out.chunks_exact_mut(channels).enumerate() {
        let (x, y) = ((at % width) as f64 + 0.5, (at / width) as f64 + 0.5);
        let x_old = m[0] * x + m[1] * y + m[2];
        let y_old = m[3] * x + m[4] * y + m[5];
        if !(0.0..width as f64).contains(&x_old) || !(0.0..height as f64).contains(&y_old) {
            continue;
        }
        // The four pixels whose middles are around the point; at the edge the outermost twice.
        let (left, above) = ((x_old - 0.5).floor(), (y_old - 0.5).floor());
        let (right_share, below_share) = (x_old - 0.5 - left, y_old - 0.5 - above);
        let column = |at: f64| (at.max(0.0) as usize).min(width - 1) * channels;
        let row = |at: f64| (at.max(0.0) as usize).min(height - 1) * width * channels;
        let (x0, x1) = (column(left), column(left + 1.0));
        let (y0, y1) = (row(above), row(above + 1.0));
        for (channel, value) in new.iter_mut().enumerate() {
            let old = |at: usize| f64::from(pixels[at + channel]);
            let mixed = |a: f64, b: f64, share: f64| a + (b - a) * share;
            let upper = mixed(old(y0 + x0), old(y0 + x1), right_share);
            let lower = mixed(old(y1 + x0), old(y1 + x1), right_share);
            *value = mixed(upper, lower, below_share) as u8;
        }
    }
    Image::from_parts(image.width(), image.height(), image.channels(), out)
}
