//! Answers drawn onto the image they are about.

use crate::{
    letterbox::with_channels,
    objects::{IGNORED, Mask},
    picture::Image,
};

/// Colours that are told apart easily, for the classes in turn (Okabe & Ito 2008,
/// <https://jfly.uni-koeln.de/color/>, and four more).
const COLOURS: [[u8; 3]; 12] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
    [204, 121, 167],
    [255, 255, 255],
    [148, 103, 189],
    [140, 86, 75],
    [127, 200, 60],
    [255, 60, 60],
];

/// The digits from 0 to 9 and the letters from a to z as rows of three pixels, five rows each, the
/// highest bit at the left.
const GLYPHS: [[u8; 5]; 36] = [
    [7, 5, 5, 5, 7],
    [2, 6, 2, 2, 7],
    [7, 1, 7, 4, 7],
    [7, 1, 3, 1, 7],
    [5, 5, 7, 1, 1],
    [7, 4, 7, 1, 7],
    [7, 4, 7, 5, 7],
    [7, 1, 2, 2, 2],
    [7, 5, 7, 5, 7],
    [7, 5, 7, 1, 7],
    [2, 5, 7, 5, 5],
    [6, 5, 6, 5, 6],
    [3, 4, 4, 4, 3],
    [6, 5, 5, 5, 6],
    [7, 4, 6, 4, 7],
    [7, 4, 6, 4, 4],
    [3, 4, 5, 5, 3],
    [5, 5, 7, 5, 5],
    [7, 2, 2, 2, 7],
    [1, 1, 1, 5, 2],
    [5, 5, 6, 5, 5],
    [4, 4, 4, 4, 7],
    [5, 7, 7, 5, 5],
    [6, 5, 5, 5, 5],
    [2, 5, 5, 5, 2],
    [6, 5, 6, 4, 4],
    [2, 5, 5, 6, 3],
    [6, 5, 6, 5, 5],
    [3, 4, 2, 1, 6],
    [7, 2, 2, 2, 2],
    [5, 5, 5, 5, 7],
    [5, 5, 5, 5, 2],
    [5, 5, 7, 7, 5],
    [5, 5, 2, 5, 5],
    [5, 5, 2, 2, 2],
    [7, 1, 2, 4, 7],
];

/// The colour of a class number.
pub fn colour(class: usize) -> [u8; 3] {
    COLOURS[class % COLOURS.len()]
}

/// A picture to be drawn on.
struct Canvas {
    width: i64,
    height: i64,
    pixels: Vec<u8>,
}

impl Canvas {
    fn set(&mut self, x: i64, y: i64, colour: [u8; 3]) {
        if (0..self.width).contains(&x) && (0..self.height).contains(&y) {
            let at = ((y * self.width + x) * 3) as usize;
            self.pixels[at..at + 3].copy_from_slice(&colour);
        }
    }

    fn fill(&mut self, [x0, y0, x1, y1]: [i64; 4], colour: [u8; 3]) {
        for y in y0.max(0)..y1.min(self.height) {
            for x in x0.max(0)..x1.min(self.width) {
                self.set(x, y, colour);
            }
        }
    }

    /// Writes a text in glyphs of 3 by 5 pixels, dark on a colour; what has no glyph is a gap.
    fn write(&mut self, text: &str, x: i64, y: i64, colour: [u8; 3]) {
        let letters: Vec<char> = text.chars().take(16).collect();
        self.fill([x, y, x + 4 * letters.len() as i64 + 1, y + 7], colour);
        for (at, letter) in letters.into_iter().enumerate() {
            let Some(glyph) = letter.to_digit(36).map(|digit| GLYPHS[digit as usize]) else {
                continue;
            };
            for (row, bits) in glyph.iter().enumerate() {
                for column in (0..3).filter(|column| bits >> (2 - column) & 1 == 1) {
                    let place = x + 4 * at as i64 + 1 + column;
                    self.set(place, y + 1 + row as i64, [0, 0, 0]);
                }
            }
        }
    }
}

/// A box to be drawn, with what is written at it.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnBox<'a> {
    /// `[x0, y0, x1, y1]` in pixels.
    pub corners: [f32; 4],
    /// Written inside at the upper left; digits and the letters a to z are shown, 16 at most.
    pub text: &'a str,
    /// The class number, which gives the colour.
    pub class: usize,
}

/// The image in colours, with a frame one pixel wide around each box. What lies outside is left out.
///
/// ```
/// use andiron_vision::{Image, draw::{self, DrawnBox}};
///
/// let image = Image::gray(9, 12, vec![0; 108])?;
/// let one = DrawnBox { corners: [2.0, 1.0, 7.0, 11.0], text: "", class: 3 };
/// let drawn = draw::boxes(&image, &[one]);
/// assert_eq!(drawn.pixels()[(1 * 9 + 2) * 3..][..3], draw::colour(3));
/// assert_eq!(drawn.pixels()[(1 * 9 + 7) * 3..][..3], [0, 0, 0]);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
pub fn boxes(image: &Image, boxes: &[DrawnBox<'_>]) -> Image {
    let mut canvas = Canvas {
        width: image.width().into(),
        height: image.height().into(),
        pixels: with_channels(image, 3),
    };
    for DrawnBox { corners, text, class } in boxes {
        // A number that is not finite becomes 0, and one beyond the image lies at its edge.
        let corner = |at: usize| (corners[at].round() as i64).clamp(-1, MOST);
        let (x0, y0, x1, y1) = (corner(0), corner(1), corner(2), corner(3));
        let colour = colour(*class);
        for edge in
            [[x0, y0, x1, y0 + 1], [x0, y1 - 1, x1, y1], [x0, y0, x0 + 1, y1], [x1 - 1, y0, x1, y1]]
        {
            canvas.fill(edge, colour);
        }
        if !text.is_empty() {
            canvas.write(text, x0, y0, colour);
        }
    }
    Image::from_parts(image.width(), image.height(), 3, canvas.pixels)
}

/// Beyond the side of every image.
const MOST: i64 = 1 << 30;

/// The image in colours, with the colour of each pixel's class mixed in by `share`, 0 to 1. Pixels of
/// class 0, which most masks have for the ground, stay as they are, and so do ignored ones.
///
/// # Panics
/// If image and mask differ in size.
pub fn overlay(image: &Image, mask: &Mask, share: f32) -> Image {
    let size = (image.width(), image.height());
    assert_eq!(size, (mask.width(), mask.height()), "image and mask must have one size");
    let share = share.clamp(0.0, 1.0);
    let mut pixels = with_channels(image, 3);
    for (pixel, class) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(mask.classes()) {
        if !matches!(*class, 0 | IGNORED) {
            for (value, colour) in pixel.iter_mut().zip(colour(usize::from(*class) - 1)) {
                let mixed = f32::from(*value) * (1.0 - share) + f32::from(colour) * share;
                *value = mixed.round() as u8;
            }
        }
    }
    Image::from_parts(size.0, size.1, 3, pixels)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn boxes_beyond_the_image_and_without_a_number_are_drawn_as_far_as_they_go() {
        let image = Image::rgb(5, 4, vec![9; 60]).unwrap();
        for corners in [
            [-3.0, -2.0, 50.0, 40.0],
            [f32::NAN, 1.0, f32::INFINITY, 3.0],
            [3.0, 3.0, 1.0, 1.0],
            [f32::MIN, f32::MIN, f32::MAX, f32::MAX],
        ] {
            let drawn = boxes(&image, &[DrawnBox { corners, text: "a9 ü", class: 13 }]);
            assert_eq!((drawn.width(), drawn.height(), drawn.channels()), (5, 4, 3));
        }
        assert_eq!(boxes(&image, &[]), image);
    }

    #[test]
    fn every_glyph_has_ink_and_no_two_are_equal() {
        let mut seen = std::collections::BTreeSet::new();
        for glyph in GLYPHS {
            assert!(glyph.iter().all(|row| *row < 8) && glyph.iter().any(|row| *row > 0));
            seen.insert(glyph);
        }
        assert_eq!(seen.len(), GLYPHS.len());
    }

    #[test]
    fn the_ground_shows_through_and_classes_get_their_colour() {
        let image = Image::gray(3, 1, vec![100, 100, 100]).unwrap();
        let mask = Mask::new(3, 1, vec![0, 2, IGNORED]).unwrap();
        let drawn = overlay(&image, &mask, 0.5);
        assert_eq!(drawn.pixels()[..3], [100; 3]);
        assert_eq!(drawn.pixels()[6..], [100; 3]);
        let wanted: Vec<u8> =
            colour(1).iter().map(|c| ((100.0 + f32::from(*c)) / 2.0).round() as u8).collect();
        assert_eq!(drawn.pixels()[3..6], wanted);
    }
}
