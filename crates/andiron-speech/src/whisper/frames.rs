//! What Whisper hears: log-mel frames of a sound, cut into windows.
//!
//! Source: openai-whisper, `audio.py`: `log_mel_spectrogram`, `pad_or_trim`.

use crate::{
    Waveform,
    frontend::{Frames, mel::LogMelConfig},
};
use andiron_core::DataError;

/// Samples a second.
pub const RATE: u32 = 16_000;
/// Samples of one window of the transform.
const N_FFT: usize = 400;
/// Samples from one mel frame to the next.
pub const HOP: usize = 160;
/// How far below the loudest a frame may be, in tens of decibels.
const DEPTH: f32 = 8.0;

/// The decimal logarithms of mel bands, a row a frame, not yet levelled: as many frames as `samples`
/// have hops. Behind the end there is silence.
pub(super) fn log_mel(samples: &[f32], n_mels: usize) -> Result<Frames, DataError> {
    let config = LogMelConfig::new(RATE, N_FFT, HOP).with_n_mels(n_mels).with_f_min(0.0);
    let planned = config.init()?;
    let mut padded = samples.to_vec();
    padded.resize(samples.len() + N_FFT, 0.0);
    let mut frames = planned.compute(&padded);
    frames.values.truncate(samples.len() / HOP * n_mels);
    for value in &mut frames.values {
        *value *= std::f32::consts::LOG10_E;
    }
    Ok(frames)
}

/// Brings frames to Whisper's level: nothing is more than 80 dB below the loudest of them all.
pub(super) fn level(frames: &mut Frames) {
    let loudest = frames.values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in &mut frames.values {
        *value = (value.max(loudest - DEPTH) + 4.0) / 4.0;
    }
}

/// The frames of a whole sound, levelled.
pub(super) fn of(wave: &Waveform, n_mels: usize) -> Result<Frames, DataError> {
    let wave = wave.resample(RATE)?;
    let mut frames = log_mel(&wave.samples, n_mels)?;
    level(&mut frames);
    Ok(frames)
}

/// `length` frames from `from` on as `[n_mels, length]`; behind the last there are zeros.
pub(super) fn window(frames: &Frames, from: usize, length: usize, out: &mut Vec<f32>) {
    let width = frames.width;
    let there = frames.len().saturating_sub(from).min(length);
    let start = out.len();
    out.resize(start + width * length, 0.0);
    let out = &mut out[start..];
    for (at, row) in frames.rows().skip(from).take(there).enumerate() {
        for (band, value) in row.iter().enumerate() {
            out[band * length + at] = *value;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_frames_as_whole_hops() {
        for samples in [1, 159, 160, 799, 16_001] {
            let wave = Waveform::new(vec![0.25; samples], RATE).unwrap();
            assert_eq!(of(&wave, 9).unwrap().len(), samples / HOP);
        }
    }

    #[test]
    fn a_window_ends_with_zeros() {
        let frames = Frames { values: (0..6).map(|n| n as f32 + 1.0).collect(), width: 2 };
        let mut out = vec![9.0];
        window(&frames, 1, 3, &mut out);
        assert_eq!(out, [9.0, 3.0, 5.0, 0.0, 4.0, 6.0, 0.0]);
        out.clear();
        window(&frames, 3, 2, &mut out);
        assert_eq!(out, [0.0; 4]);
    }

    #[test]
    fn nothing_is_far_below_the_loudest() {
        let mut frames = Frames { values: vec![-10.0, 2.0, -3.0], width: 1 };
        level(&mut frames);
        assert_eq!(frames.values, [-0.5, 1.5, 0.25]);
    }
}
