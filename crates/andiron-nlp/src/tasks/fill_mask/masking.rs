//! Which words are hidden, and what stands in their place.

use andiron_kernels::{mix, split_mix};

/// Of ten tokens that are chosen, so many become the mask token; one becomes any token, and the rest
/// stay as they are, so that the network has to look at every word.
const OF_TEN: usize = 10;
const MASKED: usize = 8;
const REPLACED: usize = 1;

/// A text's tokens with some of them hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hidden {
    /// What the network reads.
    pub(crate) ids: Vec<u32>,
    /// Where the chosen tokens stand, ascending.
    pub(crate) places: Vec<usize>,
    /// What stood there.
    pub(crate) truth: Vec<u32>,
}

/// Hides the share `share` of the tokens at `candidates`, but one at the least: Devlin et al. 2019,
/// section 3.1, task 1. What is hidden depends on the arguments alone.
pub(crate) fn hide(
    ids: &[u32],
    candidates: &[usize],
    share: f64,
    mask: u32,
    n_tokens: usize,
    seed: u64,
) -> Hidden {
    let mut state = seed;
    let wanted = (share * candidates.len() as f64).round() as usize;
    let wanted = wanted.max(1).min(candidates.len());
    // The first `wanted` of a random order (Fisher and Yates).
    let mut order = candidates.to_vec();
    for at in 0..wanted {
        let other = at + below(split_mix(&mut state), order.len() - at);
        order.swap(at, other);
    }
    let mut places = order[..wanted].to_vec();
    places.sort_unstable();
    let truth = places.iter().map(|place| ids[*place]).collect();
    let mut ids = ids.to_vec();
    for place in &places {
        let (lot, any) = (split_mix(&mut state), split_mix(&mut state));
        match below(lot, OF_TEN) {
            ..MASKED => ids[*place] = mask,
            lot if lot < MASKED + REPLACED => ids[*place] = below(any, n_tokens) as u32,
            _ => {}
        }
    }
    Hidden { ids, places, truth }
}

/// A seed for a text, the same wherever it stands in its batch.
pub(crate) fn seed_of(seed: u64, ids: &[u32]) -> u64 {
    ids.iter().fold(seed, |seed, id| mix(seed, &[u64::from(*id)]))
}

/// A random word as a number below `limit`, which is 1 or more.
fn below(word: u64, limit: usize) -> usize {
    ((u128::from(word) * limit as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: u32 = 4;
    const N_TOKENS: usize = 1000;

    fn text(length: u32) -> (Vec<u32>, Vec<usize>) {
        // Special tokens at both ends, which are no candidates.
        let ids = [2].into_iter().chain(10..10 + length).chain([3]).collect();
        (ids, (1..=length as usize).collect())
    }

    #[test]
    fn the_share_is_hidden_and_one_at_the_least() {
        for (length, wanted) in [(1, 1), (3, 1), (10, 2), (20, 3), (100, 15)] {
            let (ids, candidates) = text(length);
            let hidden = hide(&ids, &candidates, 0.15, MASK, N_TOKENS, 7);
            assert_eq!((hidden.places.len(), hidden.truth.len()), (wanted, wanted));
            assert!(hidden.places.is_sorted_by(|a, b| a < b));
            for (place, truth) in hidden.places.iter().zip(&hidden.truth) {
                assert_eq!(ids[*place], *truth);
            }
            let changed = (0..ids.len()).filter(|at| hidden.ids[*at] != ids[*at]);
            assert!(changed.into_iter().all(|at| hidden.places.contains(&at)));
            assert_eq!((hidden.ids[0], hidden.ids[ids.len() - 1]), (2, 3));
        }
        let (ids, candidates) = text(5);
        assert_eq!(hide(&ids, &candidates, 1.0, MASK, N_TOKENS, 7).places, candidates);
    }

    #[test]
    fn of_ten_eight_are_masked_one_replaced_and_one_kept() {
        let (ids, candidates) = text(900);
        let (mut masked, mut kept, mut all) = (0, 0, 0);
        let mut first = vec![0_usize; 30];
        for seed in 0..100 {
            let hidden = hide(&ids, &candidates, 0.15, MASK, N_TOKENS, seed);
            for (place, truth) in hidden.places.iter().zip(&hidden.truth) {
                masked += usize::from(hidden.ids[*place] == MASK);
                kept += usize::from(hidden.ids[*place] == *truth);
                first[place / 31] += 1;
                all += 1;
            }
        }
        assert_eq!(all, 13_500);
        // Standard deviations: 46 and 35, of which five are allowed.
        assert!((masked as f64 - 10_800.0).abs() < 232.0, "{masked}");
        assert!((kept as f64 - 1_350.0).abs() < 175.0, "{kept}");
        // Every part of the text is chosen from alike: 465 of 31 places, standard deviation 20.
        assert!(first[..29].iter().all(|count| (365..565).contains(count)), "{first:?}");
    }

    #[test]
    fn a_seed_is_all_it_depends_on() {
        let (ids, candidates) = text(40);
        let of = |seed| hide(&ids, &candidates, 0.3, MASK, N_TOKENS, seed);
        assert_eq!(of(5), of(5));
        assert_ne!(of(5), of(6));
        assert_eq!(seed_of(3, &ids), seed_of(3, &ids));
        assert_ne!(seed_of(3, &ids), seed_of(4, &ids));
        assert_ne!(seed_of(3, &ids), seed_of(3, &ids[1..]));
    }
}
