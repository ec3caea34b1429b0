//! How far the classes of pixels agree with the truth.
//!
//! The numbers are those of torchmetrics: `MulticlassJaccardIndex` and the macro F1 of the pixels,
//! which is their Dice score.
//!
//! ```
//! use andiron_vision::{metrics::regions::Confusion, objects::Mask};
//!
//! let truth = Mask::new(4, 1, vec![0, 0, 1, 1])?;
//! let said = Mask::new(4, 1, vec![0, 1, 1, 1])?;
//! let found = Confusion::of(&truth, &said, 2)?;
//! assert_eq!(found.intersection_over_union(), [Some(0.5), Some(2.0 / 3.0)]);
//! assert_eq!(found.mean_iou(), (0.5 + 2.0 / 3.0) / 2.0);
//! # Ok::<(), andiron_core::DataError>(())
//! ```

use crate::objects::{IGNORED, Mask};
use andiron_core::DataError;

/// How many pixels of each class were given each class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Row by row: the truth, and what was said.
    counts: Vec<u64>,
}

impl Confusion {
    /// No pixel yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// The pixels of one image; ignored ones of the truth are left out.
    ///
    /// # Errors
    /// [`DataError::Unpaired`] for masks of different sizes, [`DataError::UnknownLabel`] for a class
    /// number that is not below `classes`.
    pub fn of(truth: &Mask, said: &Mask, classes: usize) -> Result<Self, DataError> {
        if (truth.width(), truth.height()) != (said.width(), said.height()) {
            let (n_left, n_right) = (truth.classes().len(), said.classes().len());
            let (left, right) = ("the pixels of the truth", "the pixels of the answer");
            return Err(DataError::Unpaired { left, right, n_left, n_right });
        }
        let mut found = Self::new(classes);
        for (truth, said) in truth.classes().iter().zip(said.classes()) {
            if *truth == IGNORED {
                continue;
            }
            for class in [truth, said] {
                if usize::from(*class) >= classes {
                    let known = (0..classes).map(|class| class.to_string()).collect();
                    return Err(DataError::UnknownLabel { label: class.to_string(), known });
                }
            }
            found.counts[usize::from(*truth) * classes + usize::from(*said)] += 1;
        }
        Ok(found)
    }

    /// Adds the pixels of another one of as many classes.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
    }

    /// Pixels of the class that were found, pixels that are of it, pixels that were given it.
    fn sums(&self, class: usize) -> [u64; 3] {
        let of = |truth: usize, said: usize| self.counts[truth * self.classes + said];
        let there = (0..self.classes).map(|said| of(class, said)).sum();
        let given = (0..self.classes).map(|truth| of(truth, class)).sum();
        [of(class, class), there, given]
    }

    /// Of each class the pixels that are and were said to be of it, over those that are or were; none
    /// for a class that is nowhere.
    pub fn intersection_over_union(&self) -> Vec<Option<f64>> {
        let of = |class| {
            let [found, there, given] = self.sums(class);
            let either = there + given - found;
            (either > 0).then(|| found as f64 / either as f64)
        };
        (0..self.classes).map(of).collect()
    }

    /// Of each class twice the pixels that are and were said to be of it, over the sum of both; none
    /// for a class that is nowhere.
    pub fn dice(&self) -> Vec<Option<f64>> {
        let of = |class| {
            let [found, there, given] = self.sums(class);
            (there + given > 0).then(|| 2.0 * found as f64 / (there + given) as f64)
        };
        (0..self.classes).map(of).collect()
    }

    /// The mean of [`intersection_over_union`](Self::intersection_over_union) over the classes that
    /// are somewhere, mIoU; 0 if none is.
    pub fn mean_iou(&self) -> f64 {
        mean(&self.intersection_over_union())
    }

    /// The mean of [`dice`](Self::dice) over the classes that are somewhere; 0 if none is.
    pub fn mean_dice(&self) -> f64 {
        mean(&self.dice())
    }

    /// The share of pixels that were given their class; 0 if there is none.
    pub fn accuracy(&self) -> f64 {
        let all: u64 = self.counts.iter().sum();
        let right: u64 = (0..self.classes).map(|class| self.sums(class)[0]).sum();
        if all == 0 { 0.0 } else { right as f64 / all as f64 }
    }

    /// For each class: precision, recall, F1 of its pixels, and how many there are.
    pub fn by_class(&self) -> Vec<([f64; 3], u64)> {
        let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
        let of = |class| {
            let [found, there, given] = self.sums(class);
            let f1 = share(2 * found, there + given);
            ([share(found, given), share(found, there), f1], there)
        };
        (0..self.classes).map(of).collect()
    }
}

fn mean(values: &[Option<f64>]) -> f64 {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    if known.is_empty() { 0.0 } else { known.iter().sum::<f64>() / known.len() as f64 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ignored_pixels_count_nowhere_and_absent_classes_have_no_number() {
        let truth = Mask::new(3, 2, vec![0, IGNORED, 2, 2, 0, IGNORED]).unwrap();
        let said = Mask::new(3, 2, vec![0, 1, 2, 0, 0, 2]).unwrap();
        let found = Confusion::of(&truth, &said, 4).unwrap();
        assert_eq!(found.intersection_over_union(), [Some(2.0 / 3.0), None, Some(0.5), None]);
        assert_eq!(found.dice(), [Some(0.8), None, Some(2.0 / 3.0), None]);
        assert_eq!(found.accuracy(), 0.75);
        assert_eq!(Confusion::new(3).mean_iou(), 0.0);
        let mut twice = found.clone();
        twice.add(&found);
        assert_eq!(twice.mean_dice(), found.mean_dice());
    }

    #[test]
    fn other_sizes_and_unknown_classes_are_refused() {
        let mask =
            |width, height, classes: &[u8]| Mask::new(width, height, classes.to_vec()).unwrap();
        let refused = Confusion::of(&mask(2, 1, &[0, 0]), &mask(1, 2, &[0, 0]), 2).unwrap_err();
        assert!(matches!(refused, DataError::Unpaired { .. }));
        for (truth, said) in [([0, 2], [0, 0]), ([0, 0], [2, 0]), ([0, 0], [IGNORED, 0])] {
            let refused = Confusion::of(&mask(2, 1, &truth), &mask(2, 1, &said), 2).unwrap_err();
            assert!(matches!(refused, DataError::UnknownLabel { .. }), "{refused}");
        }
    }
}
