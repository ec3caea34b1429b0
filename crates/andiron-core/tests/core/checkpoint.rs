//! Checkpoints that do not fit, or were damaged, are refused and left as they are.

use crate::runs::{Event, Plan, equal, small};
use crate::{mixed::MixedConfig, toy::Fault};
use andiron_core::{Labels, TrainError, hash::sha256};
use burn::tensor::Bytes;
use burn_pack::{Reader, Scalar, Tensor, Writer};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    error::Error as _,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A run that stopped after seven of twelve steps, and its folder's content.
struct Stopped {
    plan: Plan<MixedConfig>,
    root: TempDir,
    before: BTreeMap<PathBuf, Vec<u8>>,
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// An error with its causes.
fn said(error: &TrainError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl Stopped {
    fn new() -> Self {
        let (plan, root) = (small(), tempfile::tempdir().unwrap());
        assert_eq!(plan.interrupted(root.path(), Event::StopAfter(7)), 7);
        let before = files(root.path());
        Self { plan, root, before }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The resume of `plan` is refused, with `text` in the reason, and changes no file.
    fn refuses(&self, plan: &Plan<MixedConfig>, text: &str) {
        let before = files(self.root.path());
        let error = plan.run(Some(self.root.path()), Event::Nothing).unwrap_err();
        let said = said(&error);
        assert!(said.contains(text), "{text:?} is wanted, but it said: {said}");
        assert!(said.contains("checkpoint"), "{said}");
        assert!(before == files(self.root.path()), "{text}: a file was changed");
    }

    /// Puts every file back as it was.
    fn restore(&self) {
        for path in files(self.root.path()).keys() {
            fs::remove_file(path).unwrap();
        }
        for (path, bytes) in &self.before {
            fs::write(path, bytes).unwrap();
        }
    }

    /// Changes the state, and puts hash and seal right again: what is left to notice the change is
    /// the comparison itself.
    fn change_state(&self, change: impl FnOnce(&mut Value)) {
        let path = self.path("checkpoint/state.json");
        let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut state);
        let zeros = "0".repeat(64);
        state["sha256"] = Value::from(zeros.clone());
        let text = serde_json::to_string_pretty(&state).unwrap();
        let field = |hash: &str| format!("\"sha256\": \"{hash}\"");
        let seal = sha256(text.as_bytes());
        assert_eq!(text.matches(&field(&zeros)).count(), 1);
        fs::write(path, text.replace(&field(&zeros), &field(&seal))).unwrap();
    }

    /// Changes the tensors and scalars of the optimiser's record.
    fn change_record(&self, change: impl FnOnce(&mut Vec<Tensor>, &mut BTreeMap<String, Scalar>)) {
        let path = self.path("checkpoint/optimizer-7.bpk");
        let bytes = || Bytes::from_bytes_vec(fs::read(&path).unwrap());
        let reader = Reader::from_bytes(bytes()).unwrap();
        let mut scalars = reader.scalars().clone();
        let metadata = reader.metadata().clone();
        let mut tensors = reader.into_tensors().unwrap();
        change(&mut tensors, &mut scalars);
        let mut writer = Writer::new(tensors);
        for (key, value) in &scalars {
            writer = writer.with_scalar(key, *value);
        }
        for (key, value) in &metadata {
            writer = writer.with_metadata(key, value);
        }
        let bytes = writer.into_bytes().unwrap();
        fs::write(&path, &bytes[..]).unwrap();
        self.change_state(|state| state["files"]["optimizer-7.bpk"] = sha256(&bytes).into());
    }

    /// The id that the optimiser knows a parameter by.
    fn id(&self, path: &str) -> String {
        andiron_core::hash::fnv(path.as_bytes()).to_string()
    }
}

#[test]
fn a_run_that_is_another_is_refused() {
    let stopped = Stopped::new();
    let with = |change: &dyn Fn(&mut Plan<MixedConfig>)| {
        let mut plan = stopped.plan.clone();
        change(&mut plan);
        plan
    };
    let names = ["faint", "loud", "middle", "quiet"].map(str::to_owned);
    type Change<'a> = &'a dyn Fn(&mut Plan<MixedConfig>);
    let changes: [(Change<'_>, &str); 10] = [
        (&|plan| plan.config.seed = 6, "training.seed was 5 and is now 6"),
        (
            &|plan| plan.config.learning_rate = 0.06,
            "training.learning_rate was 0.05 and is now 0.06",
        ),
        (&|plan| plan.config.max_steps = 13, "training.max_steps was 12 and is now 13"),
        (&|plan| plan.network.d_hidden = 11, "model.d_hidden was 10 and is now 11"),
        (&|plan| plan.network.dropout = 0.25, "model.dropout was 0.2 and is now 0.25"),
        (&|plan| plan.start = 12, "starting_weights was \""),
        (&|plan| plan.task.labels = Labels::of(&names).unwrap(), "preprocessing was "),
        (&|plan| plan.task.fault = Fault::ChangesForm, "preprocessing was "),
        (
            &|plan| {
                plan.train.pop();
            },
            "train_examples was 16 and is now 15; use another folder for another run",
        ),
        (
            &|plan| {
                plan.valid.pop();
            },
            "valid_examples was 7 and is now 6",
        ),
    ];
    for (change, text) in changes {
        stopped.refuses(&with(change), text);
    }
}

#[test]
fn optimiser_state_that_does_not_match_every_parameter_is_refused() {
    let stopped = Stopped::new();
    let plan = &stopped.plan;
    let id = stopped.id("inner.weight");

    stopped.change_record(|tensors, scalars| {
        tensors.retain(|tensor| !tensor.name.starts_with(&id));
        scalars.retain(|key, _| !key.starts_with(&id));
    });
    stopped.refuses(plan, "the optimiser state of parameter \"inner.weight\" is missing");

    // burn takes what is left for a fresh start, and says nothing.
    stopped.restore();
    stopped.change_record(|tensors, _| tensors.retain(|tensor| !tensor.name.starts_with(&id)));
    stopped.refuses(plan, "\"inner.weight\" holds [], but [\"momentum.velocity\"] is wanted");

    stopped.restore();
    stopped.change_record(|tensors, _| {
        let tensor = tensors.iter_mut().find(|tensor| tensor.name.starts_with(&id)).unwrap();
        tensor.shape = [10, 6].into();
    });
    let text =
        "the optimiser state of parameter \"inner.weight\" has the shape [10, 6], but [6, 10]";
    stopped.refuses(plan, text);

    // As it is without stable ids: the state belongs to no parameter of this process.
    stopped.restore();
    stopped.change_record(|_, scalars| {
        let rank = scalars.iter().find(|(key, _)| key.starts_with(&id)).map(|(_, rank)| *rank);
        scalars.insert("12345.__rank".to_owned(), rank.unwrap());
    });
    stopped.refuses(plan, "there is optimiser state for 1 parameters that the model has not");

    stopped.restore();
    stopped.change_state(|state| {
        state["optimized"]["third.weight"] = serde_json::json!({});
    });
    let text = "there is optimiser state for \"third.weight\", which the model has not";
    stopped.refuses(plan, text);

    stopped.restore();
    goes_on(&stopped);
}

/// The refusals left the run as it was.
fn goes_on(stopped: &Stopped) {
    let whole = tempfile::tempdir().unwrap();
    stopped.plan.finish(whole.path());
    stopped.plan.finish(stopped.root.path());
    equal(whole.path(), stopped.root.path());
}

#[test]
fn one_flipped_bit_in_any_file_is_refused() {
    let stopped = Stopped::new();
    let names = [
        "checkpoint/model-7.safetensors",
        "checkpoint/best-7.safetensors",
        "checkpoint/optimizer-7.bpk",
        "log.jsonl",
    ];
    assert_eq!(stopped.before.len(), names.len() + 1);
    for name in names {
        let path = stopped.path(name);
        let whole = fs::read(&path).unwrap();
        for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 2] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            let file = path.file_name().unwrap().to_str().unwrap();
            stopped.refuses(&stopped.plan, file);
        }
        fs::write(&path, &whole).unwrap();
    }
    // Bits all over the state, which has no other file to vouch for it.
    let path = stopped.path("checkpoint/state.json");
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(5) {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 7);
        fs::write(&path, &changed).unwrap();
        stopped.refuses(&stopped.plan, "checkpoint");
    }
    fs::write(&path, &whole).unwrap();
    goes_on(&stopped);
}

#[test]
fn what_is_missing_or_from_the_future_is_refused() {
    let stopped = Stopped::new();
    for name in ["model-7.safetensors", "best-7.safetensors", "optimizer-7.bpk"] {
        fs::remove_file(stopped.path("checkpoint").join(name)).unwrap();
        stopped.refuses(&stopped.plan, name);
        stopped.restore();
    }
    let log = stopped.path("log.jsonl");
    let lines: Vec<String> =
        fs::read_to_string(&log).unwrap().lines().map(|line| format!("{line}\n")).collect();
    fs::write(&log, lines[..3].concat()).unwrap();
    stopped.refuses(&stopped.plan, "has 3 entries, but 7 steps are done");
    // The last line is cut in the middle, as a full disk would do.
    fs::write(&log, &lines.concat()[..lines.concat().len() - 9]).unwrap();
    stopped.refuses(&stopped.plan, "line 7 of");
    fs::write(&log, [&lines[1..], &lines[..1]].concat().concat()).unwrap();
    stopped.refuses(&stopped.plan, "line 1 of");
    fs::remove_file(&log).unwrap();
    stopped.refuses(&stopped.plan, "log.jsonl");
    stopped.restore();
    stopped.change_state(|state| state["format"] = 3.into());
    stopped.refuses(&stopped.plan, "it has format 3, but 2 is read here");
    // As it was before the starting weights were compared.
    stopped.change_state(|state| {
        state["format"] = 1.into();
        state["run"].as_object_mut().unwrap().remove("starting_weights").unwrap();
    });
    stopped.refuses(&stopped.plan, "it has format 1, but 2 is read here");
    stopped.change_state(|state| {
        state.as_object_mut().unwrap().remove("stale");
    });
    stopped.refuses(&stopped.plan, "state.json is no bundle description");
    stopped.restore();
    // As it was before examples could be grouped.
    stopped.change_state(|state| {
        state["run"]["training"].as_object_mut().unwrap().remove("group_by_length").unwrap();
    });
    goes_on(&stopped);
}

#[test]
fn a_checkpoint_holds_nothing_but_its_own_files() {
    let stopped = Stopped::new();
    // What a process that died left behind.
    fs::write(stopped.path("checkpoint/model-9.safetensors"), "half").unwrap();
    goes_on(&stopped);
    let mut names: Vec<String> = fs::read_dir(stopped.path("checkpoint"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let wanted = ["best-12.safetensors", "model-12.safetensors", "optimizer-12.bpk", "state.json"];
    assert_eq!(names, wanted);
}
