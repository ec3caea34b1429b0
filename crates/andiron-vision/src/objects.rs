//! What is where in an image: boxes around objects, and masks that give each pixel a class.

use crate::picture::Image;
use andiron_core::DataError;
use serde::{Deserialize, Serialize};

/// An object: what it is, and the box around it.
///
/// As JSON `{"label": "cat", "box": [x0, y0, x1, y1]}`.
///
/// ```
/// use andiron_vision::objects::ObjectBox;
///
/// let cat = ObjectBox::new("cat", [2.0, 3.5, 10.0, 9.0])?;
/// assert_eq!((cat.width(), cat.height(), cat.area()), (8.0, 5.5, 44.0));
/// assert!(cat.check_inside(12, 9).is_ok());
/// assert!(cat.check_inside(12, 8).is_err());
/// assert!(ObjectBox::new("cat", [2.0, 3.5, 2.0, 9.0]).is_err());
/// # Ok::<(), andiron_core::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct ObjectBox {
    label: String,
    corners: [f32; 4],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    label: String,
    r#box: [f32; 4],
}

impl TryFrom<Written> for ObjectBox {
    type Error = DataError;
    fn try_from(written: Written) -> Result<Self, DataError> {
        Self::new(written.label, written.r#box)
    }
}

impl From<ObjectBox> for Written {
    fn from(object: ObjectBox) -> Self {
        Self { label: object.label, r#box: object.corners }
    }
}

impl ObjectBox {
    /// An object whose box reaches from `(x0, y0)` to `(x1, y1)` in pixels, where a pixel reaches
    /// from its number to the next one; the first corner is the upper left one.
    ///
    /// # Errors
    /// [`DataError::Field`] for a number that is not finite, and a box without width or height.
    pub fn new(label: impl Into<String>, corners: [f32; 4]) -> Result<Self, DataError> {
        let refuse = |wanted| Err(refused(wanted, corners));
        let [x0, y0, x1, y1] = corners;
        if corners.iter().any(|value| !value.is_finite()) {
            return refuse("four finite numbers");
        }
        if x0 >= x1 || y0 >= y1 {
            return refuse("[x0, y0, x1, y1] with x0 < x1 and y0 < y1");
        }
        Ok(Self { label: label.into(), corners })
    }

    /// Checks that the box lies inside an image of this size; it may touch the edge.
    ///
    /// # Errors
    /// [`DataError::Field`] if it does not.
    pub fn check_inside(&self, width: u32, height: u32) -> Result<(), DataError> {
        let [x0, y0, x1, y1] = self.corners;
        // Compared in f64, which holds every side exactly.
        let within = |value: f32, side: u32| (0.0..=f64::from(side)).contains(&f64::from(value));
        let inside =
            within(x0, width) && within(x1, width) && within(y0, height) && within(y1, height);
        match inside {
            true => Ok(()),
            false => Err(refused("inside the image", self.corners)),
        }
    }

    /// What it is.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// `[x0, y0, x1, y1]` in pixels.
    pub fn corners(&self) -> [f32; 4] {
        self.corners
    }

    /// In pixels; above 0.
    pub fn width(&self) -> f32 {
        self.corners[2] - self.corners[0]
    }

    /// In pixels; above 0.
    pub fn height(&self) -> f32 {
        self.corners[3] - self.corners[1]
    }

    /// In square pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }
}

fn refused(wanted: &'static str, got: [f32; 4]) -> DataError {
    DataError::Field { field: "box".to_owned(), wanted, got: format!("{got:?}") }
}

/// The class number of each pixel of an image, row by row from the top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mask {
    width: u32,
    height: u32,
    classes: Vec<u8>,
}

/// The class number of pixels that count neither in a loss nor in a measurement, as PASCAL VOC has
/// it.
pub const IGNORED: u8 = 255;

impl Mask {
    /// A mask from class numbers, row by row from the top, the first class being 0; [`IGNORED`]
    /// stands for no class.
    ///
    /// # Errors
    /// As [`Image::gray`].
    pub fn new(width: u32, height: u32, classes: Vec<u8>) -> Result<Self, DataError> {
        // A mask is as large as its image, and is counted in the same way.
        Image::gray(width, height, classes).map(Self::from_image)
    }

    /// A mask whose class numbers are the values of a grey image.
    ///
    /// # Panics
    /// If the image has colours.
    pub fn from_image(image: Image) -> Self {
        assert_eq!(image.channels(), 1, "a class number is one byte");
        let (width, height) = (image.width(), image.height());
        Self { width, height, classes: image.into_pixels() }
    }

    /// The mask as a grey image whose values are the class numbers: to be resized with
    /// [`Filter::Nearest`](crate::transform::Filter::Nearest), cut and mirrored.
    pub fn to_image(&self) -> Image {
        Image::from_parts(self.width, self.height, 1, self.classes.clone())
    }

    /// The width in pixels; 1 or more.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The height in pixels; 1 or more.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The class numbers, row by row from the top.
    pub fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// Checks that every pixel has one of `names`, or is [`IGNORED`].
    ///
    /// # Errors
    /// [`DataError::UnknownLabel`] with the first class number that has no name.
    pub fn check_classes(&self, names: &[String]) -> Result<(), DataError> {
        let unknown = |class: &&u8| **class != IGNORED && usize::from(**class) >= names.len();
        match self.classes.iter().find(unknown) {
            None => Ok(()),
            Some(class) => {
                Err(DataError::UnknownLabel { label: class.to_string(), known: names.to_vec() })
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_box_is_written_and_read_and_checked() {
        let object = ObjectBox::new("cat", [1.0, 2.5, 4.0, 3.0]).unwrap();
        let value = serde_json::to_value(&object).unwrap();
        assert_eq!(value, json!({"label": "cat", "box": [1.0, 2.5, 4.0, 3.0]}));
        assert_eq!(serde_json::from_value::<ObjectBox>(value).unwrap(), object);
        for bad in [
            json!({"label": "cat", "box": [4.0, 2.5, 1.0, 3.0]}),
            json!({"label": "cat", "box": [1.0, 2.5, 4.0]}),
            json!({"label": "cat", "box": [1.0, 2.5, 4.0, 3.0], "score": 1}),
            json!({"box": [1.0, 2.5, 4.0, 3.0]}),
        ] {
            assert!(serde_json::from_value::<ObjectBox>(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn boxes_that_are_none_are_refused() {
        let refusal = |corners| ObjectBox::new("cat", corners).unwrap_err().to_string();
        let order = "field \"box\" must be [x0, y0, x1, y1] with x0 < x1 and y0 < y1, but is ";
        assert_eq!(refusal([3.0, 1.0, 3.0, 2.0]), format!("{order}[3.0, 1.0, 3.0, 2.0]"));
        assert_eq!(refusal([3.0, 2.0, 4.0, 1.0]), format!("{order}[3.0, 2.0, 4.0, 1.0]"));
        for at in 0..4 {
            for value in [f32::NAN, f32::INFINITY] {
                let mut corners = [1.0, 2.0, 3.0, 4.0];
                corners[at] = value;
                assert!(refusal(corners).contains("must be four finite numbers"));
            }
        }
        for outside in [[-0.5, 0.0, 2.0, 2.0], [0.0, 0.0, 9.5, 2.0], [0.0, 0.0, 2.0, 7.5]] {
            let refused = ObjectBox::new("cat", outside).unwrap().check_inside(9, 7).unwrap_err();
            assert!(refused.to_string().contains("must be inside the image"), "{refused}");
        }
        assert!(ObjectBox::new("cat", [0.0, 0.0, 9.0, 7.0]).unwrap().check_inside(9, 7).is_ok());
    }

    #[test]
    fn a_mask_has_a_known_class_for_each_pixel() {
        let names = ["sky", "sea"].map(str::to_owned);
        let mask = Mask::new(3, 2, vec![0, 1, 1, 0, IGNORED, 1]).unwrap();
        assert!(mask.check_classes(&names).is_ok());
        assert_eq!(Mask::from_image(mask.to_image()), mask);
        let refused = Mask::new(3, 1, vec![0, 2, 1]).unwrap().check_classes(&names).unwrap_err();
        assert_eq!(refused.to_string(), "unknown label \"2\"; known are [\"sky\", \"sea\"]");
        assert!(Mask::new(3, 2, vec![0; 5]).is_err());
        assert!(Mask::new(0, 2, vec![]).is_err());
    }
}
