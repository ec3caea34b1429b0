//! Runs that tests stop, resume and compare.

use crate::{
    mixed::{self, MixedConfig},
    toy::Tokens,
};
use andiron_core::{
    DataError, Dataset, Fitted, GradientTrainer, ModelConfig, Network, Solve, TrainError, Trainer,
    TrainingConfig,
    data::ExampleOf,
    trainer::{Interrupt, OptimizerConfig, Progress, Schedule},
    weights,
};
use burn::tensor::Device;
use std::{
    fs,
    path::Path,
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

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
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
