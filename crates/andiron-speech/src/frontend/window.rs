//! The weights of a frame, so that its ends fade out.
//!
//! With `N` the samples of the frame:
//!
//! ```text
//! Hann       w[n] = ½ − ½ cos(2πn / N)                          periodic
//! Povey      w[n] = (½ − ½ cos(2πn / (N − 1)))^0.85             symmetric
//! Hamming    w[n] = 0.54 − 0.46 cos(2πn / N)                    periodic
//! Rectangle  w[n] = 1
//! ```
//!
//! Sources: Harris 1978, <https://doi.org/10.1109/PROC.1978.10837>; Povey's is Kaldi's default,
//! `feat/feature-window.cc`.

use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// How the samples of a frame are weighed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// A raised cosine that starts at zero; librosa's and Whisper's default.
    #[default]
    Hann,
    /// A symmetric raised cosine to the power 0.85; Kaldi's default.
    Povey,
    /// A raised cosine that starts at 0.08.
    Hamming,
    /// No weight at all.
    Rectangle,
}

impl Window {
    /// The weights of `length` samples.
    ///
    /// ```
    /// use andiron_speech::frontend::window::Window;
    ///
    /// let hann = Window::Hann.weights(4);
    /// assert!(hann.iter().zip([0.0, 0.5, 1.0, 0.5]).all(|(got, wanted)| (got - wanted).abs() < 1e-12));
    /// assert_eq!(Window::Rectangle.weights(2), [1.0, 1.0]);
    /// ```
    pub fn weights(self, length: usize) -> Vec<f64> {
        let cosine = |n: usize, period: usize| (TAU * n as f64 / period.max(1) as f64).cos();
        (0..length)
            .map(|n| match self {
                Self::Hann => 0.5 - 0.5 * cosine(n, length),
                Self::Povey => (0.5 - 0.5 * cosine(n, length - 1)).max(0.0).powf(0.85),
                Self::Hamming => 0.54 - 0.46 * cosine(n, length),
                Self::Rectangle => 1.0,
            })
            .collect()
    }
}
