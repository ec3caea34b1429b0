//! FLAC, Ogg Vorbis and MP3 against libsndfile; files and numbers by
//! `scripts/golden/audio_files.py`.
#![cfg(feature = "codecs")]
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{DataError, testing::record};
use andiron_speech::Waveform;
use serde_json::Value;
use std::{fs, path::PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/audio"))
}

#[test]
fn files_are_read_as_libsndfile_reads_them() {
    let golden: Value = serde_json::from_str(include_str!("golden/audio_files.json")).unwrap();
    let files = golden["files"].as_object().unwrap();
    assert_eq!(files.len(), 4);
    for (name, wanted) in files {
        let wave = Waveform::from_file(folder().join(name)).unwrap();
        assert_eq!(u64::from(wave.rate), wanted["rate"].as_u64().unwrap(), "{name}");
        let wanted = wanted["samples"].as_array().unwrap();
        assert_eq!(wave.samples.len(), wanted.len(), "{name}");
        let off = wave.samples.iter().zip(wanted);
        let off = off.map(|(f, w)| (f64::from(*f) - w.as_f64().unwrap()).abs()).fold(0.0, f64::max);
        println!("{name}: off by {off:.1e}");
        // Lossless to the bit, which is less than the digits kept; the others to the rounding of
        // their transforms.
        let limit = if name.ends_with("flac") { 1e-7 } else { 1e-4 };
        assert!(off < limit, "{name}: {off}");
    }
    record("input", "FLAC, Ogg Vorbis, MP3 (feature codecs)", "as libsndfile reads them");
}

#[test]
fn cut_and_damaged_files_are_read_or_refused() {
    for entry in fs::read_dir(folder()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for length in (0..bytes.len()).step_by(97) {
            if let Ok(wave) = Waveform::from_bytes(&bytes[..length]) {
                wave.check().unwrap();
            }
        }
        for at in (0..bytes.len()).step_by(31) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x5A;
            if let Ok(wave) = Waveform::from_bytes(&bytes) {
                wave.check().unwrap();
            }
        }
    }
}

#[test]
fn what_only_begins_like_one_is_refused_with_its_name() {
    for (bytes, name) in
        [(&b"fLaC"[..], "FLAC"), (b"OggS and no more", "Ogg"), (b"ID3\x04\0", "MP3")]
    {
        let refused = Waveform::from_bytes(bytes).unwrap_err();
        assert!(matches!(refused, DataError::Decode { .. }), "{refused:?}");
        assert!(refused.to_string().starts_with(&format!("{name} audio cannot be decoded: ")));
    }
}
