//! What a MODEL argument stands for: a bundle, something published by others, a built-in model, or
//! a name on the hub.

use crate::{
    builtin::{BUILTINS, Builtin},
    error::CliError,
};
use andiron::{
    AnyPredictor, Registry,
    bundle::{self, Description},
    burn::tensor::Device,
};
use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

/// What stands before a name on the hub.
pub(crate) const HUB: &str = "hf:";

/// What a MODEL argument stands for.
pub(crate) enum Model {
    /// A folder or file.
    Path(PathBuf),
    /// A model inside the program.
    Builtin(&'static Builtin),
}

impl Model {
    /// A folder with a bundle wins over a built-in model of the same name; any other folder or
    /// file only counts if no built-in model has its name. A name on the hub is fetched.
    pub(crate) fn of(name: &str) -> Result<Self, CliError> {
        let path = local(name)?;
        if path.join(bundle::DESCRIPTION).is_file() {
            return Ok(Self::Path(path.into()));
        }
        if let Some(builtin) = BUILTINS.iter().find(|builtin| builtin.name == name) {
            return Ok(Self::Builtin(builtin));
        }
        if path.exists() || andiron::file::orphan(&path).is_some() {
            // What it is, or lacks, is said by the attempt to read it.
            return Ok(Self::Path(path.into()));
        }
        let known = BUILTINS.iter().map(|builtin| builtin.name).collect();
        Err(CliError::UnknownModel { got: name.to_owned(), known })
    }

    /// Loads it; `task` chooses where several tasks can use it.
    pub(crate) fn load(
        &self,
        registry: &Registry,
        task: Option<&str>,
        device: &Device,
    ) -> Result<Box<dyn AnyPredictor>, CliError> {
        if let Some(got) = task.filter(|name| registry.task(name).is_err()) {
            let known = registry.tasks().map(|task| task.name).collect();
            return Err(CliError::UnknownTask { got: got.to_owned(), known });
        }
        match self {
            Self::Path(path) => Ok(registry.open(path, task, device)?),
            // Its folder exists just so long.
            Self::Builtin(builtin) => Ok(registry.open(builtin.unpack()?.path(), task, device)?),
        }
    }

    /// The description of a bundle, all of whose files are as they were saved, with its tensors'
    /// file; none for what others publish.
    pub(crate) fn verify<R>(
        &self,
        then: impl FnOnce(&Path, Description) -> Result<R, CliError>,
    ) -> Result<Option<R>, CliError> {
        match self {
            Self::Path(path) if !path.join(bundle::DESCRIPTION).is_file() => Ok(None),
            Self::Path(path) => then(path, bundle::verify(path)?).map(Some),
            Self::Builtin(builtin) => {
                let folder = builtin.unpack()?;
                then(folder.path(), bundle::verify(folder.path())?).map(Some)
            }
        }
    }
}

/// The path that `name` is or, after `hf:`, that the hub's model was fetched to.
pub(crate) fn local(name: &str) -> Result<Cow<'_, Path>, CliError> {
    match name.strip_prefix(HUB) {
        Some(rest) => fetched(name, rest).map(Cow::Owned),
        None => Ok(Cow::Borrowed(Path::new(name))),
    }
}

/// `owner/name`, perhaps with `/file` and `@revision`.
#[cfg(feature = "hub")]
fn fetched(argument: &str, rest: &str) -> Result<PathBuf, CliError> {
    let (path, revision) = match rest.split_once('@') {
        Some((path, revision)) => (path, Some(revision)),
        None => (rest, None),
    };
    let parts: Vec<&str> = path.splitn(3, '/').collect();
    let refuse = |reason| CliError::Argument { argument: argument.to_owned(), reason };
    Ok(match parts[..] {
        [owner, name] if !owner.is_empty() && !name.is_empty() => {
            andiron::hub::fetch(path, revision)?
        }
        [owner, name, file] if !file.is_empty() => {
            andiron::hub::fetch_file(&format!("{owner}/{name}"), revision, file)?
        }
        _ => return Err(refuse("hf:owner/name[/file][@revision] was wanted")),
    })
}

#[cfg(not(feature = "hub"))]
fn fetched(argument: &str, _: &str) -> Result<PathBuf, CliError> {
    let reason = "this program was built without the hub";
    Err(CliError::Argument { argument: argument.to_owned(), reason })
}
