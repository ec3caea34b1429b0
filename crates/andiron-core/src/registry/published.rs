//! What others publish, and how a task says which of it it reads.
//!
//! A path that holds no bundle is looked at once ([`Layout`]); every registered task is asked
//! whether it knows such a thing ([`PublishedEntry`]), and the one that it was made for loads it.
//! Nobody holds a list of all layouts.

use super::{Registry, TaskEntry};
use crate::{AnyPredictor, BundleError, LoadError, bundle, data::shortened};
use burn::tensor::Device;
use serde_json::Value;
use std::{
    error::Error,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// The file by which most published folders say what they hold.
const CONFIG: &str = "config.json";
/// How many bytes of a file are looked at.
const HEAD: u64 = 16;
/// A `config.json` has some kilobytes; more than this is none.
const LARGEST_CONFIG: u64 = 16 << 20;

/// How well something published fits a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It can be used for the task by those who ask for the task.
    Able,
    /// It was made for the task.
    Meant,
}

/// One kind of published thing that a task reads: a line in the domain crate's slice.
pub struct PublishedEntry {
    /// What it reads, in the words of those who publish it: names of architectures, or a format.
    pub reads: &'static [&'static str],
    /// Whether it reads `layout`, told from what the layout says of itself; no weight is read.
    pub fit: fn(&Layout) -> Option<Fit>,
    /// Makes a predictor of it.
    pub load: LoadPublished,
    /// For a model that is no network: the architecture that its bundles name. They hold the
    /// published files as they are, and this entry loads them.
    pub keeps: Option<&'static str>,
}

/// How a [`PublishedEntry`] makes a predictor. The error is the reader's own.
pub type LoadPublished =
    fn(&Layout, &Device) -> Result<Box<dyn AnyPredictor>, Box<dyn Error + Send + Sync>>;

/// A file or folder that is no bundle, as far as it says by itself what it is.
#[derive(Debug, Clone)]
pub struct Layout {
    path: PathBuf,
    /// The names of the files in the folder; none for a file.
    files: Option<Vec<String>>,
    head: Vec<u8>,
    config: Option<Value>,
    named: Option<String>,
}

impl Layout {
    /// Looks at `path`: at the names in a folder and its `config.json`, or at the first bytes of a
    /// file.
    ///
    /// # Errors
    /// [`LoadError::Io`] if it cannot be read, [`LoadError::Json`] for a `config.json` that is
    /// none.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let fail = |source| LoadError::Io { path: path.into(), source };
        let mut layout =
            Self { path: path.into(), files: None, head: Vec::new(), config: None, named: None };
        if !fs::metadata(path).map_err(fail)?.is_dir() {
            let file = fs::File::open(path).map_err(fail)?;
            file.take(HEAD).read_to_end(&mut layout.head).map_err(fail)?;
            return Ok(layout);
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            // Links count as what they lead to: a cache of the hub has nothing else.
            if let Ok(name) = entry.file_name().into_string()
                && entry.path().is_file()
            {
                files.push(name);
            }
        }
        files.sort();
        if files.iter().any(|name| name == CONFIG) {
            layout.config = Some(read_config(&path.join(CONFIG))?);
        }
        layout.files = Some(files);
        Ok(layout)
    }

    /// The same as its owner names it: for weights that come without a description. The names are
    /// those of the readers.
    #[must_use]
    pub fn called(self, architecture: impl Into<String>) -> Self {
        Self { named: Some(architecture.into()), ..self }
    }

    /// The architecture that its owner says it is.
    pub fn named(&self) -> Option<&str> {
        self.named.as_deref()
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.files.is_some()
    }

    /// Whether it is a folder with a file called `name`.
    pub fn has(&self, name: &str) -> bool {
        self.files.iter().flatten().any(|file| file == name)
    }

    /// The only file of the folder whose name ends in one of `endings`, such as `.gguf`; none if
    /// there are several.
    pub fn only(&self, endings: &[&str]) -> Option<PathBuf> {
        let mut found = self.files.iter().flatten().filter(|name| ends(name, endings));
        match (found.next(), found.next()) {
            (Some(name), None) => Some(self.path.join(name)),
            _ => None,
        }
    }

    /// Whether it is a folder with a file whose name ends in one of `endings`.
    pub fn has_any(&self, endings: &[&str]) -> bool {
        self.files.iter().flatten().any(|name| ends(name, endings))
    }

    /// Whether it is a file that begins so; 16 bytes are known.
    pub fn starts_with(&self, bytes: &[u8]) -> bool {
        !self.is_folder() && self.head.starts_with(bytes)
    }

    /// The content of the folder's `config.json`.
    pub fn config(&self) -> Option<&Value> {
        self.config.as_ref()
    }

    /// The first of the `architectures` that `config.json` names: the class that wrote the folder.
    pub fn architecture(&self) -> Option<&str> {
        self.config.as_ref()?.get("architectures")?.get(0)?.as_str()
    }

    /// The `model_type` in `config.json`: the network without its head.
    pub fn model_type(&self) -> Option<&str> {
        self.config.as_ref()?.get("model_type")?.as_str()
    }

    /// What it says of itself, for an error.
    fn found(&self) -> String {
        if let Some(named) = &self.named {
            return format!("what is called {named:?}");
        }
        match (&self.files, &self.config) {
            (None, _) => {
                format!("a file that begins with {:?}", self.head.escape_ascii().to_string())
            }
            (Some(_), None) => format!("a folder without {CONFIG}"),
            (Some(_), Some(config)) => {
                let said = |name: &str| config.get(name).map_or("missing".to_owned(), shortened);
                let (classes, kind) = (said("architectures"), said("model_type"));
                format!("a network of architectures {classes} and model_type {kind}")
            }
        }
    }
}

fn ends(name: &str, endings: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    endings.iter().any(|ending| name.ends_with(ending))
}

fn read_config(path: &Path) -> Result<Value, LoadError> {
    let fail = |source| LoadError::Io { path: path.into(), source };
    let file = fs::File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.len() > LARGEST_CONFIG {
        return Err(fail(io::Error::from(io::ErrorKind::FileTooLarge)));
    }
    let mut text = Vec::new();
    file.take(LARGEST_CONFIG).read_to_end(&mut text).map_err(fail)?;
    serde_json::from_slice(&text).map_err(|source| LoadError::Json { path: path.into(), source })
}

impl Registry {
    /// As [`open`](Self::open), for what others publish without saying what it is: `architecture` is
    /// the name that a task's reader has for it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_called(
        &self,
        path: &Path,
        architecture: &str,
        task: Option<&str>,
        device: &Device,
    ) -> Result<Box<dyn AnyPredictor>, LoadError> {
        let asked = task.map(|name| self.task(name)).transpose()?;
        let layout = Layout::read(path)?.called(architecture);
        load(&layout, &self.tasks, asked, device)
    }
}

/// Loads `layout` for the task that it was made for, or for the one that was `asked` for.
pub(super) fn load(
    layout: &Layout,
    tasks: &[&'static TaskEntry],
    asked: Option<&'static TaskEntry>,
    device: &Device,
) -> Result<Box<dyn AnyPredictor>, LoadError> {
    let (task, entry) = match asked {
        Some(task) => choose(layout, &[task], Fit::Able)?,
        None => choose(layout, tasks, Fit::Meant)?,
    };
    (entry.load)(layout, device).map_err(|source| LoadError::Published {
        path: layout.path.clone(),
        task: task.name,
        source,
    })
}

/// Loads the bundle in `dir` by the entry of `entries` that keeps the architecture; none if there
/// is none.
pub(super) fn load_kept(
    dir: &Path,
    entries: &'static [PublishedEntry],
    device: &Device,
) -> Result<Option<Box<dyn AnyPredictor>>, BundleError> {
    let architecture = bundle::describe(dir)?.architecture;
    let keeps = |entry: &&PublishedEntry| entry.keeps == Some(architecture.as_str());
    let Some(entry) = entries.iter().find(keeps) else { return Ok(None) };
    bundle::verify(dir)?;
    let failed =
        |source: Box<dyn Error + Send + Sync>| BundleError::Kept { path: dir.into(), source };
    let layout = Layout::read(dir).map_err(|error| failed(error.into()))?;
    (entry.load)(&layout, device).map(Some).map_err(failed)
}

/// A task, and of its entries the first that fits best.
type Chosen = (&'static TaskEntry, &'static PublishedEntry);

/// The only one of `tasks` that the layout fits at `least` so well.
fn choose(layout: &Layout, tasks: &[&'static TaskEntry], least: Fit) -> Result<Chosen, LoadError> {
    let mut found: Vec<(Chosen, Fit)> = Vec::new();
    for task in tasks {
        let fits = task.published().iter().filter_map(|entry| Some((entry, (entry.fit)(layout)?)));
        // `max_by_key` takes the last of equals, and the first is wanted.
        if let Some((entry, fit)) = fits.rev().max_by_key(|(_, fit)| *fit) {
            found.push(((task, entry), fit));
        }
    }
    let good: Vec<Chosen> =
        found.iter().filter(|(_, fit)| *fit >= least).map(|(chosen, _)| *chosen).collect();
    match (&good[..], &found[..]) {
        ([chosen], _) => Ok(*chosen),
        ([], []) => Err(LoadError::Unknown {
            path: layout.path.clone(),
            found: layout.found(),
            known: tasks.iter().filter_map(|task| known(task)).collect(),
        }),
        ([], all) => Err(several(layout, all.iter().map(|(chosen, _)| *chosen))),
        (all, _) => Err(several(layout, all.iter().copied())),
    }
}

fn several(layout: &Layout, found: impl Iterator<Item = Chosen>) -> LoadError {
    let tasks = found.map(|(task, _)| task.name).collect();
    LoadError::Several { path: layout.path.clone(), tasks }
}

fn known(task: &TaskEntry) -> Option<String> {
    let reads: Vec<&str> = task.published().iter().flat_map(|entry| entry.reads).copied().collect();
    (!reads.is_empty()).then(|| format!("for {} {}", task.name, reads.join(", ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn a_folder_says_what_it_is() {
        let config = json!({"architectures": ["Thing", "Other"], "model_type": "thing"});
        let dir = folder(&[("config.json", &config.to_string()), ("a.GGUF", ""), ("b.bin", "")]);
        fs::create_dir(dir.path().join("folder.bin")).unwrap();
        let layout = Layout::read(dir.path()).unwrap();
        assert!(layout.is_folder() && layout.has("b.bin") && !layout.has("folder.bin"));
        assert_eq!((layout.architecture(), layout.model_type()), (Some("Thing"), Some("thing")));
        assert_eq!(layout.config(), Some(&config));
        assert_eq!(layout.only(&[".gguf"]), Some(dir.path().join("a.GGUF")));
        assert_eq!(layout.only(&[".gguf", ".bin"]), None, "there are two");
        assert!(layout.has_any(&[".bin"]) && !layout.has_any(&[".pt"]));
        assert!(!layout.starts_with(b""));
    }

    #[test]
    fn a_file_says_what_it_begins_with() {
        let dir = folder(&[("x", "GGUF and then a good deal more"), ("short", "G")]);
        let layout = |name: &str| Layout::read(&dir.path().join(name)).unwrap();
        assert!(layout("x").starts_with(b"GGUF") && !layout("short").starts_with(b"GGUF"));
        assert!(!layout("x").is_folder() && layout("x").config().is_none());
        assert_eq!(layout("short").found(), "a file that begins with \"G\"");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let dir = folder(&[("config.json", "{")]);
        let refused = Layout::read(dir.path()).unwrap_err();
        assert!(matches!(&refused, LoadError::Json { path, .. } if path.ends_with("config.json")));
        let refused = Layout::read(&dir.path().join("none")).unwrap_err();
        assert!(matches!(&refused, LoadError::Io { path, .. } if path.ends_with("none")));
        let large = fs::File::create(dir.path().join("config.json")).unwrap();
        large.set_len(LARGEST_CONFIG + 1).unwrap();
        let refused = Layout::read(dir.path()).unwrap_err();
        assert!(matches!(&refused, LoadError::Io { .. }), "{refused:?}");
    }
}
