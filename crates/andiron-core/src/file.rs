//! Files and folders that are there whole or not at all.

use std::{
    fmt, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

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
/// folder is removed. If not even the old folder can be put back, it stays where it was moved to,
/// and the error is a [`Stranded`].
pub fn replace_folder<E>(
    path: &Path,
    fail: impl Fn(io::Error) -> E,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    replace_folder_by(|from, to| fs::rename(from, to), path, fail, fill)
}

/// A folder that was moved away to be replaced, and could be neither replaced nor moved back.
#[derive(Debug)]
pub struct Stranded {
    /// Where it is now.
    pub path: PathBuf,
    /// Why it could not be moved back.
    source: io::Error,
}

impl fmt::Display for Stranded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the old folder could not be put back and is now {}", self.path.display())
    }
}

impl std::error::Error for Stranded {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// As [`replace_folder`], with the renaming given: no test can make the second of two renames fail
/// and the third.
fn replace_folder_by<E>(
    rename: impl Fn(&Path, &Path) -> io::Result<()>,
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
        rename(path, &old).map_err(&fail)?;
        if let Err(error) = rename(new.path(), path) {
            // Nothing is lost: the old folder goes back where it was, or stays where it is.
            if let Err(source) = rename(&old, path) {
                let path = away.keep().join("old");
                return Err(fail(io::Error::new(error.kind(), Stranded { path, source })));
            }
            return Err(fail(error));
        }
    } else {
        rename(new.path(), path).map_err(&fail)?;
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

    /// Replaces a folder where the renames fail whose numbers, from 0, are given.
    fn replaced(root: &Path, failing: &[usize]) -> io::Result<()> {
        let number = std::cell::Cell::new(0);
        let rename = |from: &Path, to: &Path| {
            let this = number.replace(number.get() + 1);
            match failing.contains(&this) {
                true => Err(io::Error::other(format!("rename {this}"))),
                false => fs::rename(from, to),
            }
        };
        let fill = |folder: &Path| write(&folder.join("file"), b"second");
        replace_folder_by(rename, &root.join("bundle"), |error| error, fill)
    }

    #[test]
    fn a_folder_that_cannot_be_put_back_is_kept_where_it_is() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("bundle/file");
        fs::create_dir(root.path().join("bundle")).unwrap();
        fs::write(&file, "first").unwrap();
        for (failing, text) in [([0], "rename 0"), ([1], "rename 1")] {
            let error = replaced(root.path(), &failing).unwrap_err();
            assert_eq!(error.to_string(), text);
            assert_eq!(fs::read(&file).unwrap(), b"first");
            assert_eq!(names(root.path()), ["bundle"]);
        }
        let error = replaced(root.path(), &[1, 2]).unwrap_err();
        let stranded: &Stranded = error.get_ref().unwrap().downcast_ref().unwrap();
        assert!(stranded.path.starts_with(root.path()));
        assert_eq!(fs::read(stranded.path.join("file")).unwrap(), b"first");
        let text = error.to_string();
        assert!(text.ends_with(&stranded.path.display().to_string()), "{text}");
        let source = std::error::Error::source(stranded).unwrap();
        assert_eq!(source.to_string(), "rename 2");
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
