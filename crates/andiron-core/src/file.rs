//! Files and folders that are there whole or not at all.

use std::{fs, io, io::Write as _, path::Path};

/// The folder that `path` lies in, `.` for a bare name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes `bytes` to a temporary file beside `path`, then renames it, so that a reader sees the
/// old content or the new, and a full disk leaves the old.
///
/// # Errors
/// Whatever creating, writing, syncing or renaming gives; the temporary file is removed.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".andiron-").tempfile_in(parent(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path)?;
    Ok(())
}

/// Fills a temporary folder beside `path` and puts it in its place. A folder that stands there is
/// moved away first and put back if the rename fails.
///
/// # Errors
/// What `fill` gives, and whatever creating or renaming gives, made into `E`; the temporary
/// folder is removed.
pub fn replace_folder<E>(
    path: &Path,
    fail: impl Fn(io::Error) -> E,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    fs::create_dir_all(parent(path)).map_err(&fail)?;
    let new =
        tempfile::Builder::new().prefix(".andiron-").tempdir_in(parent(path)).map_err(&fail)?;
    fill(new.path())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(new.path(), fs::Permissions::from_mode(0o755)).map_err(&fail)?;
    }
    if path.exists() {
        let away = tempfile::Builder::new()
            .prefix(".andiron-old-")
            .tempdir_in(parent(path))
            .map_err(&fail)?;
        let old = away.path().join("old");
        fs::rename(path, &old).map_err(&fail)?;
        if let Err(error) = fs::rename(new.path(), path) {
            // Nothing is lost: the old folder goes back where it was.
            fs::rename(&old, path).map_err(&fail)?;
            return Err(fail(error));
        }
    } else {
        fs::rename(new.path(), path).map_err(&fail)?;
    }
    // The folder has moved, so there is nothing left to remove under its temporary name.
    let _ = new.keep();
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(root.path()), ["log"]);
        // No folder, and a folder in the place: the old is as it was, and no temporary file stays.
        assert!(write(&root.path().join("no/log"), b"x").is_err());
        fs::create_dir(root.path().join("dir")).unwrap();
        assert!(write(&root.path().join("dir"), b"x").is_err());
        assert_eq!(names(root.path()), ["dir", "log"]);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_is_written() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("bundle");
        replace_folder(&dir, |error| error, |folder| write(&folder.join("file"), b"x")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join("file"))), (0o755, 0o644));
    }

    #[test]
    fn a_folder_that_cannot_be_filled_leaves_the_old_one() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("bundle");
        let fill =
            |text: &'static str| move |folder: &Path| write(&folder.join("file"), text.as_bytes());
        replace_folder(&dir, |error| error, fill("first")).unwrap();
        let failed = replace_folder(
            &dir,
            |error| error,
            |folder| {
                write(&folder.join("file"), b"half")?;
                Err(io::Error::other("no more"))
            },
        );
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read(dir.join("file")).unwrap(), b"first");
        assert_eq!(names(root.path()), ["bundle"]);
        replace_folder(&dir, |error| error, fill("second")).unwrap();
        assert_eq!(fs::read(dir.join("file")).unwrap(), b"second");
        assert_eq!(names(root.path()), ["bundle"]);
    }
}
