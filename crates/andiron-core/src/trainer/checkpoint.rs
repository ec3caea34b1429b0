//! A run's folder: its log, and the checkpoint that it resumes from.
//!
//! A checkpoint is the file `state.json` and the files that it names, which carry the number of
//! steps in their own names. Those are written first, then `state.json` is replaced, then the files
//! of the checkpoint before are removed: whenever the process ends, one of the two is whole.

use super::{
    Step, TrainingConfig,
    record::{Held, Shapes},
};
use crate::{
    BundleError, ModelConfig, Network, Task, TrainError, file,
    hash::{self, Pieces},
    init,
    registry::overlay,
    weights,
};
use burn::{
    optim::ModuleOptimizer,
    tensor::{Bytes, Device},
};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, Write},
    path::{Path, PathBuf},
};

/// Version of the checkpoint's format.
const FORMAT: u32 = 2;
const STATE: &str = "state.json";
const LOG: &str = "log.jsonl";

/// The file names of a checkpoint after `steps` steps.
struct Names {
    weights: String,
    best: String,
    optimizer: String,
}

impl Names {
    fn of(steps: usize) -> Self {
        Self {
            weights: format!("model-{steps}.safetensors"),
            best: format!("best-{steps}.safetensors"),
            optimizer: format!("optimizer-{steps}.bpk"),
        }
    }
}

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
    /// The optimiser's state: parameters, and name and shape of the tensors that each has.
    optimized: BTreeMap<String, Shapes>,
    /// SHA-256 of the log of the steps that are done.
    log: String,
    /// SHA-256 of the other files.
    files: BTreeMap<String, String>,
    /// SHA-256 of this file, with 64 zeros in this place. Last, so that it is found there.
    sha256: String,
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
    #[serde(deserialize_with = "settings")]
    training: TrainingConfig,
    architecture: String,
    model: Value,
    /// SHA-256 of the weights that the run starts from. Format 1 has none.
    #[serde(default)]
    starting_weights: String,
    task: String,
    preprocessing: String,
    train_examples: usize,
    valid_examples: usize,
}

/// Settings, of which those that came later may be missing: a run from before had the default.
fn settings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TrainingConfig, D::Error> {
    let written = Value::deserialize(deserializer)?;
    overlay(&TrainingConfig::new(1), &written).map_err(de::Error::custom)
}

impl Identity {
    pub(super) fn of<T: Task, C: ModelConfig>(
        training: &TrainingConfig,
        task: &T,
        start: &Network<C>,
        examples: (usize, usize),
    ) -> Self {
        // By way of a value, whose fields are in order even where the task keeps a hash map.
        let preprocessing = serde_json::to_value(task).expect("a task is plain data");
        Self {
            training: training.clone(),
            architecture: C::ARCHITECTURE.to_owned(),
            model: serde_json::to_value(&start.config).expect("a configuration is plain data"),
            starting_weights: weights::sha256(start),
            task: T::NAME.to_owned(),
            preprocessing: hash::sha256(preprocessing.to_string().as_bytes()),
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
                let (a, b) =
                    (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
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
    run: Identity,
    log: File,
    logged: Pieces,
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
        run: Identity,
        config: &C,
        optimizer: ModuleOptimizer,
        device: &Device,
    ) -> Result<(Self, Option<Resumed<C>>), TrainError> {
        fs::create_dir_all(root).map_err(|source| io(root, source))?;
        let dir = root.join("checkpoint");
        let path = root.join(LOG);
        let resumed = if dir.join(STATE).is_file() {
            Some(read(&dir, &path, &run, config, optimizer, device)?)
        } else {
            None
        };
        // The log may have gone on behind the checkpoint: what follows will be done again.
        let steps = resumed.as_ref().map_or(&[][..], |resumed| resumed.log.as_slice());
        let lines: Vec<u8> = steps.iter().flat_map(line).collect();
        file::write(&path, &lines).map_err(|source| io(&path, source))?;
        let log =
            OpenOptions::new().append(true).open(&path).map_err(|source| io(&path, source))?;
        let mut logged = Pieces::default();
        logged.add(&lines);
        Ok((Self { root: root.into(), run, log, logged }, resumed))
    }

    /// Appends a step to the log.
    pub(super) fn log(&mut self, step: &Step) -> Result<(), TrainError> {
        let line = line(step);
        self.log.write_all(&line).map_err(|source| io(&self.root.join(LOG), source))?;
        self.logged.add(&line);
        Ok(())
    }

    /// Where the checkpoint lies.
    pub(super) fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    /// Writes a checkpoint: whole or not at all; the one before it stays until then.
    pub(super) fn save<C: ModelConfig>(
        &self,
        progress: &Reached,
        network: &Network<C>,
        best: Option<&C::Model>,
        optimizer: &ModuleOptimizer,
    ) -> Result<(), TrainError> {
        let dir = self.checkpoint();
        fs::create_dir_all(&dir).map_err(|source| io(&dir, source))?;
        let names = Names::of(progress.steps);
        let record = to_bytes(optimizer, &dir)?;
        let held = Held::of(&record, &dir)?;
        let best = best.map(|best| Network { config: network.config.clone(), model: best.clone() });
        let mut new = vec![names.weights.as_str(), &names.optimizer];
        new.extend(best.as_ref().map(|_| names.best.as_str()));
        // The log belongs to the checkpoint: it has to be on the disk before it.
        self.log.sync_data().map_err(|source| io(&self.root.join(LOG), source))?;
        let put = |name: &str, content: &dyn Fn(&mut dyn Write) -> std::io::Result<()>| {
            let path = dir.join(name);
            let hash = file::write_hashed(&path, content).map_err(|source| io(&path, source))?;
            Ok((name.to_owned(), hash))
        };
        let parts = || -> Result<BTreeMap<String, String>, TrainError> {
            let mut files = vec![put(&names.weights, &|out| weights::write(network, out))?];
            files.push(put(&names.optimizer, &|out| out.write_all(&record))?);
            if let Some(best) = &best {
                files.push(put(&names.best, &|out| weights::write(best, out))?);
            }
            Ok(files.into_iter().collect())
        };
        let written = parts().and_then(|files| {
            let state = State {
                format: FORMAT,
                steps: progress.steps,
                finished: progress.finished,
                best: progress.best,
                stale: progress.stale,
                run: self.run.clone(),
                optimized: held.by_path(&init::parameters(&network.model)),
                log: self.logged.sha256(),
                files,
                sha256: String::new(),
            };
            let text = serde_json::to_string_pretty(&state).expect("the state is plain data");
            put(STATE, &|out| out.write_all(hash::seal(&text).as_bytes())).map(|_| ())
        });
        let is_new = |name: &str| new.contains(&name);
        let is_old = |name: &str| name != STATE && !is_new(name);
        match &written {
            Ok(()) => remove(&dir, is_old),
            Err(_) => remove(&dir, is_new),
        }
        written
    }
}

/// Removes files of a checkpoint that is no longer, or not yet, one; those that cannot be removed
/// are tried again after the next checkpoint.
fn remove(dir: &Path, which: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(&which) {
            let _ = fs::remove_file(entry.path());
        }
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

fn to_bytes(optimizer: &ModuleOptimizer, dir: &Path) -> Result<Vec<u8>, TrainError> {
    match optimizer.into_bytes() {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(source) => Err(TrainError::Optimizer { path: dir.into(), source }),
    }
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
    hash::check_seal(&text, &state.sha256).map_err(|got| {
        let (path, wanted) = (dir.join(STATE), state.sha256.clone());
        bundle(dir, BundleError::Hash { path, wanted, got })
    })?;
    if state.format != FORMAT {
        return Err(refuse(format!("it has format {}, but {FORMAT} is read here", state.format)));
    }
    if let Some(difference) = state.run.difference(run) {
        return Err(refuse(format!("{difference}; use another folder for another run")));
    }
    let part = |name: &str| -> Result<File, TrainError> {
        let path = dir.join(name);
        let mut file = File::open(&path).map_err(|source| io(&path, source))?;
        let got = hash::sha256_read(&mut file).map_err(|source| io(&path, source))?;
        let wanted = state.files.get(name).cloned().unwrap_or_default();
        if got != wanted {
            return Err(bundle(dir, BundleError::Hash { path, wanted, got }));
        }
        Ok(file)
    };
    let load = |name: &str| -> Result<Network<C>, TrainError> {
        let blank = Network::blank(config.clone(), device)?;
        weights::from_file(blank, &part(name)?, &dir.join(name))
            .map_err(|source| bundle(dir, source.into()))
    };
    let names = Names::of(state.steps);
    let network = load(&names.weights)?;
    let best = state.best.map(|_| load(&names.best)).transpose()?.map(|best| best.model);
    let path = dir.join(&names.optimizer);
    let mut record = Vec::new();
    let mut file = part(&names.optimizer)?;
    let all = file.rewind().and_then(|()| file.read_to_end(&mut record));
    all.map_err(|source| io(&path, source))?;
    let held = Held::of(&record, &path)?;
    held.check(&init::parameters(&network.model), &state.optimized).map_err(refuse)?;
    let optimizer = optimizer
        .from_bytes(Bytes::from_bytes_vec(record))
        .map_err(|source| TrainError::Optimizer { path: path.clone(), source })?;
    if Held::of(&to_bytes(&optimizer, dir)?, &path)? != held {
        return Err(refuse("the optimiser takes other state than was saved".to_owned()));
    }
    let log = read_log(log, state.steps, &state.log).map_err(refuse)?;
    Ok(Resumed { state, network, best, optimizer, log })
}

/// The first `steps` entries of the log, which have the hash `wanted`.
fn read_log(path: &Path, steps: usize, wanted: &str) -> Result<Vec<Step>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let log = text
        .lines()
        .take(steps)
        .enumerate()
        .map(|(at, line)| {
            serde_json::from_str::<Step>(line).ok().filter(|step| step.step == at).ok_or_else(
                || format!("line {} of {} is no entry of step {at}", at + 1, path.display()),
            )
        })
        .collect::<Result<Vec<_>, _>>()?;
    if log.len() < steps {
        return Err(format!(
            "{} has {} entries, but {steps} steps are done",
            path.display(),
            log.len()
        ));
    }
    let mut lines = Pieces::default();
    for line in text.split_inclusive('\n').take(steps) {
        lines.add(line.as_bytes());
    }
    match lines.sha256() == wanted {
        true => Ok(log),
        false => Err(format!("{} is not the log that belongs to it", path.display())),
    }
}
