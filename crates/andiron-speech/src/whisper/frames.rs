//! What Whisper hears: log-mel frames of a sound, cut into windows.
//!
//! Source: openai-whisper, `audio.py`: `log_mel_spectrogram`, `pad_or_trim`.

use crate::{
    Waveform,
    frontend::{
        Frames,
        mel::{LogMel, LogMelConfig},
    },
};
use andiron_core::DataError;

/// Samples a second.
pub const RATE: u32 = 16_000;
/// Samples from one mel frame to the next.
pub const HOP: usize = 160;
/// Zeros behind the end of a sound: as many as a frame is wide, so that the last sees no mirror.
pub(super) const BEHIND: usize = 400;
/// How far below the loudest a frame may be, in the quarters of ten decibels that frames are in.
const DEPTH: f32 = 2.0;

/// The front end, without what all frames of a sound decide together.
pub(super) fn planned(n_mels: usize) -> Result<LogMel, DataError> {
    let config = LogMelConfig { range: None, ..LogMelConfig::whisper(n_mels) };
    Ok(config.init()?)
}

/// Brings frames to Whisper's level: nothing is more than 80 dB below the loudest of them all.
pub(super) fn level(frames: &mut [f32]) {
    let loudest = frames.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in frames {
        *value = value.max(loudest - DEPTH);
    }
}

/// The frames of a whole sound, levelled.
pub(super) fn of(wave: &Waveform, n_mels: usize) -> Result<Frames, DataError> {
    let mut samples = wave.resample(RATE)?.samples;
    let whole = samples.len() / HOP;
    samples.resize(samples.len() + BEHIND, 0.0);
    let mut frames = planned(n_mels)?.compute(&samples);
    frames.values.truncate(whole * n_mels);
    level(&mut frames.values);
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
        let mut values = [-1.5, 1.5, 0.25];
        level(&mut values);
        assert_eq!(values, [-0.5, 1.5, 0.25]);
    }
}
