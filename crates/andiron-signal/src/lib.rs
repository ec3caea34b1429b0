//! Fourier transforms, resampling of sounds and resizing of images: `realfft`, `rubato` and
//! `fast_image_resize` behind functions that are not generic.
//!
//! Those libraries are generic through and through, so whoever calls them compiles them: they were
//! half of the machine code of the vision and of the speech crate, made once more for each of their
//! test programs, without the optimisation that dependencies have. Here they are compiled once.
//! What the numbers mean is said where they are used, in the crates of vision and of speech.

#[cfg(feature = "sound")]
pub mod fourier;
#[cfg(feature = "images")]
pub mod images;
#[cfg(feature = "sound")]
pub mod sound;
