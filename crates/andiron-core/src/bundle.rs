//! The folder that `save` writes and `load` reads.

mod card;

pub use card::{Card, DataSource, Metric};

use crate::{BundleError, HomeFile, ModelConfig, Network, Task, file, hash, weights};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::File,
    io::{self, Write},
    path::Path,
};

/// The version of the bundle's format that this crate writes and reads.
pub const FORMAT: u32 = 1;
/// The description's file name.
pub const DESCRIPTION: &str = "andiron.json";
/// The weights' file name.
pub const WEIGHTS: &str = "model.safetensors";
/// The card's file name.
const README: &str = "README.md";

/// What `andiron.json` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Description {
    /// Version of the bundle's format.
    pub format: u32,
    /// The task's name.
    pub task: String,
    /// The architecture's name.
    pub architecture: String,
    /// The model's configuration.
    pub config: Value,
    /// The task itself: labels, vocabulary, sizes.
    pub preprocessing: Value,
    /// What is known about the model.
    pub card: Card,
    /// Versions of the crates that wrote the bundle.
    pub versions: BTreeMap<String, String>,
    /// SHA-256 of every other file in the bundle.
    pub files: BTreeMap<String, String>,
    /// SHA-256 of this file, with 64 zeros in this place. Last, so that it is found there.
    pub sha256: String,
}

/// Reads a bundle's description, without its weights.
///
/// # Errors
/// [`BundleError::Io`], [`BundleError::Format`], or [`BundleError::Version`] for a bundle from
/// another version of the format; [`BundleError::Interrupted`] for one that was being replaced when
/// the program ended.
pub fn describe(dir: &Path) -> Result<Description, BundleError> {
    let path = dir.join(DESCRIPTION);
    let text = std::fs::read(&path).map_err(|source| match file::orphan(dir) {
        // A reader moves nothing: another process may be about to put the new one here.
        Some(old) => BundleError::Interrupted { path: dir.into(), old },
        None => BundleError::Io { path: path.clone(), source },
    })?;
    parse(&text, &path)
}

/// As [`describe`], from the text of the file `path`.
///
/// # Errors
/// [`BundleError::Format`], [`BundleError::Version`], [`BundleError::Outside`], and
/// [`BundleError::Hash`] for a text that was changed.
pub fn parse(text: &[u8], path: &Path) -> Result<Description, BundleError> {
    let format = |source| BundleError::Format { path: path.into(), source };
    // The version first: a future format may lack fields that this one has.
    let value: Value = serde_json::from_slice(text).map_err(format)?;
    match value.get("format").and_then(Value::as_u64) {
        Some(got) if got != u64::from(FORMAT) => {
            return Err(BundleError::Version { path: path.into(), known: FORMAT, got });
        }
        _ => {}
    }
    let description: Description = serde_json::from_value(value).map_err(format)?;
    for name in description.files.keys() {
        if !is_plain(name) {
            return Err(BundleError::Outside { path: path.into(), name: name.clone() });
        }
    }
    hash::check_seal(text, &description.sha256).map_err(|got| BundleError::Hash {
        path: path.into(),
        wanted: description.sha256.clone(),
        got,
    })?;
    Ok(description)
}

/// Whether a name is that of a file in the bundle's own folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != ".." && name != "." && !name.contains(['/', '\\'])
}

/// Opens a file of the bundle and checks its hash, by reading it in pieces.
fn verified(dir: &Path, description: &Description, name: &str) -> Result<File, BundleError> {
    let path = dir.join(name);
    let io = |source| BundleError::Io { path: path.clone(), source };
    let mut file = File::open(&path).map_err(io)?;
    let got = hash::sha256_read(&mut file).map_err(io)?;
    let wanted = description.files.get(name).cloned().unwrap_or_default();
    if got != wanted {
        return Err(BundleError::Hash { path, wanted, got });
    }
    Ok(file)
}

/// Checks the hash of every file of a bundle.
///
/// # Errors
/// [`BundleError::Hash`] for a changed file, [`BundleError::Io`] for a missing one.
pub fn verify(dir: &Path) -> Result<Description, BundleError> {
    let description = describe(dir)?;
    for name in description.files.keys() {
        verified(dir, &description, name)?;
    }
    Ok(description)
}

/// Refuses a place where no bundle is written: a file, or a folder that holds something else than
/// an older bundle, which would be replaced.
///
/// # Errors
/// [`BundleError::Occupied`], naming the folder, or the file in it that its bundle does not list.
pub fn check_free(dir: &Path) -> Result<(), BundleError> {
    if dir.is_file() {
        return Err(BundleError::Occupied { path: dir.into() });
    }
    // A folder that cannot be read is refused by the writing, which knows why.
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    let mut names: BTreeSet<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    if !names.is_empty() && !dir.join(DESCRIPTION).is_file() {
        return Err(BundleError::Occupied { path: dir.into() });
    }
    names.remove(std::ffi::OsStr::new(DESCRIPTION));
    let listed = listed(dir);
    match names.into_iter().find(|name| !listed.contains(name)) {
        Some(name) => Err(BundleError::Occupied { path: dir.join(name) }),
        None => Ok(()),
    }
}

/// The files that the description in `dir` lists. Where it is damaged beyond that, they are those
/// that this version writes.
fn listed(dir: &Path) -> BTreeSet<OsString> {
    let text = std::fs::read(dir.join(DESCRIPTION)).unwrap_or_default();
    let value: Value = serde_json::from_slice(&text).unwrap_or_default();
    match value.get("files").and_then(Value::as_object) {
        Some(files) => files.keys().map(OsString::from).collect(),
        None => BTreeSet::from([WEIGHTS, README].map(OsString::from)),
    }
}

impl Description {
    /// What the bundle of such a model says, but for its files.
    pub fn new(
        task: &str,
        architecture: &str,
        config: Value,
        preprocessing: Value,
        card: Card,
    ) -> Self {
        Self {
            format: FORMAT,
            task: task.to_owned(),
            architecture: architecture.to_owned(),
            config,
            preprocessing,
            card,
            versions: BTreeMap::from([
                ("andiron".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
                ("burn".to_owned(), "0.22.1".to_owned()),
            ]),
            files: BTreeMap::new(),
            sha256: String::new(),
        }
    }

    /// What the bundle of a task and a network says, but for its files.
    pub(crate) fn of<T: Task, C: ModelConfig>(
        task: &T,
        config: &C,
        card: &Card,
    ) -> Result<Self, serde_json::Error> {
        let (config, preprocessing) = (serde_json::to_value(config)?, serde_json::to_value(task)?);
        Ok(Self::new(T::NAME, C::ARCHITECTURE, config, preprocessing, card.clone()))
    }
}

/// Writes the bundle of a network.
pub(crate) fn save<T: Task, C: ModelConfig>(
    task: &T,
    network: &Network<C>,
    card: &Card,
    dir: &Path,
) -> Result<(), BundleError> {
    let json = |source| BundleError::Format { path: dir.join(DESCRIPTION), source };
    let description = Description::of(task, &network.config, card).map_err(json)?;
    let mut files: Vec<(String, Content<'_>)> =
        vec![(WEIGHTS.to_owned(), Box::new(|out| weights::write(network, out)))];
    let home = network.config.home_files(&network.model, &description.preprocessing);
    files.extend(home.into_iter().map(|HomeFile { name, bytes }| (name, held(bytes))));
    write_all(description, network.parameters(), files, dir)
}

/// What writes a file's content: not all of it need be in memory.
type Content<'a> = Box<dyn Fn(&mut dyn Write) -> io::Result<()> + 'a>;

fn held<'a>(bytes: Vec<u8>) -> Content<'a> {
    Box::new(move |out| out.write_all(&bytes))
}

/// Writes a bundle with `files`, names and contents: into a temporary folder first, then renamed. An
/// older bundle in `dir` is replaced; a folder that holds anything else is left alone. One that an
/// interrupted save has left aside is put back first, so that it is there should this one fail.
/// `parameters` is for the card.
///
/// # Errors
/// [`BundleError::Occupied`], or [`BundleError::Io`] naming the file.
///
/// # Panics
/// If a name is no plain one, stands there twice, or is that of the description or the card.
pub fn write(
    description: Description,
    parameters: usize,
    files: Vec<(String, Vec<u8>)>,
    dir: &Path,
) -> Result<(), BundleError> {
    let files = files.into_iter().map(|(name, bytes)| (name, held(bytes))).collect();
    write_all(description, parameters, files, dir)
}

fn write_all(
    mut description: Description,
    parameters: usize,
    mut files: Vec<(String, Content<'_>)>,
    dir: &Path,
) -> Result<(), BundleError> {
    file::put_back(dir).map_err(|source| BundleError::Io { path: dir.into(), source })?;
    check_free(dir)?;
    let Description { card, task, architecture, .. } = &description;
    let readme = card.to_markdown(task, architecture, parameters).into_bytes();
    files.push((README.to_owned(), held(readme)));
    let mut names = BTreeSet::from([DESCRIPTION]);
    for (name, _) in &files {
        assert!(is_plain(name) && names.insert(name), "{name:?} cannot be the name of a file");
    }
    let fail = |source| BundleError::Io { path: dir.into(), source };
    file::replace_folder(dir, fail, |folder| {
        // Gives the hash of what was written.
        let put = |name: &str, content: &Content<'_>| {
            file::write_hashed(&folder.join(name), content)
                .map_err(|source| BundleError::Io { path: dir.join(name), source })
        };
        for (name, content) in &files {
            let hash = put(name, content)?;
            description.files.insert(name.clone(), hash);
        }
        let json = |source| BundleError::Format { path: dir.join(DESCRIPTION), source };
        let text = serde_json::to_string_pretty(&description).map_err(json)?;
        put(DESCRIPTION, &held(hash::seal(&text).into_bytes())).map(|_| ())
    })
}

/// Reads a bundle of a known task and architecture.
pub(crate) fn load<T: Task, C: ModelConfig>(
    dir: &Path,
    device: &Device,
) -> Result<(T, Network<C>, Card), BundleError> {
    let description = describe(dir)?;
    for name in description.files.keys().filter(|name| *name != WEIGHTS) {
        verified(dir, &description, name)?;
    }
    let file = verified(dir, &description, WEIGHTS)?;
    if description.task != T::NAME {
        return Err(BundleError::UnknownTask { got: description.task, known: vec![T::NAME] });
    }
    if description.architecture != C::ARCHITECTURE {
        return Err(BundleError::UnknownArchitecture {
            task: T::NAME,
            got: description.architecture,
            known: vec![C::ARCHITECTURE],
        });
    }
    let json = |source| BundleError::Format { path: dir.join(DESCRIPTION), source };
    let task = serde_json::from_value(description.preprocessing).map_err(json)?;
    let config: C = serde_json::from_value(description.config).map_err(json)?;
    let network = Network::blank(config, device)
        .map_err(|source| BundleError::Config { path: dir.into(), source })?;
    // From the file whose hash it was, also if another bundle is put here meanwhile.
    let network = weights::from_file(network, &file, &dir.join(WEIGHTS))?;
    Ok((task, network, description.card))
}
