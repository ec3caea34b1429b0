//! The hub's client against a server on this machine, which fails in every way that hubs do.
#![allow(clippy::unwrap_used, reason = "tests")]

mod server;

use andiron_core::weights::Source;
use andiron_weights::{
    folder::Folder,
    hub::{Hub, HubError},
};
use server::{COMMIT, Fault, NAME, Server};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A safetensors file of a few thousand bytes.
fn weights() -> Vec<u8> {
    let numbers: Vec<u8> = (0..1003).flat_map(|n| (n as f32 / 8.0).to_le_bytes()).collect();
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![17, 59], &numbers);
    safetensors::serialize([("layer.weight", view.unwrap())], None).unwrap()
}

/// A model with weights, settings, and files that nobody needs.
fn server() -> Server {
    Server::new(&[
        ("model.safetensors", &weights()),
        ("config.json", br#"{"model_type": "tiny"}"#),
        ("tokenizer.json", b"{}"),
        ("pytorch_model.bin", b"the same once more"),
        ("model.onnx", b"and again"),
    ])
}

fn hub(server: &Server, cache: &Path) -> Hub {
    Hub::new(&server.endpoint, cache)
}

fn snapshot(cache: &Path) -> PathBuf {
    cache.join("models--some-one--tiny.model/snapshots").join(COMMIT)
}

/// All names below `folder`.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn check(folder: &Path) {
    assert_eq!(names(folder), ["config.json", "model.safetensors", "tokenizer.json"]);
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
    let read = Folder::open(folder).unwrap().read("layer.weight").unwrap();
    assert_eq!(read.shape().as_slice(), [17, 59]);
    assert_eq!(read.as_slice::<f32>().unwrap()[1002], 1002.0 / 8.0);
}

#[test]
fn a_model_is_fetched_once_and_then_found_without_the_hub() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let refused = hub.clone().with_offline(true).fetch(NAME, None).unwrap_err();
    assert!(matches!(refused, HubError::Offline { .. }), "{refused:?}");
    assert!(server.asked().is_empty());

    let folder = hub.clone().with_token("secret").fetch(NAME, Some("main")).unwrap();
    assert_eq!(folder, snapshot(cache.path()));
    check(&folder);
    let asked = server.asked();
    assert!(
        asked[0].path.starts_with("/api/models/some-one/tiny.model/revision/main?"),
        "{asked:?}"
    );
    let has_token = |asked: &&server::Asked| asked.token.as_deref() == Some("Bearer secret");
    let to_hub = || asked.iter().filter(|asked| !asked.path.starts_with("/elsewhere/"));
    assert_eq!(to_hub().filter(has_token).count(), to_hub().count(), "{asked:?}");
    assert!(!asked.iter().any(|asked| asked.path.contains("onnx") || asked.path.contains(".bin")));

    assert_eq!(hub.fetch(NAME, None).unwrap(), folder);
    assert_eq!(server.asked().len(), 1, "only the list of files is asked for again");
    let offline = Hub::new("http://127.0.0.1:1", cache.path()).with_offline(true);
    assert_eq!(offline.fetch(NAME, Some("main")).unwrap(), folder);
    assert_eq!(offline.fetch(NAME, Some(COMMIT)).unwrap(), folder);
    assert!(matches!(offline.fetch(NAME, Some("other")), Err(HubError::Offline { .. })));
    andiron_core::testing::record(
        "hub",
        "a model is fetched once and then found offline",
        "etag, redirect and cache of a hub on this machine",
    );
}

#[test]
fn one_file_can_be_had_alone() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let path = hub.fetch_file(NAME, None, "model.onnx").unwrap();
    assert_eq!(fs::read(path).unwrap(), b"and again");
    assert_eq!(names(&snapshot(cache.path())), ["model.onnx"]);
    let refused = hub.fetch_file(NAME, None, "model.gguf").unwrap_err();
    assert_eq!(refused.to_string(), "some-one/tiny.model at main has no file \"model.gguf\"");
}

#[test]
fn weights_that_are_not_clear_are_not_fetched() {
    let cache = tempfile::tempdir().unwrap();
    let none = Server::new(&[("config.json", b"{}"), ("model.onnx", b"x")]);
    let refused = hub(&none, cache.path()).fetch(NAME, None).unwrap_err();
    assert!(matches!(refused, HubError::NoWeights { .. }), "{refused:?}");
    let several = Server::new(&[("q4.gguf", b"x"), ("q8.gguf", b"y")]);
    let refused = hub(&several, cache.path()).fetch(NAME, None).unwrap_err();
    assert!(refused.to_string().ends_with("choose one: [\"q4.gguf\", \"q8.gguf\"]"), "{refused}");
}

#[test]
fn a_status_is_told_as_what_to_do_about_it() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    for status in [401, 403] {
        server.fails(Fault::Status(status, "/api/"), 1);
        let refused = hub.fetch(NAME, None).unwrap_err();
        assert!(matches!(refused, HubError::Forbidden { .. }), "{refused:?}");
        assert!(refused.to_string().contains(NAME) && refused.to_string().contains("HF_TOKEN"));
    }
    server.fails(Fault::Status(404, "/api/"), 1);
    let refused = hub.fetch(NAME, Some("v2/x")).unwrap_err();
    assert_eq!(refused.to_string(), "the hub has no some-one/tiny.model at v2/x");
    server.fails(Fault::Status(404, "tokenizer.json"), 1);
    let refused = hub.fetch(NAME, None).unwrap_err();
    assert_eq!(refused.to_string(), "the hub has no tokenizer.json of some-one/tiny.model at main");
    assert_eq!(server.asked().iter().filter(|asked| asked.path.contains("/api/")).count(), 4);

    server.fails(Fault::Status(503, "/api/"), 3);
    let refused = hub.fetch(NAME, None).unwrap_err();
    assert!(matches!(refused, HubError::Unreachable { .. }), "{refused:?}");
    assert_eq!(server.asked().len(), 3, "three attempts");
    server.fails(Fault::Status(503, "/api/"), 1);
    server.fails(Fault::Status(503, "/elsewhere/"), 1);
    check(&hub.fetch(NAME, None).unwrap());
    andiron_core::testing::record(
        "hub",
        "401, 403, 404 and 503 are told apart",
        "by a typed error each; 503 after three attempts",
    );
}

#[test]
fn a_hub_that_is_not_there_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let refused = Hub::new("http://127.0.0.1:1/", cache.path()).fetch(NAME, None).unwrap_err();
    assert!(matches!(refused, HubError::Unreachable { .. }), "{refused:?}");
    assert!(std::error::Error::source(&refused).is_some());
}

#[test]
fn a_body_that_is_cut_goes_on_where_it_stopped() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    server.fails(Fault::Cut(1000), 2);
    check(&hub.fetch(NAME, None).unwrap());

    // A cut at every attempt: what came is kept for the next call.
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::new(&server.endpoint, cache.path());
    server.asked();
    server.fails(Fault::Cut(1000), 5);
    let refused = hub.fetch(NAME, None).unwrap_err();
    assert!(matches!(refused, HubError::Unreachable { .. }), "{refused:?}");
    assert!(!snapshot(cache.path()).join("model.safetensors").exists());
    assert!(
        hub.clone().with_offline(true).fetch(NAME, None).is_err(),
        "what is not whole is not had"
    );
    server.asked();
    check(&hub.fetch(NAME, None).unwrap());
    let ranges: Vec<String> = server.asked().into_iter().filter_map(|asked| asked.range).collect();
    assert!(ranges.iter().any(|range| range == "bytes=3000-"), "{ranges:?}");
    andiron_core::testing::record(
        "hub",
        "a download that was cut goes on where it stopped",
        "the next request asks for the rest alone",
    );
}

/// What was kept of an interrupted download may be the whole file, or more, where the program ended
/// before it got its name.
#[test]
fn what_is_kept_of_a_download_never_blocks_the_next() {
    for kept in [weights(), [weights(), vec![0; 3]].concat()] {
        let (server, cache) = (server(), tempfile::tempdir().unwrap());
        let etag = andiron_core::hash::sha256(&weights());
        let blobs = cache.path().join("models--some-one--tiny.model/blobs");
        fs::create_dir_all(&blobs).unwrap();
        fs::write(blobs.join(format!("{etag}.part")), kept).unwrap();
        check(&hub(&server, cache.path()).fetch(NAME, None).unwrap());
        assert!(names(&blobs).iter().all(|name| !name.ends_with(".part")), "{:?}", names(&blobs));
    }
    andiron_core::testing::record(
        "hub",
        "what is kept of a download never blocks the next",
        "a part that is the whole file, or longer, is fetched anew",
    );
}

#[test]
fn offline_a_model_is_whole_or_not_had() {
    let refused = |hub: &Hub, revision: &str, wanted: &str| {
        let error = hub.fetch(NAME, Some(revision)).unwrap_err();
        assert!(matches!(error, HubError::Incomplete { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("without {wanted}, ")), "{error}");
    };
    // A download that was interrupted in its last file; hf-hub has noted the commit all the same.
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let offline = hub.clone().with_offline(true);
    server.fails(Fault::Cut(1000), 5);
    assert!(hub.fetch(NAME, None).is_err());
    refused(&offline, COMMIT, "weights");
    assert!(matches!(offline.fetch(NAME, None), Err(HubError::Offline { .. })));

    // Single files are not the model.
    let (server, cache) = (self::server(), tempfile::tempdir().unwrap());
    let hub = self::hub(&server, cache.path());
    let offline = hub.clone().with_offline(true);
    let path = hub.fetch_file(NAME, None, "model.safetensors").unwrap();
    assert_eq!(offline.fetch_file(NAME, None, "model.safetensors").unwrap(), path);
    refused(&offline, "main", "config.json");
    // With its settings it may be what another program has fetched.
    hub.fetch_file(NAME, None, "config.json").unwrap();
    assert_eq!(offline.fetch(NAME, None).unwrap(), snapshot(cache.path()));
    // Once all was fetched, all of it is wanted.
    check(&hub.fetch(NAME, None).unwrap());
    fs::remove_file(snapshot(cache.path()).join("tokenizer.json")).unwrap();
    refused(&offline, "main", "tokenizer.json");

    // The parts of a model; without what was noted, as another program leaves the cache.
    let weights = weights();
    let part = |at: usize| format!("model-0000{at}-of-00003.safetensors");
    let (one, two, three) = (part(1), part(2), part(3));
    let server = Server::new(&[
        ("config.json", b"{}"),
        (&one, &weights),
        (&two, &weights[..900]),
        (&three, &weights[..800]),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let hub = self::hub(&server, cache.path());
    let offline = hub.clone().with_offline(true);
    let folder = hub.fetch(NAME, None).unwrap();
    fs::remove_dir_all(cache.path().join("models--some-one--tiny.model/andiron")).unwrap();
    assert_eq!(offline.fetch(NAME, None).unwrap(), folder);
    fs::remove_file(folder.join(&two)).unwrap();
    refused(&offline, "main", "1 of 3 parts");
    andiron_core::testing::record(
        "hub",
        "offline, a model is whole or not had",
        "a download that was interrupted, single files and missing parts are told",
    );
}

#[test]
fn a_rest_that_comes_whole_is_noticed() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    server.fails(Fault::Cut(1000), 1);
    server.fails(Fault::WholeForRest, 1);
    check(&hub.fetch(NAME, None).unwrap());
}

#[test]
fn a_damaged_file_is_refused_and_not_kept() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    server.fails(Fault::Damage, 100);
    let refused = hub.fetch(NAME, None).unwrap_err();
    assert!(matches!(refused, HubError::Hash { .. }), "{refused:?}");
    assert!(
        refused.to_string().starts_with("model.safetensors of some-one/tiny.model came damaged")
    );
    assert!(!snapshot(cache.path()).join("model.safetensors").exists());
    andiron_core::testing::record(
        "hub",
        "a damaged file is refused and not kept",
        "by the SHA-256 that the hub announced",
    );
}

#[test]
fn a_hub_cannot_choose_where_files_lie() {
    for fault in [
        Fault::Commit("../../../outside"),
        Fault::Commit(""),
        Fault::FileCommit("../../outside"),
        Fault::Etag("../../../../outside"),
        Fault::Etag(""),
    ] {
        let (server, cache) = (server(), tempfile::tempdir().unwrap());
        server.fails(fault, 100);
        let refused = hub(&server, &cache.path().join("a/b/c/d")).fetch(NAME, None).unwrap_err();
        assert!(matches!(refused, HubError::Answer { .. }), "{refused:?}");
        assert!(names(cache.path()).iter().all(|name| name == "a"), "{:?}", names(cache.path()));
    }
    for name in ["..\\outside.json", ".hidden.json", "sp ace.json", "../outside.json"] {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::new(&[("model.safetensors", &weights()), (name, b"{}")]);
        let folder = hub(&server, cache.path()).fetch(NAME, None).unwrap();
        assert_eq!(names(&folder), ["model.safetensors"], "{name}");
        let server = Server::new(&[("..\\outside.safetensors", &weights())]);
        let refused = hub(&server, cache.path()).fetch(NAME, None).unwrap_err();
        assert!(matches!(refused, HubError::Answer { .. }), "{refused:?}");
    }
    andiron_core::testing::record(
        "hub",
        "a hub cannot write outside the cache",
        "commits, etags and file names with paths in them are refused",
    );
}

#[test]
fn names_and_revisions_lead_nowhere_else() {
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::new("http://127.0.0.1:1", cache.path());
    for name in ["", "/", "a/b/c", "../x", "a/..", "a b/c", "https://x/y", "a//b", "a/b?c"] {
        let refused = hub.fetch(name, None).unwrap_err();
        assert_eq!(refused.to_string(), format!("a model is called owner/name, not {name:?}"));
    }
    for revision in ["", "../main", "a/../b", "/x", "a b"] {
        let refused = hub.fetch(NAME, Some(revision)).unwrap_err();
        assert_eq!(refused.to_string(), format!("{revision:?} cannot be a revision"));
    }
    assert!(names(cache.path()).is_empty());
}

/// Set in the process that fetches with settings from its environment.
const CHILD: &str = "ANDIRON_TEST_FETCHES";

#[test]
fn the_environment_says_where_and_whether() {
    if std::env::var_os(CHILD).is_some() {
        match andiron_weights::hub::fetch(NAME, None) {
            Ok(folder) => println!("fetched <{}>", folder.display()),
            Err(error) => println!("refused <{error}>"),
        }
        return;
    }
    let (server, home) = (server(), tempfile::tempdir().unwrap());
    fs::write(home.path().join("token"), "from the file\n").unwrap();
    let run = |endpoint: &str, offline: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["the_environment_says_where_and_whether", "--exact", "--nocapture"])
            .env(CHILD, "1")
            .env("HF_HOME", home.path())
            .env("HF_ENDPOINT", endpoint)
            .env("HF_HUB_OFFLINE", offline)
            .env_remove("HF_TOKEN")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = text.split('<').nth(1).and_then(|rest| rest.split('>').next());
        found.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let refused = run(&server.endpoint, "1");
    assert!(refused.contains("HF_HUB_OFFLINE forbids"), "{refused}");
    assert!(server.asked().is_empty());
    let fetched = run(&server.endpoint, "");
    assert_eq!(Path::new(&fetched), snapshot(&home.path().join("hub")));
    check(Path::new(&fetched));
    let asked = server.asked();
    assert_eq!(asked[0].token.as_deref(), Some("Bearer from the file"));
    assert_eq!(run("http://127.0.0.1:1", "true"), fetched);
}
