//! Images for tests: of several sizes, and easy to tell apart.

use crate::{
    Image, ImageClassification, ImageSegmentation, ImageTransform, ObjectDetection,
    classes::ClassNames,
    data::ImageExample,
    letterbox::Letterbox,
    objects::{IGNORED, Mask, ObjectBox},
};
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

/// Bright rectangles on a dark ground: upright ones are a "pole", lying ones a "bar"; of several
/// sizes, one image without any.
pub(crate) fn scenes(channels: u32) -> Vec<Example<Image, Vec<ObjectBox>>> {
    type Scene = (u32, u32, &'static [(&'static str, [f32; 4])]);
    let scenes: [Scene; 6] = [
        (64, 32, &[("pole", [6.0, 4.0, 14.0, 28.0])]),
        (48, 30, &[("bar", [12.0, 10.0, 40.0, 20.0])]),
        (60, 31, &[("pole", [40.0, 2.0, 50.0, 27.0]), ("bar", [4.0, 16.0, 30.0, 26.0])]),
        // As large as the frame: for the coarsest grid.
        (64, 32, &[("bar", [2.0, 2.0, 62.0, 30.0])]),
        (33, 40, &[("pole", [10.0, 5.0, 20.0, 36.0])]),
        (62, 32, &[]),
    ];
    let scene = |(width, height, objects): &Scene| {
        let inside = |x: u32, y: u32, corners: &[f32; 4]| {
            let (x, y) = (x as f32, y as f32);
            x >= corners[0] && y >= corners[1] && x < corners[2] && y < corners[3]
        };
        let mut pixels = Vec::new();
        for (y, x) in (0..*height).flat_map(|y| (0..*width).map(move |x| (y, x))) {
            let bright = objects.iter().any(|(_, corners)| inside(x, y, corners));
            let value = (x * 7 + y * 5) % 30 + if bright { 200 } else { 20 };
            pixels.extend((0..channels).map(|channel| (value / (channel + 1)) as u8));
        }
        let image = match channels {
            1 => Image::gray(*width, *height, pixels),
            _ => Image::rgb(*width, *height, pixels),
        };
        let object = |(label, corners): &(&str, [f32; 4])| ObjectBox::new(*label, *corners);
        let target = objects.iter().map(object).collect::<Result<_, _>>();
        Example {
            input: image.expect("there is a byte for every channel of every pixel"),
            target: target.expect("the boxes have an area"),
        }
    };
    scenes.iter().map(scene).collect()
}

/// The task of [`scenes`] in one frame.
pub(crate) fn detection(width: usize, height: usize, channels: usize) -> ObjectDetection {
    let frame = Letterbox::new(width, height, vec![0.4; channels], vec![0.3; channels]);
    let classes = ClassNames::new(vec!["bar".to_owned(), "pole".to_owned()]);
    ObjectDetection::new(
        classes.expect("there are two names"),
        frame.expect("mean and deviation are in range"),
    )
}

/// Images of several sizes, bright where the mask has class 1 and half bright where it has class 2;
/// a few pixels are of no class.
pub(crate) fn masked(channels: u32) -> Vec<Example<Image, Mask>> {
    let sizes = [(21, 14), (18, 14), (21, 11), (25, 17), (14, 21), (20, 14)];
    let example = |(at, (width, height)): (usize, &(u32, u32))| {
        let class = |x: u32, y: u32| match at % 3 {
            0 if 2 * x < *width => 1,
            1 if 2 * y < *height => 2,
            2 if x < 6 && y > 4 => 1,
            2 if x > 9 && y < 7 => 2,
            _ => 0,
        };
        let places = (0..*height).flat_map(|y| (0..*width).map(move |x| (x, y)));
        let mut pixels = Vec::new();
        for (x, y) in places.clone() {
            let value = (x * 7 + y * 5 + at as u32 * 3) % 30 + [20, 220, 120][class(x, y) as usize];
            pixels.extend((0..channels).map(|channel| (value / (channel + 1)) as u8));
        }
        let classes = places.map(|(x, y)| if (x, y) == (3, 2) { IGNORED } else { class(x, y) });
        let image = match channels {
            1 => Image::gray(*width, *height, pixels),
            _ => Image::rgb(*width, *height, pixels),
        };
        let mask = Mask::new(*width, *height, classes.collect());
        Example {
            input: image.expect("there is a byte for every channel of every pixel"),
            target: mask.expect("there is a class for every pixel"),
        }
    };
    sizes.iter().enumerate().map(example).collect()
}

/// The task of [`masked`] in one frame.
pub(crate) fn segmentation(width: usize, height: usize, channels: usize) -> ImageSegmentation {
    let frame = Letterbox::new(width, height, vec![0.4; channels], vec![0.3; channels]);
    let classes = ClassNames::new(["none", "bright", "half"].map(str::to_owned).to_vec());
    ImageSegmentation::new(
        classes.expect("there are three names"),
        frame.expect("mean and deviation are in range"),
    )
}
