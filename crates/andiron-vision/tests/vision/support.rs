//! What the tests compare with.

use serde_json::Value;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

/// A file or folder of the golden ones.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The content of a golden file.
pub(crate) fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

/// All numbers in nested lists, in order.
pub(crate) fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

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
