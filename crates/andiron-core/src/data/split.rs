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

    /// How many of `n` are for validation and for the test.
    fn of(self, n: usize) -> (usize, usize) {
        let test = (n as f64 * self.test).round() as usize;
        let valid = (n as f64 * self.valid).round() as usize;
        (valid.min(n - test.min(n)), test.min(n))
    }
}

/// Indices of the training, validation and test examples, each in ascending order.
pub(crate) type Indices = (Vec<usize>, Vec<usize>, Vec<usize>);

fn sorted(mut parts: Indices) -> Indices {
    parts.0.sort_unstable();
    parts.1.sort_unstable();
    parts.2.sort_unstable();
    parts
}

/// Splits `n` examples at random.
///
/// # Errors
/// [`ConfigError::OutOfRange`] for fractions outside 0 to 1.
pub fn split(n: usize, fractions: Fractions, seed: u64) -> Result<Indices, ConfigError> {
    fractions.check()?;
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let (valid, test) = fractions.of(n);
    let rest = order.split_off(valid + test);
    let held_out = order.split_off(valid);
    Ok(sorted((rest, order, held_out)))
}

/// Splits so that every label has the same share in each part, to within one example.
///
/// ```
/// use andiron_core::data::{Fractions, split_stratified};
///
/// let labels = ["a", "a", "a", "a", "b", "b", "b", "b", "b", "b"];
/// let (train, valid, test) =
///     split_stratified(&labels, Fractions { valid: 0.0, test: 0.5 }, 7)?;
/// assert_eq!((train.len(), valid.len(), test.len()), (5, 0, 5));
/// assert_eq!(test.iter().filter(|i| labels[**i] == "a").count(), 2);
/// # Ok::<(), andiron_core::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError::OutOfRange`] for fractions outside 0 to 1.
pub fn split_stratified<L: AsRef<str>>(
    labels: &[L],
    fractions: Fractions,
    seed: u64,
) -> Result<Indices, ConfigError> {
    fractions.check()?;
    let mut classes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, label) in labels.iter().enumerate() {
        classes.entry(label.as_ref()).or_default().push(index);
    }
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut parts = Indices::default();
    for members in classes.values_mut() {
        members.shuffle(&mut generator);
        let (valid, test) = fractions.of(members.len());
        parts.1.extend(members.drain(..valid));
        parts.2.extend(members.drain(..test));
        parts.0.append(members);
    }
    Ok(sorted(parts))
}

/// Splits so that all examples of a group (a speaker, a prompt, a patient) are in one part; the
/// fractions are of groups.
///
/// # Errors
/// [`DataError::Config`] for fractions outside 0 to 1, [`DataError::TooFew`] if there are fewer
/// groups than parts with a share.
pub fn split_by_group<G: AsRef<str>>(
    groups: &[G],
    fractions: Fractions,
    seed: u64,
) -> Result<Indices, DataError> {
    fractions.check()?;
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        members.entry(group.as_ref()).or_default().push(index);
    }
    let parts = 1 + usize::from(fractions.valid > 0.0) + usize::from(fractions.test > 0.0);
    if members.len() < parts {
        return Err(DataError::TooFew {
            what: "a split by group",
            least: parts,
            got: members.len(),
        });
    }
    let members: Vec<Vec<usize>> = members.into_values().collect();
    let (train, valid, test) = split(members.len(), fractions, seed)?;
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
            prop_assert_eq!(&whole(&split(n, fractions, seed).unwrap()), &every);
            prop_assert_eq!(&whole(&split_stratified(&labels, fractions, seed).unwrap()), &every);
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
    fn bad_fractions_are_refused() {
        for (valid, test) in [(-0.1, 0.2), (0.7, 0.7), (f64::NAN, 0.1)] {
            assert!(split(10, Fractions { valid, test }, 1).is_err());
        }
        let one_group = split_by_group(&["a", "a"], Fractions { valid: 0.0, test: 0.5 }, 1);
        assert!(matches!(one_group, Err(DataError::TooFew { got: 1, .. })));
    }
}
