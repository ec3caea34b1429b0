//! Scenes of handwritten digits on photographs: what detection and segmentation are measured on.

use super::{SceneOptions, Scenes};
use andiron_core::DataError;
use std::path::{Path, PathBuf};

/// Photographs that scenes are learnt on.
const LEARNT: [&str; 9] = [
    "photographs/astronaut.png",
    "photographs/brick.png",
    "photographs/camera.png",
    "photographs/coffee.png",
    "photographs/coins.png",
    "photographs/gravel.png",
    "photographs/hubble_deep_field.jpg",
    "photographs/retina.jpg",
    "photographs-cc-by/china.jpg",
];

/// More of them: pictures of science and print, a clock that was moved, a motorcycle.
const LEARNT_TOO: [&str; 6] = [
    "photographs-more/cell.png",
    "photographs-more/clock_motion.png",
    "photographs-more/ihc.png",
    "photographs-more/motorcycle_left.png",
    "photographs-more/page.png",
    "photographs-more/text.png",
];

/// Photographs that scenes are measured on; the last may be passed on only with its author's name.
const MEASURED: [&str; 5] = [
    "photographs/chelsea.png",
    "photographs/grass.png",
    "photographs/moon.png",
    "photographs/rocket.jpg",
    "photographs-cc-by/flower.jpg",
];

/// Which digits stand on which photographs. No digit and no photograph that is learnt from is in a part
/// that is measured or shown; the photographs of [`Shown`](Self::Shown) are of the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigitPart {
    /// The 60,000 digits that MNIST has for training, on nine photographs.
    Train,
    /// The digits of [`Train`](Self::Train) on its photographs and six more, fifteen.
    TrainMore,
    /// Its 10,000 for the test, on five others.
    Test,
    /// Those that ship with the project, on photographs in the public domain: for pictures that are
    /// passed on.
    Shown,
}

impl Scenes {
    /// `count` scenes of digits, 160 by 128 pixels. `root` is the project's folder, into whose
    /// `assets` the command `scripts/fetch-assets` has brought MNIST and the photographs.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of_digits(
        root: &Path,
        part: DigitPart,
        count: usize,
        seed: u64,
    ) -> Result<Self, DataError> {
        let (stem, ending, photographs) = match part {
            DigitPart::Train => ("assets/mnist/train", "", LEARNT.to_vec()),
            DigitPart::TrainMore => {
                ("assets/mnist/train", "", [&LEARNT[..], &LEARNT_TOO[..]].concat())
            }
            DigitPart::Test => ("assets/mnist/t10k", "", MEASURED.to_vec()),
            DigitPart::Shown => ("examples/data/digits/digits", ".gz", MEASURED[..4].to_vec()),
        };
        let file = |kind: &str| root.join(format!("{stem}-{kind}-ubyte{ending}"));
        let photographs: Vec<PathBuf> =
            photographs.iter().map(|name| root.join("assets").join(name)).collect();
        let (images, labels) = (file("images-idx3"), file("labels-idx1"));
        Self::open([&images, &labels], &photographs, count, seed, SceneOptions::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_photograph_is_learnt_from_and_measured_on() {
        for name in LEARNT.iter().chain(&LEARNT_TOO) {
            assert!(!MEASURED.contains(name), "{name}");
        }
    }
}
