//! Names that may stand once.

use crate::ReadError;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
};

/// Puts `value` under a `name` that `map` does not have yet; `what` is what the name is of.
pub(crate) fn insert<T>(
    map: &mut BTreeMap<String, T>,
    name: String,
    value: T,
    what: &'static str,
    path: &Path,
) -> Result<(), ReadError> {
    match map.entry(name) {
        Entry::Vacant(place) => {
            place.insert(value);
            Ok(())
        }
        Entry::Occupied(place) => {
            Err(ReadError::Twice { path: path.into(), what, name: place.key().clone() })
        }
    }
}
