//! What is saved is loaded, bit for bit; what was changed, or was never a bundle, is refused; and
//! whatever goes wrong while saving, what stood there before is still whole.

use crate::toy::{self, Answer, Fault, Pooled, PooledConfig, Tokens};
use andiron_core::{
    BundleError, GradientTrainer, Misshapen, Network, Predictor, Trainer, TrainingConfig,
    WeightsError,
    bundle::{self, Card, DataSource, Metric},
    hash::sha256,
    testing::record,
    trainer::Progress,
    weights,
};
use burn::tensor::Device;
use proptest::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

pub(crate) fn predictor(seed: u64) -> Predictor<Tokens> {
    let device = Device::flex();
    let network = Network::init(PooledConfig::new(Fault::None), seed, &device).unwrap();
    Predictor::new(toy::tokens(Fault::None), network, &device)
}

pub(crate) fn load(dir: &Path) -> Result<Predictor<Tokens>, BundleError> {
    Predictor::load_as::<PooledConfig>(dir, &Device::flex())
}

fn inputs() -> Vec<Vec<u16>> {
    toy::examples().into_iter().map(|example| example.input).collect()
}

fn answers(predictor: &Predictor<Tokens>) -> Value {
    let answers: Vec<Answer> = predictor.predict(&inputs()).unwrap();
    serde_json::to_value(answers).unwrap()
}

fn bytes_of(predictor: &Predictor<Tokens>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    weights::save(predictor.network::<PooledConfig>().unwrap(), &path).unwrap();
    fs::read(path).unwrap()
}

/// An error with its causes.
pub(crate) fn said(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", said(cause)),
        None => error.to_string(),
    }
}

fn card() -> Card {
    let examples = [("train", 700), ("valid", 90), ("test", 89)];
    let metric = |value, low, high| Metric { value, low, high };
    Card {
        description: "Tells loud from quiet | in \"tokens\".".to_owned(),
        licence: "CC0-1.0".to_owned(),
        command: "andiron train toy.toml".to_owned(),
        seed: Some(u64::MAX),
        data: vec![DataSource {
            name: "toy".to_owned(),
            licence: "CC-BY-4.0".to_owned(),
            authors: "Šárka & 李".to_owned(),
            examples: examples.map(|(part, n)| (part.to_owned(), n)).into(),
            sha256: "ab".repeat(32),
        }],
        metrics: BTreeMap::from([
            ("accuracy".to_owned(), metric(0.1 + 0.2, 0.25, 1.0 / 3.0)),
            ("log_loss".to_owned(), metric(1e-7, 0.0, f64::MAX)),
        ]),
        limits: "Errs on middle.".to_owned(),
    }
}

/// A saved bundle to be spoilt.
struct Saved {
    root: TempDir,
    dir: PathBuf,
}

impl Saved {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("bundle");
        predictor(1).with_card(card()).save(&dir).unwrap();
        Self { root, dir }
    }

    fn refused(&self) -> BundleError {
        load(&self.dir).map(|_| ()).unwrap_err()
    }

    /// Changes the description, and puts its seal right again.
    fn describe(&self, change: impl FnOnce(&mut Value)) {
        let path = self.dir.join("andiron.json");
        let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs::write(path, sealed(&mut value)).unwrap();
    }

    /// Puts other weights into the bundle, and their hash into the description: only the network
    /// itself can tell that they are not its own.
    fn weigh(&self, bytes: &[u8]) {
        fs::write(self.dir.join("model.safetensors"), bytes).unwrap();
        self.describe(|value| value["files"]["model.safetensors"] = sha256(bytes).into());
    }

    fn tensors(&self) -> BTreeMap<String, Numbers> {
        let bytes = fs::read(self.dir.join("model.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        file.iter()
            .map(|(name, view)| {
                let numbers = Numbers {
                    dtype: view.dtype(),
                    shape: view.shape().to_vec(),
                    bytes: view.data().to_vec(),
                };
                (name.to_owned(), numbers)
            })
            .collect()
    }

    /// Changes the tensors of the weights.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Numbers>)) {
        let mut tensors = self.tensors();
        change(&mut tensors);
        let views = tensors.iter().map(|(name, n)| {
            (name.as_str(), TensorView::new(n.dtype, n.shape.clone(), &n.bytes).unwrap())
        });
        self.weigh(&safetensors::serialize(views, None).unwrap());
    }
}

/// A tensor of a file.
#[derive(Clone)]
struct Numbers {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// The text of a description with a right seal, as `save` writes it.
pub(crate) fn sealed(value: &mut Value) -> String {
    let zeros = "0".repeat(64);
    value["sha256"] = zeros.clone().into();
    let text = serde_json::to_string_pretty(value).unwrap();
    let field = |hash: &str| format!("\"sha256\": \"{hash}\"");
    let at = text.rfind(&field(&zeros)).unwrap();
    format!(
        "{}{}",
        &text[..at],
        text[at..].replace(&field(&zeros), &field(&sha256(text.as_bytes())))
    )
}

#[test]
fn what_is_saved_is_loaded() {
    let saved = Saved::new();
    let (before, after) = (predictor(1), load(&saved.dir).unwrap());
    assert_eq!(answers(&after), answers(&before));
    assert!(bytes_of(&after) == bytes_of(&before));
    assert_eq!(after.card(), &card());
    assert_eq!(after.task().labels, before.task().labels);
    assert_eq!((after.architecture(), after.parameters()), ("toy-pooled", 55 + 60 + 20 + 33));
    let found = bundle::verify(&saved.dir).unwrap();
    assert_eq!((found.format, found.task.as_str()), (1, "toy-tokens"));
    assert_eq!(found.files.keys().collect::<Vec<_>>(), ["README.md", "model.safetensors"]);
    let readme = fs::read_to_string(saved.dir.join("README.md")).unwrap();
    for part in [
        "# toy-tokens: toy-pooled",
        "- parameters: 168",
        "- seed: 18446744073709551615",
        "| accuracy | 0.3000 | 0.2500 to 0.3333 |",
        "| toy | CC-BY-4.0 | Šárka & 李 | test 89, train 700, valid 90 |",
        "Errs on middle.",
    ] {
        assert!(readme.contains(part), "{part:?} is not in:\n{readme}");
    }
    // Saved once more, it is the same folder but for nothing.
    let again = saved.root.path().join("again");
    after.save(&again).unwrap();
    for name in ["andiron.json", "model.safetensors", "README.md"] {
        let bytes = |dir: &Path| fs::read(dir.join(name)).unwrap();
        assert!(bytes(&again) == bytes(&saved.dir), "{name} differs");
    }
}

#[test]
fn the_weights_have_pytorchs_names_and_layout() {
    let saved = Saved::new();
    let shapes: Vec<(String, Vec<usize>)> =
        saved.tensors().into_iter().map(|(name, n)| (name, n.shape)).collect();
    let wanted: Vec<(String, Vec<usize>)> = [
        ("embedding.weight", vec![11, 5]),
        ("hidden.bias", vec![10]),
        ("hidden.weight", vec![10, 5]),
        ("norm.bias", vec![10]),
        ("norm.weight", vec![10]),
        ("output.bias", vec![3]),
        ("output.weight", vec![3, 10]),
    ]
    .map(|(name, shape)| (name.to_owned(), shape))
    .into();
    assert_eq!(shapes, wanted);
    let predictor = predictor(1);
    let mut listed = weights::tensors(predictor.network::<PooledConfig>().unwrap());
    listed.sort();
    assert_eq!(listed, wanted);
}

#[test]
fn a_network_that_was_loaded_learns_on() {
    let saved = Saved::new();
    let loaded = load(&saved.dir).unwrap();
    let network = loaded.network::<PooledConfig>().unwrap().clone();
    let settings = TrainingConfig::new(5).with_batch_size(7).with_learning_rate(1e-2);
    let fit = |network| {
        GradientTrainer::new(settings.clone())
            .with_progress(Progress::Silent)
            .fit(loaded.task().clone(), network, &toy::examples(), &Vec::new(), &Device::flex())
            .unwrap()
    };
    let fitted = fit(network);
    // As far as the one it was saved from, bit for bit: no parameter was frozen on its way.
    let first = predictor(1).network::<PooledConfig>().unwrap().clone();
    let wanted = fit(first);
    assert_eq!(fitted.log, wanted.log);
    assert!(bytes_of(&fitted.predictor) == bytes_of(&wanted.predictor));
    assert!(bytes_of(&fitted.predictor) != bytes_of(&loaded));
    // The network that was given away is as it was.
    assert!(bytes_of(&loaded) == bytes_of(&predictor(1)));
}

#[test]
fn a_card_is_put_on_one_predictor_and_not_on_its_twin() {
    let plain = predictor(1);
    let carded = plain.clone().with_card(card());
    assert_eq!((plain.card(), carded.card()), (&Card::default(), &card()));
    assert_eq!(answers(&plain), answers(&carded));
    assert_eq!(carded.architecture(), "toy-pooled");
    assert!(carded.network::<PooledConfig>().is_some());
}

#[test]
fn one_flipped_bit_in_any_file_is_refused() {
    let saved = Saved::new();
    for name in ["model.safetensors", "README.md", "andiron.json"] {
        let path = saved.dir.join(name);
        let whole = fs::read(&path).unwrap();
        // Every byte of the description, for which no other file vouches.
        let step = if name == "andiron.json" { 1 } else { 37 };
        for at in (0..whole.len()).step_by(step) {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).unwrap();
            let error = bundle::verify(&saved.dir).map(|_| ()).unwrap_err();
            let path_is_named = said(&error).contains(name);
            match error {
                BundleError::Hash { .. } | BundleError::Format { .. } => {}
                BundleError::Version { .. } | BundleError::Io { .. } if step == 1 => {}
                BundleError::Outside { .. } if step == 1 => {}
                other => panic!("byte {at} of {name}: {other}"),
            }
            assert!(path_is_named || step == 1, "byte {at} of {name}");
            if at % 370 == 0 {
                load(&saved.dir).map(|_| ()).unwrap_err();
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    load(&saved.dir).unwrap();
    record("bundle", "one flipped bit is refused", "in each file of the bundle");
}

#[test]
fn files_that_are_missing_or_cut_are_refused() {
    for name in ["andiron.json", "model.safetensors", "README.md"] {
        let saved = Saved::new();
        let path = saved.dir.join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let cut = saved.refused();
        match name {
            "andiron.json" => assert!(matches!(cut, BundleError::Format { .. }), "{cut}"),
            _ => assert!(matches!(&cut, BundleError::Hash { path: p, .. } if *p == path), "{cut}"),
        }
        fs::remove_file(&path).unwrap();
        let missing = saved.refused();
        assert!(matches!(&missing, BundleError::Io { path: p, .. } if *p == path), "{missing}");
    }
    // Weights of which the description says nothing are nobody's.
    let saved = Saved::new();
    saved.describe(|value| {
        value["files"].as_object_mut().unwrap().remove("model.safetensors");
    });
    assert!(matches!(saved.refused(), BundleError::Hash { .. }));
}

#[test]
fn a_bundle_from_the_future_is_told_by_its_version() {
    let saved = Saved::new();
    // It may lack what this version has, and have what this one does not know.
    fs::write(saved.dir.join("andiron.json"), r#"{"format": 2, "weights": []}"#).unwrap();
    let error = saved.refused();
    assert!(matches!(error, BundleError::Version { known: 1, got: 2, .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.ends_with("has bundle format 2, but this program reads format 1: use a newer andiron")
    );
    record("bundle", "another version of the format is refused", "by its number");
}

#[test]
fn a_description_that_cannot_be_used_is_refused() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let saved = Saved::new();
        saved.describe(change);
        said(&saved.refused())
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: [(Change<'_>, &str); 9] = [
        (
            &|v| v["task"] = json!("tagging"),
            "task \"tagging\" is not known here; known are [\"toy-tokens\"]",
        ),
        (
            &|v| v["architecture"] = json!("oracle"),
            "architecture \"oracle\" is not known for toy-tokens; known are [\"toy-pooled\"]",
        ),
        (&|v| v["config"]["d_hidden"] = json!(0), "d_hidden must be at least 1, but is 0"),
        (&|v| v["config"]["dropout"] = json!("much"), "is no bundle description"),
        (
            &|v| v["preprocessing"]["labels"] = json!(["one"]),
            "all 1 examples have the label \"one\"",
        ),
        (&|v| v["format"] = json!("1"), "is no bundle description"),
        (&|v| v["card"]["seed"] = json!(-1), "is no bundle description"),
        (
            &|v| v["files"]["../../secret"] = json!("00"),
            "lists the file \"../../secret\", which does not lie in the bundle",
        ),
        (&|v| v["files"]["/etc/passwd"] = json!("00"), "which does not lie in the bundle"),
    ];
    for (change, text) in cases {
        let said = refused(change);
        assert!(said.contains(text), "{text:?} is wanted, but it said: {said}");
    }
    for name in ["", ".", "..", "a/b", "a\\b", "weights/../../x"] {
        let saved = Saved::new();
        saved.describe(|value| value["files"][name] = json!("00"));
        assert!(matches!(saved.refused(), BundleError::Outside { .. }), "{name:?}");
    }
}

fn mismatch(saved: &Saved) -> (Vec<String>, Vec<String>, Vec<Misshapen>) {
    match saved.refused() {
        BundleError::Weights(WeightsError::Mismatch { path, missing, surplus, misshapen }) => {
            assert_eq!(path, saved.dir.join("model.safetensors"));
            (missing, surplus, misshapen)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn tensors_that_do_not_fit_are_all_named_at_once() {
    let saved = Saved::new();
    saved.change(|tensors| {
        let output = tensors.remove("output.weight").unwrap();
        tensors.insert("outputs.weight".to_owned(), output);
        tensors.remove("norm.bias").unwrap();
        let hidden = tensors.get_mut("hidden.weight").unwrap();
        hidden.shape = vec![5, 10];
        let embedding = tensors.get_mut("embedding.weight").unwrap();
        (embedding.dtype, embedding.shape) = (Dtype::F16, vec![11, 10]);
    });
    let (missing, surplus, misshapen) = mismatch(&saved);
    assert_eq!(missing, ["norm.bias", "output.weight"]);
    assert_eq!(surplus, ["outputs.weight"]);
    let shapes: Vec<(&str, &str, &str)> =
        misshapen.iter().map(|m| (m.name.as_str(), m.wanted.as_str(), m.got.as_str())).collect();
    let wanted = [
        ("embedding.weight", "F32[11, 5]", "F16[11, 10]"),
        ("hidden.weight", "F32[10, 5]", "F32[5, 10]"),
    ];
    assert_eq!(shapes, wanted);
}

#[test]
fn one_tensor_missing_too_many_or_misshapen() {
    let saved = Saved::new();
    saved.change(|tensors| {
        tensors.remove("output.bias");
    });
    assert_eq!(mismatch(&saved), (vec!["output.bias".to_owned()], vec![], vec![]));

    let saved = Saved::new();
    saved.change(|tensors| {
        let bias = tensors["output.bias"].clone();
        tensors.insert("pooler.bias".to_owned(), bias.clone());
        // PyTorch's count of batches is in the files of others, and harms nobody.
        tensors.insert("norm.num_batches_tracked".to_owned(), bias);
    });
    assert_eq!(mismatch(&saved), (vec![], vec!["pooler.bias".to_owned()], vec![]));

    let saved = Saved::new();
    saved.change(|tensors| {
        let bias = tensors.get_mut("output.bias").unwrap();
        (bias.shape, bias.bytes) = (vec![4], vec![0; 16]);
    });
    let (missing, surplus, misshapen) = mismatch(&saved);
    assert_eq!((missing.len(), surplus.len(), misshapen.len()), (0, 0, 1));
    assert_eq!(misshapen[0].got, "F32[4]");
    record("bundle", "tensors missing, too many or misshapen are refused", "each by its name");
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let saved = Saved::new();
        saved.change(|tensors| {
            let hidden = tensors.get_mut("hidden.weight").unwrap();
            hidden.bytes[28..32].copy_from_slice(&bad.to_le_bytes());
        });
        match saved.refused() {
            BundleError::Weights(WeightsError::NotFinite { name, .. }) => {
                assert_eq!(name, "hidden.weight");
            }
            other => panic!("{other}"),
        }
    }
    record("bundle", "weights that are not finite are refused", "by the name of the tensor");
}

#[test]
fn weights_that_are_no_safetensors_are_refused() {
    let whole = bytes_of(&predictor(1));
    let cases: [&[u8]; 5] =
        [b"", b"PK\x03\x04 a zip", &[255; 64], &whole[..whole.len() / 2], &whole[1..]];
    for bytes in cases {
        let saved = Saved::new();
        saved.weigh(bytes);
        let error = saved.refused();
        let is_format = matches!(error, BundleError::Weights(WeightsError::Format { .. }));
        assert!(is_format, "{error}");
    }
}

/// Names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("thesis");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("chapter.txt"), "years of work").unwrap();
    let error = predictor(1).save(&dir).unwrap_err();
    assert!(matches!(&error, BundleError::Occupied { path } if *path == dir), "{error}");
    assert_eq!(names(&dir), ["chapter.txt"]);
    assert_eq!(fs::read_to_string(dir.join("chapter.txt")).unwrap(), "years of work");
    let file = root.path().join("notes");
    fs::write(&file, "more work").unwrap();
    assert!(matches!(predictor(1).save(&file), Err(BundleError::Occupied { .. })));
    // Below a file there is no place for a folder.
    assert!(matches!(predictor(1).save(file.join("model")), Err(BundleError::Io { .. })));
    assert_eq!(fs::read_to_string(&file).unwrap(), "more work");
    assert_eq!(names(root.path()), ["notes", "thesis"]);
}

#[test]
fn a_bundle_with_other_files_beside_it_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("model");
    predictor(1).save(&dir).unwrap();
    let before = bytes_of(&load(&dir).unwrap());
    let other = dir.join("notes.txt");
    for is_folder in [false, true] {
        match is_folder {
            true => fs::create_dir(&other).unwrap(),
            false => fs::write(&other, "years of work").unwrap(),
        }
        let error = predictor(2).save(&dir).unwrap_err();
        assert!(matches!(&error, BundleError::Occupied { path } if *path == other), "{error}");
        assert!(bytes_of(&load(&dir).unwrap()) == before);
        match is_folder {
            true => fs::remove_dir(&other).unwrap(),
            false => fs::remove_file(&other).unwrap(),
        }
    }
    assert_eq!(names(root.path()), ["model"]);
    // A description that cannot be read any more protects what no bundle has, and nothing else.
    fs::write(dir.join("andiron.json"), "{\"files\"").unwrap();
    fs::write(&other, "years of work").unwrap();
    assert!(matches!(predictor(2).save(&dir), Err(BundleError::Occupied { .. })));
    fs::remove_file(&other).unwrap();
    predictor(2).save(&dir).unwrap();
    assert!(bytes_of(&load(&dir).unwrap()) == bytes_of(&predictor(2)));
}

#[test]
fn empty_and_new_folders_and_older_bundles_are_filled() {
    let root = tempfile::tempdir().unwrap();
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    predictor(1).save(&empty).unwrap();
    let new = root.path().join("a/b/c");
    predictor(1).save(&new).unwrap();
    assert!(bytes_of(&load(&new).unwrap()) == bytes_of(&load(&empty).unwrap()));
    // Replaced whole: the card of the older one goes with it.
    predictor(1).with_card(card()).save(&empty).unwrap();
    predictor(2).save(&empty).unwrap();
    let loaded = load(&empty).unwrap();
    assert!(bytes_of(&loaded) == bytes_of(&predictor(2)));
    assert_eq!(loaded.card(), &Card::default());
    assert_eq!(names(root.path()), ["a", "empty"]);
    assert_eq!(names(&empty), ["README.md", "andiron.json", "model.safetensors"]);
}

#[test]
fn a_readers_bundle_is_one_or_the_other_while_it_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bundle");
    let (first, second) = (predictor(1), predictor(2));
    let wanted = [bytes_of(&first), bytes_of(&second)];
    first.save(&dir).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..10 {
                second.save(&dir).unwrap();
                first.save(&dir).unwrap();
            }
        });
        while !writer.is_finished() {
            // The old one may go while it is read; but it is never a mixture, and where folders are
            // exchanged in one step there is always one.
            assert!(dir.is_dir() || !cfg!(target_os = "linux"));
            if let Ok(found) = load(&dir) {
                assert!(wanted.contains(&bytes_of(&found)));
            }
        }
    });
    assert!(bytes_of(&load(&dir).unwrap()) == wanted[0]);
}

/// As a kill between the two steps leaves it, where folders cannot be exchanged in one.
#[test]
fn a_bundle_left_aside_is_named_and_put_back() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bundle");
    predictor(1).save(&dir).unwrap();
    let old = root.path().join(".andiron-old-x1Y2z3/bundle");
    fs::create_dir(old.parent().unwrap()).unwrap();
    fs::rename(&dir, &old).unwrap();
    let error = load(&dir).map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, BundleError::Interrupted { path, old: o } if *path == dir && *o == old),
        "{error}"
    );
    assert!(error.to_string().contains(&old.display().to_string()), "{error}");
    // A save that fails leaves the old one in its place; one that does not replaces it.
    let unlisted = old.join("notes.txt");
    fs::write(&unlisted, "years of work").unwrap();
    assert!(matches!(predictor(2).save(&dir), Err(BundleError::Occupied { .. })));
    fs::remove_file(dir.join("notes.txt")).unwrap();
    assert!(bytes_of(&load(&dir).unwrap()) == bytes_of(&predictor(1)));
    fs::create_dir(old.parent().unwrap()).unwrap();
    fs::rename(&dir, &old).unwrap();
    predictor(2).save(&dir).unwrap();
    assert!(bytes_of(&load(&dir).unwrap()) == bytes_of(&predictor(2)));
    assert_eq!(names(root.path()), ["bundle"]);
    record(
        "bundle",
        "a save that was killed loses nothing",
        "folders exchanged in one step; a child killed before each step; the old one found again",
    );
}

/// A process that saves over and over is killed at a moment of chance.
#[cfg(target_os = "linux")]
#[test]
fn a_bundle_is_there_whenever_the_saving_process_is_killed() {
    const PLACE: &str = "ANDIRON_TEST_SAVES_TO";
    if let Some(dir) = std::env::var_os(PLACE).map(PathBuf::from) {
        loop {
            predictor(2).save(&dir).unwrap();
            predictor(1).save(&dir).unwrap();
        }
    }
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bundle");
    predictor(1).save(&dir).unwrap();
    for round in 0..12 {
        let name = "bundle::a_bundle_is_there_whenever_the_saving_process_is_killed";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(PLACE, &dir)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(60 + 7 * round));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        bundle::verify(&dir).unwrap();
    }
}

#[test]
fn the_trained_network_goes_through_the_disk_too() {
    let settings = TrainingConfig::new(20).with_batch_size(4).with_learning_rate(1e-2);
    let network = Network::init(PooledConfig::new(Fault::None), 3, &Device::flex()).unwrap();
    let fitted = GradientTrainer::new(settings)
        .with_progress(Progress::Silent)
        .fit(toy::tokens(Fault::None), network, &toy::examples(), &Vec::new(), &Device::flex())
        .unwrap();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bundle");
    fitted.predictor.save(&dir).unwrap();
    assert_eq!(answers(&load(&dir).unwrap()), answers(&fitted.predictor));
    record(
        "bundle",
        "saved and loaded bit for bit",
        "weights, answers and card of a trained network",
    );
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z]{0,9}", Just("\"sha256\": \"\"".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a card and the labels say, they come back as they were.
    #[test]
    fn any_card_and_labels_come_back(
        (description, limits, command) in (text(), text(), text()),
        seed: Option<u64>,
        labels in prop::collection::btree_set(text(), 3),
        value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        source in text(),
    ) {
        let metric = Metric { value, low: -value, high: value / 3.0 };
        let card = Card {
            description,
            limits,
            command,
            seed,
            metrics: BTreeMap::from([(source.clone(), metric)]),
            data: vec![DataSource { name: source, ..DataSource::default() }],
            ..Card::default()
        };
        let names: Vec<String> = labels.into_iter().collect();
        let task = Tokens { labels: andiron_core::Labels::of(&names).unwrap(), fault: Fault::None };
        let network = Network::init(PooledConfig::new(Fault::None), 1, &Device::flex()).unwrap();
        let predictor = Predictor::new(task, network, &Device::flex()).with_card(card.clone());
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("bundle");
        predictor.save(&dir).unwrap();
        let loaded = load(&dir).map_err(|error| TestCaseError::fail(said(&error)))?;
        prop_assert_eq!(loaded.card(), &card);
        prop_assert_eq!(loaded.task().labels.names(), names.as_slice());
        prop_assert_eq!(answers(&loaded), answers(&predictor));
    }
}

proptest! {
    /// Whatever stands in the file, it is read or refused.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(bundle::parse(&bytes, Path::new("andiron.json")).is_err());
    }

    /// A description with any one value in the place of another is read or refused, and what is
    /// read names no file outside.
    #[test]
    fn any_description_is_read_or_refused(field in 0usize..8, name in text(), number: i64) {
        let mut value = json!({
            "format": 1, "task": "t", "architecture": "a", "config": {}, "preprocessing": {},
            "card": {}, "versions": {}, "files": {}, "sha256": "",
        });
        let fields =
            ["format", "task", "architecture", "config", "preprocessing", "card", "versions", "files"];
        value[fields[field]] = match number % 3 {
            0 => json!(number),
            1 => json!(name),
            _ => json!({ name.clone(): name }),
        };
        let text = sealed(&mut value);
        if let Ok(read) = bundle::parse(text.as_bytes(), Path::new("andiron.json")) {
            prop_assert_eq!(read.format, 1);
            prop_assert!(read.files.keys().all(|name| !name.contains(['/', '\\']) && name != ".."));
        }
    }
}

/// Nothing in the network keeps another thread from it.
#[test]
fn a_network_is_send_and_sync() {
    fn both<T: Send + Sync>() {}
    both::<Pooled>();
    both::<Predictor<Tokens>>();
}
