//! A folder that holds a folder a class: how images and recordings often come.

use crate::{DataError, Dataset, Example};
use std::path::{Path, PathBuf};

/// A file of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The name of the folder it lies in.
    pub label: String,
    /// Its name without the ending: what a split by group keeps together across classes.
    pub stem: String,
}

/// The files of every class below `dir` with one of `extensions` (lower case, without the dot; an
/// empty list takes all), in the order of the classes' names, then of the files' names. Plain
/// files at the top and what is hidden are passed over.
///
/// # Errors
/// [`DataError::Io`] naming the folder; [`DataError::Empty`] if no class holds a file, or naming a
/// class without one; [`DataError::Decode`] for a name that is not UTF-8.
pub fn class_files(
    dir: impl AsRef<Path>,
    extensions: &[&str],
) -> Result<Vec<ClassFile>, DataError> {
    let dir = dir.as_ref();
    let mut files = Vec::new();
    for class in entries(dir)?.into_iter().filter(|path| path.is_dir()) {
        let label = utf8(&class, class.file_name())?;
        let before = files.len();
        for path in entries(&class)?.into_iter().filter(|path| path.is_file()) {
            let extension = path.extension().and_then(|extension| extension.to_str());
            let extension = extension.unwrap_or_default().to_ascii_lowercase();
            if extensions.is_empty() || extensions.contains(&extension.as_str()) {
                let stem = utf8(&path, path.file_stem())?;
                files.push(ClassFile { path, label: label.clone(), stem });
            }
        }
        if files.len() == before {
            return Err(DataError::Empty { what: class.display().to_string() });
        }
    }
    if files.is_empty() {
        return Err(DataError::Empty { what: dir.display().to_string() });
    }
    Ok(files)
}

fn utf8(path: &Path, name: Option<&std::ffi::OsStr>) -> Result<String, DataError> {
    name.and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| DataError::Decode {
        what: path.display().to_string(),
        reason: "its name is not UTF-8".to_owned(),
    })
}

/// What lies in a folder and is not hidden, sorted by name.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let fail = |source| DataError::io(dir, source);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The files of a [`class_files`] folder as examples, each read when asked for.
#[derive(Debug, Clone)]
pub struct ClassFolder<I> {
    files: Vec<ClassFile>,
    open: fn(&Path) -> Result<I, DataError>,
}

impl<I> ClassFolder<I> {
    /// The files below `dir` with one of `extensions`, each to be read by `open`.
    ///
    /// # Errors
    /// As [`class_files`].
    pub fn open(
        dir: impl AsRef<Path>,
        extensions: &[&str],
        open: fn(&Path) -> Result<I, DataError>,
    ) -> Result<Self, DataError> {
        Ok(Self { files: class_files(dir, extensions)?, open })
    }

    /// The files, in order: their labels and stems are what splits go by.
    pub fn files(&self) -> &[ClassFile] {
        &self.files
    }
}

impl<I> Dataset<Example<I, String>> for ClassFolder<I> {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Example<I, String>, DataError> {
        let file = &self.files[index];
        let input = (self.open)(&file.path)
            .map_err(|error| error.at(index, Some(&file.path.display().to_string())))?;
        Ok(Example { input, target: file.label.clone() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn classes_and_files_come_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.wav", "b/1.WAV", "a/x.wav", "a/notes.txt", "README.md", ".git/y.wav"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "sound").unwrap();
        }
        let files = class_files(folder.path(), &["wav"]).unwrap();
        let found: Vec<(&str, &str)> =
            files.iter().map(|file| (file.label.as_str(), file.stem.as_str())).collect();
        assert_eq!(found, [("a", "x"), ("b", "1"), ("b", "2")]);
        let size = |path: &Path| Ok(path.to_string_lossy().len());
        let data = ClassFolder::open(folder.path(), &["wav"], size).unwrap();
        assert_eq!((data.len(), data.get(2).unwrap().target.as_str()), (3, "b"));
        assert!(matches!(class_files(folder.path(), &["png"]), Err(DataError::Empty { .. })));
        assert!(matches!(class_files(folder.path().join("no"), &[]), Err(DataError::Io { .. })));
    }
}
