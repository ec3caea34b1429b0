//! Clips to learn keywords from, and streams to try them on, made of recordings of single words.

use super::{KeywordConfig, TrueKeyword};
use crate::Waveform;
use andiron_core::{ConfigError, DataError, Example};
use andiron_kernels::Dice;

/// The label of what is no keyword.
pub const OTHER: &str = "other";

/// How clips and streams are made; times are in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct MixConfig {
    /// The rate of what is made, in hertz.
    pub rate: u32,
    /// Clips made of each recording; 1 or more, default 8.
    pub copies: usize,
    /// How much slower or faster a clip may be, and with it lower or higher; default 0.85 to 1.2.
    pub speed: [f64; 2],
    /// The root of the mean square of the noise laid under everything; default 0.001.
    pub noise: f32,
    /// Seconds of a stream; default 60.
    pub seconds: f64,
    /// The shortest and the longest pause between two recordings of a stream; default 0.4 to 1.2.
    pub pause: [f64; 2],
    /// The share of keywords among the recordings of a stream; 0 to 1, default 0.25.
    pub share: f64,
}

impl MixConfig {
    /// The defaults, at `rate` hertz.
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            copies: 8,
            speed: [0.85, 1.2],
            noise: 1e-3,
            seconds: 60.0,
            pause: [0.4, 1.2],
            share: 0.25,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (low, high) = (f64::from(Waveform::MIN_RATE), f64::from(Waveform::MAX_RATE));
        ConfigError::within("rate", low, high, f64::from(self.rate))?;
        ConfigError::at_least("copies", 1, self.copies)?;
        ConfigError::within("speed", 0.5, 2.0, self.speed[0])?;
        ConfigError::within("speed", self.speed[0], 2.0, self.speed[1])?;
        ConfigError::within("noise", 0.0, 1.0, f64::from(self.noise))?;
        ConfigError::within("seconds", 1.0, Waveform::MAX_SECONDS as f64, self.seconds)?;
        ConfigError::within("pause", 0.0, 60.0, self.pause[0])?;
        ConfigError::within("pause", self.pause[0], 60.0, self.pause[1])?;
        ConfigError::within("share", 0.0, 1.0, self.share)
    }
}

/// Lays noise under `samples`, of that root of the mean square.
fn add_noise(dice: &mut Dice, samples: &mut [f32], level: f32) {
    let width = f64::from(level) * 12f64.sqrt();
    for sample in samples {
        *sample += ((dice.unit() - 0.5) * width) as f32;
    }
}

/// Clips of one window to learn from: every keyword anywhere in its window, at several speeds, and as
/// [`OTHER`] pieces of the other recordings and less than half of a keyword, as a window that slides
/// meets them.
///
/// # Errors
/// [`ConfigError`] for a setting, [`DataError`] for a recording that cannot be used.
pub fn keyword_clips(
    keywords: &[(String, Waveform)],
    others: &[Waveform],
    config: &MixConfig,
    spotting: &KeywordConfig,
    seed: u64,
) -> Result<Vec<Example<Waveform, String>>, DataError> {
    config.check()?;
    spotting.check()?;
    let mut dice = Dice::new(seed);
    let window = (spotting.window * f64::from(config.rate)).round() as usize;
    let mut clips = Vec::new();
    let mut put = |dice: &mut Dice, sound: &[f32], label: &str| {
        let mut samples = vec![0.0; window];
        let (from, to, length) = place(dice, sound.len(), window);
        samples[to..to + length].copy_from_slice(&sound[from..from + length]);
        add_noise(dice, &mut samples, config.noise);
        let input = Waveform { samples, rate: config.rate };
        clips.push(Example { input, target: label.to_owned() });
    };
    for _ in 0..config.copies {
        for (label, wave) in keywords {
            let sound = at_speed(wave, config, &mut dice)?;
            put(&mut dice, &sound, label);
            // The beginning or the end of one, less than half of it.
            let part = (dice.between(0.15, 0.45) * sound.len() as f64) as usize;
            let part = part.max(1);
            let from = if dice.chance(0.5) { 0 } else { sound.len() - part };
            put(&mut dice, &sound[from..from + part], OTHER);
        }
        for wave in others {
            let sound = at_speed(wave, config, &mut dice)?;
            put(&mut dice, &sound, OTHER);
        }
    }
    Ok(clips)
}

/// Where a sound of `length` samples and a window lie over each other: from where in the sound, from
/// where in the window, and how many samples.
fn place(dice: &mut Dice, length: usize, window: usize) -> (usize, usize, usize) {
    if length > window {
        (dice.below(length - window + 1), 0, window)
    } else {
        (0, dice.below(window - length + 1), length)
    }
}

/// A recording at the wanted rate, a little slower or faster.
fn at_speed(wave: &Waveform, config: &MixConfig, dice: &mut Dice) -> Result<Vec<f32>, DataError> {
    let rate = f64::from(wave.rate) * dice.between(config.speed[0], config.speed[1]);
    let (low, high) = (f64::from(Waveform::MIN_RATE), f64::from(Waveform::MAX_RATE));
    let rate = rate.round().clamp(low, high) as u32;
    Ok(Waveform { rate, ..wave.clone() }.resample(config.rate)?.samples)
}

/// A stream in which keywords come between other recordings, and where they are.
///
/// # Errors
/// As [`keyword_clips`]; [`DataError::Empty`] if there is no keyword or no other recording.
pub fn mixed_stream(
    keywords: &[(String, Waveform)],
    others: &[Waveform],
    config: &MixConfig,
    seed: u64,
) -> Result<(Waveform, Vec<TrueKeyword>), DataError> {
    config.check()?;
    for (what, is) in [("keywords", keywords.is_empty()), ("others", others.is_empty())] {
        if is {
            return Err(DataError::Empty { what: what.to_owned() });
        }
    }
    let (mut dice, mut samples, mut there) = (Dice::new(seed), Vec::new(), Vec::new());
    let total = (config.seconds * f64::from(config.rate)) as usize;
    let seconds = |samples: usize| samples as f64 / f64::from(config.rate);
    while samples.len() < total {
        let pause = dice.between(config.pause[0], config.pause[1]) * f64::from(config.rate);
        samples.resize(samples.len() + pause as usize, 0.0);
        let start = seconds(samples.len());
        if dice.chance(config.share) {
            let (label, wave) = &keywords[dice.below(keywords.len())];
            samples.extend(wave.resample(config.rate)?.samples);
            let end = seconds(samples.len());
            there.push(TrueKeyword { label: label.clone(), start, end });
        } else {
            let wave = &others[dice.below(others.len())];
            samples.extend(wave.resample(config.rate)?.samples);
        }
    }
    add_noise(&mut dice, &mut samples, config.noise);
    Ok((Waveform { samples, rate: config.rate }, there))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn recordings() -> (Vec<(String, Waveform)>, Vec<Waveform>) {
        let wave = |samples: usize, rate| Waveform { samples: vec![0.5; samples], rate };
        let keywords =
            vec![("a".to_owned(), wave(3_000, 8_000)), ("b".to_owned(), wave(9_001, 16_000))];
        (keywords, vec![wave(30_000, 8_000), wave(777, 8_000)])
    }

    #[test]
    fn clips_are_of_one_window_and_every_label_is_there() {
        let (keywords, others) = recordings();
        let config = MixConfig { copies: 3, ..MixConfig::new(8_000) };
        let spotting = KeywordConfig::default();
        let clips = keyword_clips(&keywords, &others, &config, &spotting, 7).unwrap();
        assert_eq!(clips.len(), 3 * (2 + 2 + 2));
        assert!(clips.iter().all(|clip| clip.input.samples.len() == 8_000));
        let count = |label: &str| clips.iter().filter(|clip| clip.target == label).count();
        assert_eq!((count("a"), count("b"), count(OTHER)), (3, 3, 12));
        assert_eq!(clips, keyword_clips(&keywords, &others, &config, &spotting, 7).unwrap());
        assert_ne!(clips, keyword_clips(&keywords, &others, &config, &spotting, 8).unwrap());
    }

    #[test]
    fn a_stream_says_where_its_keywords_are() {
        let (keywords, others) = recordings();
        let config = MixConfig { seconds: 20.0, noise: 0.0, ..MixConfig::new(8_000) };
        let (wave, there) = mixed_stream(&keywords, &others, &config, 7).unwrap();
        assert!(wave.seconds() >= 20.0 && !there.is_empty());
        for one in there {
            let at = |seconds: f64| wave.samples[(seconds * 8e3).round() as usize];
            assert!(at(one.start) > 0.1 && at(one.end - 2e-4).abs() > 0.1, "{one:?}");
            assert_eq!(wave.samples[(one.start * 8e3).round() as usize - 1], 0.0);
        }
        assert!(mixed_stream(&[], &others, &config, 7).is_err());
        let bad = MixConfig { speed: [1.2, 0.8], ..config };
        assert!(mixed_stream(&keywords, &others, &bad, 7).is_err());
    }
}
