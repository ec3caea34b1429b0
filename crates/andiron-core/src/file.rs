//! Files and folders that are there whole or not at all.

use crate::hash::Hashed;
use std::{
    ffi::OsStr,
    fmt, fs, io,
    io::Write,
    path::{Path, PathBuf},
};

/// How the name of a folder begins that holds a folder which is being replaced.
const AWAY: &str = ".andiron-old-";

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
    write_by(path, |out| out.write_all(bytes))
}

/// As [`write_by`]; gives the SHA-256 of what was written, in hexadecimal.
///
/// # Errors
/// As [`write_by`].
pub(crate) fn write_hashed(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<String> {
    let mut hash = String::new();
    write_by(path, |out| {
        let mut hashed = Hashed::new(out);
        fill(&mut hashed)?;
        hash = hashed.sha256();
        Ok(())
    })?;
    Ok(hash)
}

/// As [`write`](fn@write), of what `fill` writes, which need not be in memory at once.
///
/// # Errors
/// As [`write`](fn@write), and what `fill` gives.
pub fn write_by(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".andiron-").tempfile_in(parent(path))?;
    fill(&mut file)?;
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
/// exchanged with it in one step, so that there is always one of the two, whenever the process ends.
///
/// Where the system has no such step (any but Linux, and some file systems), the old folder is moved
/// away first and put back if the second rename fails. A process that is killed between the two
/// leaves no folder in the place: [`orphan`] finds the old one, [`put_back`] puts it back.
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
    replace_folder_by(exchange, |from, to| fs::rename(from, to), path, fail, fill)
}

/// Exchanges two folders in one step.
#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Exchanges two folders in one step, which this system cannot do.
#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Where a folder lies that was to stand at `path` and was moved away by a process that was killed
/// before it put another one there; none if something stands at `path`.
pub fn orphan(path: &Path) -> Option<PathBuf> {
    if path.exists() {
        return None;
    }
    let name = path.file_name()?;
    let moved_away = |entry: &fs::DirEntry| {
        entry.file_name().to_str().is_some_and(|name| name.starts_with(AWAY))
    };
    let lost = fs::read_dir(parent(path))
        .ok()?
        .flatten()
        .filter(moved_away)
        .map(|entry| entry.path().join(name))
        .filter(|old| old.is_dir());
    // Of several, the last that was moved.
    lost.max_by_key(|old| old.parent().and_then(|away| away.metadata().ok()?.modified().ok()))
}

/// Puts a folder back at `path` that an interrupted [`replace_folder`] has left elsewhere.
///
/// # Errors
/// Whatever renaming gives.
pub fn put_back(path: &Path) -> io::Result<()> {
    let Some(old) = orphan(path) else { return Ok(()) };
    fs::rename(&old, path)?;
    // Empty now, and of no use; a folder that cannot be removed does no harm either.
    if let Some(away) = old.parent() {
        let _ = fs::remove_dir(away);
    }
    Ok(())
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

/// As [`replace_folder`], with the steps given: no test can make the second of two renames fail and
/// the third, or end the process between them.
fn replace_folder_by<E>(
    exchange: impl Fn(&Path, &Path) -> io::Result<()>,
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
    if !path.exists() {
        rename(new.path(), path).map_err(&fail)?;
    } else if exchange(new.path(), path).is_ok() {
        // What has the temporary name now is the old folder, which goes with it.
        return Ok(());
    } else {
        replace_in_two_steps(rename, new.path(), path).map_err(&fail)?;
    }
    // The folder has moved, so there is nothing left to remove under its temporary name.
    let _ = new.keep();
    Ok(())
}

/// Moves the folder at `path` away, and `new` to its place.
fn replace_in_two_steps(
    rename: impl Fn(&Path, &Path) -> io::Result<()>,
    new: &Path,
    path: &Path,
) -> io::Result<()> {
    let away = tempfile::Builder::new().prefix(AWAY).tempdir_in(parent(path))?;
    // Under its own name, by which it is found should the process end in between.
    let old = away.path().join(path.file_name().unwrap_or_else(|| OsStr::new("old")));
    rename(path, &old)?;
    let Err(error) = rename(new, path) else { return Ok(()) };
    // Nothing is lost: the old folder goes back where it was, or stays where it is.
    match rename(&old, path) {
        Ok(()) => Err(error),
        Err(source) => {
            let _ = away.keep();
            Err(io::Error::new(error.kind(), Stranded { path: old, source }))
        }
    }
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
        replace_folder_by(refuse, rename, &root.join("bundle"), |error| error, fill)
    }

    /// A system that exchanges nothing in one step.
    fn refuse(_: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
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

    /// Set in a process that is to end in the middle: where, and before which step.
    const ENDS_IN: &str = "ANDIRON_TEST_ENDS_IN";
    const ENDS_AT: &str = "ANDIRON_TEST_ENDS_AT";

    /// Does nothing, unless another test started this process for it.
    #[test]
    fn the_process_that_ends_in_the_middle() {
        let Some(root) = std::env::var_os(ENDS_IN).map(PathBuf::from) else { return };
        let at: usize = std::env::var(ENDS_AT).unwrap().parse().unwrap();
        let number = std::cell::Cell::new(0);
        // As a SIGKILL would: nothing is cleaned up.
        let step = || {
            if number.replace(number.get() + 1) == at % 10 {
                std::process::abort();
            }
        };
        let exchange = |one: &Path, other: &Path| {
            if at >= 10 {
                return refuse(one, other);
            }
            step();
            let done = exchange(one, other);
            step();
            done
        };
        let rename = |from: &Path, to: &Path| {
            step();
            fs::rename(from, to)
        };
        let fill = |folder: &Path| write(&folder.join("file"), b"second");
        replace_folder_by(exchange, rename, &root.join("bundle"), |error| error, fill).unwrap();
    }

    /// Replaces `bundle` in `root` in a process that ends before the step `at`; 10 and more: where
    /// nothing is exchanged.
    fn ended(root: &Path, at: usize) {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "file::tests::the_process_that_ends_in_the_middle"])
            .env(ENDS_IN, root)
            .env(ENDS_AT, at.to_string())
            .output()
            .unwrap();
        assert!(!child.status.success(), "step {at} was never reached");
    }

    #[test]
    fn one_of_the_two_is_there_whenever_the_process_ends() {
        for (at, wanted) in [(0, "first"), (1, "second")] {
            if at == 1 && !cfg!(target_os = "linux") {
                continue;
            }
            let root = tempfile::tempdir().unwrap();
            fs::create_dir(root.path().join("bundle")).unwrap();
            fs::write(root.path().join("bundle/file"), "first").unwrap();
            ended(root.path(), at);
            assert_eq!(fs::read_to_string(root.path().join("bundle/file")).unwrap(), wanted);
            assert_eq!(orphan(&root.path().join("bundle")), None);
        }
    }

    #[test]
    fn a_folder_left_by_a_process_that_was_killed_is_found_and_put_back() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("bundle");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("file"), "first").unwrap();
        // Before the first of the two renames nothing has happened.
        ended(root.path(), 10);
        assert_eq!((orphan(&dir), fs::read(dir.join("file")).unwrap()), (None, b"first".to_vec()));
        ended(root.path(), 11);
        assert!(!dir.exists());
        // Those of others are not mistaken for it, and neither is it for another's.
        fs::create_dir_all(root.path().join(".andiron-old-zzz/bundle-2")).unwrap();
        assert_eq!(orphan(&root.path().join("bund")), None);
        let old = orphan(&dir).unwrap();
        assert_eq!(fs::read(old.join("file")).unwrap(), b"first");
        put_back(&dir).unwrap();
        assert_eq!(fs::read(dir.join("file")).unwrap(), b"first");
        assert!(!old.parent().unwrap().exists());
        // A second time there is nothing to do.
        put_back(&dir).unwrap();
        assert_eq!(orphan(&root.path().join("nowhere/bundle")), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn folders_are_exchanged_in_one_step() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (root.path().join("one"), root.path().join("other"));
        for (dir, text) in [(&one, "1"), (&other, "2")] {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("file"), text).unwrap();
        }
        exchange(&one, &other).unwrap();
        assert_eq!(fs::read(one.join("file")).unwrap(), b"2");
        assert_eq!(fs::read(other.join("file")).unwrap(), b"1");
        assert!(exchange(&one, &root.path().join("none")).is_err());
    }
}
