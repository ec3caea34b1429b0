//! The short-time Fourier transform: spectra of overlapping windows.
//!
//! With `x` the samples, `w` the window of `N = n_fft` samples, `H` the hop:
//!
//! ```text
//! X[t, k] = Σ_n  w[n] · x[s(t) + n] · e^(−2πikn/N)           k = 0 ..= N/2
//! ```
//!
//! Where frame `t` starts, `s(t)`, what it holds beyond the ends, and how it is weighed is said by
//! [`Framing`]; by default `s(t) = tH − N/2` with mirrored ends and a periodic Hann window.
//! Computed in double precision by `realfft`, for any size, not only powers of two.
//! Source: Oppenheim & Schafer, "Discrete-Time Signal Processing", section 10.3; conventions as in
//! librosa's `stft(center=True, pad_mode="reflect")`.

use super::framing::{Frame, Framing, Sound};
use andiron_core::ConfigError;
pub use andiron_signal::fourier::Complex;
use andiron_signal::fourier::{self, RealToComplex};
use rayon::prelude::*;
use std::{fmt, sync::Arc};

/// Longest window, in samples: a bound on what a configuration from outside can ask for.
pub const MAX_FFT: usize = 1 << 17;

/// Frames that one thread takes at a time.
const SHARE: usize = 128;

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
    frame: Frame,
}

impl fmt::Debug for Stft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stft")
            .field("n_fft", &self.frame.n_fft())
            .field("hop", &self.frame.hop())
            .field("framing", self.frame.framing())
            .finish()
    }
}

impl Stft {
    /// Plans a transform of `n_fft` samples (2 to [`MAX_FFT`]) every `hop` samples (1 to
    /// [`MAX_FFT`]), with the default [`Framing`].
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn new(n_fft: usize, hop: usize) -> Result<Self, ConfigError> {
        Self::framed(n_fft, hop, &Framing::default())
    }

    /// Plans a transform of `n_fft` samples every `hop` samples, of frames as `framing` says.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn framed(n_fft: usize, hop: usize, framing: &Framing) -> Result<Self, ConfigError> {
        ConfigError::within("n_fft", 2.0, MAX_FFT as f64, n_fft as f64)?;
        ConfigError::at_least("hop", 1, hop)?;
        ConfigError::within("hop", 1.0, MAX_FFT as f64, hop as f64)?;
        framing.check(n_fft)?;
        let plan = fourier::forward(n_fft);
        Ok(Self { plan, frame: Frame::new(framing, n_fft, hop) })
    }

    /// How many frequencies a spectrum has: `n_fft / 2 + 1`.
    pub fn bins(&self) -> usize {
        self.frame.n_fft() / 2 + 1
    }

    /// How many frames `samples` samples give: with the default framing `1 + samples / hop` for an
    /// even `n_fft`, and none for no sample.
    pub fn frames(&self, samples: usize) -> usize {
        self.frame.count(samples)
    }

    /// `X[t, k]`, row-major `[frames, bins]`.
    pub fn spectra(&self, samples: &[f32]) -> Vec<Complex<f64>> {
        let all = 0..self.frames(samples.len());
        self.rows(Sound { samples, first: 0 }, all, self.bins(), |spectrum, row| {
            row.copy_from_slice(spectrum);
        })
    }

    /// `|X[t, k]|²`, row-major `[frames, bins]`.
    pub fn power(&self, samples: &[f32]) -> Vec<f64> {
        power_rows(self, Sound { samples, first: 0 }, 0..self.frames(samples.len()))
    }

    /// The same transform of a sound that comes in pieces.
    pub fn stream(&self) -> StftStream {
        StftStream { stft: self.clone(), pending: Pending::default() }
    }

    pub(super) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// What `make` writes into `width` numbers for the spectrum of each of the `frames`. Rows do
    /// not depend on one another, so the number of threads changes nothing.
    pub(super) fn rows<V, F>(
        &self,
        sound: Sound<'_>,
        frames: std::ops::Range<usize>,
        width: usize,
        make: F,
    ) -> Vec<V>
    where
        V: Clone + Default + Send,
        F: Fn(&[Complex<f64>], &mut [V]) + Sync,
    {
        let mut values = vec![V::default(); frames.len() * width];
        let share = |(at, rows): (usize, &mut [V])| {
            let mut frame = vec![0f64; self.frame.n_fft()];
            let mut spectrum = self.plan.make_output_vec();
            let mut scratch = self.plan.make_scratch_vec();
            for (t, row) in (frames.start + at * SHARE..).zip(rows.chunks_exact_mut(width)) {
                self.frame.write(&mut frame, &sound, t);
                self.plan
                    .process_with_scratch(&mut frame, &mut spectrum, &mut scratch)
                    .expect("the buffers are the plan's own");
                make(&spectrum, row);
            }
        };
        if frames.len() <= SHARE {
            values.chunks_mut(SHARE * width).enumerate().for_each(share);
        } else {
            values.par_chunks_mut(SHARE * width).enumerate().for_each(share);
        }
        values
    }
}

/// What of a sound that comes in pieces has not become a frame yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    samples: Vec<f32>,
    first: usize,
    next: usize,
}

impl Pending {
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.samples.len()
    }

    /// Takes more samples, and gives the frames that are certain now to `make`.
    pub(super) fn push<R>(
        &mut self,
        frame: &Frame,
        samples: &[f32],
        make: impl FnOnce(Sound<'_>, std::ops::Range<usize>) -> R,
    ) -> R {
        self.samples.extend_from_slice(samples);
        let end = self.next + frame.ready(self.next, self.first + self.samples.len());
        let made = make(Sound { samples: &self.samples, first: self.first }, self.next..end);
        self.next = end;
        let drop = frame.keep_from(end).saturating_sub(self.first).min(self.samples.len());
        self.samples.drain(..drop);
        self.first += drop;
        made
    }

    /// The sound ends here: gives the remaining frames to `make`, and forgets the sound.
    pub(super) fn finish<R>(
        &mut self,
        frame: &Frame,
        make: impl FnOnce(Sound<'_>, std::ops::Range<usize>) -> R,
    ) -> R {
        let end = frame.count(self.first + self.samples.len());
        let made = make(Sound { samples: &self.samples, first: self.first }, self.next..end);
        *self = Self::default();
        made
    }
}

/// An [`Stft`] with state: pieces of any size give the frames of the whole, bit for bit. It holds no
/// more than a few windows of the sound.
///
/// ```
/// use andiron_speech::frontend::stft::Stft;
///
/// let stft = Stft::new(64, 10)?;
/// let sound: Vec<f32> = (0..500).map(|n| (n as f32 * 0.3).sin()).collect();
/// let mut stream = stft.stream();
/// let mut power = Vec::new();
/// for piece in sound.chunks(7) {
///     power.extend(stream.push(piece));
/// }
/// power.extend(stream.finish());
/// assert_eq!(power, stft.power(&sound));
/// # Ok::<(), andiron_core::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StftStream {
    stft: Stft,
    pending: Pending,
}

impl StftStream {
    /// The power spectra that `samples` complete, row-major `[frames, bins]`; often none.
    pub fn push(&mut self, samples: &[f32]) -> Vec<f64> {
        let stft = &self.stft;
        self.pending.push(stft.frame(), samples, |sound, frames| power_rows(stft, sound, frames))
    }

    /// The power spectra of the frames that reach beyond the end of the sound. The next piece
    /// starts a new sound.
    pub fn finish(&mut self) -> Vec<f64> {
        let stft = &self.stft;
        self.pending.finish(stft.frame(), |sound, frames| power_rows(stft, sound, frames))
    }
}

fn power_rows(stft: &Stft, sound: Sound<'_>, frames: std::ops::Range<usize>) -> Vec<f64> {
    stft.rows(sound, frames, stft.bins(), |spectrum, row| {
        for (value, part) in row.iter_mut().zip(spectrum) {
            *value = part.norm_sqr();
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::f64::consts::TAU;

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
