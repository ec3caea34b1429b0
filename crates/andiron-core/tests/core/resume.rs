//! N steps equal k steps, a resume and N − k steps: bit for bit, in weights and log, wherever the
//! second part runs; and a checkpoint that does not fit is refused.

use crate::{
    mixed::{self, MixedConfig},
    toy::{self, Fault, PooledConfig, Tokens},
};
use andiron_core::{
    DataError, Dataset, Fitted, GradientTrainer, ModelConfig, Network, Solve, TrainError, Trainer,
    TrainingConfig,
    data::ExampleOf,
    testing::record,
    trainer::{Interrupt, OptimizerConfig, Progress, Schedule, Step},
    weights,
};
use burn::tensor::Device;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

/// What happens while a run goes on.
#[derive(Clone, Default)]
pub(crate) enum Event {
    #[default]
    Nothing,
    StopAfter(usize),
    /// The flag that a signal handler sets, while an example is fetched.
    Interrupt(usize),
    /// The process dies, while an example is fetched.
    Abort(usize),
}

/// A data set to which something happens at the n-th example.
struct Eventful {
    examples: Vec<ExampleOf<Tokens>>,
    fetched: AtomicUsize,
    event: Event,
    interrupt: Interrupt,
}

impl Dataset<ExampleOf<Tokens>> for Eventful {
    fn len(&self) -> usize {
        self.examples.len()
    }
    fn get(&self, index: usize) -> Result<ExampleOf<Tokens>, DataError> {
        let at = self.fetched.fetch_add(1, Ordering::SeqCst);
        match self.event {
            Event::Interrupt(when) if at == when => self.interrupt.trigger(),
            Event::Abort(when) if at == when => std::process::abort(),
            _ => {}
        }
        Ok(self.examples[index].clone())
    }
}

/// A run: what it is, apart from where and when.
#[derive(Clone)]
pub(crate) struct Plan<C> {
    pub(crate) config: TrainingConfig,
    pub(crate) network: C,
    /// The seed of the starting weights.
    pub(crate) start: u64,
    pub(crate) task: Tokens,
    pub(crate) train: Vec<ExampleOf<Tokens>>,
    pub(crate) valid: Vec<ExampleOf<Tokens>>,
}

impl<C: ModelConfig> Plan<C>
where
    Tokens: Solve<C::Model>,
{
    pub(crate) fn run(
        &self,
        folder: Option<&Path>,
        event: Event,
    ) -> Result<Fitted<Tokens>, TrainError> {
        let interrupt = Interrupt::default();
        let mut trainer = GradientTrainer::new(self.config.clone())
            .with_progress(Progress::Silent)
            .with_interrupt(interrupt.clone());
        if let Some(folder) = folder {
            trainer = trainer.with_folder(folder);
        }
        if let Event::StopAfter(steps) = event {
            // How many threads load makes no difference, so the part behind has another number.
            trainer = trainer.with_stop_after(steps).with_loaders(3);
        }
        let device = Device::flex();
        let network = Network::init(self.network.clone(), self.start, &device)?;
        let (examples, fetched) = (self.train.clone(), AtomicUsize::new(0));
        let train = Eventful { examples, fetched, event, interrupt };
        trainer.fit(self.task.clone(), network, &train, &self.valid, &device)
    }

    /// Runs to the end, and leaves the weights that are kept in `kept.safetensors`.
    pub(crate) fn finish(&self, folder: &Path) -> Fitted<Tokens> {
        let fitted = self.run(Some(folder), Event::Nothing).unwrap();
        weights::save(fitted.predictor.network::<C>().unwrap(), &folder.join("kept.safetensors"))
            .unwrap();
        fitted
    }

    /// Runs until `event` stops it, and gives the number of steps that were done.
    pub(crate) fn interrupted(&self, folder: &Path, event: Event) -> usize {
        match self.run(Some(folder), event) {
            Err(TrainError::Interrupted { steps, checkpoint }) => {
                assert_eq!(checkpoint, Some(folder.join("checkpoint")));
                steps
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Weights and log of two folders are equal, and so is the last checkpoint but for the order in
/// which burn writes the optimiser's state.
pub(crate) fn equal(a: &Path, b: &Path) {
    assert_eq!(read(&a.join("log.jsonl")), read(&b.join("log.jsonl")), "the logs differ");
    let bytes = |folder: &Path| fs::read(folder.join("kept.safetensors")).unwrap();
    assert!(bytes(a) == bytes(b), "the weights differ");
    let files = |folder: &Path| -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(folder.join("checkpoint"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
            .map(|path| (name(&path), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    };
    assert!(!files(a).is_empty());
    assert!(files(a) == files(b), "the checkpoints differ");
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Matrices large enough that burn shares them out among threads: 16 sequences of 24 tokens times
/// 100 times 192 is over its bound of 192³.
fn large() -> Plan<MixedConfig> {
    let config = TrainingConfig::new(13)
        .with_batch_size(16)
        .with_accumulate(2)
        .with_learning_rate(3e-3)
        .with_warmup_steps(3)
        .with_schedule(Schedule::Cosine { floor: 0.1 })
        .with_eval_every(4)
        .with_checkpoint_every(5)
        .with_seed(21);
    Plan {
        config,
        network: MixedConfig::new(100, 192),
        start: 11,
        task: mixed::task(),
        train: mixed::examples(90, 24..=24, 1),
        valid: mixed::examples(19, 20..=24, 2),
    }
}

/// The same with everything small, sequences of different lengths and momentum.
pub(crate) fn small() -> Plan<MixedConfig> {
    let config = TrainingConfig::new(12)
        .with_batch_size(3)
        .with_accumulate(2)
        .with_optimizer(OptimizerConfig::sgd(0.9))
        .with_learning_rate(0.05)
        .with_schedule(Schedule::Linear { floor: 0.0 })
        .with_eval_every(5)
        .with_checkpoint_every(4)
        .with_seed(5);
    Plan {
        config,
        network: MixedConfig::new(6, 10),
        start: 11,
        task: mixed::task(),
        train: mixed::examples(16, 1..=7, 3),
        valid: mixed::examples(7, 1..=9, 4),
    }
}

/// A run that stops early: the validation data contradict the training data.
fn early() -> Plan<PooledConfig> {
    let config = TrainingConfig::new(60)
        .with_batch_size(4)
        .with_learning_rate(0.05)
        .with_schedule(Schedule::Constant {})
        .with_eval_every(3)
        .with_patience(Some(3))
        .with_checkpoint_every(4)
        .with_seed(2);
    let mut valid = toy::examples();
    let first = valid[0].target.clone();
    for at in 1..valid.len() {
        valid[at - 1].target = valid[at].target.clone();
    }
    valid.last_mut().unwrap().target = first;
    Plan {
        config,
        network: PooledConfig::new(Fault::None),
        start: 11,
        task: toy::tokens(Fault::None),
        train: toy::examples(),
        valid,
    }
}

/// A run of twelve steps, stopped after each of them and resumed.
fn resumes_from_every_step(plan: &Plan<MixedConfig>, terms: [usize; 12]) -> Fitted<Tokens> {
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    let fitted = plan.finish(&whole);
    assert_eq!(fitted.log.iter().map(|s| s.terms).collect::<Vec<_>>(), terms);
    for k in 1..12 {
        let parts = root.path().join(format!("stopped-{k}"));
        assert_eq!(plan.interrupted(&parts, Event::StopAfter(k)), k);
        assert_eq!(read(&parts.join("log.jsonl")).lines().count(), k);
        let resumed = plan.finish(&parts);
        assert_eq!((resumed.log, resumed.best_step), (fitted.log.clone(), fitted.best_step));
        equal(&whole, &parts);
    }
    fitted
}

#[test]
fn every_step_can_be_the_one_before_a_resume() {
    // 16 examples in windows of six: six, six and four, whose last micro-batch has one.
    resumes_from_every_step(&small(), [6, 6, 4, 6, 6, 4, 6, 6, 4, 6, 6, 4]);
}

#[test]
fn batches_of_like_lengths_resume_too() {
    let mut plan = small();
    plan.train = mixed::examples(52, 1..=7, 3);
    let terms = [6, 6, 6, 6, 6, 6, 6, 6, 4, 6, 6, 6];
    let plain = resumes_from_every_step(&plan, terms);
    plan.config.group_by_length = true;
    let grouped = resumes_from_every_step(&plan, terms);
    assert_ne!(grouped.log, plain.log);
}

#[test]
fn a_run_may_be_interrupted_often() {
    let (plan, root) = (small(), tempfile::tempdir().unwrap());
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    plan.finish(&whole);
    for k in [1, 2, 7, 8, 11] {
        plan.interrupted(&parts, Event::StopAfter(k));
    }
    plan.finish(&parts);
    equal(&whole, &parts);
    // There is nothing left to do: no step, no new log.
    let again = plan.finish(&parts);
    assert_eq!(again.log.len(), 12);
    equal(&whole, &parts);
}

#[test]
fn the_log_is_the_runs_and_another_seed_is_another_run() {
    let (mut plan, root) = (small(), tempfile::tempdir().unwrap());
    let fitted = plan.finish(root.path());
    let lines: Vec<Step> = read(&root.path().join("log.jsonl"))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, fitted.log);
    let measured: Vec<usize> =
        lines.iter().filter(|step| step.valid_loss.is_some()).map(|step| step.step).collect();
    assert_eq!(measured, [4, 9, 11]);
    // The folder changes nothing.
    assert_eq!(plan.run(None, Event::Nothing).unwrap().log, fitted.log);
    plan.config.seed += 1;
    let other = plan.run(None, Event::Nothing).unwrap();
    assert_ne!(other.log, fitted.log);
}

#[test]
fn early_stopping_and_the_best_step_outlive_a_resume() {
    let (plan, root) = (early(), tempfile::tempdir().unwrap());
    let whole = root.path().join("whole");
    let fitted = plan.finish(&whole);
    let (steps, best) = (fitted.log.len(), fitted.best_step.unwrap());
    assert!(steps < 60 && best + 1 + 9 == steps, "{best} is the best of {steps}");
    let losses: Vec<f64> = fitted.log.iter().filter_map(|step| step.valid_loss).collect();
    let lowest = losses.iter().copied().fold(f64::MAX, f64::min);
    assert_eq!(fitted.log[best].valid_loss, Some(lowest));
    // What is kept is the best, and not the last.
    let kept = fs::read(whole.join("kept.safetensors")).unwrap();
    let file = |kind: &str| {
        fs::read(whole.join("checkpoint").join(format!("{kind}-{steps}.safetensors"))).unwrap()
    };
    assert!(kept == file("best") && kept != file("model"));
    for k in [1, best, best + 1, best + 2, steps - 1] {
        let parts = root.path().join(format!("stopped-{k}"));
        if k > 0 {
            plan.interrupted(&parts, Event::StopAfter(k));
        }
        let resumed = plan.finish(&parts);
        assert_eq!((resumed.log.len(), resumed.best_step), (steps, Some(best)));
        equal(&whole, &parts);
    }
    // Without it, the last step is what is left.
    let mut last = plan.clone();
    last.config.keep_best = false;
    let parts = root.path().join("last");
    // No step was chosen, though the losses were measured.
    assert_eq!(last.finish(&parts).best_step, None);
    assert!(fs::read(parts.join("kept.safetensors")).unwrap() == file("model"));
}

#[test]
fn the_best_network_is_the_one_that_was_measured() {
    // A batch normalisation shares its running statistics among clones: the copy that is kept
    // must not go on with the training.
    let mut plan = small();
    plan.config.learning_rate = 0.5;
    plan.config.eval_every = 1;
    let fitted = plan.run(None, Event::Nothing).unwrap();
    let best = fitted.best_step.unwrap();
    assert!(best + 1 < fitted.log.len(), "the last step is the best: this shows nothing");
    let network = fitted.predictor.network::<MixedConfig>().unwrap();
    let batch = andiron_core::Task::batch(&plan.task, &plan.valid[..3], &Device::flex()).unwrap();
    let first = plan.task.learn(&network.model, batch).mean.into_scalar::<f64>() * 3.0;
    let batch = andiron_core::Task::batch(&plan.task, &plan.valid[3..6], &Device::flex()).unwrap();
    let second = plan.task.learn(&network.model, batch).mean.into_scalar::<f64>() * 3.0;
    let batch = andiron_core::Task::batch(&plan.task, &plan.valid[6..], &Device::flex()).unwrap();
    let third = plan.task.learn(&network.model, batch).mean.into_scalar::<f64>();
    assert_eq!(fitted.log[best].valid_loss, Some((first + second + third) / 7.0));
}

#[test]
fn an_interrupt_leaves_a_whole_checkpoint() {
    let (plan, root) = (small(), tempfile::tempdir().unwrap());
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    plan.finish(&whole);
    // Set while a batch is made; the step that is going on is finished first.
    let steps = plan.interrupted(&parts, Event::Interrupt(17));
    assert!((1..12).contains(&steps), "{steps}");
    assert_eq!(read(&parts.join("log.jsonl")).lines().count(), steps);
    plan.finish(&parts);
    equal(&whole, &parts);
    // Without a folder there is nothing to resume from, and the error says so.
    let nowhere = plan.run(None, Event::StopAfter(2));
    let text = nowhere.map(|_| ()).unwrap_err().to_string();
    assert_eq!(text, "training was interrupted after 2 steps");
}

// ---- In another process -----------------------------------------------------------------------

const FOLDER: &str = "ANDIRON_TEST_RUN";
const EVENT: &str = "ANDIRON_TEST_EVENT";
const THREADS: &str = "ANDIRON_TEST_THREADS";

/// Does nothing, unless another test started this process for it.
#[test]
fn the_other_process() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let threads: usize = std::env::var(THREADS).unwrap().parse().unwrap();
    assert_eq!(rayon::current_num_threads(), threads);
    let event = std::env::var(EVENT).unwrap();
    let (kind, number) = event.split_once(' ').unwrap();
    let number: usize = number.parse().unwrap();
    match kind {
        "stop" => {
            large().interrupted(&folder, Event::StopAfter(number));
        }
        "abort" => {
            let _ = large().run(Some(&folder), Event::Abort(number));
            panic!("the process was to die");
        }
        _ => {
            large().finish(&folder);
        }
    }
    fs::write(folder.join("done"), &event).unwrap();
}

/// Runs [`large`] in another process with a number of threads; whether it ended well.
fn elsewhere(folder: &Path, threads: usize, event: &str) -> bool {
    let done = folder.join("done");
    let _ = fs::remove_file(&done);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "resume::the_other_process", "--test-threads", "1"])
        .env("RAYON_NUM_THREADS", threads.to_string())
        .env(THREADS, threads.to_string())
        .env(FOLDER, folder)
        .env(EVENT, event)
        .output()
        .unwrap();
    let well = output.status.success() && fs::read_to_string(&done).is_ok_and(|did| did == event);
    if !well && !event.starts_with("abort") {
        println!("{}", String::from_utf8_lossy(&output.stdout));
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    well
}

#[test]
fn another_process_with_other_threads_goes_on_bit_for_bit() {
    let (plan, root) = (large(), tempfile::tempdir().unwrap());
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    plan.finish(&whole);
    assert!(elsewhere(&parts, 3, "stop 6"));
    assert!(elsewhere(&parts, 1, "finish 0"));
    equal(&whole, &parts);
    record(
        "resume",
        "N steps = k + resume + (N - k), bit for bit",
        "attention, dropout, batch normalisation, accumulation: steps 1-6 with 3 threads, 7-13 in \
         another process with 1, against one run with as many as there are cores; weights and log",
    );
}

#[test]
fn a_process_that_dies_leaves_a_checkpoint_that_resumes() {
    let (plan, root) = (large(), tempfile::tempdir().unwrap());
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    plan.finish(&whole);
    // Windows of 32, 32 and 26 examples: this one is in the tenth.
    assert!(!elsewhere(&parts, 2, "abort 290"));
    let logged = read(&parts.join("log.jsonl")).lines().count();
    let state: serde_json::Value =
        serde_json::from_str(&read(&parts.join("checkpoint/state.json"))).unwrap();
    assert_eq!(state["steps"], 5);
    assert!((5..13).contains(&logged), "{logged}");
    plan.finish(&parts);
    equal(&whole, &parts);
}

/// What a run with a changed setting is refused for.
fn refused(change: &dyn Fn(&mut TrainingConfig)) -> String {
    let mut plan = small();
    change(&mut plan.config);
    match plan.run(None, Event::Nothing) {
        Err(TrainError::Config(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    for (field, change) in [
        ("max_steps", (|c| c.max_steps = 0) as fn(&mut TrainingConfig)),
        ("batch_size", |c| c.batch_size = 0),
        ("accumulate", |c| c.accumulate = 0),
        ("eval_every", |c| c.eval_every = 0),
        ("checkpoint_every", |c| c.checkpoint_every = 0),
        ("patience", |c| c.patience = Some(0)),
    ] {
        assert_eq!(refused(&change), format!("{field} must be at least 1, but is 0"));
    }
}

#[test]
fn rates_that_cannot_be_used_are_refused() {
    let adamw = |beta_1, beta_2, epsilon, weight_decay| OptimizerConfig::AdamW {
        beta_1,
        beta_2,
        epsilon,
        weight_decay,
    };
    let said = |change: &dyn Fn(&mut TrainingConfig), wanted: &str| {
        let text = refused(change);
        assert!(text.starts_with(wanted), "{text}");
    };
    said(
        &|c| c.learning_rate = 0.0,
        "learning_rate must be greater than 0 and at most 1000, but is 0",
    );
    said(
        &|c| c.learning_rate = f64::NAN,
        "learning_rate must be greater than 0 and at most 1000, but is NaN",
    );
    said(&|c| c.clip_norm = Some(-1.0), "clip_norm must be finite and greater than 0, but is -1");
    said(
        &|c| c.clip_norm = Some(-1e-300),
        "clip_norm must be finite and greater than 0, but is -1e-300",
    );
    said(
        &|c| c.learning_rate = 1e-310,
        "learning_rate must lie in 2.2250738585072014e-308..=1000, but is 1e-310",
    );
    said(
        &|c| c.schedule = Schedule::Linear { floor: 1.5 },
        "schedule.floor must lie in 0..=1, but is 1.5",
    );
    said(
        &move |c| c.optimizer = adamw(1.0, 0.9, 1e-8, 0.0),
        "optimizer.beta_1 must lie in 0..=0.999",
    );
    said(
        &move |c| c.optimizer = adamw(0.9, -0.1, 1e-8, 0.0),
        "optimizer.beta_2 must lie in 0..=0.999",
    );
    said(
        &move |c| c.optimizer = adamw(0.9, 0.9, 0.0, 0.0),
        "optimizer.epsilon must be greater than 0 and at most 1, but is 0",
    );
    said(
        &move |c| c.optimizer = adamw(0.9, 0.9, 1e-8, -1.0),
        "optimizer.weight_decay must lie in 0..=1000, but is -1",
    );
    said(&|c| c.optimizer = OptimizerConfig::sgd(1.0), "optimizer.momentum must lie in 0..=0.999");
}

#[test]
fn data_that_cannot_be_used_is_refused() {
    let said = |plan: &Plan<MixedConfig>| match plan.run(None, Event::Nothing) {
        Err(TrainError::Data { split, source }) => format!("{split}: {source}"),
        other => panic!("{other:?}"),
    };
    let mut plan = small();
    plan.train.clear();
    assert_eq!(said(&plan), "training: the data set is empty");
    let mut plan = small();
    plan.train[7].input.clear();
    assert_eq!(said(&plan), "training: a sequence of tokens is empty");
    let mut plan = small();
    plan.valid[3].target = "silent".to_owned();
    let text = "validation: unknown label \"silent\"; known are [\"loud\", \"middle\", \"quiet\"]";
    assert_eq!(said(&plan), text);
}

#[test]
fn a_run_that_diverges_says_so() {
    let mut plan = small();
    plan.config.learning_rate = 1e3;
    plan.config.clip_norm = None;
    plan.config.optimizer = OptimizerConfig::Sgd { momentum: 0.0, weight_decay: 1e3 };
    plan.config.max_steps = 60;
    match plan.run(None, Event::Nothing) {
        Err(error @ TrainError::Diverged { .. }) => {
            let text = error.to_string();
            assert!(text.contains("lower the learning rate"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}
