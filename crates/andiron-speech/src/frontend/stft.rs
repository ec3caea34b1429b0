//! The short-time Fourier transform: power spectra of overlapping windows.
//!
//! With `x` the samples, `w` the window of `N = n_fft` samples, `H` the hop:
//!
//! ```text
//! w[n]    = ½ − ½ cos(2πn / N)                                   periodic Hann
//! X[t, k] = Σ_n  w[n] · x[tH + n − N/2] · e^(−2πikn/N)           k = 0 ..= N/2
//! ```
//!
//! Frames are centred on every `H`-th sample; what a window needs beyond the ends is mirrored there
//! (without repeating the edge sample), again and again where the sound is shorter than the window.
//! Source: Oppenheim & Schafer, "Discrete-Time Signal Processing", section 10.3; conventions as in
//! librosa's `stft(center=True, pad_mode="reflect")`.

use andiron_core::ConfigError;
use realfft::{RealFftPlanner, RealToComplex};
use std::{f64::consts::TAU, fmt, sync::Arc};

/// Longest window, in samples: a bound on what a configuration from outside can ask for.
pub const MAX_FFT: usize = 1 << 17;

/// A planned transform; any size, not only powers of two.
///
/// ```
/// use andiron_speech::frontend::stft::Stft;
///
/// let stft = Stft::new(200, 80)?;
/// let power = stft.power(&[0.5; 1_000]);
/// assert_eq!((power.len(), stft.bins()), ((1 + 1_000 / 80) * 101, 101));
/// // A constant has power at frequency 0: the window's sum, squared.
/// assert!((power[6 * 101] - (0.5f64 * 100.0).powi(2)).abs() < 1e-6);
/// # Ok::<(), andiron_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Stft {
    plan: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    hop: usize,
}

impl fmt::Debug for Stft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stft").field("n_fft", &self.window.len()).field("hop", &self.hop).finish()
    }
}

impl Stft {
    /// Plans a transform of `n_fft` samples (2 to [`MAX_FFT`]) every `hop` samples (1 or more).
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn new(n_fft: usize, hop: usize) -> Result<Self, ConfigError> {
        ConfigError::within("n_fft", 2.0, MAX_FFT as f64, n_fft as f64)?;
        ConfigError::at_least("hop", 1, hop)?;
        let window =
            (0..n_fft).map(|n| 0.5 - 0.5 * (TAU * n as f64 / n_fft as f64).cos()).collect();
        Ok(Self { plan: RealFftPlanner::new().plan_fft_forward(n_fft), window, hop })
    }

    /// How many frequencies a spectrum has: `n_fft / 2 + 1`.
    pub fn bins(&self) -> usize {
        self.window.len() / 2 + 1
    }

    /// How many frames `samples` samples give: `1 + samples / hop` for an even `n_fft`, and none
    /// for no sample.
    pub fn frames(&self, samples: usize) -> usize {
        match samples {
            0 => 0,
            // An odd window reaches one sample less to the right than an even one.
            n => 1 + (n - self.window.len() % 2) / self.hop,
        }
    }

    /// `|X[t, k]|²`, row-major `[frames, bins]`.
    pub fn power(&self, samples: &[f32]) -> Vec<f64> {
        let (n_fft, frames) = (self.window.len(), self.frames(samples.len()));
        let mut frame = vec![0f64; n_fft];
        let mut spectrum = self.plan.make_output_vec();
        let mut scratch = self.plan.make_scratch_vec();
        let mut power = Vec::with_capacity(frames * self.bins());
        for t in 0..frames {
            let start = (t * self.hop) as isize - (n_fft / 2) as isize;
            fill(&mut frame, samples, start);
            for (value, weight) in frame.iter_mut().zip(&self.window) {
                *value *= weight;
            }
            self.plan
                .process_with_scratch(&mut frame, &mut spectrum, &mut scratch)
                .expect("the buffers are the plan's own");
            power.extend(spectrum.iter().map(|value| value.norm_sqr()));
        }
        power
    }
}

/// Copies `frame.len()` samples from position `start` on, mirrored at the ends.
fn fill(frame: &mut [f64], samples: &[f32], start: isize) {
    let inside = usize::try_from(start).ok().and_then(|at| samples.get(at..at + frame.len()));
    match inside {
        Some(part) => {
            for (value, sample) in frame.iter_mut().zip(part) {
                *value = f64::from(*sample);
            }
        }
        None => {
            for (value, at) in frame.iter_mut().zip(start..) {
                *value = f64::from(samples[mirrored(at, samples.len())]);
            }
        }
    }
}

/// The position inside `0..length` that stands where `at` would, mirrored at the ends.
fn mirrored(at: isize, length: usize) -> usize {
    let last = length as isize - 1;
    if last == 0 {
        return 0;
    }
    let at = at.rem_euclid(2 * last);
    (if at > last { 2 * last - at } else { at }) as usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// The formula at the head of this file, word for word.
    fn by_formula(samples: &[f32], n_fft: usize, hop: usize) -> Vec<f64> {
        let mut power = Vec::new();
        let pad = n_fft / 2;
        let mut start = 0;
        while start + n_fft <= samples.len() + 2 * pad {
            for k in 0..n_fft / 2 + 1 {
                let (mut re, mut im) = (0.0, 0.0);
                for n in 0..n_fft {
                    let window = 0.5 - 0.5 * (TAU * n as f64 / n_fft as f64).cos();
                    // Mirrored one end at a time, until it lies inside.
                    let (mut at, last) =
                        ((start + n) as i64 - pad as i64, samples.len() as i64 - 1);
                    while at < 0 || at > last {
                        at = if last == 0 {
                            0
                        } else if at < 0 {
                            -at
                        } else {
                            2 * last - at
                        };
                    }
                    let value = window * f64::from(samples[at as usize]);
                    let angle = -TAU * (k * n) as f64 / n_fft as f64;
                    re += value * angle.cos();
                    im += value * angle.sin();
                }
                power.push(re * re + im * im);
            }
            start += hop;
        }
        power
    }

    #[test]
    fn power_is_the_formulas_for_any_size_and_any_length() {
        for (n_fft, hop) in [(2, 1), (7, 3), (12, 5), (25, 30), (64, 10)] {
            let stft = Stft::new(n_fft, hop).unwrap();
            for length in [1, 2, 3, 11, 40, 101] {
                let samples: Vec<f32> = (0..length).map(|n| (n as f32 * 1.7).sin() + 0.2).collect();
                let (found, wanted) = (stft.power(&samples), by_formula(&samples, n_fft, hop));
                assert_eq!(found.len(), stft.frames(length) * stft.bins());
                assert_eq!(found.len(), wanted.len(), "{n_fft} {hop} {length}");
                for (f, w) in found.iter().zip(&wanted) {
                    assert!((f - w).abs() < 1e-9 * w.max(1.0), "{n_fft} {hop} {length}: {f} {w}");
                }
            }
        }
    }

    #[test]
    fn no_sample_has_no_frame() {
        assert!(Stft::new(16, 4).unwrap().power(&[]).is_empty());
    }

    #[test]
    fn settings_are_refused_by_name() {
        let refused = |n_fft, hop| Stft::new(n_fft, hop).unwrap_err().to_string();
        assert_eq!(refused(1, 4), "n_fft must lie in 2..=131072, but is 1");
        assert_eq!(refused(MAX_FFT + 1, 4), "n_fft must lie in 2..=131072, but is 131073");
        assert_eq!(refused(16, 0), "hop must be at least 1, but is 0");
    }
}
