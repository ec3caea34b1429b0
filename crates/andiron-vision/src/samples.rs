//! Images for tests: of several sizes, and easy to tell apart.

use crate::{Image, ImageClassification, ImageTransform, data::ImageExample};
use andiron_core::{Example, Labels};

/// Two images of each of three labels, of different sizes: bright at the left, at the top, and
/// nowhere, with a little texture so that no two are alike.
pub(crate) fn examples(channels: u32) -> Vec<ImageExample> {
    let sizes = [(9, 7), (11, 6), (5, 8), (9, 13), (16, 7), (7, 7)];
    let pixel = |at: usize, x: u32, y: u32, width: u32, height: u32| {
        let bright = match at % 3 {
            0 => 2 * x < width,
            1 => 2 * y < height,
            _ => false,
        };
        let texture = (x * 7 + y * 5 + at as u32 * 3) % 40;
        (texture + if bright { 200 } else { 20 }) as u8
    };
    let image = |(at, (width, height)): (usize, &(u32, u32))| {
        let mut pixels = Vec::new();
        for y in 0..*height {
            for x in 0..*width {
                for channel in 0..channels {
                    pixels.push(pixel(at, x, y, *width, *height) / (channel as u8 + 1));
                }
            }
        }
        let input = match channels {
            1 => Image::gray(*width, *height, pixels),
            _ => Image::rgb(*width, *height, pixels),
        };
        let input = input.expect("there is a byte for every channel of every pixel");
        Example { input, target: ["left", "top", "none"][at % 3].to_owned() }
    };
    sizes.iter().enumerate().map(image).collect()
}

/// The task of [`examples`] at one size.
pub(crate) fn task(width: usize, height: usize, channels: usize) -> ImageClassification {
    let labels: Vec<String> = examples(1).into_iter().map(|example| example.target).collect();
    let labels = Labels::of(&labels).expect("there are three labels");
    let transform = ImageTransform::new(width, height, vec![0.4; channels], vec![0.3; channels]);
    ImageClassification::new(labels, transform.expect("mean and deviation are in range"))
}
