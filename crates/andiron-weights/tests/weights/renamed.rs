//! Other names for a source's tensors.

use crate::made::{safetensors, singles};
use andiron_core::weights::Source;
use andiron_weights::{ReadError, Renamed, folder::Folder};
use proptest::prelude::*;
use std::{collections::BTreeSet, path::Path};

fn file(folder: &Path, names: &[&str]) -> Folder {
    let tensors: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(at, name)| singles(name, &[1, 2], &[at as f32, 0.5]))
        .collect();
    let path = folder.join("model.safetensors");
    std::fs::write(&path, safetensors(&tensors)).unwrap();
    Folder::open(path).unwrap()
}

fn first(source: &dyn Source, name: &str) -> f32 {
    source.read(name).unwrap().as_slice::<f32>().unwrap()[0]
}

#[test]
fn names_are_mapped_and_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), &["bert.a", "bert.b", "cls.c"]);
    let path = file.path().to_owned();
    let renamed = Renamed::new(file, |name| name.strip_prefix("bert.").map(str::to_owned)).unwrap();
    assert_eq!(renamed.path(), path);
    assert_eq!(renamed.names(), ["a", "b"]);
    assert_eq!((first(&renamed, "a"), first(&renamed, "b")), (0.0, 1.0));
    assert_eq!(renamed.entry("b").unwrap().shape, [1, 2]);
    for hidden in ["bert.a", "cls.c", "c"] {
        assert_eq!(renamed.entry(hidden), None);
        let refused = renamed.read(hidden).unwrap_err();
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert_eq!(cause, format!("{} has no tensor {hidden:?}", path.display()));
    }
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), &["a.weight", "b.weight", "c.weight"]);
    let path = file.path().to_owned();
    let same = |name: &str| (name != "a.weight").then(|| "weight".to_owned());
    let refused = Renamed::new(file, same).unwrap_err();
    assert!(matches!(refused, ReadError::Collision { .. }));
    assert_eq!(
        refused.to_string(),
        format!(
            "tensors \"b.weight\" and \"c.weight\" in {} would both be called \"weight\"",
            path.display()
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_renaming_back_gives_the_same_tensors(names in proptest::collection::btree_set("[a-z.]{1,8}", 1..9)) {
        let folder = tempfile::tempdir().unwrap();
        let listed: Vec<&str> = names.iter().map(String::as_str).collect();
        let file = file(folder.path(), &listed);
        let there = Renamed::new(&file, |name| Some(format!("x.{name}"))).unwrap();
        let back = Renamed::new(&there, |name| name.strip_prefix("x.").map(str::to_owned)).unwrap();
        prop_assert_eq!(back.names().into_iter().collect::<BTreeSet<_>>(), names.clone());
        for (at, name) in names.iter().enumerate() {
            prop_assert_eq!(first(&back, name), at as f32);
        }
    }
}
