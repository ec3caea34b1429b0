//! The models that are part of the program, and what a MODEL argument stands for.

use crate::error::CliError;
use andiron::{
    AnyPredictor, Registry,
    bundle::{self, Description},
    burn::tensor::Device,
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
    fn unpack(&self) -> Result<TempDir, CliError> {
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

/// What a MODEL argument stands for.
pub(crate) enum Model<'a> {
    /// The folder of a bundle.
    Folder(&'a Path),
    /// A model inside the program.
    Builtin(&'static Builtin),
}

impl<'a> Model<'a> {
    /// A folder with a bundle wins over a built-in model of the same name; any other folder or
    /// file only counts if no built-in model has its name.
    pub(crate) fn of(name: &'a str) -> Result<Self, CliError> {
        let path = Path::new(name);
        if path.join(bundle::DESCRIPTION).is_file() {
            return Ok(Self::Folder(path));
        }
        if let Some(builtin) = BUILTINS.iter().find(|builtin| builtin.name == name) {
            return Ok(Self::Builtin(builtin));
        }
        if path.exists() || andiron::file::orphan(path).is_some() {
            // It is no bundle, and the attempt to read it says what it lacks.
            return Ok(Self::Folder(path));
        }
        let known = BUILTINS.iter().map(|builtin| builtin.name).collect();
        Err(CliError::UnknownModel { got: name.to_owned(), known })
    }

    /// Does something with the model's folder, which for a built-in model exists just so long.
    pub(crate) fn with_folder<R>(
        &self,
        then: impl FnOnce(&Path) -> Result<R, CliError>,
    ) -> Result<R, CliError> {
        match self {
            Self::Folder(path) => then(path),
            Self::Builtin(builtin) => then(builtin.unpack()?.path()),
        }
    }

    /// Loads it.
    pub(crate) fn load(
        &self,
        registry: &Registry,
        device: &Device,
    ) -> Result<Box<dyn AnyPredictor>, CliError> {
        self.with_folder(|folder| Ok(registry.load(folder, device)?))
    }
}

/// Every task that is compiled in.
pub(crate) fn registry() -> Registry {
    andiron::TASKS.iter().fold(Registry::default(), |registry, tasks| registry.with(tasks))
}
