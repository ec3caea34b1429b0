//! The changes themselves, without chance.

use crate::{Waveform, waveform::Resampler};
use andiron_core::DataError;
use andiron_kernels::Dice;
use andiron_signal::fourier;

/// The mean of the squares.
fn power(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    sum / samples.len().max(1) as f64
}

/// `wave` with `noise` added so far below it: `10 log10(power of wave / power of noise) = snr`
/// decibels. A noise that is shorter ends before, and its power is that over the whole sound;
/// silence on either side stays as it is.
#[must_use]
pub fn add_at_snr(wave: Waveform, noise: &[f32], snr: f64) -> Waveform {
    let noise = &noise[..noise.len().min(wave.samples.len())];
    let share = noise.len() as f64 / wave.samples.len().max(1) as f64;
    let (sound, other) = (power(&wave.samples), power(noise) * share);
    let factor = (sound / other / 10f64.powf(snr / 10.0)).sqrt();
    if !factor.is_finite() {
        return wave;
    }
    let mut samples = wave.samples;
    for (sample, noise) in samples.iter_mut().zip(noise) {
        *sample = (f64::from(*sample) + factor * f64::from(*noise)) as f32;
    }
    Waveform { samples, ..wave }
}

/// Sounds at once, each sample the sum; as long as the longest, at the rate of the first. None for
/// no sound.
///
/// # Errors
/// [`DataError`] as [`Waveform::resample`].
pub fn mixed(waves: &[Waveform]) -> Result<Option<Waveform>, DataError> {
    let Some(first) = waves.first() else { return Ok(None) };
    let mut samples: Vec<f32> = Vec::new();
    for wave in waves {
        let wave = wave.resample(first.rate)?;
        samples.resize(samples.len().max(wave.samples.len()), 0.0);
        samples.iter_mut().zip(&wave.samples).for_each(|(sum, sample)| *sum += sample);
    }
    Waveform::new(samples, first.rate).map(Some)
}

/// The sound played `factor` times as fast, 0.5 to 2, rounded to a hundredth: shorter and higher
/// above 1.
///
/// # Errors
/// [`DataError`] as [`Waveform::check`].
pub fn sped(wave: &Waveform, factor: f64) -> Result<Waveform, DataError> {
    wave.check()?;
    let hundredths = (factor.clamp(0.5, 2.0) * 100.0).round() as u32;
    // Only the ratio of the two rates counts.
    let mut resampler = Resampler::new(100 * hundredths, 10_000)?;
    let mut samples = resampler.push(&wave.samples)?;
    samples.extend(resampler.finish());
    Waveform::new(samples, wave.rate)
}

/// An impulse response of a room in which the echo falls by 60 decibels in `seconds`: the direct
/// sound, then noise that dies away, of the power of the direct sound.
pub fn room(rate: u32, seconds: f64, dice: &mut Dice) -> Vec<f32> {
    let length = ((seconds * f64::from(rate)) as usize).max(2);
    // The amplitude falls to a thousandth.
    let decay = 1_000f64.ln() / length as f64;
    let mut response: Vec<f64> =
        (0..length).map(|n| dice.normal() * (-decay * n as f64).exp()).collect();
    response[0] = 0.0;
    let tail = response.iter().map(|value| value * value).sum::<f64>().sqrt();
    response.iter_mut().for_each(|value| *value /= tail.max(f64::MIN_POSITIVE));
    response[0] = 1.0;
    response.into_iter().map(|value| value as f32).collect()
}

/// The sound as it is heard where `response` is the answer to a click: their convolution, cut to
/// the length of the sound, at its power. An empty response changes nothing.
///
/// `y[n] = Σ_k response[k] · x[n − k]`, by the product of the spectra.
#[must_use]
pub fn reverberated(wave: &Waveform, response: &[f32]) -> Waveform {
    let length = wave.samples.len() + response.len().saturating_sub(1);
    if response.is_empty() || wave.samples.is_empty() {
        return wave.clone();
    }
    let size = length.next_power_of_two();
    let (forward, inverse) = (fourier::forward(size), fourier::inverse(size));
    let spectrum = |values: &[f32]| {
        let mut padded: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
        padded.resize(size, 0.0);
        let mut spectrum = forward.make_output_vec();
        forward.process(&mut padded, &mut spectrum).expect("the buffers are the plan's own");
        spectrum
    };
    let mut product = spectrum(&wave.samples);
    for (value, other) in product.iter_mut().zip(spectrum(response)) {
        *value *= other / size as f64;
    }
    // They are real but for rounding, and the plan insists.
    product[0].im = 0.0;
    product[size / 2].im = 0.0;
    let mut heard = inverse.make_output_vec();
    inverse.process(&mut product, &mut heard).expect("the buffers are the plan's own");
    let samples: Vec<f32> = heard[..wave.samples.len()].iter().map(|value| *value as f32).collect();
    Waveform { samples, rate: wave.rate }.with_rms(wave.rms())
}
