//! The models and the tasks that are part of the program.

use crate::error::CliError;
use andiron::{
    Registry,
    bundle::{self, Description},
};
use std::{fs, path::Path};
use tempfile::TempDir;

/// A bundle inside the program.
pub(crate) struct Builtin {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// The names and contents of its files.
    pub(crate) files: &'static [(&'static str, &'static [u8])],
}

/// All of them, by name; made by `build.rs`.
pub(crate) static BUILTINS: &[Builtin] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

impl Builtin {
    /// The content of a file.
    fn file(&self, name: &str) -> Option<&'static [u8]> {
        self.files.iter().find(|(file, _)| *file == name).map(|(_, bytes)| *bytes)
    }

    /// What its description says.
    pub(crate) fn describe(&self) -> Result<Description, CliError> {
        let text = self.file(bundle::DESCRIPTION).unwrap_or_default();
        Ok(bundle::parse(text, &Path::new(self.name).join(bundle::DESCRIPTION))?)
    }

    /// How many bytes its files have.
    pub(crate) fn bytes(&self) -> usize {
        self.files.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Writes its files into a temporary folder, which is removed when the value is dropped.
    pub(crate) fn unpack(&self) -> Result<TempDir, CliError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| CliError::Write { path, source }
        };
        let dir = TempDir::with_prefix("andiron-").map_err(fail(&std::env::temp_dir()))?;
        for (name, bytes) in self.files {
            let path = dir.path().join(name);
            fs::write(&path, bytes).map_err(fail(&path))?;
        }
        Ok(dir)
    }
}

/// Every task that is compiled in.
pub(crate) fn registry() -> Registry {
    andiron::TASKS.iter().fold(Registry::default(), |registry, tasks| registry.with(tasks))
}
