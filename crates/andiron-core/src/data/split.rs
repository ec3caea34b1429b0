//! Splits: seeded, stratified by label, or by group.

use crate::{ConfigError, DataError};
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};
use std::collections::BTreeMap;

/// How much of a data set is held out; the rest is for training.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Fractions {
    /// The share for validation (choosing the best step), 0 to 1.
    pub valid: f64,
    /// The share for the test, 0 to 1.
    pub test: f64,
}

impl Fractions {
    fn check(self) -> Result<(), ConfigError> {
        ConfigError::within("valid", 0.0, 1.0, self.valid)?;
        ConfigError::within("test", 0.0, 1.0, self.test)?;
        ConfigError::within("valid + test", 0.0, 1.0, self.valid + self.test)
    }

    /// How many of `n` are for training, validation and the test.
    fn of(self, n: usize) -> Counts {
        let test = ((n as f64 * self.test).round() as usize).min(n);
        let valid = ((n as f64 * self.valid).round() as usize).min(n - test);
        [n - test - valid, valid, test]
    }

    /// Which parts have a share.
    fn wanted(self) -> [bool; 3] {
        // The fractions are sums of decimals, as 0.7 and 0.3 are: what is left may be next to nothing.
        [self.valid + self.test < 1.0 - 1e-9, self.valid > 0.0, self.test > 0.0]
    }

    /// As [`Fractions::of`] for every class, with one or more in each part that has a share: where
    /// rounding left nothing for a part, the class with most to give gives one.
    fn of_each(
        self,
        what: &'static str,
        sizes: impl Iterator<Item = usize>,
    ) -> Result<Vec<Counts>, DataError> {
        self.check()?;
        let wanted = self.wanted();
        let mut counts: Vec<Counts> = sizes.map(|size| self.of(size)).collect();
        let least = wanted.iter().filter(|wanted| **wanted).count();
        let got: usize = counts.iter().flatten().sum();
        if got < least {
            return Err(DataError::TooFew { what, least, got });
        }
        let total = |counts: &[Counts], part: usize| counts.iter().map(|c| c[part]).sum::<usize>();
        for part in (0..3).filter(|part| wanted[*part]) {
            if total(&counts, part) > 0 {
                continue;
            }
            let spare = |from: usize| total(&counts, from) > usize::from(wanted[from]);
            let most = (0..counts.len())
                .flat_map(|class| (0..3).map(move |from| (class, from)))
                .filter(|(_, from)| spare(*from))
                .rev()
                .max_by_key(|(class, from)| counts[*class][*from]);
            let (class, from) = most.expect("there are examples enough for all parts");
            counts[class][from] -= 1;
            counts[class][part] += 1;
        }
        Ok(counts)
    }
}

/// How many are for training, validation and the test.
type Counts = [usize; 3];

/// Indices of the training, validation and test examples, each in ascending order.
pub(crate) type Indices = (Vec<usize>, Vec<usize>, Vec<usize>);

fn sorted(mut parts: Indices) -> Indices {
    parts.0.sort_unstable();
    parts.1.sort_unstable();
    parts.2.sort_unstable();
    parts
}

/// Splits `n` examples at random. Every part with a share gets at least one.
///
/// # Errors
/// [`DataError::Config`] for fractions outside 0 to 1, [`DataError::TooFew`] if there are fewer
/// examples than parts with a share.
pub fn split(n: usize, fractions: Fractions, seed: u64) -> Result<Indices, DataError> {
    split_of("a split", n, fractions, seed)
}

fn split_of(
    what: &'static str,
    n: usize,
    fractions: Fractions,
    seed: u64,
) -> Result<Indices, DataError> {
    let [_, valid, test] = fractions.of_each(what, std::iter::once(n))?[0];
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let rest = order.split_off(valid + test);
    let held_out = order.split_off(valid);
    Ok(sorted((rest, order, held_out)))
}

/// Splits so that every label has the same share in each part, to within one example. Every part
/// with a share gets at least one example.
///
/// ```
/// use andiron_core::data::{Fractions, split_stratified};
///
/// let labels = ["a", "a", "a", "a", "b", "b", "b", "b", "b", "b"];
/// let (train, valid, test) =
///     split_stratified(&labels, Fractions { valid: 0.0, test: 0.5 }, 7)?;
/// assert_eq!((train.len(), valid.len(), test.len()), (5, 0, 5));
/// assert_eq!(test.iter().filter(|i| labels[**i] == "a").count(), 2);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::Config`] for fractions outside 0 to 1, [`DataError::TooFew`] if there are fewer
/// examples than parts with a share.
pub fn split_stratified<L: AsRef<str>>(
    labels: &[L],
    fractions: Fractions,
    seed: u64,
) -> Result<Indices, DataError> {
    let mut classes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, label) in labels.iter().enumerate() {
        classes.entry(label.as_ref()).or_default().push(index);
    }
    let counts = fractions.of_each("a stratified split", classes.values().map(Vec::len))?;
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut parts = Indices::default();
    for (members, [_, valid, test]) in classes.values_mut().zip(counts) {
        members.shuffle(&mut generator);
        parts.1.extend(members.drain(..valid));
        parts.2.extend(members.drain(..test));
        parts.0.append(members);
    }
    Ok(sorted(parts))
}

/// Splits so that all examples of a group (a speaker, a prompt, a patient) are in one part; the
/// fractions are of groups. Every part with a share gets at least one group.
///
/// # Errors
/// [`DataError::Config`] for fractions outside 0 to 1, [`DataError::TooFew`] if there are fewer
/// groups than parts with a share.
pub fn split_by_group<G: AsRef<str>>(
    groups: &[G],
    fractions: Fractions,
    seed: u64,
) -> Result<Indices, DataError> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        members.entry(group.as_ref()).or_default().push(index);
    }
    let members: Vec<Vec<usize>> = members.into_values().collect();
    let (train, valid, test) = split_of("a split by group", members.len(), fractions, seed)?;
    let gather = |chosen: Vec<usize>| {
        chosen.into_iter().flat_map(|group| members[group].iter().copied()).collect()
    };
    Ok(sorted((gather(train), gather(valid), gather(test))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(parts: &Indices) -> Vec<usize> {
        let mut every = [parts.0.clone(), parts.1.clone(), parts.2.clone()].concat();
        every.sort_unstable();
        every
    }

    proptest! {
        #[test]
        fn every_example_is_in_one_part(n in 0usize..200, valid in 0.0..0.5f64, test in 0.0..0.5f64, seed: u64) {
            let fractions = Fractions { valid, test };
            let labels: Vec<String> = (0..n).map(|i| format!("{}", i * 7 % 5)).collect();
            let every: Vec<usize> = (0..n).collect();
            let parts = 1 + usize::from(valid > 0.0) + usize::from(test > 0.0);
            for split in [split(n, fractions, seed), split_stratified(&labels, fractions, seed)] {
                match split {
                    Ok(split) => {
                        prop_assert_eq!(&whole(&split), &every);
                        prop_assert!(!split.0.is_empty());
                        prop_assert!(valid == 0.0 || !split.1.is_empty());
                        prop_assert!(test == 0.0 || !split.2.is_empty());
                    }
                    Err(DataError::TooFew { least, got, .. }) => {
                        prop_assert!(n < parts && (least, got) == (parts, n));
                    }
                    Err(other) => return Err(TestCaseError::fail(other.to_string())),
                }
            }
        }

        #[test]
        fn rounding_decides_where_it_leaves_no_part_empty(n in 3usize..200, valid in 0.0..0.5f64, test in 0.0..0.5f64) {
            let round = |share: f64| (n as f64 * share).round() as usize;
            let (wanted_valid, wanted_test) = (round(valid), round(test));
            if wanted_valid > 0 && wanted_test > 0 && wanted_valid + wanted_test < n {
                let split = split(n, Fractions { valid, test }, 7).unwrap();
                prop_assert_eq!((split.1.len(), split.2.len()), (wanted_valid, wanted_test));
            }
        }

        #[test]
        fn no_group_is_in_two_parts(n in 30usize..200, seed: u64) {
            let groups: Vec<String> = (0..n).map(|i| format!("{}", i * 13 % 11)).collect();
            let parts = split_by_group(&groups, Fractions { valid: 0.2, test: 0.3 }, seed).unwrap();
            prop_assert_eq!(whole(&parts).len(), n);
            for a in &parts.0 {
                for b in parts.1.iter().chain(&parts.2) {
                    prop_assert_ne!(&groups[*a], &groups[*b]);
                }
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let fractions = Fractions { valid: 0.1, test: 0.2 };
        assert_eq!(split(97, fractions, 1).unwrap(), split(97, fractions, 1).unwrap());
        assert_ne!(split(97, fractions, 1).unwrap(), split(97, fractions, 2).unwrap());
    }

    #[test]
    fn no_part_that_was_asked_for_is_empty() {
        let sizes = |parts: Indices| (parts.0.len(), parts.1.len(), parts.2.len());
        let shares = |valid, test| Fractions { valid, test };
        // Rounding alone gives (5, 0, 0), (4, 0, 0), (0, 1, 4), (0, 0, 3) and (0, 1, 2).
        for (n, fractions, wanted) in [
            (5, shares(0.05, 0.08), (3, 1, 1)),
            (4, shares(0.1, 0.0), (3, 1, 0)),
            (5, shares(0.2, 0.75), (1, 1, 3)),
            (3, shares(0.0, 0.9), (1, 0, 2)),
            (3, shares(0.3, 0.6), (1, 1, 1)),
        ] {
            assert_eq!(sizes(split(n, fractions, 3).unwrap()), wanted, "{n}, {fractions:?}");
            let groups: Vec<String> = (0..2 * n).map(|at| format!("{}", at % n)).collect();
            let (train, valid, test) = wanted;
            let by_group = split_by_group(&groups, fractions, 3).unwrap();
            assert_eq!(sizes(by_group), (2 * train, 2 * valid, 2 * test));
        }
        // Nothing was asked of training: all of it is held out.
        assert_eq!(sizes(split(5, shares(0.3, 0.7), 3).unwrap()), (0, 1, 4));
        // No class is large enough to give one by rounding; the largest does.
        let labels = ["a", "b", "b", "b", "c", "c", "d"];
        let (train, valid, test) = split_stratified(&labels, shares(0.1, 0.15), 3).unwrap();
        assert_eq!((train.len(), valid.len(), test.len()), (5, 1, 1));
        assert!(labels[valid[0]] == "b" && labels[test[0]] != "d", "{valid:?} {test:?}");
        // Classes of one, each of which rounding puts into the test.
        let alone = split_stratified(&["a", "b", "c", "d"], shares(0.0, 0.5), 3).unwrap();
        assert_eq!(sizes(alone), (1, 0, 3));
    }

    #[test]
    fn too_few_for_all_parts_are_refused() {
        let all = Fractions { valid: 0.3, test: 0.3 };
        let said = |split: Result<Indices, DataError>| split.unwrap_err().to_string();
        assert_eq!(said(split(2, all, 1)), "a split needs at least 3 examples, but there are 2");
        assert_eq!(
            said(split_stratified(&["a", "b"], all, 1)),
            "a stratified split needs at least 3 examples, but there are 2"
        );
        assert_eq!(
            said(split_by_group(&["a", "a", "b"], all, 1)),
            "a split by group needs at least 3 examples, but there are 2"
        );
        let none = Fractions { valid: 0.0, test: 0.0 };
        assert!(matches!(split(0, none, 1), Err(DataError::TooFew { least: 1, got: 0, .. })));
        assert_eq!(split(1, none, 1).unwrap(), (vec![0], vec![], vec![]));
    }

    #[test]
    fn bad_fractions_are_refused() {
        for (valid, test) in [(-0.1, 0.2), (0.7, 0.7), (f64::NAN, 0.1)] {
            assert!(split(10, Fractions { valid, test }, 1).is_err());
        }
        let one_group = split_by_group(&["a", "a"], Fractions { valid: 0.0, test: 0.5 }, 1);
        assert!(matches!(one_group, Err(DataError::TooFew { got: 1, .. })));
    }
}
