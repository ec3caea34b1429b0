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
/// let views = Views { mirror: true, crops: Some(0.9), negative: false };
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
}

impl Views {
    /// Checks the share.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] outside ½ to 1.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.crops.map_or(Ok(()), |share| ConfigError::within("crops", 0.5, 1.0, share))
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
    /// width and height in pixels.
    pub fn windows(&self, width: u32, height: u32) -> Vec<[u32; 4]> {
        let mut windows = vec![[0, 0, width, height]];
        if let Some(share) = self.crops {
            let part = |side: u32| {
                let part = (f64::from(side) * share).round() as u32;
                part.clamp(LEAST_SIDE.min(side), side)
            };
            let (wide, high) = (part(width), part(height));
            let (right, below) = (width - wide, height - high);
            let corners = [(0, 0), (right, 0), (0, below), (right, below), (right / 2, below / 2)];
            windows.extend(corners.map(|(left, top)| [left, top, wide, high]));
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
                image.window(left.into(), top.into(), width, height, 0)
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
        let all = Views { mirror: true, crops: Some(0.5), negative: true };
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
    }
}
