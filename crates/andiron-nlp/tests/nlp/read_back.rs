//! Bundles saved here, read back by transformers.

use serde_json::Value;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

/// Writes beside the bundle in `dir` what it answered, for [`check`]. The task tells the script how
/// to ask again.
pub(crate) fn tell(dir: &Path, answers: &Value) {
    fs::write(dir.join("answers.json"), answers.to_string()).unwrap();
}

/// Runs `scripts/golden/read_back.py` on the folders, where `ANDIRON_PYTHON` names a Python for it;
/// says aloud that it did not, where it names none.
pub(crate) fn check(folders: &[PathBuf]) {
    let Some(python) = std::env::var_os("ANDIRON_PYTHON") else {
        let said = "LEFT OUT: transformers reads nothing back; ANDIRON_PYTHON names no Python\n";
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/golden/read_back.py");
    let output = Command::new(python).arg(script).args(folders).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    println!("{}", text(&output.stdout));
    assert!(output.status.success(), "{}", text(&output.stderr));
}
