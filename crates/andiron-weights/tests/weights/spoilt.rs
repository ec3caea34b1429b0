//! Files that are spoilt in seeded ways are read or refused: the bounded, ordinary twin of `fuzz/`.

use crate::made::{GgufFile, golden, model_bin, safetensors, singles};
use andiron_weights::{folder::Folder, gguf::Gguf, testing};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::{fs, path::Path};

/// Bytes and words that readers stumble over.
const NASTY: [&[u8]; 14] = [
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\0\0\0\0\0\0\0\x20",
    b"\"",
    b"}",
    b"..",
    b"-1",
    b"18446744073709551615",
    b"(",
    b"R",
];

/// `whole` with one to four things wrong with it.
fn spoilt(whole: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..random.random_range(1..=4) {
        // Heads are short and tensors long: half of the faults go to the first bytes.
        let most = if random.random() { bytes.len() } else { bytes.len().min(400) };
        let at = random.random_range(0..=most);
        let to = (at + random.random_range(0..9)).min(bytes.len());
        let nasty = NASTY[random.random_range(0..NASTY.len())];
        match random.random_range(0..8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            2 if at < bytes.len() => bytes[at] = random.random(),
            3 => bytes.truncate(at),
            4 => {
                bytes.drain(at..to);
            }
            5 => {
                let copy = bytes[at..to].to_vec();
                bytes.splice(at..at, copy);
            }
            6 => {
                let end = (at + nasty.len()).min(bytes.len());
                bytes.splice(at..end, nasty.iter().copied());
            }
            _ => {
                bytes.splice(at..at, nasty.iter().copied());
            }
        }
    }
    bytes
}

/// Spoils `whole` so many times, and gives how many of the inputs were still read.
fn try_all(whole: &[u8], times: usize, mut is_read: impl FnMut(&[u8]) -> bool) -> usize {
    let mut random = ChaCha8Rng::seed_from_u64(2024);
    assert!(is_read(whole), "a whole input is refused");
    (0..times).filter(|_| is_read(&spoilt(whole, &mut random))).count()
}

/// Opens `path`, and reads all that its entries promise.
fn opens(path: &Path) -> bool {
    match Folder::open(path) {
        Ok(folder) => {
            testing::source(&folder);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

#[test]
fn a_spoilt_gguf_file_is_read_or_refused() {
    let small = GgufFile::new(3)
        .with("general.architecture", 8, &crate::made::text("llama"))
        .with("n", 4, &7u32.to_le_bytes())
        .with("a", 9, &[&5u32.to_le_bytes()[..], &2u64.to_le_bytes(), &[1; 8]].concat())
        .tensor("w", &[32, 2], 8, &[1; 68])
        .tensor("b", &[3], 0, &[0; 12]);
    let read = try_all(&small.bytes(), 8000, testing::gguf);
    assert!(read > 400, "only {read} of the spoilt files were read: the test tries too little");
    let read = try_all(&fs::read(golden("blocks.gguf")).unwrap(), 1500, testing::gguf);
    assert!(read > 100, "only {read} of the spoilt files were read: the test tries too little");
}

#[test]
fn a_mapped_gguf_file_is_what_its_bytes_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    let whole = fs::read(golden("blocks.gguf")).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..100 {
        let bytes = spoilt(&whole, &mut random);
        fs::write(&path, &bytes).unwrap();
        let (mapped, owned) = (Gguf::open(&path), Gguf::from_bytes(bytes, &path));
        let text = |gguf: Result<Gguf, _>| match gguf {
            Ok(gguf) => format!("{:?}", gguf.all_metadata().collect::<Vec<_>>()),
            Err(error) => format!("{error}"),
        };
        assert_eq!(text(mapped), text(owned));
    }
}

#[test]
fn a_spoilt_safetensors_file_or_index_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shard = folder.path().join("one.safetensors");
    let whole =
        safetensors(&[singles("a.weight", &[2, 3], &[0.5; 6]), singles("b", &[1], &[f32::NAN])]);
    let read = try_all(&whole, 3000, |bytes| {
        fs::write(&shard, bytes).unwrap();
        opens(&shard)
    });
    assert!(read > 100, "only {read} of the spoilt files were read: the test tries too little");
    fs::write(&shard, whole).unwrap();
    let index = folder.path().join("model.safetensors.index.json");
    let text = r#"{"metadata": {"total_size": 28}, "weight_map": {"a.weight": "one.safetensors", "b": "one.safetensors"}}"#;
    let read = try_all(text.as_bytes(), 3000, |bytes| {
        fs::write(&index, bytes).unwrap();
        opens(&index)
    });
    assert!(read > 100, "only {read} of the spoilt indices were read: the test tries too little");
}

#[test]
fn a_spoilt_pytorch_file_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spoilt.pt");
    for (name, least) in [("zip.pt", 50), ("legacy.pt", 50), ("code.pt", 50)] {
        let read = try_all(&fs::read(golden(name)).unwrap(), 1500, |bytes| {
            fs::write(&path, bytes).unwrap();
            opens(&path)
        });
        assert!(read > least, "only {read} spoilt {name} were read: the test tries too little");
    }
    assert!(!Path::new("a-pickle-was-run").exists());
}

#[test]
fn a_spoilt_model_bin_is_read_or_refused() {
    let small = model_bin(
        6,
        "WhisperSpec",
        &[
            ("a/weight", &[2, 3], 0, &[1; 24]),
            ("b", &[5], 4, &[1; 10]),
            ("n_heads", &[], 2, &[6, 0]),
        ],
        &[("c", "b")],
    );
    let read = try_all(&small, 8000, testing::ctranslate2);
    assert!(read > 400, "only {read} of the spoilt files were read: the test tries too little");
}
