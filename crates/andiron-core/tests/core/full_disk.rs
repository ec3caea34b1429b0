//! A disk that is full while something is saved, by a child process that may write no file of more
//! than a few kilobytes: the operating system then fails its writes in the middle, as a full disk
//! does.
#![cfg(unix)]

use crate::{
    bundle::{load, predictor, said},
    mixed::{self, MixedConfig},
    runs::{Event, equal, small},
};
use andiron_core::{Network, Predictor, bundle};
use burn::tensor::Device;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const FOLDER: &str = "ANDIRON_TEST_FULL";
const WHAT: &str = "ANDIRON_TEST_WHAT";

/// Does nothing, unless another test started this process for it.
#[test]
fn the_process_without_room() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let said = match std::env::var(WHAT).unwrap().as_str() {
        "bundle" => {
            let network = Network::init(MixedConfig::new(64, 64), 1, &Device::flex()).unwrap();
            let large = Predictor::new(mixed::task(), network, &Device::flex());
            said(&large.save(folder.join("bundle")).unwrap_err())
        }
        _ => said(&small_but_wide().run(Some(&folder.join("run")), Event::Nothing).unwrap_err()),
    };
    fs::write(folder.join("said"), said).unwrap();
}

/// A run whose checkpoints are larger than the child may write.
fn small_but_wide() -> crate::runs::Plan<MixedConfig> {
    crate::runs::Plan { network: MixedConfig::new(48, 64), ..small() }
}

/// Runs a save in a process that has no room, and gives what the error said.
fn without_room(folder: &Path, what: &str) -> String {
    // 16 blocks of 512 bytes (1024 in some shells); the signal that comes with the limit is
    // ignored, so that the write itself fails.
    let script =
        "trap '' XFSZ; ulimit -f 16; exec \"$0\" --exact full_disk::the_process_without_room";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder)
        .env(WHAT, what)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(folder.join("said")).unwrap()
}

/// Temporary files and folders below a folder.
fn debris(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with('.') {
            found.push(path.clone());
        }
        if path.is_dir() {
            found.extend(debris(&path));
        }
    }
    found
}

#[test]
fn a_bundle_is_still_there_when_the_next_has_no_room() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bundle");
    predictor(1).save(&dir).unwrap();
    let before: Vec<u8> = fs::read(dir.join("model.safetensors")).unwrap();
    let said = without_room(root.path(), "bundle");
    // The file that had no room is named, at the place where it should have come to lie.
    let wanted = format!("cannot use {}: ", dir.join("model.safetensors").display());
    assert!(said.starts_with(&wanted), "{said}");
    assert!(said.contains("File too large"), "{said}");
    bundle::verify(&dir).unwrap();
    load(&dir).unwrap();
    assert!(fs::read(dir.join("model.safetensors")).unwrap() == before);
    assert_eq!(debris(root.path()), Vec::<PathBuf>::new());
    // Where there was none, there is none: not a part of one either.
    fs::remove_dir_all(&dir).unwrap();
    without_room(root.path(), "bundle");
    assert!(!dir.exists());
    assert_eq!(debris(root.path()), Vec::<PathBuf>::new());
    andiron_core::testing::record(
        "bundle",
        "a full disk leaves the last bundle whole",
        "in a process whose files may not grow",
    );
}

#[test]
fn a_checkpoint_is_still_there_when_the_next_has_no_room() {
    let root = tempfile::tempdir().unwrap();
    let (whole, run) = (root.path().join("whole"), root.path().join("run"));
    let plan = small_but_wide();
    plan.finish(&whole);
    assert_eq!(plan.interrupted(&run, Event::StopAfter(2)), 2);
    let before = fs::read(run.join("checkpoint/state.json")).unwrap();
    let said = without_room(root.path(), "checkpoint");
    assert!(said.contains("model-4.safetensors") && said.contains("File too large"), "{said}");
    assert!(fs::read(run.join("checkpoint/state.json")).unwrap() == before);
    assert_eq!(debris(root.path()), Vec::<PathBuf>::new());
    plan.finish(&run);
    equal(&whole, &run);
    andiron_core::testing::record(
        "resume",
        "a full disk leaves the last checkpoint whole",
        "in a process whose files may not grow",
    );
}
