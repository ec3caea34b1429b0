//! The fuzz targets' functions on inputs that are spoilt in seeded ways: the bounded, ordinary twin
//! of `fuzz/`.

use crate::bundle::predictor;
use andiron_core::{
    bundle::{Card, DataSource},
    data::idx,
    testing::fuzz,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::path::Path;

/// Bytes and words that readers stumble over.
const NASTY: [&[u8]; 14] = [
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\"",
    b"{",
    b"]",
    b"null",
    b"-1",
    b"1e999",
    b"../",
    b"\\u0000",
    b"18446744073709551616",
];

/// `whole` with one to four things wrong with it.
fn spoilt(whole: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let to = (at + random.random_range(0..9)).min(bytes.len());
        match random.random_range(0..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 => bytes.truncate(at),
            3 => {
                bytes.drain(at..to);
            }
            4 => {
                let copy = bytes[at..to].to_vec();
                bytes.splice(at..at, copy);
            }
            5 => {
                let nasty = NASTY[random.random_range(0..NASTY.len())];
                let end = (at + nasty.len()).min(bytes.len());
                bytes.splice(at..end, nasty.iter().copied());
            }
            _ => {
                let nasty = NASTY[random.random_range(0..NASTY.len())];
                bytes.splice(at..at, nasty.iter().copied());
            }
        }
    }
    bytes
}

/// Spoils each of `all` many times, and gives how many of the inputs were still read.
fn try_all(all: &[Vec<u8>], times: usize, target: fn(&[u8]), is_read: fn(&[u8]) -> bool) -> usize {
    let mut random = ChaCha8Rng::seed_from_u64(2024);
    let mut read = 0;
    for whole in all {
        target(whole);
        assert!(is_read(whole), "a whole input is refused");
        for _ in 0..times {
            let bytes = spoilt(whole, &mut random);
            if bytes == *whole {
                continue;
            }
            target(&bytes);
            read += usize::from(is_read(&bytes));
        }
    }
    read
}

#[test]
fn a_spoilt_description_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let source = DataSource { name: "toy".to_owned(), ..DataSource::default() };
    let card = Card { seed: Some(3), data: vec![source], ..Card::default() };
    predictor(1).with_card(card).save(&dir).unwrap();
    let text = std::fs::read(dir.join("andiron.json")).unwrap();
    let is_read =
        |bytes: &[u8]| andiron_core::bundle::parse(bytes, Path::new("andiron.json")).is_ok();
    // The seal lets nothing through that was changed.
    assert_eq!(try_all(std::slice::from_ref(&text), 4000, fuzz::bundle, is_read), 0);
    // What is valid JSON is tried again under a right seal.
    let is_json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    assert!(try_all(&[text], 4000, fuzz::bundle, is_json) > 200);
}

#[test]
fn a_spoilt_idx_array_is_read_or_refused() {
    let array = |shape: &[u32], n: usize| {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        shape.iter().for_each(|extent| bytes.extend(extent.to_be_bytes()));
        bytes.extend((0..n).map(|value| value as u8));
        bytes
    };
    let all = [
        array(&[7], 7),
        array(&[2, 3, 5], 30),
        array(&[0, 28, 28], 0),
        array(&[3, 0], 0),
        array(&[0, u32::MAX], 0),
        array(&[1, 1, 1, 1, 1, 2], 2),
    ];
    let read = try_all(&all, 8000, fuzz::idx, |bytes| idx::parse(bytes).is_ok());
    assert!(read > 500, "only {read} of the spoilt arrays were read: the test tries too little");
}

#[test]
fn spoilt_weights_are_read_or_refused() {
    let is_file = |bytes: &[u8]| safetensors::SafeTensors::deserialize(bytes).is_ok();
    let read = try_all(&[fuzz::some_weights()], 6000, fuzz::weights, is_file);
    assert!(read > 100, "only {read} of the spoilt files were read: the test tries too little");
}
