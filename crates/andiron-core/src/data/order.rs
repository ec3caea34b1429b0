//! The order in which a run sees its examples.

use andiron_kernels::mix;
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};
use std::sync::Arc;

/// In how many windows examples of like length are looked for at most: so many that those of a window
/// are of nearly one length.
const STRETCH: usize = 32;

/// Seeded permutations of a data set, one an epoch, cut into windows of examples.
///
/// It has no state that matters: window `step` is a function of the seed and the step, so a run
/// resumes from its step number. The last window of an epoch may be smaller; none spans two
/// epochs, so every example is seen once an epoch.
///
/// With [`grouped`](Self::grouped) examples of like length share a window: the permutation is cut into
/// stretches of 32 windows, or of a quarter of all if there are fewer than 128; each stretch is sorted by
/// length, and then the windows are permuted.
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
    /// One an example; none where all are alike.
    lengths: Option<Arc<[usize]>>,
}

impl Order {
    /// The order of `len` examples in windows of `window`, both at least 1.
    pub fn new(seed: u64, len: usize, window: usize) -> Self {
        let (len, window) = (len.max(1), window.max(1));
        Self { seed, len, window, epoch: None, permutation: Vec::new(), lengths: None }
    }

    /// The order in which examples of like length share a window.
    ///
    /// # Panics
    /// Unless there is one length an example; one for an empty order, too.
    #[must_use]
    pub fn grouped(self, lengths: Arc<[usize]>) -> Self {
        assert_eq!(lengths.len(), self.len, "one length an example");
        Self { lengths: Some(lengths), epoch: None, ..self }
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
            if let Some(lengths) = &self.lengths {
                // What is left over stays the last window, of whatever lengths.
                let (whole, left) =
                    self.permutation.split_at_mut(self.len - self.len % self.window);
                let stretch = STRETCH.min(self.len / self.window / 4).max(1) * self.window;
                for part in whole.chunks_mut(stretch) {
                    part.sort_by_key(|index| lengths[*index]);
                }
                let mut windows: Vec<&[usize]> = whole.chunks_exact(self.window).collect();
                windows.shuffle(&mut generator);
                self.permutation = [windows.concat(), left.to_vec()].concat();
            }
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

        /// With lengths, too; and the windows' examples are more alike.
        #[test]
        fn like_lengths_share_a_window(len in 1usize..300, window in 1usize..9, seed: u64) {
            let lengths: Vec<usize> = (0..len).map(|index| mix(seed, &[index as u64]) as usize % 90).collect();
            let spread = |order: &mut Order, epoch: usize| -> (Vec<usize>, usize) {
                let (mut seen, mut spread) = (Vec::new(), 0);
                for step in epoch * order.steps_per_epoch()..(epoch + 1) * order.steps_per_epoch() {
                    let part = order.window(step);
                    let of = || part.iter().map(|index| lengths[*index]);
                    spread += part.len() * of().max().unwrap_or(0) - of().sum::<usize>();
                    seen.extend(part);
                }
                (seen, spread)
            };
            let plain = Order::new(seed, len, window);
            let mut grouped = plain.clone().grouped(lengths.clone().into());
            for epoch in [0, 2] {
                let (mut seen, padded) = spread(&mut grouped, epoch);
                prop_assert!(padded <= spread(&mut plain.clone(), epoch).1);
                seen.sort_unstable();
                prop_assert_eq!(seen, (0..len).collect::<Vec<_>>());
            }
            let whole = len / window;
            if whole >= 8 {
                // Other examples meet in another epoch.
                let mut of = |epoch: usize| -> Vec<Vec<usize>> {
                    let first = epoch * plain.steps_per_epoch();
                    let mut windows: Vec<Vec<usize>> =
                        (first..first + whole).map(|step| grouped.window(step).to_vec()).collect();
                    windows.iter_mut().for_each(|window| window.sort_unstable());
                    windows.sort();
                    windows
                };
                prop_assert!(window == 1 || of(0) != of(1));
            }
            let steps = plain.steps_per_epoch();
            let last = grouped.window(steps - 1).len();
            prop_assert_eq!(last, len - (steps - 1) * window);
        }
    }
}
