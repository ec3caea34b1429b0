//! The optimiser's saved state, held against the parameters that it is for.

use crate::{TrainError, init::Parameter};
use burn::tensor::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The state of one parameter: name and shape of each of its tensors.
pub(super) type Shapes = BTreeMap<String, Vec<usize>>;

/// What an optimiser record holds, by the parameters' ids.
#[derive(PartialEq)]
pub(super) struct Held(BTreeMap<u64, Shapes>);

/// Id and rest of the name of an entry.
fn split(key: &str) -> Option<(u64, &str)> {
    let (id, rest) = key.split_once('.')?;
    Some((id.parse().ok()?, rest))
}

impl Held {
    pub(super) fn of(record: &[u8], path: &Path) -> Result<Self, TrainError> {
        let unreadable = |reason: burn_pack::Error| TrainError::Resume {
            path: path.into(),
            reason: format!("the optimiser state cannot be read: {reason}"),
        };
        let bytes = Bytes::from_bytes_vec(record.to_vec());
        let reader = burn_pack::Reader::from_bytes(bytes).map_err(unreadable)?;
        // Every parameter with state has its rank among the scalars, even where it has no tensor.
        let mut held: BTreeMap<u64, Shapes> = reader
            .scalars()
            .keys()
            .filter_map(|key| split(key).map(|(id, _)| (id, Shapes::new())))
            .collect();
        for tensor in reader.into_tensors().map_err(unreadable)? {
            if let Some((id, name)) = split(&tensor.name) {
                held.entry(id).or_default().insert(name.to_owned(), tensor.shape.to_vec());
            }
        }
        Ok(Self(held))
    }

    /// The same by the parameters' paths.
    pub(super) fn by_path(&self, parameters: &[Parameter]) -> BTreeMap<String, Shapes> {
        parameters
            .iter()
            .filter_map(|p| self.0.get(&p.id.val()).map(|shapes| (p.path.clone(), shapes.clone())))
            .collect()
    }

    /// Every parameter that had optimiser state has the same again, of its own shape, and no
    /// other has: burn itself drops state that matches no parameter without a word.
    pub(super) fn check(
        &self,
        parameters: &[Parameter],
        saved: &BTreeMap<String, Shapes>,
    ) -> Result<(), String> {
        let mut known = BTreeSet::new();
        for (path, wanted) in saved {
            let parameter = parameters.iter().find(|p| &p.path == path).ok_or_else(|| {
                format!("there is optimiser state for {path:?}, which the model has not")
            })?;
            let Some(found) = self.0.get(&parameter.id.val()) else {
                return Err(format!("the optimiser state of parameter {path:?} is missing"));
            };
            let misfit = found.values().find(|shape| **shape != parameter.shape);
            if let Some(shape) = misfit {
                let wanted = &parameter.shape;
                return Err(format!(
                    "the optimiser state of parameter {path:?} has the shape {shape:?}, but {wanted:?} is wanted"
                ));
            }
            if found != wanted {
                let names = |shapes: &Shapes| shapes.keys().cloned().collect::<Vec<_>>();
                return Err(format!(
                    "the optimiser state of parameter {path:?} holds {:?}, but {:?} is wanted",
                    names(found),
                    names(wanted)
                ));
            }
            known.insert(parameter.id.val());
        }
        match self.0.keys().filter(|id| !known.contains(id)).count() {
            0 => Ok(()),
            more => Err(format!(
                "there is optimiser state for {more} parameters that the model has not"
            )),
        }
    }
}
