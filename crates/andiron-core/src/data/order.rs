//! The order in which a run sees its examples.

use andiron_kernels::mix;
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

/// Seeded permutations of a data set, one an epoch, cut into windows of examples.
///
/// It has no state that matters: window `step` is a function of the seed and the step, so a run
/// resumes from its step number. The last window of an epoch may be smaller; none spans two
/// epochs, so every example is seen once an epoch.
///
/// ```
/// use andiron_core::data::Order;
///
/// let mut order = Order::new(7, 5, 2);
/// assert_eq!(order.steps_per_epoch(), 3);
/// let mut epoch: Vec<usize> = (0..3).flat_map(|step| order.window(step).to_vec()).collect();
/// epoch.sort();
/// assert_eq!(epoch, [0, 1, 2, 3, 4]);
/// ```
#[derive(Debug, Clone)]
pub struct Order {
    seed: u64,
    len: usize,
    window: usize,
    epoch: Option<usize>,
    permutation: Vec<usize>,
}

impl Order {
    /// The order of `len` examples in windows of `window`, both at least 1.
    pub fn new(seed: u64, len: usize, window: usize) -> Self {
        Self { seed, len: len.max(1), window: window.max(1), epoch: None, permutation: Vec::new() }
    }

    /// How many windows an epoch has.
    pub fn steps_per_epoch(&self) -> usize {
        self.len.div_ceil(self.window)
    }

    /// The examples of window `step`, counted over all epochs.
    pub fn window(&mut self, step: usize) -> &[usize] {
        let (epoch, at) = (step / self.steps_per_epoch(), step % self.steps_per_epoch());
        if self.epoch != Some(epoch) {
            self.permutation = (0..self.len).collect();
            let mut generator = ChaCha8Rng::seed_from_u64(mix(self.seed, &[epoch as u64]));
            self.permutation.shuffle(&mut generator);
            self.epoch = Some(epoch);
        }
        let start = at * self.window;
        &self.permutation[start..self.len.min(start.saturating_add(self.window))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every example once an epoch, whatever the sizes; and a window is the same however one
        /// comes to it.
        #[test]
        fn every_example_is_seen_once_an_epoch(len in 1usize..60, window in 1usize..70, seed: u64) {
            let mut order = Order::new(seed, len, window);
            let steps = order.steps_per_epoch();
            let mut epochs = Vec::new();
            for epoch in 0..3 {
                let seen: Vec<usize> = (epoch * steps..(epoch + 1) * steps)
                    .flat_map(|step| order.window(step).to_vec())
                    .collect();
                let mut sorted = seen.clone();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..len).collect::<Vec<_>>());
                epochs.push(seen);
            }
            if len > 20 {
                prop_assert_ne!(&epochs[0], &epochs[1]);
            }
            let resumed = Order::new(seed, len, window).window(steps + steps / 2).to_vec();
            prop_assert_eq!(resumed, order.window(steps + steps / 2));
        }
    }
}
