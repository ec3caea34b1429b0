//! Published models from the Hugging Face hub, kept in its usual cache.
//!
//! Nothing here is called by anything else in Andiron's libraries: whoever calls [`fetch`] wants
//! the network. The cache is that of Hugging Face's own programs, so that what one has fetched the
//! others find.
//!
//! ```no_run
//! let folder = andiron_weights::hub::fetch("sentence-transformers/all-MiniLM-L6-v2", None)?;
//! let weights = andiron_weights::open(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | variable | meaning |
//! |---|---|
//! | `HF_HOME` | where the cache is; else `.cache/huggingface` in the home folder |
//! | `HF_ENDPOINT` | the hub; else `https://huggingface.co` |
//! | `HF_HUB_OFFLINE` | if 1, yes, on or true: only what the cache has |
//! | `HF_TOKEN` | the token for repositories that want one; else the file `token` in `HF_HOME` |

mod cached;
mod choose;
mod error;

pub use error::HubError;

use andiron_core::hash;
use hf_hub::{
    Cache, Repo, RepoType,
    api::sync::{Api, ApiBuilder, ApiError, ApiRepo},
};
use serde::Deserialize;
use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How long to wait before each further attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1200)];

/// The folder with the files of the model `name` (`owner/name`) at `revision` (a branch, tag or
/// commit; `main` if it is `None`), as the environment says. What the cache has is not fetched
/// again.
///
/// # Errors
/// [`HubError`].
pub fn fetch(name: &str, revision: Option<&str>) -> Result<PathBuf, HubError> {
    Hub::from_env()?.fetch(name, revision)
}

/// As [`fetch`], of one file alone: of a repository with several GGUF files, each in other
/// precision, one is enough.
///
/// # Errors
/// [`HubError`].
pub fn fetch_file(name: &str, revision: Option<&str>, file: &str) -> Result<PathBuf, HubError> {
    Hub::from_env()?.fetch_file(name, revision, file)
}

/// A hub and the cache of what came from it.
#[derive(Debug, Clone)]
pub struct Hub {
    cache: PathBuf,
    endpoint: Option<String>,
    token: Option<Token>,
    offline: bool,
}

/// A secret, which no log shall show.
#[derive(Clone)]
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// What the hub says of a repository.
#[derive(Deserialize)]
struct About {
    sha: String,
    siblings: Vec<Listed>,
}

/// A file in a repository.
#[derive(Deserialize)]
struct Listed {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<Large>,
}

/// What is known of a file that is kept outside git.
#[derive(Deserialize)]
struct Large {
    sha256: Option<String>,
}

impl Hub {
    /// Settings from the environment; see [the module](self).
    ///
    /// # Errors
    /// [`HubError::NoHome`] if neither `HF_HOME` nor the home folder is known.
    pub fn from_env() -> Result<Self, HubError> {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let home = match env::var_os("HF_HOME").filter(|home| !home.is_empty()) {
            Some(home) => PathBuf::from(home),
            None => env::home_dir().ok_or(HubError::NoHome)?.join(".cache/huggingface"),
        };
        let offline = set("HF_HUB_OFFLINE").is_some_and(|value| {
            ["1", "yes", "on", "true"].contains(&value.to_ascii_lowercase().as_str())
        });
        let (endpoint, token) = (set("HF_ENDPOINT"), set("HF_TOKEN").map(Token));
        Ok(Self { cache: home.join("hub"), endpoint, token, offline })
    }

    /// The hub at `endpoint`, with its cache in the folder `cache`.
    pub fn new(endpoint: &str, cache: impl Into<PathBuf>) -> Self {
        let endpoint = Some(endpoint.to_owned());
        Self { cache: cache.into(), endpoint, token: None, offline: false }
    }

    /// Whether only what the cache has is given.
    pub fn with_offline(self, offline: bool) -> Self {
        Self { offline, ..self }
    }

    /// The token for repositories that want one.
    pub fn with_token(self, token: &str) -> Self {
        Self { token: Some(Token(token.to_owned())), ..self }
    }

    /// As the function [`fetch`], with these settings.
    ///
    /// # Errors
    /// [`HubError`].
    pub fn fetch(&self, name: &str, revision: Option<&str>) -> Result<PathBuf, HubError> {
        let wanted = self.wanted(name, revision)?;
        if self.offline {
            return wanted.whole();
        }
        let (folder, files) =
            wanted.fetch(|all| choose::files(all).map_err(|found| wanted.unclear(found)))?;
        let commit = folder.file_name().unwrap_or_default().to_string_lossy();
        wanted.note(&commit, &files.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(folder)
    }

    /// As the function [`fetch_file`], with these settings.
    ///
    /// # Errors
    /// [`HubError`].
    pub fn fetch_file(
        &self,
        name: &str,
        revision: Option<&str>,
        file: &str,
    ) -> Result<PathBuf, HubError> {
        let wanted = self.wanted(name, revision)?;
        let folder = if self.offline {
            wanted.cached()
        } else {
            let only = |all: &[Listed]| -> Result<Vec<usize>, HubError> {
                let at = all.iter().position(|listed| listed.rfilename == file);
                at.map(|at| vec![at]).ok_or_else(|| wanted.no_file(file))
            };
            Some(wanted.fetch(only)?.0)
        };
        let path = folder.map(|folder| folder.join(file)).filter(|path| path.is_file());
        path.ok_or_else(|| wanted.offline())
    }

    fn wanted<'a>(
        &'a self,
        name: &'a str,
        revision: Option<&'a str>,
    ) -> Result<Wanted<'a>, HubError> {
        let revision = revision.unwrap_or("main");
        if !is_path(name) || name.split('/').count() > 2 {
            return Err(HubError::Name { got: name.to_owned() });
        }
        if !is_path(revision) {
            return Err(HubError::Revision { got: revision.to_owned() });
        }
        Ok(Wanted { hub: self, name, revision })
    }

    fn api(&self) -> Result<Api, ApiError> {
        let mut builder = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_progress(false)
            // hf-hub's own retry continues at a wrong place if it fails before the first byte.
            .with_retries(0);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
        }
        if let Some(Token(token)) = &self.token {
            builder = builder.with_token(Some(token.clone()));
        }
        builder.build()
    }
}

/// Whether `text` is one or several names joined by `/`, none of which leads elsewhere.
fn is_path(text: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    text.split('/').all(is_name)
}

/// A model at a revision.
struct Wanted<'a> {
    hub: &'a Hub,
    name: &'a str,
    revision: &'a str,
}

impl Wanted<'_> {
    fn repo(&self, revision: &str) -> Repo {
        Repo::with_revision(self.name.to_owned(), RepoType::Model, revision.to_owned())
    }

    fn folder(&self, commit: &str) -> PathBuf {
        Cache::new(self.hub.cache.clone()).repo(self.repo(commit)).pointer_path(commit)
    }

    /// The folder of the revision in the cache.
    fn cached(&self) -> Option<PathBuf> {
        let repo = self.hub.cache.join(self.repo(self.revision).folder_name());
        let commit = fs::read_to_string(repo.join("refs").join(self.revision)).ok();
        let commit = commit.filter(|commit| is_path(commit) && !commit.contains('/'));
        let folder = self.folder(commit.as_deref().unwrap_or(self.revision));
        folder.is_dir().then_some(folder)
    }

    /// Where hf-hub keeps what came of a file whose download was interrupted.
    fn part(&self, etag: &str) -> PathBuf {
        let repo = Cache::new(self.hub.cache.clone()).repo(self.repo(self.revision));
        repo.blob_path(etag).with_extension("part")
    }

    fn offline(&self) -> HubError {
        let (name, revision) = (self.name.to_owned(), self.revision.to_owned());
        HubError::Offline { name, revision, cache: self.hub.cache.clone() }
    }

    fn failed(&self, file: Option<&str>, source: ApiError) -> HubError {
        HubError::of(self.name, self.revision, file, source)
    }

    fn no_file(&self, file: &str) -> HubError {
        let (name, revision) = (self.name.to_owned(), self.revision.to_owned());
        HubError::NoFile { name, revision, file: file.to_owned() }
    }

    /// The error where none of the weights `found` is clearly the one.
    fn unclear(&self, found: Vec<String>) -> HubError {
        let (name, revision) = (self.name.to_owned(), self.revision.to_owned());
        if found.is_empty() {
            return HubError::NoWeights { name, revision };
        }
        HubError::Ambiguous { name, found }
    }

    /// Fetches the files that `choose` names by their places in the hub's list; gives the folder
    /// and their names.
    fn fetch(
        &self,
        choose: impl Fn(&[Listed]) -> Result<Vec<usize>, HubError>,
    ) -> Result<(PathBuf, Vec<String>), HubError> {
        let api = self.hub.api().map_err(|source| self.failed(None, source))?;
        let about = self.about(&api.repo(self.repo(self.revision)))?;
        if !is_path(&about.sha) || about.sha.contains('/') {
            return Err(self.answer("commit", &about.sha));
        }
        let repo = api.repo(self.repo(&about.sha));
        let folder = self.folder(&about.sha);
        let mut names = Vec::new();
        for at in choose(&about.siblings)? {
            let file = &about.siblings[at];
            names.push(file.rfilename.clone());
            // A hub must not choose where on the disk a file comes to lie.
            if !is_path(&file.rfilename) {
                return Err(self.answer("file name", &file.rfilename));
            }
            let path = folder.join(&file.rfilename);
            if !path.exists() {
                self.download(&api, &repo, file, &about.sha, &path)?;
            }
        }
        // Last, so that a branch which the cache knows has all that was asked for.
        let cached = Cache::new(self.hub.cache.clone()).repo(self.repo(self.revision));
        let io = |source| HubError::Io { path: folder.clone(), source };
        cached.create_ref(&about.sha).map_err(io)?;
        Ok((folder, names))
    }

    fn answer(&self, what: &'static str, got: &str) -> HubError {
        let got = got.chars().take(200).collect();
        HubError::Answer { name: self.name.to_owned(), what, got }
    }

    /// Tries what `attempt` does again where that may help.
    fn persist<T>(&self, mut attempt: impl FnMut() -> Result<T, HubError>) -> Result<T, HubError> {
        for pause in PAUSES {
            match attempt() {
                Err(error) if error.may_pass() => thread::sleep(pause),
                done => return done,
            }
        }
        attempt()
    }

    fn about(&self, repo: &ApiRepo) -> Result<About, HubError> {
        self.persist(|| {
            let request = |source| self.failed(None, ApiError::RequestError(Box::new(source)));
            let mut response =
                repo.info_request().query("blobs", "true").call().map_err(request)?;
            response.body_mut().read_json().map_err(request)
        })
    }

    /// Fetches one file to `path`, going on where an earlier attempt stopped, and checks it.
    fn download(
        &self,
        api: &Api,
        repo: &ApiRepo,
        file: &Listed,
        commit: &str,
        path: &Path,
    ) -> Result<(), HubError> {
        let name = &file.rfilename;
        self.persist(|| {
            let failed = |source| self.failed(Some(name), source);
            let about = api.metadata(&repo.url(name)).map_err(failed)?;
            // Both become names of files.
            if about.commit_hash() != commit {
                return Err(self.answer("commit", about.commit_hash()));
            }
            if !is_path(about.etag()) || about.etag().contains('/') {
                return Err(self.answer("etag", about.etag()));
            }
            match repo.download(name) {
                Err(source) if HubError::is_no_beginning(&source) => {
                    // Else every attempt would ask for the same rest.
                    let path = self.part(about.etag());
                    match fs::remove_file(&path) {
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        done => done.map_err(|source| HubError::Io { path, source })?,
                    }
                    repo.download(name).map_err(failed)?
                }
                done => done.map_err(failed)?,
            };
            self.check(file, about.size() as u64, path)
        })
    }

    /// Compares the file at `path` with what the hub says of it; one that differs is removed.
    fn check(&self, file: &Listed, size: u64, path: &Path) -> Result<(), HubError> {
        let io = |source| HubError::Io { path: path.to_owned(), source };
        let blob = fs::canonicalize(path).map_err(io)?;
        let got = fs::metadata(&blob).map_err(io)?.len();
        let wanted = file.size.unwrap_or(size);
        let mut wrong = None;
        if got != wanted {
            let file = file.rfilename.clone();
            wrong = Some(HubError::Size { name: self.name.to_owned(), file, wanted, got });
        } else if let Some(wanted) = file.lfs.as_ref().and_then(|large| large.sha256.as_ref()) {
            let got = hash::sha256_file(&blob).map_err(io)?;
            if !got.eq_ignore_ascii_case(wanted) {
                let (name, file) = (self.name.to_owned(), file.rfilename.clone());
                wrong = Some(HubError::Hash { name, file, wanted: wanted.clone(), got });
            }
        }
        let Some(wrong) = wrong else { return Ok(()) };
        fs::remove_file(path).map_err(io)?;
        fs::remove_file(&blob).map_err(io)?;
        Err(wrong)
    }
}
