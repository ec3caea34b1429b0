//! Which file of a folder is taken, and what safetensors files give.

use crate::made::{Stored, golden, safetensors, singles};
use andiron_core::weights::Source;
use andiron_weights::{Precision, ReadError, folder::Folder};
use burn::tensor::DType;
use half::{bf16, f16};
use proptest::prelude::*;
use safetensors::Dtype;
use std::{error::Error, fs, path::Path};

fn write(folder: &Path, name: &str, tensors: &[Stored]) {
    fs::write(folder.join(name), safetensors(tensors)).unwrap();
}

/// The only tensor's name.
fn only(folder: &Path) -> String {
    let names = Folder::open(folder).unwrap().names();
    assert_eq!(names.len(), 1);
    names.into_iter().next().unwrap()
}

#[test]
fn the_best_named_file_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let pytorch = fs::read(golden("code.pt")).unwrap();
    let refused = Folder::open(path).unwrap_err();
    assert!(matches!(refused, ReadError::NoWeights { .. }));
    assert!(refused.to_string().contains("\"model.safetensors\""), "{refused}");

    fs::write(path.join("vocab.txt"), "the").unwrap();
    fs::write(path.join("weights.pth"), &pytorch).unwrap();
    assert_eq!(Folder::open(path).unwrap().names().len(), 2);
    fs::write(path.join("other.bin"), &pytorch).unwrap();
    let refused = Folder::open(path).unwrap_err();
    assert!(matches!(refused, ReadError::Ambiguous { .. }));
    assert!(refused.to_string().ends_with("[\"other.bin\", \"weights.pth\"]"), "{refused}");
    write(path, "adapter.safetensors", &[singles("adapter", &[1], &[0.0])]);
    assert_eq!(only(path), "adapter");
    fs::write(path.join("pytorch_model.bin"), &pytorch).unwrap();
    assert_eq!(Folder::open(path).unwrap().names().len(), 2);
    write(path, "one.safetensors", &[singles("sharded", &[1], &[0.0])]);
    let index = r#"{"weight_map": {"sharded": "one.safetensors"}}"#;
    fs::write(path.join("model.safetensors.index.json"), index).unwrap();
    assert_eq!(only(path), "sharded");
    write(path, "model.safetensors", &[singles("whole", &[1], &[0.0])]);
    assert_eq!(only(path), "whole");
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.safetensors");
    let refused = Folder::open(&missing).unwrap_err();
    assert!(matches!(refused, ReadError::Io { .. }));
    assert_eq!((refused.path(), refused.source().is_some()), (missing.as_path(), true));
    let refused = Folder::open(folder.path().join("missing.bin")).unwrap_err();
    assert!(matches!(refused, ReadError::Io { .. }), "{refused:?}");
    let odd = folder.path().join("model.onnx");
    fs::write(&odd, "x").unwrap();
    let refused = Folder::open(&odd).unwrap_err().to_string();
    assert!(refused.contains("model.onnx") && refused.contains("\"safetensors\""), "{refused}");
}

#[test]
fn every_type_is_listed_and_floating_point_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let values = [0.5f32, -1.25, 3.0, 65504.0, 0.0, -2.0];
    let bytes = |each: &dyn Fn(f32) -> Vec<u8>| -> Vec<u8> {
        values.iter().flat_map(|v| each(*v)).collect()
    };
    let stored: Vec<Stored> = vec![
        singles("single", &[2, 3], &values),
        ("half".into(), Dtype::F16, vec![3, 2], bytes(&|v| f16::from_f32(v).to_le_bytes().into())),
        ("brain".into(), Dtype::BF16, vec![6], bytes(&|v| bf16::from_f32(v).to_le_bytes().into())),
        ("double".into(), Dtype::F64, vec![1, 6], bytes(&|v| f64::from(v).to_le_bytes().into())),
        ("position_ids".into(), Dtype::I64, vec![1, 3], vec![0; 24]),
        ("flags".into(), Dtype::BOOL, vec![3], vec![1; 3]),
        ("small".into(), Dtype::F8_E4M3, vec![3], vec![1; 3]),
    ];
    write(folder.path(), "model.safetensors", &stored);
    let file = Folder::open(folder.path()).unwrap();
    assert_eq!(file.names().len(), stored.len());
    for (name, dtype, shape, _) in &stored {
        let entry = file.entry(name).unwrap();
        assert_eq!((&entry.dtype, &entry.shape), (&dtype.to_string(), shape));
        let float = matches!(dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64);
        assert_eq!(entry.readable, float, "{name}");
        match file.read(name) {
            Ok(data) => {
                let wanted =
                    values.map(|v| if name == "brain" { bf16::from_f32(v).to_f32() } else { v });
                assert_eq!(data.as_slice::<f32>().unwrap(), wanted, "{name}");
                assert_eq!(data.shape().as_slice(), *shape);
            }
            Err(refused) => {
                let cause = refused.source().unwrap().to_string();
                assert!(!float && cause.contains(&entry.dtype), "{cause}");
            }
        }
    }
    let stored = file.with_precision(Precision::AsStored);
    for (name, dtype) in [
        ("single", DType::F32),
        ("half", DType::F16),
        ("brain", DType::BF16),
        ("double", DType::F32),
    ] {
        assert_eq!(stored.read(name).unwrap().dtype(), dtype, "{name}");
    }
}

/// A folder with two shards that have these tensors, and this index.
fn sharded(
    one: &[&str],
    two: &[&str],
    index: &str,
) -> (tempfile::TempDir, Result<Folder, ReadError>) {
    let folder = tempfile::tempdir().unwrap();
    for (file, names) in [("one.safetensors", one), ("two.safetensors", two)] {
        let first = if file.starts_with("one") { 1.0 } else { 2.0 };
        let tensors: Vec<Stored> =
            names.iter().map(|name| singles(name, &[1, 2], &[first, 0.0])).collect();
        write(folder.path(), file, &tensors);
    }
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    let opened = Folder::open(folder.path());
    (folder, opened)
}

#[test]
fn tensors_are_taken_from_the_shard_that_the_index_says() {
    let index = r#"{"metadata": {"total_size": 32}, "weight_map":
        {"a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors"}}"#;
    let (_folder, opened) = sharded(&["a", "b", "surplus"], &["b", "c"], index);
    let weights = opened.unwrap();
    assert_eq!(weights.names(), ["a", "b", "c", "surplus"]);
    let first = |name: &str| weights.read(name).unwrap().as_slice::<f32>().unwrap()[0];
    assert_eq!([first("a"), first("b"), first("c"), first("surplus")], [1.0, 2.0, 2.0, 1.0]);
}

#[test]
fn an_index_that_lies_is_refused() {
    let both = |more: &str| {
        format!(r#"{{"weight_map": {{"a": "one.safetensors", "b": "two.safetensors"{more}}}}}"#)
    };
    let lacking = both(r#", "x": "one.safetensors", "y": "two.safetensors""#);
    let (_folder, refused) = sharded(&["a"], &["b"], &lacking);
    let refused = refused.unwrap_err();
    assert!(matches!(refused, ReadError::NotInShard { .. }));
    assert!(refused.to_string().ends_with("[\"x\", \"y\"]"), "{refused}");

    let (_folder, refused) = sharded(&["a", "twice"], &["b", "twice"], &both(""));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.ends_with("has the tensor \"twice\" twice"), "{refused}");

    for shard in ["../one.safetensors", "/etc/passwd", "", "..", "a/b.safetensors", "c:\\x.bin"] {
        let shard = serde_json::to_string(shard).unwrap();
        let (_folder, refused) = sharded(&["a"], &["b"], &both(&format!(r#", "x": {shard}"#)));
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ReadError::Outside { .. }), "{refused:?}");
        assert!(refused.to_string().contains(&shard), "{refused}");
    }
    let (_folder, refused) = sharded(&["a"], &["b"], &both(r#", "x": "three.safetensors""#));
    assert!(refused.unwrap_err().path().ends_with("three.safetensors"));
    let (_folder, refused) =
        sharded(&["a"], &["b"], &both(r#", "x": "model.safetensors.index.json""#));
    assert!(matches!(refused.unwrap_err(), ReadError::Ending { .. }));
    for index in ["", "[]", "{}", r#"{"weight_map": {"a": 1}}"#, "\u{feff}{}"] {
        let (_folder, refused) = sharded(&["a"], &["b"], index);
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ReadError::Index { .. }), "{refused:?}");
        assert!(refused.to_string().contains("model.safetensors.index.json"), "{refused}");
    }
}

#[test]
fn a_header_that_lies_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let file = |header: &str, data: &[u8]| {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    };
    // Lengths that add up to more than a machine word: 2^61 - 1 bytes, nine times.
    let long = (1u64 << 61) - 1;
    let listed: Vec<String> = (0..9u64)
        .filter_map(|at| Some((at, at.checked_mul(long)?, (at + 1).checked_mul(long)?)))
        .map(|(at, from, to)| {
            format!(r#""t{at}":{{"dtype":"U8","shape":[{long}],"data_offsets":[{from},{to}]}}"#)
        })
        .collect();
    assert_eq!(listed.len(), 8);
    let single = |shape: &str, from: u64, to: u64| {
        format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    for (bytes, what) in [
        (vec![], "nothing"),
        (vec![0; 7], "no length"),
        (u64::MAX.to_le_bytes().to_vec(), "a length beyond everything"),
        (99_000_000u64.to_le_bytes().to_vec(), "a length beyond the file"),
        (file("{", &[]), "no JSON"),
        (file(&single("[2]", 0, 8), &[0; 7]), "too few bytes"),
        (file(&single("[2]", 0, 8), &[0; 9]), "too many bytes"),
        (file(&single("[3]", 0, 8), &[0; 8]), "a shape that is not the length's"),
        (file(&single("[2]", 4, 12), &[0; 12]), "a hole"),
        (file(&single("[18446744073709551615, 2]", 0, 8), &[0; 8]), "a shape beyond memory"),
        (file(&format!("{{{}}}", listed.join(",")), &[0; 8]), "lengths beyond memory"),
    ] {
        fs::write(&path, bytes).unwrap();
        let refused = Folder::open(&path).expect_err(what);
        assert!(matches!(refused, ReadError::Safetensors { .. }), "{what}: {refused:?}");
        assert_eq!(refused.path(), path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read(
        shapes in proptest::collection::btree_map("[a-z0-9._]{1,12}", proptest::collection::vec(0usize..5, 0..4), 0..7),
        seed in any::<u32>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let values = |at: usize, shape: &[usize]| -> Vec<f32> {
            (0..shape.iter().product::<usize>()).map(|n| (n + at) as f32 + f32::from(seed as u16) / 8.0).collect()
        };
        let stored: Vec<Stored> = shapes
            .iter()
            .enumerate()
            .map(|(at, (name, shape))| singles(name, shape, &values(at, shape)))
            .collect();
        write(folder.path(), "model.safetensors", &stored);
        let file = Folder::open(folder.path()).unwrap();
        prop_assert_eq!(file.names(), shapes.keys().cloned().collect::<Vec<_>>());
        for (at, (name, shape)) in shapes.iter().enumerate() {
            let data = file.read(name).unwrap();
            prop_assert_eq!(data.shape().as_slice(), &shape[..]);
            prop_assert_eq!(data.as_slice::<f32>().unwrap(), &values(at, shape)[..]);
        }
    }
}
