//! Where frames stand in a sound, and what is done to one before its spectrum is taken.
//!
//! A frame of `L` samples starts every `H` samples. From its samples `x[0..L]`, in this order:
//!
//! ```text
//! x[n] ← x[n] − mean(x)                                  remove_mean
//! x[n] ← x[n] − a · x[n − 1],   x[0] ← (1 − a) · x[0]    pre_emphasis a
//! x[n] ← w[n] · x[n]                                     window
//! ```
//!
//! Source of the first two: Kaldi, `feat/feature-window.cc`; conventions of the edges as in
//! librosa's `stft` and Kaldi's `snip-edges`.

use super::window::Window;
use andiron_core::ConfigError;
use serde::{Deserialize, Serialize};

/// Where the frames stand, and what a frame holds beyond the ends of the sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edges {
    /// Centred on every `hop`-th sample from the first on; beyond the ends the sound is mirrored
    /// without its edge sample, again and again where it is shorter than the frame. librosa's
    /// `center=True, pad_mode="reflect"`.
    #[default]
    Reflect,
    /// Centred like that; zeros beyond the ends. librosa's `pad_mode="constant"`.
    Zero,
    /// The first frame starts with the sound, the last ends in it: nothing lies beyond, and a
    /// sound shorter than a frame has none. Kaldi's `snip-edges=true`.
    Snip,
    /// As many frames as the sound has whole hops (rounded), centred in them; beyond the ends the
    /// sound is mirrored with its edge sample. Kaldi's `snip-edges=false`.
    Mirror,
}

/// From a sound to frames; all that a spectrum needs to know but its size and the hop.
///
/// The default is librosa's: a Hann window as long as the spectrum, mirrored edges.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Framing {
    /// The weights.
    pub window: Window,
    /// Samples of a frame, 2 to `n_fft`; none is `n_fft`. A shorter frame stands in the middle of
    /// `n_fft` samples for centred frames, else at their start; the rest is zero.
    pub length: Option<usize>,
    /// Where the frames stand.
    pub edges: Edges,
    /// Whether the mean of a frame is subtracted from it.
    pub remove_mean: bool,
    /// How much of the sample before is subtracted from each; 0 to 1.
    pub pre_emphasis: f64,
    /// Whether the last frame is left out, as Whisper does: `samples / hop` frames are left.
    pub drop_last: bool,
}

impl Framing {
    /// Kaldi's: frames of `length` samples, no edge, no mean, pre-emphasis of 0.97, Povey's window.
    pub fn kaldi(length: usize) -> Self {
        Self {
            window: Window::Povey,
            length: Some(length),
            edges: Edges::Snip,
            remove_mean: true,
            pre_emphasis: 0.97,
            drop_last: false,
        }
    }

    /// Checks every field, for spectra of `n_fft` samples.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self, n_fft: usize) -> Result<(), ConfigError> {
        if let Some(length) = self.length {
            ConfigError::within("framing.length", 2.0, n_fft as f64, length as f64)?;
        }
        ConfigError::within("framing.pre_emphasis", 0.0, 1.0, self.pre_emphasis)
    }
}

/// A sound, or the last part of one, that frames are cut from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sound<'a> {
    /// The samples from number `first` on.
    pub(super) samples: &'a [f32],
    /// How many samples came before.
    pub(super) first: usize,
}

impl Sound<'_> {
    /// How many samples there are so far, those before included.
    fn total(&self) -> usize {
        self.first + self.samples.len()
    }
}

/// Frames as numbers, built from a [`Framing`] that was checked.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    weights: Vec<f64>,
    n_fft: usize,
    hop: usize,
    framing: Framing,
}

impl Frame {
    pub(super) fn new(framing: &Framing, n_fft: usize, hop: usize) -> Self {
        let length = framing.length.unwrap_or(n_fft);
        let weights = framing.window.weights(length);
        Self { weights, n_fft, hop, framing: framing.clone() }
    }

    pub(super) fn n_fft(&self) -> usize {
        self.n_fft
    }

    pub(super) fn hop(&self) -> usize {
        self.hop
    }

    pub(super) fn framing(&self) -> &Framing {
        &self.framing
    }

    /// Where a frame begins inside the `n_fft` samples of its spectrum.
    fn offset(&self) -> usize {
        match self.framing.edges {
            Edges::Reflect | Edges::Zero => (self.n_fft - self.weights.len()) / 2,
            Edges::Snip | Edges::Mirror => 0,
        }
    }

    /// The number of the first sample of frame `t`, below zero before the sound.
    pub(super) fn start(&self, t: usize) -> isize {
        let at = (t * self.hop) as isize;
        let length = self.weights.len();
        match self.framing.edges {
            Edges::Reflect | Edges::Zero => at - (self.n_fft / 2) as isize + self.offset() as isize,
            Edges::Snip => at,
            Edges::Mirror => at + (self.hop / 2) as isize - (length / 2) as isize,
        }
    }

    /// How many frames `samples` samples give.
    pub(super) fn count(&self, samples: usize) -> usize {
        if samples == 0 {
            return 0;
        }
        let all = match self.framing.edges {
            // An odd spectrum reaches one sample less to the right than an even one.
            Edges::Reflect | Edges::Zero => 1 + (samples - self.n_fft % 2) / self.hop,
            Edges::Snip => {
                samples.checked_sub(self.weights.len()).map_or(0, |rest| 1 + rest / self.hop)
            }
            Edges::Mirror => (samples + self.hop / 2) / self.hop,
        };
        all - usize::from(self.framing.drop_last && all > 0)
    }

    /// How many frames from number `from` on are known for certain after `samples` samples, of
    /// which more may follow.
    pub(super) fn ready(&self, from: usize, samples: usize) -> usize {
        let certain = |t: usize| {
            let start = self.start(t);
            let ahead = self.framing.edges != Edges::Zero && start.unsigned_abs() >= samples;
            let inside = start + self.weights.len() as isize <= samples as isize;
            inside && !(start < 0 && ahead) && t < self.count(samples)
        };
        (from..).take_while(|t| certain(*t)).count()
    }

    /// The number of the earliest sample that frame `t` and those after it can still ask for, also
    /// mirrored at the end of the sound.
    pub(super) fn keep_from(&self, t: usize) -> usize {
        let reach = self.weights.len().max(self.n_fft) as isize;
        (self.start(t) - reach).max(0) as usize
    }

    /// Writes frame `t` of `sound` into `frame`, which has `n_fft` samples.
    pub(super) fn write(&self, frame: &mut [f64], sound: &Sound<'_>, t: usize) {
        let start = self.start(t);
        let (offset, length) = (self.offset(), self.weights.len());
        frame[..offset].fill(0.0);
        frame[offset + length..].fill(0.0);
        let part = &mut frame[offset..offset + length];
        self.fill(part, sound, start);
        if self.framing.remove_mean {
            let mean = part.iter().sum::<f64>() / length as f64;
            part.iter_mut().for_each(|value| *value -= mean);
        }
        if self.framing.pre_emphasis != 0.0 {
            let less = self.framing.pre_emphasis;
            for n in (1..length).rev() {
                part[n] -= less * part[n - 1];
            }
            part[0] -= less * part[0];
        }
        for (value, weight) in part.iter_mut().zip(&self.weights) {
            *value *= weight;
        }
    }

    /// Copies the samples from number `start` on.
    fn fill(&self, part: &mut [f64], sound: &Sound<'_>, start: isize) {
        let within = usize::try_from(start - sound.first as isize).ok();
        if let Some(found) = within.and_then(|at| sound.samples.get(at..at + part.len())) {
            for (value, sample) in part.iter_mut().zip(found) {
                *value = f64::from(*sample);
            }
            return;
        }
        let total = sound.total();
        for (value, at) in part.iter_mut().zip(start..) {
            let at = match self.framing.edges {
                Edges::Reflect => Some(reflected(at, total)),
                Edges::Mirror => Some(mirrored(at, total)),
                Edges::Zero | Edges::Snip => usize::try_from(at).ok().filter(|at| *at < total),
            };
            *value = at.map_or(0.0, |at| f64::from(sound.samples[at - sound.first]));
        }
    }
}

/// The position inside `0..length` that stands where `at` would, mirrored without the edge.
fn reflected(at: isize, length: usize) -> usize {
    let last = length as isize - 1;
    if last == 0 {
        return 0;
    }
    let at = at.rem_euclid(2 * last);
    (if at > last { 2 * last - at } else { at }) as usize
}

/// The position inside `0..length` that stands where `at` would, mirrored with the edge.
fn mirrored(at: isize, length: usize) -> usize {
    let length = length as isize;
    let at = at.rem_euclid(2 * length);
    (if at >= length { 2 * length - 1 - at } else { at }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_mirrored_again_and_again() {
        let found: Vec<usize> = (-4..7).map(|at| reflected(at, 3)).collect();
        assert_eq!(found, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        let found: Vec<usize> = (-4..7).map(|at| mirrored(at, 3)).collect();
        assert_eq!(found, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
        assert_eq!((reflected(-5, 1), mirrored(9, 1)), (0, 0));
    }

    #[test]
    fn settings_are_refused_by_name() {
        let refused = |framing: Framing| framing.check(16).map_err(|error| error.to_string());
        let short = Framing { length: Some(1), ..Framing::default() };
        assert_eq!(refused(short), Err("framing.length must lie in 2..=16, but is 1".to_owned()));
        let long = Framing { length: Some(17), ..Framing::default() };
        assert_eq!(refused(long), Err("framing.length must lie in 2..=16, but is 17".to_owned()));
        let steep = Framing { pre_emphasis: 1.5, ..Framing::default() };
        let text = "framing.pre_emphasis must lie in 0..=1, but is 1.5";
        assert_eq!(refused(steep), Err(text.to_owned()));
    }
}
