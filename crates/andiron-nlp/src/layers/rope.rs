//! The angles of rotary positions, and how a network stretches them for longer texts.

use andiron_core::ConfigError;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// How the frequencies of rotary positions are changed for texts longer than those trained on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RopeScaling {
    /// As they are.
    #[default]
    None,
    /// All frequencies divided by a factor (Chen et al. 2023, <https://arxiv.org/abs/2306.15595>).
    Linear {
        /// The factor; above 0.
        factor: f64,
    },
    /// Low frequencies divided by a factor, high ones as they are, a smooth change between: that of
    /// Llama 3.1 (Grattafiori et al. 2024, <https://arxiv.org/abs/2407.21783>).
    Llama3 {
        /// What low frequencies are divided by; above 0.
        factor: f64,
        /// Frequencies that turn less often than this in the original length are low.
        low_turns: f64,
        /// Frequencies that turn more often than this in the original length are high.
        high_turns: f64,
        /// The original length in tokens.
        original_length: usize,
    },
}

impl RopeScaling {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] or [`ConfigError::TooSmall`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let above = |field, got| ConfigError::within(field, f64::MIN_POSITIVE, f64::MAX, got);
        match *self {
            Self::None => Ok(()),
            Self::Linear { factor } => above("rope_scaling.factor", factor),
            Self::Llama3 { factor, low_turns, high_turns, original_length } => {
                above("rope_scaling.factor", factor)?;
                above("rope_scaling.low_turns", low_turns)?;
                above("rope_scaling.high_turns", high_turns)?;
                ConfigError::at_least("rope_scaling.original_length", 1, original_length)?;
                if high_turns <= low_turns {
                    let field = "rope_scaling.high_turns";
                    let (low, high) = (low_turns, f64::MAX);
                    return Err(ConfigError::OutOfRange { field, low, high, got: high_turns });
                }
                Ok(())
            }
        }
    }

    /// The scaling of Llama 3.1 that divides the frequencies of `theta` by `factors`, one for each
    /// pair of a head, with the low and the high turns that all its kin have: 1 and 4. None if there
    /// is no such scaling.
    pub fn of_factors(factors: &[f64], theta: f64) -> Option<Self> {
        const TURNS: [f64; 2] = [1.0, 4.0];
        /// By how much factors in single precision may differ, as a share.
        const NEAR: f64 = 1e-4;
        if factors.iter().all(|factor| *factor == 1.0) {
            return Some(Self::None);
        }
        let factor = factors.iter().copied().fold(1.0, f64::max);
        let frequencies = Frequencies::new(2 * factors.len(), theta, &Self::None).0;
        // How long the original texts were stands in a factor between the extremes alone.
        let between = |share: &f64| *share > NEAR && *share < 1.0 - NEAR;
        let original = factors.iter().zip(&frequencies).find_map(|(got, frequency)| {
            let share = Some((1.0 / got - 1.0 / factor) / (1.0 - 1.0 / factor)).filter(between)?;
            Some((TURNS[0] + share * (TURNS[1] - TURNS[0])) * TAU / frequency)
        })?;
        let [low_turns, high_turns] = TURNS;
        // A cast saturates, so any factor gives some length.
        let original_length = original.round() as usize;
        let found = Self::Llama3 { factor, low_turns, high_turns, original_length };
        found.check().ok()?;
        let is_near = |(got, frequency): (&f64, &f64)| {
            (got * found.apply(*frequency) / frequency - 1.0).abs() < NEAR
        };
        factors.iter().zip(&frequencies).all(is_near).then_some(found)
    }

    fn apply(&self, frequency: f64) -> f64 {
        match *self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low_turns, high_turns, original_length } => {
                let turns = original_length as f64 * frequency / TAU;
                let share = ((turns - low_turns) / (high_turns - low_turns)).clamp(0.0, 1.0);
                frequency * (share + (1.0 - share) / factor)
            }
        }
    }
}

/// The frequencies of rotary positions, in radians a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Frequencies(Vec<f64>);

impl Frequencies {
    /// `theta^(-2i / d_head)`, scaled, for each pair `i` of a head.
    pub fn new(d_head: usize, theta: f64, scaling: &RopeScaling) -> Self {
        let of = |i: usize| scaling.apply(theta.powf(-((2 * i) as f64) / d_head as f64));
        Self((0..d_head / 2).map(of).collect())
    }

    /// Cosines and sines of the places from `start` on, computed in f64, `[len, d_head / 2]` each.
    pub fn angles(&self, start: usize, len: usize, device: &Device) -> Angles {
        let table = |function: fn(f64) -> f64| {
            let values: Vec<f32> = (start..start + len)
                .flat_map(|place| self.0.iter().map(move |frequency| place as f64 * frequency))
                .map(|angle| function(angle) as f32)
                .collect();
            Tensor::from_data(TensorData::new(values, [len, self.0.len()]), device)
        };
        Angles { cos: table(f64::cos), sin: table(f64::sin) }
    }
}

/// Cosines and sines for the tokens of one pass.
#[derive(Debug, Clone)]
pub struct Angles {
    /// Cosines, `[len, d_head / 2]`.
    pub cos: Tensor<2>,
    /// Sines, `[len, d_head / 2]`.
    pub sin: Tensor<2>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_low_frequencies_are_stretched() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_turns: 1.0,
            high_turns: 4.0,
            original_length: 8192,
        };
        scaling.check().unwrap();
        // 8192 places are 1303.8 turns, 2.0 turns and 0.1 turns.
        let turns = |turns: f64| turns * TAU / 8192.0;
        assert_eq!(scaling.apply(1.0), 1.0);
        assert!((scaling.apply(turns(2.0)) / turns(2.0) - (1.0 + 2.0 / 8.0) / 3.0).abs() < 1e-12);
        assert_eq!(scaling.apply(turns(0.1)), turns(0.1) / 8.0);
    }

    /// As llama.cpp's converter writes them, by wavelengths.
    fn factors(d_head: usize, theta: f64, factor: f64, original: f64) -> Vec<f64> {
        let of = |i: usize| {
            let wavelength = TAU * theta.powf((2 * i) as f64 / d_head as f64);
            if wavelength < original / 4.0 {
                return 1.0;
            }
            if wavelength > original {
                return factor;
            }
            let smooth = (original / wavelength - 1.0) / 3.0;
            f64::from((1.0 / ((1.0 - smooth) / factor + smooth)) as f32)
        };
        (0..d_head / 2).map(of).collect()
    }

    #[test]
    fn a_scaling_is_found_by_its_factors() {
        for (d_head, theta, factor, original_length) in
            [(64, 5e5, 32.0, 8192), (128, 5e5, 8.0, 8192), (6, 500.0, 8.0, 24)]
        {
            let mut all = factors(d_head, theta, factor, original_length as f64);
            let wanted =
                RopeScaling::Llama3 { factor, low_turns: 1.0, high_turns: 4.0, original_length };
            assert_eq!(RopeScaling::of_factors(&all, theta), Some(wanted));
            all[0] = 1.01;
            assert_eq!(RopeScaling::of_factors(&all, theta), None);
        }
        assert_eq!(RopeScaling::of_factors(&[1.0; 4], 1e4), Some(RopeScaling::None));
        for odd in
            [[2.0; 4], [1.0, f64::NAN, 2.0, 4.0], [0.0, 1.0, 2.0, 4.0], [-1.0, 1.0, 2.0, 4.0]]
        {
            assert_eq!(RopeScaling::of_factors(&odd, 1e4), None, "{odd:?}");
        }
        assert_eq!(RopeScaling::of_factors(&[f64::INFINITY, 1.5], 1e4), None);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let refused = |scaling: RopeScaling| scaling.check().unwrap_err().to_string();
        assert!(refused(RopeScaling::Linear { factor: 0.0 }).starts_with("rope_scaling.factor"));
        let flat = RopeScaling::Llama3 {
            factor: 2.0,
            low_turns: 3.0,
            high_turns: 3.0,
            original_length: 5,
        };
        assert!(refused(flat).starts_with("rope_scaling.high_turns must"));
    }
}
