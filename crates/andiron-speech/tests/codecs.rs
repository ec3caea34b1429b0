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

/// The CRC of FLAC's headers and frames, of `bits` bits.
fn crc(bytes: &[u8], bits: u32, polynomial: u32) -> u32 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << (bits - 8)), |crc, _| {
            let shifted = (crc << 1) & ((1 << bits) - 1);
            if crc >> (bits - 1) == 1 { shifted ^ polynomial } else { shifted }
        })
    })
}

/// Silence at FLAC's highest rate, in frames of FLAC's largest size, each of which takes 14 bytes.
fn silent_flac(frames: u64, promised: u64) -> Vec<u8> {
    const SIZE: u64 = 65_535;
    const RATE: u64 = 655_350;
    let mut bytes = b"fLaC\x80\0\0\x22".to_vec();
    bytes.extend([0xFF; 4]);
    bytes.extend([0; 6]);
    // Rate, one channel, 16 bits, and how many samples there are.
    bytes.extend(((RATE << 44) | (15 << 36) | promised).to_be_bytes());
    bytes.extend([0; 16]);
    for number in 0..frames {
        let first = bytes.len();
        bytes.extend([0xFF, 0xF8, 0x70, 0x08]);
        bytes.extend(char::from_u32(number as u32).unwrap().to_string().bytes());
        bytes.extend((SIZE as u16 - 1).to_be_bytes());
        bytes.push(crc(&bytes[first..], 8, 0x07) as u8);
        // A constant: zero.
        bytes.extend([0; 3]);
        let check = crc(&bytes[first..], 16, 0x8005) as u16;
        bytes.extend(check.to_be_bytes());
    }
    bytes
}

#[test]
fn a_small_file_cannot_hold_gigabytes() {
    let read = |frames, promised| Waveform::from_bytes(&silent_flac(frames, promised));
    let few = read(3, 3 * 65_535).unwrap();
    assert_eq!((few.rate, few.samples.len()), (655_350, 3 * 65_535));
    // 88 seconds, in a file of 13 kilobytes: more than is read, whether it says so or not.
    let frames = Waveform::MAX_SAMPLES / 65_535 + 1;
    for promised in [frames * 65_535, 0] {
        let file = silent_flac(frames, promised);
        assert!(file.len() < 14_000, "{}", file.len());
        let refused = read(frames, promised).unwrap_err();
        assert!(
            matches!(refused, DataError::TooLarge { limit: Waveform::MAX_SAMPLES, .. }),
            "{refused:?}"
        );
    }
}
