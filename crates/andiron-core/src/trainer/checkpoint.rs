//! A run's folder: its log, and the checkpoint that it resumes from.

use super::{Step, TrainingConfig};
use crate::{
    BundleError, ModelConfig, Network, Task, TrainError, file, hash,
    init::{self, Parameter},
    weights,
};
use burn::{
    optim::ModuleOptimizer,
    tensor::{Bytes, Device},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

const WEIGHTS: &str = "model.safetensors";
const BEST: &str = "best.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";

/// What a run has reached, beside its tensors.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    /// Version of the checkpoint's format.
    format: u32,
    /// How many steps are done.
    pub(super) steps: usize,
    /// Whether there is nothing left to do.
    pub(super) finished: bool,
    /// The best measurement so far.
    pub(super) best: Option<Best>,
    /// Measurements since the best.
    pub(super) stale: usize,
    /// What the run is a function of; a resume must have the same.
    run: Identity,
    /// Parameters that have optimiser state.
    optimized: BTreeSet<String>,
    /// SHA-256 of the other files.
    files: BTreeMap<String, String>,
}

/// The step with the lowest validation loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) step: usize,
    pub(super) loss: f64,
}

/// What a run is a function of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    training: TrainingConfig,
    architecture: String,
    model: Value,
    task: String,
    preprocessing: String,
    train_examples: usize,
    valid_examples: usize,
}

impl Identity {
    pub(super) fn of<T: Task, C: ModelConfig>(
        training: &TrainingConfig,
        task: &T,
        config: &C,
        examples: (usize, usize),
    ) -> Self {
        let preprocessing = serde_json::to_vec(task).expect("a task is plain data");
        Self {
            training: training.clone(),
            architecture: C::ARCHITECTURE.to_owned(),
            model: serde_json::to_value(config).expect("a configuration is plain data"),
            task: T::NAME.to_owned(),
            preprocessing: hash::sha256(&preprocessing),
            train_examples: examples.0,
            valid_examples: examples.1,
        }
    }

    /// The first thing in which `self`, the checkpoint's, differs from `now`.
    fn difference(&self, now: &Self) -> Option<String> {
        let (Ok(then), Ok(now)) = (serde_json::to_value(self), serde_json::to_value(now)) else {
            return Some("the settings cannot be compared".to_owned());
        };
        first_difference("", &then, &now)
    }
}

fn first_difference(path: &str, then: &Value, now: &Value) -> Option<String> {
    match (then, now) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                first_difference(&path, a, b)
            })
        }
        _ if then == now => None,
        _ => Some(format!("{path} was {then} and is now {now}")),
    }
}

/// The state that a run goes on from.
pub(super) struct Resumed<C: ModelConfig> {
    pub(super) state: State,
    pub(super) network: Network<C>,
    pub(super) best: Option<C::Model>,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) log: Vec<Step>,
}

/// A run's folder.
pub(super) struct RunFolder {
    root: PathBuf,
    log: File,
}

fn io(path: &Path, source: std::io::Error) -> TrainError {
    bundle(path, BundleError::Io { path: path.into(), source })
}

fn bundle(path: &Path, source: BundleError) -> TrainError {
    TrainError::Checkpoint { path: path.into(), source: Box::new(source) }
}

impl RunFolder {
    /// Opens the folder, and reads its checkpoint where there is one.
    pub(super) fn open<C: ModelConfig>(
        root: &Path,
        run: &Identity,
        config: &C,
        optimizer: ModuleOptimizer,
        device: &Device,
    ) -> Result<(Self, Option<Resumed<C>>), TrainError> {
        fs::create_dir_all(root).map_err(|source| io(root, source))?;
        let dir = root.join("checkpoint");
        let resumed = if dir.join(STATE).is_file() {
            Some(read(&dir, &root.join("log.jsonl"), run, config, optimizer, device)?)
        } else {
            None
        };
        // The log may have gone on behind the checkpoint: what follows will be done again.
        let path = root.join("log.jsonl");
        let steps = resumed.as_ref().map_or(&[][..], |resumed| resumed.log.as_slice());
        let lines: Vec<u8> = steps.iter().flat_map(line).collect();
        file::write(&path, &lines).map_err(|source| io(&path, source))?;
        let log = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(|source| io(&path, source))?;
        Ok((Self { root: root.into(), log }, resumed))
    }

    /// Appends a step to the log.
    pub(super) fn log(&mut self, step: &Step) -> Result<(), TrainError> {
        let path = self.root.join("log.jsonl");
        self.log.write_all(&line(step)).map_err(|source| io(&path, source))
    }

    /// Where the checkpoint lies.
    pub(super) fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    /// Writes a checkpoint: whole or not at all; the one before it stays until then.
    pub(super) fn save<C: ModelConfig>(
        &self,
        progress: &Reached,
        run: &Identity,
        network: &Network<C>,
        best: Option<&C::Model>,
        optimizer: &ModuleOptimizer,
    ) -> Result<(), TrainError> {
        let dir = self.checkpoint();
        let optimizer_bytes = optimizer
            .into_bytes()
            .map_err(|source| TrainError::Optimizer { path: dir.join(OPTIMIZER), source })?
            .to_vec();
        let parameters = init::parameters(&network.model);
        let with_state = state_ids(&optimizer_bytes, &dir)?;
        let mut parts: Vec<(&str, Vec<u8>)> =
            vec![(WEIGHTS, weights::to_bytes(network)), (OPTIMIZER, optimizer_bytes)];
        if let Some(best) = best {
            let best = Network { config: network.config.clone(), model: best.clone() };
            parts.push((BEST, weights::to_bytes(&best)));
        }
        let state = State {
            format: 1,
            steps: progress.steps,
            finished: progress.finished,
            best: progress.best,
            stale: progress.stale,
            run: run.clone(),
            optimized: parameters
                .iter()
                .filter(|p| with_state.contains(&p.id.val()))
                .map(|p| p.path.clone())
                .collect(),
            files: parts
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), hash::sha256(bytes)))
                .collect(),
        };
        let state = serde_json::to_vec_pretty(&state).expect("the state is plain data");
        parts.push((STATE, state));
        file::replace_folder(&dir, |source| io(&dir, source), |folder| {
            parts.iter().try_for_each(|(name, bytes)| {
                file::write(&folder.join(name), bytes).map_err(|source| io(&dir.join(name), source))
            })
        })
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reached {
    pub(super) steps: usize,
    pub(super) finished: bool,
    pub(super) best: Option<Best>,
    pub(super) stale: usize,
}

fn line(step: &Step) -> Vec<u8> {
    let mut line = serde_json::to_vec(step).expect("a step is plain numbers");
    line.push(b'\n');
    line
}

/// The ids of the parameters that an optimiser record holds state of.
fn state_ids(record: &[u8], dir: &Path) -> Result<BTreeSet<u64>, TrainError> {
    let unreadable = |reason: burn_pack::Error| TrainError::Resume {
        path: dir.join(OPTIMIZER),
        reason: format!("the optimiser state cannot be read: {reason}"),
    };
    let bytes = Bytes::from_bytes_vec(record.to_vec());
    let reader = burn_pack::Reader::from_bytes(bytes).map_err(unreadable)?;
    // Every parameter with state has its rank among the scalars, even where it has no tensor.
    Ok(reader
        .scalars()
        .keys()
        .filter_map(|key| key.split('.').next().and_then(|id| id.parse().ok()))
        .collect())
}

fn read<C: ModelConfig>(
    dir: &Path,
    log: &Path,
    run: &Identity,
    config: &C,
    optimizer: ModuleOptimizer,
    device: &Device,
) -> Result<Resumed<C>, TrainError> {
    let refuse = |reason: String| TrainError::Resume { path: dir.into(), reason };
    let text = fs::read(dir.join(STATE)).map_err(|source| io(&dir.join(STATE), source))?;
    let state: State = serde_json::from_slice(&text)
        .map_err(|source| bundle(dir, BundleError::Format { path: dir.join(STATE), source }))?;
    if let Some(difference) = state.run.difference(run) {
        return Err(refuse(format!("{difference}; use another folder for another run")));
    }
    let part = |name: &str| -> Result<Vec<u8>, TrainError> {
        let path = dir.join(name);
        let bytes = fs::read(&path).map_err(|source| io(&path, source))?;
        let (got, wanted) =
            (hash::sha256(&bytes), state.files.get(name).cloned().unwrap_or_default());
        if got != wanted {
            return Err(bundle(dir, BundleError::Hash { path, wanted, got }));
        }
        Ok(bytes)
    };
    let load = |name: &str| -> Result<Network<C>, TrainError> {
        let blank = Network::blank(config.clone(), device)?;
        weights::from_bytes(blank, &part(name)?, &dir.join(name))
            .map_err(|source| bundle(dir, source.into()))
    };
    let network = load(WEIGHTS)?;
    let best = state.best.map(|_| load(BEST)).transpose()?.map(|best| best.model);
    let record = part(OPTIMIZER)?;
    check_state(&init::parameters(&network.model), &state.optimized, &state_ids(&record, dir)?)
        .map_err(refuse)?;
    let optimizer = optimizer
        .from_bytes(Bytes::from_bytes_vec(record))
        .map_err(|source| TrainError::Optimizer { path: dir.join(OPTIMIZER), source })?;
    let log = read_log(log, state.steps).map_err(refuse)?;
    Ok(Resumed { state, network, best, optimizer, log })
}

/// Every parameter that had optimiser state has it again, and no other: burn itself drops state
/// that matches no parameter without a word.
fn check_state(
    parameters: &[Parameter],
    saved: &BTreeSet<String>,
    found: &BTreeSet<u64>,
) -> Result<(), String> {
    let mut wanted = BTreeSet::new();
    for path in saved {
        let parameter = parameters
            .iter()
            .find(|p| &p.path == path)
            .ok_or_else(|| format!("there is optimiser state for {path:?}, which the model has not"))?;
        if !found.contains(&parameter.id.val()) {
            return Err(format!("the optimiser state of parameter {path:?} is missing"));
        }
        wanted.insert(parameter.id.val());
    }
    match found.difference(&wanted).count() {
        0 => Ok(()),
        more => Err(format!("there is optimiser state for {more} parameters that the model has not")),
    }
}

/// The first `steps` entries of the log.
fn read_log(path: &Path, steps: usize) -> Result<Vec<Step>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let log = text
        .lines()
        .take(steps)
        .enumerate()
        .map(|(at, line)| {
            serde_json::from_str::<Step>(line)
                .ok()
                .filter(|step| step.step == at)
                .ok_or_else(|| format!("line {} of {} is no entry of step {at}", at + 1, path.display()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if log.len() < steps {
        return Err(format!("{} has {} entries, but {steps} steps are done", path.display(), log.len()));
    }
    Ok(log)
}
