//! What the cache has of a model, where the hub is not asked.

use super::{HubError, Listed, Wanted, choose};
use andiron_core::file;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder beside the cache's own in which a whole model's files are listed, by commit.
const WHOLE: &str = "andiron";

impl Wanted<'_> {
    fn list(&self, commit: &str) -> PathBuf {
        let repo = self.hub.cache.join(self.repo(commit).folder_name());
        repo.join(WHOLE).join(format!("{commit}.json"))
    }

    /// Notes that the files `names` are all that the model needs.
    pub(super) fn note(&self, commit: &str, names: &[&str]) -> Result<(), HubError> {
        let path = self.list(commit);
        let text = serde_json::json!(names).to_string();
        if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let written = fs::create_dir_all(folder).and_then(|()| file::write(&path, text.as_bytes()));
        written.map_err(|source| HubError::Io { path, source })
    }

    /// The folder of the model, if all that it needs is there: what was noted when it was fetched.
    /// What another program has fetched needs its weights, all parts of them, and its settings.
    pub(super) fn whole(&self) -> Result<PathBuf, HubError> {
        let folder = self.cached().ok_or_else(|| self.offline())?;
        let missing = |what: &str| HubError::Incomplete {
            name: self.name.to_owned(),
            revision: self.revision.to_owned(),
            missing: what.to_owned(),
            folder: folder.clone(),
        };
        let commit = folder.file_name().unwrap_or_default().to_string_lossy();
        let noted = fs::read(self.list(&commit)).ok();
        if let Some(names) =
            noted.and_then(|text| serde_json::from_slice::<Vec<String>>(&text).ok())
        {
            return match names.iter().find(|name| !folder.join(name).is_file()) {
                Some(name) => Err(missing(name)),
                None => Ok(folder),
            };
        }
        let found = files(&folder);
        let weights = match choose::weights(&found) {
            Ok(weights) => weights,
            Err(found) if found.is_empty() => return Err(missing("weights")),
            Err(found) => return Err(self.unclear(found)),
        };
        let names = weights.iter().map(|at| found[*at].rfilename.as_str());
        if let Some(parts) = names.clone().find_map(parts)
            && parts != weights.len()
        {
            return Err(missing(&format!(
                "{} of {parts} parts",
                parts.saturating_sub(weights.len())
            )));
        }
        // A GGUF file holds its settings.
        let has_settings =
            names.into_iter().all(|name| name.to_ascii_lowercase().ends_with(".gguf"))
                || found.iter().any(|file| file.rfilename == SETTINGS);
        if has_settings { Ok(folder) } else { Err(missing(SETTINGS)) }
    }
}

/// The settings of a published network.
const SETTINGS: &str = "config.json";

/// The files that lie at the top of `folder`; a link to nothing is none.
fn files(folder: &Path) -> Vec<Listed> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names.into_iter().map(|rfilename| Listed { rfilename, size: None, lfs: None }).collect()
}

/// Of how many parts the weights are of which `name` is one, as `model-00001-of-00003.safetensors`
/// says.
fn parts(name: &str) -> Option<usize> {
    let (_, of) = name.rsplit_once("-of-")?;
    of.split('.').next()?.parse().ok()
}
