//! From one sample rate to another, by `rubato`'s FFT method: the spectrum of each block is cut or
//! widened, so that what the lower of the two rates cannot carry is filtered out.
//!
//! Up to nine tenths of half the lower rate a sound comes out as a long polyphase filter makes it
//! (scipy's `resample_poly`, 256 periods), within −90 dB; above that the filter falls, and above half
//! the lower rate nothing is left.

use super::check_format;
use crate::frontend::{reject_infinite, reject_loud};
use andiron_core::DataError;
use andiron_signal::sound::BlockResampler;
use std::fmt;

/// The samples of a block on the side of the lower rate, at least: the longer the block, the
/// steeper the filter.
const BLOCK: usize = 1_024;

/// A resampler with state, for a sound that comes in pieces: pieces of any size give what the whole
/// gives, bit for bit. It holds no more than a few blocks of the sound.
///
/// ```
/// use andiron_speech::{Waveform, waveform::Resampler};
///
/// let sound: Vec<f32> = (0..9_001).map(|n| (n as f32 * 0.03).sin()).collect();
/// let mut resampler = Resampler::new(44_100, 16_000)?;
/// let mut found = Vec::new();
/// for piece in sound.chunks(441) {
///     found.extend(resampler.push(piece)?);
/// }
/// found.extend(resampler.finish());
/// assert_eq!(found, Waveform::new(sound, 44_100)?.resample(16_000)?.samples);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
pub struct Resampler {
    rates: (u32, u32),
    /// None for equal rates, which need none.
    fft: Option<BlockResampler>,
    /// Samples that do not fill a block yet.
    pending: Vec<f32>,
    output: Vec<f32>,
    /// Samples at the beginning of the output that are the filter's delay, still to be left out.
    delay: usize,
    received: u64,
    given: u64,
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resampler")
            .field("rates", &self.rates)
            .field("pending", &self.pending.len())
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Resampler {
    /// A resampler from `from` to `to` hertz, both
    /// [`MIN_RATE`](crate::Waveform::MIN_RATE) to [`MAX_RATE`](crate::Waveform::MAX_RATE).
    ///
    /// # Errors
    /// [`DataError::TooShort`] or [`DataError::TooLarge`] for a rate out of range.
    pub fn new(from: u32, to: u32) -> Result<Self, DataError> {
        check_format(from, 1)?;
        check_format(to, 1)?;
        let fft = (from != to).then(|| planned(from as usize, to as usize));
        let (output, delay) = fft.as_ref().map_or((0, 0), |fft| (fft.block().1, fft.delay()));
        Ok(Self {
            rates: (from, to),
            fft,
            pending: Vec::new(),
            output: vec![0.0; output],
            delay,
            received: 0,
            given: 0,
        })
    }

    /// The samples at the new rate that `samples` complete; often none.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] for a sample that is NaN or infinite, [`DataError::TooLarge`] for one
    /// of more than 2⁶⁰, of which a sum over a block might be infinite; the piece is not heard then.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>, DataError> {
        reject_infinite("the piece of sound", samples)?;
        if self.fft.is_some() {
            reject_loud(samples, LOUDEST)?;
        }
        self.received += samples.len() as u64;
        let Some(block) = self.fft.as_ref().map(|fft| fft.block().0) else {
            return Ok(samples.to_vec());
        };
        self.pending.extend_from_slice(samples);
        let mut found = Vec::new();
        let whole = self.pending.len() / block * block;
        for at in (0..whole).step_by(block) {
            self.process(at, block, &mut found);
        }
        self.pending.drain(..whole);
        self.given += found.len() as u64;
        Ok(found)
    }

    /// The sound ends here: the samples that are left, so that all of it are
    /// `ceil(samples · to / from)`. The next piece starts a new sound.
    pub fn finish(&mut self) -> Vec<f32> {
        let (from, to) = (u64::from(self.rates.0), u64::from(self.rates.1));
        let mut found = Vec::new();
        if let Some(block) = self.fft.as_ref().map(|fft| fft.block().0) {
            let wanted = ((self.received * to).div_ceil(from) - self.given) as usize;
            while found.len() < wanted {
                self.pending.resize(block, 0.0);
                self.process(0, block, &mut found);
                self.pending.clear();
            }
            found.truncate(wanted);
        }
        self.restart();
        found
    }

    fn restart(&mut self) {
        self.pending.clear();
        (self.received, self.given) = (0, 0);
        if let Some(fft) = &mut self.fft {
            fft.reset();
            self.delay = fft.delay();
        }
    }

    /// One block of `pending`, from `at` on, through the filter.
    fn process(&mut self, at: usize, block: usize, found: &mut Vec<f32>) {
        let Some(fft) = &mut self.fft else { return };
        let made = fft.process(&self.pending[at..at + block], &mut self.output);
        let skipped = self.delay.min(made);
        self.delay -= skipped;
        found.extend_from_slice(&self.output[skipped..made]);
    }
}

/// The largest magnitude of a sample that is resampled.
const LOUDEST: u64 = 1 << 60;

/// A filter for two different rates.
fn planned(rate_in: usize, rate_out: usize) -> BlockResampler {
    let unit = rate_in / gcd(rate_in, rate_out);
    // rubato delays by half a block; only an even number of units is half of whole samples on
    // both sides, so that no fraction of a sample is left after the delay has been cut off.
    let units = (BLOCK * rate_in.div_ceil(rate_out)).div_ceil(unit).next_multiple_of(2);
    BlockResampler::new(rate_in, rate_out, units * unit)
}

/// `samples` at `from` hertz as `ceil(samples · to / from)` samples at `to` hertz.
pub(super) fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>, DataError> {
    let mut resampler = Resampler::new(from, to)?;
    let mut found = resampler.push(samples)?;
    found.extend(resampler.finish());
    Ok(found)
}

/// The greatest common divisor, by Euclid.
fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
