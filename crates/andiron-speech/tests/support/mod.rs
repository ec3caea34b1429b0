//! What several tests read.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

use serde_json::Value;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// Says aloud what is not tested, and why: past the test harness, which keeps what a test that passes
/// prints to itself.
pub(crate) fn left_out(text: &str) {
    std::io::stderr().write_all(format!("LEFT OUT: {text}\n").as_bytes()).unwrap();
}

/// The file or folder that was fetched under `name`, or nothing, said aloud.
pub(crate) fn asset(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets").join(name);
    if path.exists() {
        return Some(path);
    }
    let text = format!("{} is not there; scripts/fetch-assets fetches it", path.display());
    let required = std::env::var("ANDIRON_ASSETS").is_ok_and(|value| value == "required");
    assert!(!required, "{text}");
    left_out(&text);
    None
}

/// Kibibytes of memory that the process holds; none, said aloud, where the system does not say.
pub(crate) fn resident() -> Option<u64> {
    memory("VmRSS:")
}

/// As [`resident`], the most that it ever held.
pub(crate) fn peak() -> Option<u64> {
    memory("VmHWM:")
}

fn memory(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    let held = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    if held.is_none() {
        left_out("/proc/self/status does not say how much memory a process holds");
    }
    held
}

/// The largest difference of frames from rows of numbers, after a check that there are as many.
pub(crate) fn off(found: &andiron_speech::frontend::Frames, wanted: &Value) -> f32 {
    let rows = wanted.as_array().unwrap();
    assert_eq!(found.len(), rows.len());
    let pairs = found.rows().zip(rows).flat_map(|(found, wanted)| {
        let wanted = floats(wanted);
        assert_eq!(found.len(), wanted.len());
        found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).collect::<Vec<_>>()
    });
    pairs.fold(0.0, f32::max)
}

/// The numbers of a golden script.
pub(crate) fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A list of numbers.
pub(crate) fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}
