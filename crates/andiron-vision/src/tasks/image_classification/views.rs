//! Test-time augmentation: one image seen several times, the answers averaged.

use crate::picture::Image;
use andiron_core::ConfigError;
use serde::{Deserialize, Serialize};

/// How often an image is looked at when it is answered, and how. The probabilities are averaged, as
/// by Krizhevsky, Sutskever & Hinton 2012, section 4.1; each view costs as much as an answer.
///
/// ```
/// use andiron_vision::{Image, Views};
///
/// let views = Views { mirror: true, crops: Some(0.9) };
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
}

impl Views {
    /// Checks the share.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] outside ½ to 1.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.crops.map_or(Ok(()), |share| ConfigError::within("crops", 0.5, 1.0, share))
    }

    /// How many views an image has; 1 or more.
    pub fn count(&self) -> usize {
        (if self.crops.is_some() { 6 } else { 1 }) * (if self.mirror { 2 } else { 1 })
    }

    /// The views, the image itself first.
    pub fn of(&self, image: &Image) -> Vec<Image> {
        let mut views = vec![image.clone()];
        if let Some(share) = self.crops {
            let part = |side: u32| ((f64::from(side) * share).round() as u32).clamp(1, side);
            let (width, height) = (part(image.width()), part(image.height()));
            let (right, below) =
                (i64::from(image.width() - width), i64::from(image.height() - height));
            let corners = [(0, 0), (right, 0), (0, below), (right, below), (right / 2, below / 2)];
            views.extend(corners.map(|(left, top)| image.window(left, top, width, height, 0)));
        }
        if self.mirror {
            views.extend(views.iter().map(Image::mirrored).collect::<Vec<_>>());
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
        let views = Views { mirror: true, crops: Some(0.5) }.of(&image);
        assert_eq!(views.len(), 12);
        // Sides of 2 and, rounded, 2.
        assert_eq!(views[1].pixels(), [0, 1, 4, 5]);
        assert_eq!(views[4].pixels(), [6, 7, 10, 11]);
        assert_eq!(views[6], image.mirrored());
        assert_eq!(views[11], views[5].mirrored());
        let dot = Image::gray(1, 1, vec![7]).unwrap();
        assert!(Views { mirror: true, crops: Some(0.5) }.of(&dot).iter().all(|view| *view == dot));
    }

    #[test]
    fn the_share_is_checked() {
        let refusal =
            |crops| Views { mirror: false, crops: Some(crops) }.check().unwrap_err().to_string();
        assert_eq!(refusal(0.4), "crops must lie in 0.5..=1, but is 0.4");
        assert_eq!(refusal(f64::NAN), "crops must lie in 0.5..=1, but is NaN");
        assert!(Views { mirror: false, crops: Some(1.0) }.check().is_ok());
    }
}
