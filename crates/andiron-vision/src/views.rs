//! Test-time augmentation: one image seen several times, the answers averaged.

use crate::{
    letterbox::LEAST_SIDE,
    picture::Image,
    transform::{Adjustment, adjust},
};
use andiron_core::ConfigError;
use serde::{Deserialize, Serialize};

/// How often an image is looked at when it is answered, and how. The probabilities are averaged, as
/// by Krizhevsky, Sutskever & Hinton 2012, section 4.1, who had corners, the middle and mirror images,
/// but no negatives; each view costs as much as an answer.
///
/// ```
/// use andiron_vision::{Image, Views};
///
/// let views = Views { mirror: true, crops: Some(0.9), ..Views::default() };
/// let image = Image::gray(20, 10, vec![7; 200])?;
/// assert_eq!((views.count(), views.of(&image).len()), (12, 12));
/// # Ok::<(), andiron_core::DataError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Views {
    /// Whether each view is also seen with left and right exchanged. Not for signs that have a
    /// direction, such as digits.
    pub mirror: bool,
    /// Five more views: four corners and the middle, each with so much of the image's sides, ½ to 1;
    /// none looks at the whole image alone.
    pub crops: Option<f64>,
    /// Whether each view is also seen as a negative, in which each value v is 255 − v. For images in
    /// which either of figure and ground may be the lighter; not where the lightness says the label.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub negative: bool,
    /// Four more views: the image moved by so many pixels, 1 to 16, towards each corner, with grey where
    /// nothing of it is left. A network that halves its images sees other pixels together in each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shifts: Option<u32>,
}

/// What is seen in place of an image where a view has none of it.
const GREY: u8 = 128;

impl Views {
    /// Checks the share of crops, and the pixels of shifts.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] outside ½ to 1, and outside 1 to 16.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.crops.map_or(Ok(()), |share| ConfigError::within("crops", 0.5, 1.0, share))?;
        self.shifts.map_or(Ok(()), |by| ConfigError::within("shifts", 1.0, 16.0, by.into()))
    }

    /// Whether an image is looked at once, as it is.
    pub(crate) fn is_once(&self) -> bool {
        *self == Self::default()
    }

    /// How many views an image has; 1 or more.
    pub fn count(&self) -> usize {
        let twice = |asked: bool| if asked { 2 } else { 1 };
        self.windows(1, 1).len() * twice(self.mirror) * twice(self.negative)
    }

    /// The windows of an image of this size that are looked at, the whole of it first: left, top,
    /// width and height in pixels. Those of shifts reach beyond it.
    pub fn windows(&self, width: u32, height: u32) -> Vec<[i64; 4]> {
        let mut windows = vec![[0, 0, width, height].map(i64::from)];
        if let Some(share) = self.crops {
            let part = |side: u32| {
                let part = (f64::from(side) * share).round() as u32;
                part.clamp(LEAST_SIDE.min(side), side)
            };
            let (wide, high) = (part(width), part(height));
            let (right, below) = (width - wide, height - high);
            let corners = [(0, 0), (right, 0), (0, below), (right, below), (right / 2, below / 2)];
            windows.extend(corners.map(|(left, top)| [left, top, wide, high].map(i64::from)));
        }
        if let Some(by) = self.shifts.map(i64::from) {
            let moves = [(by, by), (-by, by), (by, -by), (-by, -by)];
            windows.extend(moves.map(|(left, top)| [left, top, width.into(), height.into()]));
        }
        windows
    }

    /// Whether a view, by its number, is a mirror image.
    pub(crate) fn is_mirrored(&self, view: usize) -> bool {
        self.mirror && view / self.windows(1, 1).len() % 2 == 1
    }

    /// The views, the image itself first: the windows, what mirrors them, and the negatives of all.
    pub fn of(&self, image: &Image) -> Vec<Image> {
        let windows = self.windows(image.width(), image.height()).into_iter();
        let mut views: Vec<Image> = windows
            .map(|[left, top, width, height]| {
                image.window(left, top, width as u32, height as u32, GREY)
            })
            .collect();
        if self.mirror {
            views.extend(views.iter().map(Image::mirrored).collect::<Vec<_>>());
        }
        if self.negative {
            // From 0 on, all values are turned round.
            let turned = views.iter().map(|view| adjust(view, Adjustment::Solarise(0)));
            views.extend(turned.collect::<Vec<_>>());
        }
        views
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn views_are_the_image_its_parts_and_their_mirror_images() {
        let image = Image::gray(4, 3, (0..12).collect()).unwrap();
        assert_eq!(Views::default().of(&image), std::slice::from_ref(&image));
        let all = Views { mirror: true, crops: Some(0.5), negative: true, shifts: None };
        let views = all.of(&image);
        assert_eq!((views.len(), all.count()), (24, 24));
        // Sides of 2 and, rounded, 2.
        assert_eq!(views[1].pixels(), [0, 1, 4, 5]);
        assert_eq!(views[4].pixels(), [6, 7, 10, 11]);
        assert_eq!(views[6], image.mirrored());
        assert_eq!(views[11], views[5].mirrored());
        for (at, view) in views[..12].iter().enumerate() {
            assert_eq!(all.is_mirrored(at), at >= 6);
            assert_eq!(all.is_mirrored(12 + at), at >= 6);
            let negative: Vec<u8> = view.pixels().iter().map(|value| 255 - value).collect();
            assert_eq!(views[12 + at].pixels(), negative);
        }
        let negative = Views { negative: true, ..Views::default() };
        assert_eq!(negative.count(), 2);
        assert!(!negative.is_mirrored(1));
        let moved = Views { shifts: Some(1), ..Views::default() }.of(&image);
        assert_eq!(moved.len(), 5);
        assert_eq!(moved[1].pixels(), [5, 6, 7, 128, 9, 10, 11, 128, 128, 128, 128, 128]);
        assert_eq!(moved[2].pixels(), [128, 4, 5, 6, 128, 8, 9, 10, 128, 128, 128, 128]);
        assert_eq!(moved[4].pixels(), [128, 128, 128, 128, 128, 0, 1, 2, 128, 4, 5, 6]);
        let dot = Image::gray(1, 1, vec![7]).unwrap();
        let flat = Views { negative: false, ..all };
        assert!(flat.of(&dot).iter().all(|view| *view == dot));
    }

    #[test]
    fn the_share_is_checked() {
        let of = |crops| Views { crops: Some(crops), ..Views::default() };
        let refusal = |crops| of(crops).check().unwrap_err().to_string();
        assert_eq!(refusal(0.4), "crops must lie in 0.5..=1, but is 0.4");
        assert_eq!(refusal(f64::NAN), "crops must lie in 0.5..=1, but is NaN");
        assert!(of(1.0).check().is_ok());
        let by = |pixels| Views { shifts: Some(pixels), ..Views::default() }.check();
        assert_eq!(by(0).unwrap_err().to_string(), "shifts must lie in 1..=16, but is 0");
        assert_eq!(by(17).unwrap_err().to_string(), "shifts must lie in 1..=16, but is 17");
        assert!(by(16).is_ok());
    }
}
