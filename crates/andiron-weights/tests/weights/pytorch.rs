//! Files that `torch.save` wrote, in its zip and its older layout.

use crate::made::golden;
use andiron_core::weights::Source;
use andiron_weights::{Precision, ReadError, folder::Folder};
use burn::tensor::DType;
use std::{error::Error, fs, path::Path};

/// Checks that `found` has the tensors and values that the script wrote, packed, beside it.
fn check(found: &dyn Source) {
    let wanted = Folder::open(golden("pytorch.safetensors")).unwrap();
    assert_eq!(found.names(), wanted.names());
    let mut read = 0;
    for name in wanted.names() {
        let (entry, other) = (found.entry(&name).unwrap(), wanted.entry(&name).unwrap());
        assert_eq!(entry.shape, other.shape, "{name}");
        assert_eq!(entry.readable, other.readable, "{name}");
        if !entry.readable {
            let refused = found.read(&name).unwrap_err();
            let cause = refused.source().unwrap().to_string();
            // The file may know it by a longer name.
            assert!(
                cause.contains(&format!("{name}\"")) && cause.contains(&entry.dtype),
                "{cause}"
            );
            continue;
        }
        assert_eq!(found.read(&name).unwrap(), wanted.read(&name).unwrap(), "{name}");
        read += 1;
    }
    assert_eq!(read, 13);
}

#[test]
fn both_layouts_give_the_values_whatever_their_strides() {
    for name in ["zip.pt", "legacy.pt"] {
        check(&Folder::open(golden(name)).unwrap());
    }
}

#[test]
fn a_sharded_checkpoint_is_one() {
    check(&Folder::open(golden("sharded")).unwrap());
    check(&Folder::open(golden("sharded/pytorch_model.bin.index.json")).unwrap());
}

#[test]
fn weights_beside_an_optimiser_are_taken_by_their_prefix() {
    let whole = Folder::open(golden("training.pt")).unwrap();
    assert!(whole.entry("optimizer.exp_avg").is_some());
    assert!(whole.entry("model_state.embed.weight").is_some());
    check(&whole.below("model_state.").unwrap());
    let refused = Folder::open(golden("training.pt")).unwrap().below("model.").unwrap_err();
    assert!(matches!(refused, ReadError::NoPrefix { .. }));
    let text = refused.to_string();
    assert!(text.ends_with("stand below [\"model_state.\", \"optimizer.\"]"), "{text}");
}

#[test]
fn types_are_named_and_integers_are_not_read() {
    let file = Folder::open(golden("zip.pt")).unwrap();
    for (name, dtype, readable) in [
        ("embed.weight", "F32", true),
        ("half.weight", "F16", true),
        ("brain.bias", "BF16", true),
        ("double.scale", "F64", true),
        ("position_ids", "I64", false),
        ("mask", "Bool", false),
    ] {
        let entry = file.entry(name).unwrap();
        assert_eq!((entry.dtype.as_str(), entry.readable), (dtype, readable), "{name}");
    }
}

#[test]
fn half_precision_stays_when_asked() {
    let single = Folder::open(golden("legacy.pt")).unwrap();
    let stored = Folder::open(golden("legacy.pt")).unwrap().with_precision(Precision::AsStored);
    for (name, dtype) in [
        ("half.weight", DType::F16),
        ("brain.bias", DType::BF16),
        ("double.scale", DType::F32),
        ("embed.weight", DType::F32),
    ] {
        let half = stored.read(name).unwrap();
        assert_eq!(half.dtype(), dtype, "{name}");
        let back: Vec<f32> = half.iter::<f32>().collect();
        assert_eq!(back, single.read(name).unwrap().as_slice::<f32>().unwrap(), "{name}");
    }
}

#[test]
fn nothing_in_a_pickle_is_run() {
    let file = Folder::open(golden("code.pt")).unwrap();
    assert_eq!(file.names(), ["state_dict.bias", "state_dict.weight"]);
    assert_eq!(file.read("state_dict.weight").unwrap().shape().as_slice(), [2, 3]);
    assert!(!Path::new("a-pickle-was-run").exists());
}

#[test]
fn what_is_no_pytorch_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(golden("zip.pt")).unwrap();
    let cut = &whole[..whole.len() / 2];
    let files: [(&str, &[u8]); 3] =
        [("empty.bin", b""), ("text.pt", b"not a pickle"), ("cut.pth", cut)];
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let refused = Folder::open(&path).unwrap_err();
        assert_eq!(refused.path(), path);
        assert!(matches!(refused, ReadError::Pytorch { .. }), "{refused:?}");
        assert!(refused.source().is_some());
    }
}

/// A file in the older layout with one tensor `w`, one number repeated `count` times: its stride
/// is 0.
fn repeated(count: i32) -> Vec<u8> {
    let mut bytes = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".to_vec();
    bytes.extend(b"\x80\x02M\xe9\x03.");
    bytes.extend(b"\x80\x02}X\r\0\0\0little_endian\x88s.");
    bytes.extend(b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage");
    bytes.extend(b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQK\0J");
    bytes.extend(count.to_le_bytes());
    bytes.extend(b"\x85K\0\x85\x89ccollections\nOrderedDict\n)RtRs.");
    bytes.extend(b"\x80\x02]X\x01\0\0\x000a.");
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(2.5f32.to_le_bytes());
    bytes
}

#[test]
fn a_small_file_cannot_claim_gigabytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repeated.pt");
    fs::write(&path, repeated(7)).unwrap();
    let read = Folder::open(&path).unwrap().read("w").unwrap();
    assert_eq!(read.as_slice::<f32>().unwrap(), [2.5; 7]);
    fs::write(&path, repeated(2_000_000_000)).unwrap();
    let huge = Folder::open(&path).unwrap();
    assert_eq!(huge.entry("w").unwrap().shape, [2_000_000_000]);
    let refused = huge.read("w").unwrap_err();
    let cause = refused.source().unwrap().to_string();
    assert!(cause.contains("claims 8000000000 bytes"), "{cause}");
}
