//! What others publish is loaded by the task that it was made for, or by the one asked for.

use andiron_core::{
    About, AnyPredictor, BundleError, Contents, DataError, Dataset, EvalError, Fit, Layout,
    LoadError, ModelEntry, Predictor, PublishedEntry, Raw, Record, Registered, Registry, Report,
    Task, TaskEntry,
    bundle::{self, Card, Description},
    data::{Example, ExampleOf},
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    error::Error as _,
    fs,
    path::{Path, PathBuf},
};

/// Two tasks that learn nothing and read what others publish.
#[derive(Clone, Serialize, Deserialize)]
struct Told<const N: usize>;

const NAMES: [&str; 2] = ["first", "second"];

impl<const N: usize> Task for Told<N> {
    const NAME: &'static str = NAMES[N];
    type Input = String;
    type Target = String;
    type Prediction = String;
    type Batch = ();
    fn batch(&self, _: &[Example<String, String>], _: &Device) -> Result<(), DataError> {
        Ok(())
    }
}

/// A kept file, which answers with its content.
struct Kept {
    task: &'static str,
    path: PathBuf,
}

impl AnyPredictor for Kept {
    fn about(&self) -> About<'_> {
        About { task: self.task, architecture: "kept", draw: None, asked: None }
    }
    fn predict(&self, inputs: &[Raw<'_>]) -> Vec<Result<Value, DataError>> {
        let text = fs::read_to_string(self.path.join("said")).unwrap_or_default();
        inputs.iter().map(|_| Ok(json!(text))).collect()
    }
    fn evaluate(&self, _: &dyn Dataset<Record>) -> Result<Report, EvalError> {
        Err(DataError::Empty { what: "everything".to_owned() }.into())
    }
    fn save(&self, card: Card, dir: &Path) -> Result<(), BundleError> {
        let description = Description { card, ..self.contents().unwrap().description };
        let said = fs::read(self.path.join("said")).unwrap();
        bundle::write(description, 0, vec![("said".to_owned(), said)], dir)
    }
    fn contents(&self) -> Result<Contents, serde_json::Error> {
        let nothing = (Value::Null, Value::Null, Card::default());
        let description = Description::new(self.task, "kept", nothing.0, nothing.1, nothing.2);
        Ok(Contents { description, tensors: Vec::new() })
    }
}

fn fit<const N: usize>(layout: &Layout) -> Option<Fit> {
    match (layout.architecture()?, N) {
        ("One" | "Both" | "Spoilt", 0) | ("Two" | "Both", 1) => Some(Fit::Meant),
        ("Two" | "Neither", 0) | ("Neither", 1) => Some(Fit::Able),
        _ => None,
    }
}

impl<const N: usize> Registered for Told<N> {
    const MEDIA: Option<&'static str> = None;
    fn models() -> &'static [ModelEntry<Self>] {
        &[]
    }
    fn published() -> &'static [PublishedEntry] {
        const {
            &[PublishedEntry {
                reads: &["Some", "Others"],
                fit: fit::<N>,
                load: |layout, _| match layout.architecture() {
                    Some("Spoilt") => Err("it is spoilt".into()),
                    _ => Ok(Box::new(Kept { task: NAMES[N], path: layout.path().to_owned() })),
                },
                keeps: Some("kept"),
            }]
        }
    }
    fn read(_: Raw<'_>) -> Result<String, DataError> {
        Ok(String::new())
    }
    fn target(_: &Value) -> Result<String, DataError> {
        Ok(String::new())
    }
    fn evaluate(
        _: &Predictor<Self>,
        _: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        Err(DataError::Empty { what: "everything".to_owned() }.into())
    }
}

static TASKS: &[TaskEntry] = &[TaskEntry::of::<Told<0>>(), TaskEntry::of::<Told<1>>()];

fn registry() -> Registry {
    Registry::default().with(TASKS)
}

fn folder(architecture: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({"architectures": [architecture], "model_type": "toy"});
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    fs::write(dir.path().join("said"), architecture).unwrap();
    dir
}

fn open(architecture: &str, task: Option<&str>) -> Result<&'static str, LoadError> {
    let dir = folder(architecture);
    registry().open(dir.path(), task, &Device::flex()).map(|predictor| predictor.task())
}

#[test]
fn the_task_that_it_was_made_for_loads_it() {
    assert_eq!(open("One", None).unwrap(), "first");
    assert_eq!(open("Two", None).unwrap(), "second", "the first is able to, too");
    assert_eq!(open("Two", Some("first")).unwrap(), "first");
    assert_eq!(open("Both", Some("second")).unwrap(), "second");
    assert_eq!(open("Neither", Some("second")).unwrap(), "second");
}

#[test]
fn what_several_can_use_or_nobody_is_not_guessed() {
    for architecture in ["Both", "Neither"] {
        let refused = open(architecture, None).unwrap_err();
        assert!(matches!(&refused, LoadError::Several { tasks, .. } if tasks == &NAMES));
        assert!(
            refused.to_string().ends_with("can be used for [\"first\", \"second\"]: choose a task")
        );
    }
    let refused = open("Strange", None).unwrap_err().to_string();
    let part = "nothing here loads a network of architectures [\"Strange\"] and model_type \"toy\"; \
                what is loaded: for first Some, Others; for second Some, Others";
    assert!(refused.contains(part), "{refused}");
    let refused = open("One", Some("second")).unwrap_err();
    assert!(
        matches!(&refused, LoadError::Unknown { known, .. } if known.len() == 1),
        "{refused:?}"
    );
    let refused = open("One", Some("third")).unwrap_err();
    assert!(matches!(refused, LoadError::Bundle(BundleError::UnknownTask { .. })), "{refused:?}");
    let refused = open("Spoilt", None).unwrap_err();
    assert!(refused.to_string().ends_with("cannot be loaded for first"), "{refused}");
    assert_eq!(refused.source().map(ToString::to_string), Some("it is spoilt".to_owned()));
    let missing = registry().open(Path::new("/no/such/place"), None, &Device::flex());
    assert!(matches!(missing.map(drop), Err(LoadError::Io { .. })));
}

#[test]
fn a_model_that_is_no_network_is_kept_in_a_bundle() {
    let (device, dir) = (Device::flex(), folder("One"));
    let predictor = registry().open(dir.path(), None, &device).unwrap();
    let bundle = dir.path().join("bundle");
    predictor.save(Card { limits: "a toy".to_owned(), ..Card::default() }, &bundle).unwrap();
    for loaded in [registry().load(&bundle, &device).unwrap(), {
        registry().open(&bundle, Some("first"), &device).unwrap()
    }] {
        assert_eq!((loaded.task(), loaded.architecture()), ("first", "kept"));
        assert_eq!(loaded.predict(&[Raw::Json(&json!({}))])[0].as_ref().unwrap(), "One");
    }
    assert_eq!(bundle::verify(&bundle).unwrap().card.limits, "a toy");
    let refused = registry().open(&bundle, Some("second"), &device).map(drop).unwrap_err();
    assert!(matches!(refused, LoadError::OtherTask { .. }), "{refused:?}");
    fs::write(bundle.join("said"), "Two").unwrap();
    let refused = registry().load(&bundle, &device).map(drop).unwrap_err();
    assert!(matches!(refused, BundleError::Hash { .. }), "{refused:?}");
}
