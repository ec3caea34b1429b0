//! The index of a sharded checkpoint: which tensor lies in which file.

use super::{File, Place};
use crate::ReadError;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::{Component, Path, PathBuf},
};

/// `model.safetensors.index.json`, of which the rest (sizes) is not needed.
#[derive(Deserialize)]
struct Written {
    weight_map: BTreeMap<String, String>,
}

/// An index, read.
pub(super) struct Index {
    /// The shards, in the order of their names.
    pub(super) files: Vec<PathBuf>,
    /// The shard of each tensor.
    pub(super) places: BTreeMap<String, usize>,
}

/// Reads the index `path`; its shards are not opened.
pub(super) fn read(path: &Path) -> Result<Index, ReadError> {
    let text = std::fs::read(path).map_err(|source| ReadError::Io { path: path.into(), source })?;
    let Written { weight_map } = serde_json::from_slice(&text)
        .map_err(|source| ReadError::Index { path: path.into(), source })?;
    let shards: Vec<&String> = weight_map.values().collect::<BTreeSet<_>>().into_iter().collect();
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut files = Vec::with_capacity(shards.len());
    for shard in &shards {
        let mut parts = Path::new(shard).components();
        let is_name = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
        // A shard elsewhere would let an index have any file opened, and one that names an index
        // would have no end.
        if !is_name || shard.contains(['/', '\\']) {
            return Err(ReadError::Outside { path: path.into(), shard: (*shard).clone() });
        }
        files.push(beside.join(shard));
    }
    let place = |shard: &String| shards.binary_search(&shard).unwrap_or_default();
    let places = weight_map.iter().map(|(name, shard)| (name.clone(), place(shard))).collect();
    Ok(Index { files, places })
}

/// The places of all tensors of the shards `files`: of those that the index lists, the ones it
/// says.
pub(super) fn places(
    path: &Path,
    files: &[Box<dyn File>],
    listed: BTreeMap<String, usize>,
) -> Result<BTreeMap<String, Place>, ReadError> {
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    for (file, shard) in files.iter().enumerate() {
        for name in shard.names() {
            if listed.get(&name).is_some_and(|wanted| *wanted != file) {
                continue;
            }
            match places.entry(name) {
                Entry::Vacant(place) => {
                    let name = place.key().clone();
                    place.insert(Place { file, name });
                }
                // Not listed, and in two shards: which one counts, nobody can say.
                Entry::Occupied(place) => {
                    let (path, name) = (path.into(), place.key().clone());
                    return Err(ReadError::Twice { path, what: "tensor", name });
                }
            }
        }
    }
    let missing: Vec<String> =
        listed.into_keys().filter(|name| !places.contains_key(name)).collect();
    if !missing.is_empty() {
        return Err(ReadError::NotInShard { path: path.into(), missing });
    }
    Ok(places)
}
