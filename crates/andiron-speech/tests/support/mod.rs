//! What several tests read.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

use serde_json::Value;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// What was fetched under `name`, or nothing, said aloud.
pub(crate) fn asset(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("ANDIRON_ASSETS").is_ok_and(|value| value == "required");
    assert!(!required, "{} is not there; scripts/fetch-assets fetches it", folder.display());
    // Past the test harness, which keeps what a test that passes prints to itself.
    let said =
        format!("LEFT OUT: {} is not there; scripts/fetch-assets fetches it\n", folder.display());
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    None
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
