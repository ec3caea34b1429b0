//! The page of capabilities is made anew from what the last run of all tests registered: by the
//! script itself, in a folder of its own. Its `cargo` is a stand-in that asks this program again, to
//! register rows or to make the table.

use andiron_core::testing::{record, to_markdown};
use std::{
    env, fs, iter,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

/// Which command of cargo this process stands in for.
const COMMAND: &str = "ANDIRON_TEST_COMMAND";
/// What is registered by `cargo test`.
const ROWS: &str = "ANDIRON_TEST_ROWS";
/// The last argument of cargo: for `cargo run` the folder that the table is made from.
const LAST: &str = "ANDIRON_TEST_LAST";
/// Where the table is put, without what a test prints around it.
const TABLE: &str = "ANDIRON_TEST_TABLE";

const CARGO: &str = r#"#!/bin/sh
set -e
for last; do :; done
ANDIRON_TEST_COMMAND=$1 ANDIRON_TEST_LAST=$last "$ANDIRON_TEST_PROGRAM" --exact \
    capabilities::a_test_that_is_gone_takes_its_row_with_it >&2
[ "$1" = test ] || cat "$ANDIRON_TEST_TABLE"
"#;

#[test]
fn a_test_that_is_gone_takes_its_row_with_it() {
    match env::var(COMMAND).as_deref() {
        Ok("test") => {
            for name in env::var(ROWS).unwrap().split_whitespace() {
                record("contract", name, "12 laws hold");
            }
        }
        Ok(_) => {
            let table = to_markdown(Path::new(&env::var_os(LAST).unwrap())).unwrap();
            fs::write(env::var_os(TABLE).unwrap(), table).unwrap();
        }
        Err(_) => rows_come_and_go(),
    }
}

fn rows_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let page = root.join("docs/src/capabilities.md");

    prepare(root);
    let done = capabilities(root, "perceptron resnet", &[]);
    assert!(done.status.success(), "{done:?}");
    let both = fs::read_to_string(&page).unwrap();
    assert!(both.contains("| perceptron |") && both.contains("| resnet |"), "{both}");
    let done = capabilities(root, "", &["--check"]);
    assert!(done.status.success(), "{done:?}");

    let done = capabilities(root, "perceptron", &[]);
    assert!(done.status.success(), "{done:?}");
    let one = fs::read_to_string(&page).unwrap();
    assert!(one.contains("| perceptron |") && !one.contains("resnet"), "{one}");

    // A page that still has the row is refused.
    fs::write(&page, both).unwrap();
    let done = capabilities(root, "", &["--check"]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && said.contains("capabilities.md is out of date"), "{done:?}");
}

/// The script as it is, beside stand-ins for what it runs.
fn prepare(root: &Path) {
    for name in ["scripts", "docs/src", "bin"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/capabilities");
    fs::copy(script, root.join("scripts/capabilities")).unwrap();
    for (name, text) in [("scripts/interchange", "#!/bin/sh\n"), ("bin/cargo", CARGO)] {
        fs::write(root.join(name), text).unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn capabilities(root: &Path, rows: &str, options: &[&str]) -> Output {
    let before = env::var_os("PATH").unwrap_or_default();
    let path = iter::once(root.join("bin")).chain(env::split_paths(&before));
    Command::new("bash")
        .arg(root.join("scripts/capabilities"))
        .args(options)
        .env("PATH", env::join_paths(path).unwrap())
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env("ANDIRON_TEST_PROGRAM", env::current_exe().unwrap())
        .env(TABLE, root.join("table"))
        .env(ROWS, rows)
        .output()
        .unwrap()
}
