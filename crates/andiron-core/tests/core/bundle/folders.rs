//! What stands in a folder is whole, whatever goes wrong while saving.

use super::*;

/// Names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("thesis");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("chapter.txt"), "years of work").unwrap();
    let error = predictor(1).save(&dir).unwrap_err();
    assert!(matches!(&error, BundleError::Occupied { path } if *path == dir), "{error}");
    assert_eq!(names(&dir), ["chapter.txt"]);
    assert_eq!(fs::read_to_string(dir.join("chapter.txt")).unwrap(), "years of work");
    let file = root.path().join("notes");
    fs::write(&file, "more work").unwrap();
    assert!(matches!(predictor(1).save(&file), Err(BundleError::Occupied { .. })));
    // Below a file there is no place for a folder.
    assert!(matches!(predictor(1).save(file.join("model")), Err(BundleError::Io { .. })));
    assert_eq!(fs::read_to_string(&file).unwrap(), "more work");
    assert_eq!(names(root.path()), ["notes", "thesis"]);
}

#[test]
fn a_bundle_with_other_files_beside_it_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("model");
    predictor(1).save(&dir).unwrap();
    let before = bytes_of(&load(&dir).unwrap());
    let other = dir.join("notes.txt");
    for is_folder in [false, true] {
        match is_folder {
            true => fs::create_dir(&other).unwrap(),
            false => fs::write(&other, "years of work").unwrap(),
        }
        let error = predictor(2).save(&dir).unwrap_err();
        assert!(matches!(&error, BundleError::Occupied { path } if *path == other), "{error}");
        assert!(bytes_of(&load(&dir).unwrap()) == before);
        match is_folder {
            true => fs::remove_dir(&other).unwrap(),
            false => fs::remove_file(&other).unwrap(),
        }
    }
    assert_eq!(names(root.path()), ["model"]);
    // A description that cannot be read any more protects what no bundle has, and nothing else.
    fs::write(dir.join("andiron.json"), "{\"files\"").unwrap();
    fs::write(&other, "years of work").unwrap();
    assert!(matches!(predictor(2).save(&dir), Err(BundleError::Occupied { .. })));
    fs::remove_file(&other).unwrap();
    predictor(2).save(&dir).unwrap();
    assert!(bytes_of(&load(&dir).unwrap()) == bytes_of(&predictor(2)));
}

#[test]
fn empty_and_new_folders_and_older_bundles_are_filled() {
    let root = tempfile::tempdir().unwrap();
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    predictor(1).save(&empty).unwrap();
    let new = root.path().join("a/b/c");
    predictor(1).save(&new).unwrap();
    assert!(bytes_of(&load(&new).unwrap()) == bytes_of(&load(&empty).unwrap()));
    // Replaced whole: the card of the older one goes with it.
    predictor(1).with_card(card()).save(&empty).unwrap();
    predictor(2).save(&empty).unwrap();
    let loaded = load(&empty).unwrap();
    assert!(bytes_of(&loaded) == bytes_of(&predictor(2)));
    assert_eq!(loaded.card(), &Card::default());
    assert_eq!(names(root.path()), ["a", "empty"]);
    assert_eq!(names(&empty), ["README.md", "andiron.json", "model.safetensors"]);
}

#[test]
fn a_readers_bundle_is_one_or_the_other_while_it_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bundle");
    let (first, second) = (predictor(1), predictor(2));
    let wanted = [bytes_of(&first), bytes_of(&second)];
    first.save(&dir).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..10 {
                second.save(&dir).unwrap();
                first.save(&dir).unwrap();
            }
        });
        while !writer.is_finished() {
            // The old one may go while it is read; but it is never a mixture, and where folders are
            // exchanged in one step there is always one.
            assert!(dir.is_dir() || !cfg!(target_os = "linux"));
            if let Ok(found) = load(&dir) {
                assert!(wanted.contains(&bytes_of(&found)));
            }
        }
    });
    assert!(bytes_of(&load(&dir).unwrap()) == wanted[0]);
}

/// As a kill between the two steps leaves it, where folders cannot be exchanged in one.
#[test]
fn a_bundle_left_aside_is_named_and_put_back() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bundle");
    predictor(1).save(&dir).unwrap();
    let old = root.path().join(".andiron-old-x1Y2z3/bundle");
    fs::create_dir(old.parent().unwrap()).unwrap();
    fs::rename(&dir, &old).unwrap();
    let error = load(&dir).map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, BundleError::Interrupted { path, old: o } if *path == dir && *o == old),
        "{error}"
    );
    assert!(error.to_string().contains(&old.display().to_string()), "{error}");
    // A save that fails leaves the old one in its place; one that does not replaces it.
    let unlisted = old.join("notes.txt");
    fs::write(&unlisted, "years of work").unwrap();
    assert!(matches!(predictor(2).save(&dir), Err(BundleError::Occupied { .. })));
    fs::remove_file(dir.join("notes.txt")).unwrap();
    assert!(bytes_of(&load(&dir).unwrap()) == bytes_of(&predictor(1)));
    fs::create_dir(old.parent().unwrap()).unwrap();
    fs::rename(&dir, &old).unwrap();
    predictor(2).save(&dir).unwrap();
    assert!(bytes_of(&load(&dir).unwrap()) == bytes_of(&predictor(2)));
    assert_eq!(names(root.path()), ["bundle"]);
    record(
        "bundle",
        "a save that was killed loses nothing",
        "folders exchanged in one step; a child killed before each step; the old one found again",
    );
}

/// A process that saves over and over is killed at a moment of chance.
#[cfg(target_os = "linux")]
#[test]
fn a_bundle_is_there_whenever_the_saving_process_is_killed() {
    const PLACE: &str = "ANDIRON_TEST_SAVES_TO";
    if let Some(dir) = std::env::var_os(PLACE).map(PathBuf::from) {
        loop {
            predictor(2).save(&dir).unwrap();
            predictor(1).save(&dir).unwrap();
        }
    }
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bundle");
    predictor(1).save(&dir).unwrap();
    for round in 0..12 {
        let name = "bundle::folders::a_bundle_is_there_whenever_the_saving_process_is_killed";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(PLACE, &dir)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(60 + 7 * round));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        bundle::verify(&dir).unwrap();
    }
}
