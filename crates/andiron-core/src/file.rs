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
