#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use andiron_core::Dataset;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use tempfile::TempDir;

const NAMES: [&str; 3] = ["boot", "coat", "shirt"];

fn idx(shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    for extent in shape {
        bytes.extend(extent.to_be_bytes());
    }
    [bytes.as_slice(), values].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Two images 5 wide and 3 high, not square on purpose.
fn images() -> Vec<u8> {
    idx(&[2, 3, 5], &(0..30).collect::<Vec<u8>>())
}

fn read(images: &[u8], labels: &[u8]) -> (TempDir, Result<Vec<ImageExample>, DataError>) {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("images"), folder.path().join("labels"));
    std::fs::write(&a, images).unwrap();
    std::fs::write(&b, labels).unwrap();
    let examples = idx_examples(&a, &b, &NAMES);
    (folder, examples)
}

fn refusal(images: &[u8], labels: &[u8]) -> String {
    let error = read(images, labels).1.unwrap_err();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

#[test]
fn idx_files_are_read_plain_and_compressed() {
    let labels = idx(&[2], &[2, 0]);
    let plain = read(&images(), &labels).1.unwrap();
    assert_eq!(
        plain[0],
        Example {
            input: Image::gray(5, 3, (0..15).collect()).unwrap(),
            target: "shirt".to_owned()
        }
    );
    assert_eq!(
        plain[1],
        Example {
            input: Image::gray(5, 3, (15..30).collect()).unwrap(),
            target: "boot".to_owned()
        }
    );
    assert_eq!(read(&gzip(&images()), &gzip(&labels)).1.unwrap(), plain);
    let colored = idx(&[1, 2, 1, 3], &[1, 2, 3, 4, 5, 6]);
    let colored = read(&colored, &idx(&[1], &[1])).1.unwrap();
    assert_eq!(colored[0].input, Image::rgb(1, 2, vec![1, 2, 3, 4, 5, 6]).unwrap());
}

#[test]
fn what_is_wrong_with_idx_files_is_said() {
    let labels = idx(&[2], &[2, 0]);
    let unknown = "example 1: unknown label \"3\"; known are [\"boot\", \"coat\", \"shirt\"]";
    assert_eq!(refusal(&images(), &idx(&[2], &[0, 3])), unknown);
    assert!(
        refusal(&images(), &idx(&[3], &[0, 0, 0]))
            .ends_with("2 images need [2] labels, but there are [3]")
    );
    assert!(
        refusal(&labels, &labels)
            .contains("[images, height, width] or [.., 3] was wanted, but it is [2]")
    );
    assert!(refusal(&idx(&[0, 3, 5], &[]), &idx(&[0], &[])).ends_with("images is empty"));
    assert!(refusal(&idx(&[1, 0, 5], &[]), &idx(&[1], &[0])).contains("the image's height is 0"));
    let bytes = images();
    assert!(refusal(&bytes[..bytes.len() - 1], &labels).contains("29 elements follow"));
}

#[test]
fn truncated_gzip_is_refused() {
    let (images, labels) = (gzip(&images()), gzip(&idx(&[2], &[2, 0])));
    for part in 3..images.len() {
        let refused = refusal(&images[..part], &labels);
        assert!(refused.contains("images (gzip) cannot be decoded"), "{part}: {refused}");
    }
}

#[test]
fn missing_files_are_named() {
    let refused = idx_examples("/nowhere/images", "/nowhere/labels", &NAMES).unwrap_err();
    assert_eq!(refused.to_string(), "cannot read /nowhere/images");
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

#[test]
fn a_folder_a_class_is_read_in_order() {
    let png = Image::gray(3, 2, vec![9; 6]).unwrap().to_png();
    let files: [(&str, &[u8]); 7] = [
        ("dog/b.PNG", &png),
        ("dog/a.png", &png),
        ("cat/z.png", b"no image"),
        ("cat/notes.txt", b"not read"),
        ("cat/.hidden.png", b"not read"),
        (".cache/a.png", b"not read"),
        ("readme.png", b"not in a class"),
    ];
    let dir = folder(&files);
    let data = folder_examples(dir.path()).unwrap();
    let found: Vec<(&str, &str)> =
        data.files().iter().map(|file| (file.label.as_str(), file.stem.as_str())).collect();
    assert_eq!(found, [("cat", "z"), ("dog", "a"), ("dog", "b")]);
    assert_eq!(data.get(2).unwrap().input, Image::gray(3, 2, vec![9; 6]).unwrap());
    let refused = data.get(0).unwrap_err().to_string();
    assert!(refused.starts_with("example 0 (") && refused.ends_with("z.png)"), "{refused}");
}

#[test]
fn empty_folders_are_refused() {
    let refused = |files: &[(&str, &[u8])]| folder_examples(folder(files).path()).unwrap_err();
    assert!(matches!(refused(&[]), DataError::Empty { .. }));
    assert!(matches!(refused(&[("loose.png", b"")]), DataError::Empty { .. }));
    let error = refused(&[("cat/a.png", b""), ("dog/notes.txt", b"")]).to_string();
    assert!(error.ends_with("dog is empty"), "{error}");
    assert!(matches!(folder_examples("/nowhere"), Err(DataError::Io { .. })));
}
