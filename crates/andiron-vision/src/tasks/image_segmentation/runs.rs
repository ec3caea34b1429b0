//! A mask as a line of JSON holds it.

use crate::objects::Mask;
use andiron_core::{DataError, data::shortened};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A mask as runs of equal class numbers, row by row from the top: `[class, length]` each.
///
/// ```
/// use andiron_vision::{objects::Mask, tasks::image_segmentation::Runs};
///
/// let mask = Mask::new(3, 2, vec![0, 0, 4, 4, 4, 0])?;
/// let text = serde_json::to_string(&Runs::of(&mask)).unwrap();
/// assert_eq!(text, r#"{"width":3,"height":2,"runs":[[0,2],[4,3],[0,1]]}"#);
/// assert_eq!(serde_json::from_str::<Runs>(&text).unwrap().mask()?, mask);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    width: u32,
    height: u32,
    runs: Vec<(u8, u64)>,
}

impl Runs {
    /// The runs of a mask.
    pub fn of(mask: &Mask) -> Self {
        let mut runs: Vec<(u8, u64)> = Vec::new();
        for class in mask.classes() {
            match runs.last_mut() {
                Some((last, length)) if last == class => *length += 1,
                _ => runs.push((*class, 1)),
            }
        }
        Self { width: mask.width(), height: mask.height(), runs }
    }

    /// The mask of the runs.
    ///
    /// # Errors
    /// [`DataError::Field`] if their lengths do not sum to the number of pixels, told before any memory
    /// is spent; else as [`Mask::new`].
    pub fn mask(&self) -> Result<Mask, DataError> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        let sum = self.runs.iter().try_fold(0_u64, |sum, (_, length)| sum.checked_add(*length));
        if sum != Some(pixels) {
            let wanted = "runs whose lengths sum to the number of pixels";
            let got =
                sum.map_or_else(|| "more than can be counted".to_owned(), |sum| sum.to_string());
            return Err(DataError::Field {
                field: "mask".to_owned(),
                wanted,
                got: format!("{got} for {} by {}", self.width, self.height),
            });
        }
        if pixels > crate::picture::MAX_PIXELS {
            let (what, limit) = ("the mask, in pixels", crate::picture::MAX_PIXELS);
            return Err(DataError::TooLarge { what, limit, got: pixels });
        }
        let mut classes = Vec::with_capacity(pixels as usize);
        for (class, length) in &self.runs {
            classes.resize(classes.len() + *length as usize, *class);
        }
        Mask::new(self.width, self.height, classes)
    }
}

/// A mask as its runs in JSON.
pub(super) fn value(mask: &Mask) -> Value {
    serde_json::to_value(Runs::of(mask)).expect("numbers are plain data")
}

/// The mask that a value says in runs.
///
/// # Errors
/// [`DataError::Field`] if it says none, and as [`Runs::mask`].
pub(super) fn mask_of(value: &Value) -> Result<Mask, DataError> {
    let runs: Runs = serde_json::from_value(value.clone()).map_err(|error| DataError::Field {
        field: "mask".to_owned(),
        wanted: "a mask as {\"width\", \"height\", \"runs\"}",
        got: format!("{}: {error}", shortened(value)),
    })?;
    runs.mask()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn runs_that_are_no_mask_are_refused() {
        let refusal = |text: &str| {
            serde_json::from_str::<Runs>(text).unwrap().mask().unwrap_err().to_string()
        };
        let short = refusal(r#"{"width":3,"height":2,"runs":[[0,2],[4,3]]}"#);
        assert!(short.contains("sum to the number of pixels, but is 5 for 3 by 2"), "{short}");
        let long = format!(r#"{{"width":3,"height":2,"runs":[[0,{}],[0,7]]}}"#, u64::MAX);
        assert!(refusal(&long).contains("more than can be counted"));
        let wide = r#"{"width":4000000000,"height":4000000000,"runs":[[0,16000000000000000000]]}"#;
        assert!(refusal(wide).contains("over the limit of 100000000"));
        assert!(refusal(r#"{"width":0,"height":0,"runs":[]}"#).contains("width"));
        assert!(
            serde_json::from_str::<Runs>(r#"{"width":1,"height":1,"runs":[[256,1]]}"#).is_err()
        );
    }
}
