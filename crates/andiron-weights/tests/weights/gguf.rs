//! GGUF files that keep the format, and ones that do not.

use crate::made::{GgufFile, golden, text};
use andiron_core::weights::Source;
use andiron_weights::{ReadError, gguf::Gguf};
use proptest::prelude::*;

fn parse(bytes: Vec<u8>) -> Result<Gguf, ReadError> {
    Gguf::from_bytes(bytes, "a.gguf")
}

/// The message with which `bytes` are refused.
fn refusal(bytes: Vec<u8>) -> String {
    let refused = parse(bytes).expect_err("it is refused");
    assert_eq!(refused.path().to_str(), Some("a.gguf"));
    refused.to_string()
}

fn ones(n: usize) -> Vec<u8> {
    std::iter::repeat_n(1f32.to_le_bytes(), n).flatten().collect()
}

#[test]
fn versions_two_and_three_are_read_at_any_alignment() {
    for version in [2, 3] {
        for alignment in [1u32, 8, 32, 4096] {
            let mut file = GgufFile::new(version);
            file.alignment = u64::from(alignment);
            let bytes = file
                .with("general.alignment", 4, &alignment.to_le_bytes())
                .tensor("a", &[3, 2], 0, &ones(6))
                .tensor("b", &[5], 0, &[&2f32.to_le_bytes()[..], &ones(4)].concat())
                .bytes();
            let gguf = parse(bytes).unwrap();
            assert_eq!(gguf.version(), version);
            assert_eq!(gguf.names(), ["a", "b"]);
            assert_eq!(gguf.entry("a").unwrap().shape, [2, 3]);
            assert_eq!(
                gguf.read("b").unwrap().as_slice::<f32>().unwrap(),
                [2.0, 1.0, 1.0, 1.0, 1.0]
            );
        }
    }
}

#[test]
fn other_files_and_versions_are_refused() {
    assert_eq!(refusal(vec![]), "a.gguf is no GGUF file: it begins with []");
    assert_eq!(refusal(b"PK".to_vec()), "a.gguf is no GGUF file: it begins with [50, 4b]");
    assert_eq!(
        refusal(GgufFile::new(1).bytes()),
        "a.gguf is GGUF of version 1; read are 2 and 3, little endian"
    );
    // Version 3 as a big-endian machine writes it.
    assert!(refusal(GgufFile::new(3 << 24).bytes()).contains("version 50331648;"));
    assert!(refusal(GgufFile::new(4).bytes()).contains("version 4;"));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = GgufFile::new(3)
        .with("a.text", 8, &text("hello"))
        .with(
            "a.array",
            9,
            &[&8u32.to_le_bytes()[..], &2u64.to_le_bytes(), &text("x"), &text("")].concat(),
        )
        .tensor("weight", &[2, 3], 0, &ones(6))
        .bytes();
    assert!(parse(whole.clone()).is_ok());
    for length in 0..whole.len() {
        let refused = parse(whole[..length].to_vec()).expect_err("it is cut");
        let is_short = matches!(refused, ReadError::Short { .. } | ReadError::Magic { .. });
        assert!(is_short, "cut at {length}: {refused:?}");
    }
    assert_eq!(
        refusal(whole[..whole.len() - 1].to_vec()),
        format!(
            "a.gguf ends within the values of tensor \"weight\": 24 bytes wanted at {}, but 23 are left",
            whole.len() - 24
        )
    );
}

#[test]
fn counts_that_lie_are_refused_before_memory_is_taken() {
    let counts = |tensors: u64, metadata: u64| {
        let mut bytes = GgufFile::new(3).bytes();
        bytes[8..16].copy_from_slice(&tensors.to_le_bytes());
        bytes[16..24].copy_from_slice(&metadata.to_le_bytes());
        refusal(bytes)
    };
    for count in [2, 1 << 40, u64::MAX] {
        assert!(
            counts(count, 0).contains(&format!("the number of tensors ({count}) of the header"))
        );
        assert!(
            counts(0, count).contains(&format!("the number of metadata ({count}) of the header"))
        );
    }
    for (kind, size) in [(0u32, 1u64), (6, 4), (7, 1), (8, 8), (11, 8), (12, 8)] {
        for count in [100u64, 1 << 50, u64::MAX] {
            let array = [&kind.to_le_bytes()[..], &count.to_le_bytes(), &[0; 16]].concat();
            let refused = refusal(GgufFile::new(3).with("key", 9, &array).bytes());
            let wanted =
                format!("of metadata \"key\": {} bytes wanted", count.saturating_mul(size));
            assert!(refused.contains(&wanted), "{kind}: {refused}");
        }
    }
    for length in [100u64, 1 << 60, u64::MAX] {
        let refused = refusal(GgufFile::new(3).with("key", 8, &length.to_le_bytes()).bytes());
        assert!(refused.contains(&format!("{length} bytes wanted")), "{refused}");
    }
}

#[test]
fn tensors_that_lie_are_refused_by_name() {
    let refused = |ne: &[u64], kind: u32, offset: u64| {
        let file = GgufFile::new(3).tensor("first", &[8], 0, &ones(8));
        refusal(file.tensor_at("bad", ne, kind, offset).bytes())
    };
    for (found, wanted) in [
        (refused(&[8], 0, 32), "the values of tensor \"bad\": 32 bytes wanted"),
        (refused(&[8], 0, 1 << 62), "but 0 are left"),
        (refused(&[8], 0, u64::MAX - 31), "but 0 are left"),
        (refused(&[8], 99, 1 << 40), "the values of tensor \"bad\": 0 bytes wanted"),
        (refused(&[u64::MAX], 0, 0), "the values of tensor \"bad\": "),
        (refused(&[1 << 62], 1, 0), "the values of tensor \"bad\": "),
        (
            refused(&[u64::MAX, 2], 0, 0),
            "the shape of tensor \"bad\" must be of a size that memory can hold",
        ),
        (refused(&[1; 5], 0, 0), "the rank of tensor \"bad\" must be at most 4, but is 5"),
        (
            refused(&[8], 0, 7),
            "the offset of tensor \"bad\" must be a multiple of the alignment, but is 7",
        ),
        (refused(&[33], 8, 0), "must be whole blocks, but is 33 of Q8_0, in blocks of 32"),
        (refused(&[128, 2], 12, 0), "must be whole blocks, but is 128 of Q4_K, in blocks of 256"),
        (refused(&[], 2, 0), "must be whole blocks, but is 1 of Q4_0, in blocks of 32"),
    ] {
        assert!(found.contains(wanted), "{found}");
    }
    let twice = GgufFile::new(3).tensor("w", &[1], 0, &ones(1)).tensor("w", &[1], 0, &ones(1));
    assert_eq!(refusal(twice.bytes()), "a.gguf has the tensor \"w\" twice");
}

#[test]
fn metadata_that_lies_is_refused_by_key() {
    let file = |kind: u32, value: &[u8]| GgufFile::new(3).with("key", kind, value).bytes();
    let nested = [&9u32.to_le_bytes()[..], &1u64.to_le_bytes(), &[0; 12]].concat();
    for (found, wanted) in [
        (refusal(file(13, &[0; 8])), "the type of metadata \"key\" must be 0 to 12, but is 13"),
        (refusal(file(7, &[2])), "the truth value of metadata \"key\" must be 0 or 1, but is 2"),
        (
            refusal(file(9, &nested)),
            "the type of the elements of metadata \"key\" must be 0 to 8 or 10 to 12, but is 9",
        ),
        (
            refusal(file(8, &[2, 0, 0, 0, 0, 0, 0, 0, 0xc3, 0x28])),
            "the value of metadata \"key\" must be UTF-8",
        ),
    ] {
        assert!(found.contains(wanted), "{found}");
    }
    let twice = GgufFile::new(3).with("key", 0, &[1]).with("key", 0, &[1]);
    assert_eq!(refusal(twice.bytes()), "a.gguf has the metadata key \"key\" twice");
    let (none, odd, long) = (0u32.to_le_bytes(), 48u32.to_le_bytes(), 32u64.to_le_bytes());
    let wrong: [(u32, &[u8]); 3] = [(4, &none), (4, &odd), (10, &long)];
    for (kind, value) in wrong {
        let refused = refusal(GgufFile::new(3).with("general.alignment", kind, value).bytes());
        assert!(refused.contains("\"general.alignment\" must be a power of two"), "{refused}");
    }
}

#[test]
fn a_type_that_is_not_known_is_listed() {
    let file =
        GgufFile::new(3).tensor("odd", &[256], 10, &[0; 84]).tensor("new", &[7], 1234, &[0; 9]);
    let gguf = parse(file.bytes()).unwrap();
    for (name, dtype) in [("odd", "Q2_K"), ("new", "ggml type 1234")] {
        let entry = gguf.entry(name).unwrap();
        assert_eq!((entry.dtype.as_str(), entry.readable), (dtype, false));
        let refused = gguf.read(name).unwrap_err();
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert!(cause.contains(dtype) && cause.contains(name), "{cause}");
        assert_eq!(gguf.raw(name), None);
    }
}

#[test]
fn a_file_is_opened_by_its_ending() {
    assert_eq!(andiron_weights::open(golden("blocks.gguf")).unwrap().names().len(), 13);
    assert_eq!(andiron_weights::open(golden("zip.pt")).unwrap().names().len(), 15);
    let missing = andiron_weights::open(golden("missing.gguf")).map(|_| ()).unwrap_err();
    assert!(matches!(missing, ReadError::Io { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn blocks_of_any_bytes_become_as_many_numbers_as_they_hold(
        kind in proptest::sample::select(vec![(2u32, 32u64, 18usize), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34), (12, 256, 144), (13, 256, 176), (14, 256, 210)]),
        rows in 0u64..4,
        blocks in 0u64..3,
        seed in any::<u8>(),
    ) {
        let (kind, numbers, size) = kind;
        let length = (rows * blocks) as usize * size;
        let bytes: Vec<u8> = (0..length).map(|at| (at as u8).wrapping_mul(seed | 1) ^ seed).collect();
        let file = GgufFile::new(3).tensor("w", &[blocks * numbers, rows], kind, &bytes);
        let gguf = parse(file.bytes()).unwrap();
        prop_assert_eq!(gguf.raw("w").unwrap(), &bytes[..]);
        let data = gguf.read("w").unwrap();
        prop_assert_eq!(data.shape().as_slice(), &[rows as usize, (blocks * numbers) as usize]);
    }

    #[test]
    fn what_is_written_is_read(
        keys in proptest::collection::btree_map("[a-z.]{0,9}", (any::<i64>(), ".{0,6}"), 0..6),
        shapes in proptest::collection::btree_map("[a-z.]{0,9}", proptest::collection::vec(0u64..4, 0..=4), 0..6),
    ) {
        let mut file = GgufFile::new(3);
        for (key, (number, words)) in &keys {
            file = file.with(&format!("n.{key}"), 11, &number.to_le_bytes()).with(&format!("t.{key}"), 8, &text(words));
        }
        for (name, ne) in &shapes {
            file = file.tensor(name, ne, 0, &ones(ne.iter().product::<u64>() as usize));
        }
        let gguf = parse(file.bytes()).unwrap();
        prop_assert_eq!(gguf.all_metadata().count(), 2 * keys.len());
        for (key, (number, words)) in &keys {
            prop_assert_eq!(gguf.get::<i64>(&format!("n.{key}")).unwrap(), *number);
            prop_assert_eq!(gguf.get::<&str>(&format!("t.{key}")).unwrap(), words);
        }
        prop_assert_eq!(gguf.names(), shapes.keys().cloned().collect::<Vec<_>>());
        for (name, ne) in &shapes {
            let shape: Vec<usize> = ne.iter().rev().map(|extent| *extent as usize).collect();
            let data = gguf.read(name).unwrap();
            prop_assert_eq!(data.shape().as_slice(), &shape[..]);
            prop_assert!(data.as_slice::<f32>().unwrap().iter().all(|value| *value == 1.0));
        }
    }
}
