//! What is saved is loaded, bit for bit; what was changed, or was never a bundle, is refused; and
//! whatever goes wrong while saving, what stood there before is still whole.

mod folders;
mod refused;

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
