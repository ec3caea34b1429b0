//! Draws from one seed.

use crate::split_mix;

/// A stream of random numbers that a seed decides, on every platform: what the random changes of
/// training data are drawn from.
///
/// ```
/// use andiron_kernels::Dice;
///
/// let (mut one, mut other) = (Dice::new(7), Dice::new(7));
/// assert_eq!(one.below(6), other.below(6));
/// assert!((0.0..1.0).contains(&one.unit()));
/// ```
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 0 or above, below 1, in steps of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (split_mix(&mut self.0) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Between two numbers.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from 0 to below `n`, which is 1 or more.
    pub fn below(&mut self, n: usize) -> usize {
        // The bias of the multiplication is below n / 2⁶⁴.
        ((u128::from(split_mix(&mut self.0)) * n as u128) >> 64) as usize
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Plus or minus one.
    pub fn sign(&mut self) -> f64 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    /// The normal distribution of mean 0 and variance 1 (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// The gamma distribution of this shape, above 0, and scale 1: Marsaglia & Tsang 2000,
    /// <https://doi.org/10.1145/358407.358414>; below a shape of 1 by their section 6.
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let whole = self.gamma(shape + 1.0);
            return whole * (1.0 - self.unit()).powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// The beta distribution with both parameters `alpha`, above 0.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        let (a, b) = (self.gamma(alpha), self.gamma(alpha));
        // Both vanish only where alpha is next to nothing; then one of the ends is drawn.
        if a + b > 0.0 { a / (a + b) } else { f64::from(u8::from(self.chance(0.5))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_their_moments() {
        let mut dice = Dice::new(5);
        let n = 40_000;
        let mut moments = |draw: &mut dyn FnMut(&mut Dice) -> f64| {
            let drawn: Vec<f64> = (0..n).map(|_| draw(&mut dice)).collect();
            let mean = drawn.iter().sum::<f64>() / n as f64;
            (mean, drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64)
        };
        for (alpha, variance) in [(0.2, 0.25 / 1.4), (1.0, 1.0 / 12.0), (4.0, 0.25 / 9.0)] {
            let (mean, found) = moments(&mut |dice| dice.beta(alpha));
            assert!((mean - 0.5).abs() < 0.01, "{alpha}: {mean}");
            assert!((found / variance - 1.0).abs() < 0.04, "{alpha}: {found} for {variance}");
        }
        let (mean, variance) = moments(&mut |dice| dice.below(7) as f64);
        assert!((mean - 3.0).abs() < 0.05 && (variance - 4.0).abs() < 0.1, "{mean} {variance}");
        let (mean, variance) = moments(&mut Dice::normal);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
