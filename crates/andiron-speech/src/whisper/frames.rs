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
/// What stands in every band of a frame of silence, before it is brought to a level: the logarithm of
/// the front end's floor, 1e-10, as [`LogMelConfig::whisper`] shifts and scales it.
const SILENCE: f32 = -1.5;

/// The front end, without what all frames of a sound decide together.
pub(super) fn planned(n_mels: usize) -> Result<LogMel, DataError> {
    let config = LogMelConfig { range: None, ..LogMelConfig::whisper(n_mels) };
    Ok(config.init()?)
}

/// The frames of a sound or of a part of it, levelled, and what is heard behind its end.
#[derive(Debug, Clone)]
pub(super) struct Levelled {
    /// As many as there are whole hops.
    pub(super) frames: Frames,
    /// Those behind them that reach back into the sound; row-major.
    behind: Vec<f32>,
    /// What stands in a band of silence.
    silence: f32,
}

impl Levelled {
    /// The frames of a whole sound.
    pub(super) fn of(wave: &Waveform, n_mels: usize) -> Result<Self, DataError> {
        let mut samples = wave.resample(RATE)?.samples;
        let whole = samples.len() / HOP;
        samples.resize(samples.len() + BEHIND, 0.0);
        let mut frames = planned(n_mels)?.compute(&samples);
        let behind = frames.values.split_off(whole * n_mels);
        Ok(Self::new(frames, behind))
    }

    /// Brings frames to Whisper's level: nothing is more than 80 dB below the loudest of them all,
    /// those `behind` the end included.
    pub(super) fn new(frames: Frames, behind: Vec<f32>) -> Self {
        let loudest = frames.values.iter().chain(&behind).copied().fold(SILENCE, f32::max);
        Self::below(loudest, frames, behind)
    }

    /// As [`new`](Self::new), where `loudest` was heard, here or before.
    pub(super) fn below(loudest: f32, mut frames: Frames, mut behind: Vec<f32>) -> Self {
        let least = loudest.max(SILENCE) - DEPTH;
        frames.values.iter_mut().chain(&mut behind).for_each(|value| *value = value.max(least));
        Self { frames, behind, silence: SILENCE.max(least) }
    }

    /// The first `length` frames, with silence behind the end of the sound.
    pub(super) fn opening(&self, length: usize) -> Frames {
        let all = self.frames.values.iter().chain(&self.behind).copied();
        let all = all.chain(std::iter::repeat(self.silence));
        let width = self.frames.width;
        Frames { values: all.take(length * width).collect(), width }
    }
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
            assert_eq!(Levelled::of(&wave, 9).unwrap().frames.len(), samples / HOP);
        }
    }

    #[test]
    fn behind_the_end_silence_is_heard_as_it_would_be() {
        for samples in [1, 159, 800, 801, 880, 921, 959] {
            let value = |n: usize| (n as f32 * 0.37).sin() * (n as f32 + 1.0) * 1e-3;
            let wave: Vec<f32> = (0..samples).map(value).collect();
            let levelled = Levelled::of(&Waveform::new(wave.clone(), RATE).unwrap(), 9).unwrap();
            let padded = Waveform::new([wave, vec![0.0; 3_200]].concat(), RATE).unwrap();
            let wanted = Levelled::of(&padded, 9).unwrap().frames;
            let (found, length) = (levelled.opening(20), 20 * 9);
            assert_eq!(found.values, wanted.values[..length], "{samples} samples");
            // All the same where the sound is longer than what is asked for.
            assert_eq!(levelled.opening(3).values, wanted.values[..3 * 9]);
        }
    }

    #[test]
    fn the_end_of_a_sound_is_part_of_the_loudest() {
        // A click within the last, broken hop.
        let mut samples = vec![1e-4; 860];
        samples[855] = 1.0;
        let wave = Waveform::new(samples, RATE).unwrap();
        let levelled = Levelled::of(&wave, 9).unwrap();
        let loudest = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (within, behind) = (loudest(&levelled.frames.values), loudest(&levelled.behind));
        assert!(within < behind, "{within} {behind}");
        let least = levelled.frames.values.iter().copied().fold(f32::INFINITY, f32::min);
        assert_eq!(least, behind - DEPTH);
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
        let frames = Frames { values: vec![-1.5, 1.5, 0.25], width: 3 };
        let levelled = Levelled::new(frames, vec![-1.0, 0.0, 1.0]);
        assert_eq!(levelled.frames.values, [-0.5, 1.5, 0.25]);
        assert_eq!(levelled.behind, [-0.5, 0.0, 1.0]);
        assert_eq!(levelled.opening(3).values[6..], [-0.5; 3]);
    }
}
