//! Training by gradient: step-based, seeded, and resumable bit for bit.
//!
//! burn's optimisers do the updates; the loop, the schedule, the clipping, the accumulation and
//! the checkpoints are ours, so that a run is a function of its configuration, its data and its
//! seed, and nothing else.

mod adamw;
mod checkpoint;
mod gradients;
mod loading;
mod optimizer;
mod progress;
mod record;
mod run;
mod schedule;

pub use gradients::{global_norm, scale};
pub use optimizer::OptimizerConfig;
pub use progress::Progress;
#[cfg(feature = "testing")]
pub(crate) use run::mean_loss;
pub use schedule::Schedule;

use crate::{
    ConfigError, Dataset, ModelConfig, Network, Predictor, Solve, Task, TrainError, data::ExampleOf,
};
use burn::{config::Config, tensor::Device};
use serde::{Deserialize, Serialize};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Fits a network to a task's data.
pub trait Trainer {
    /// Trains `network` on `train`, and chooses the best step on `valid` (which may be empty:
    /// then the last step is taken).
    ///
    /// # Errors
    /// [`TrainError`] names what is wrong with the data, the settings or the checkpoint.
    fn fit<T, C>(
        &self,
        task: T,
        network: Network<C>,
        train: &dyn Dataset<ExampleOf<T>>,
        valid: &dyn Dataset<ExampleOf<T>>,
        device: &Device,
    ) -> Result<Fitted<T>, TrainError>
    where
        C: ModelConfig,
        T: Solve<C::Model>;
}

/// What a run gives back.
#[derive(Debug)]
pub struct Fitted<T: Task> {
    /// The fitted task, with the weights of the best step.
    pub predictor: Predictor<T>,
    /// One entry a step, in order.
    pub log: Vec<Step>,
    /// The step whose weights were kept as the best, counted from 0; none if there was no validation
    /// data, or if those of the last step were kept for [`TrainingConfig::keep_best`] is off.
    pub best_step: Option<usize>,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The step, counted from 0.
    pub step: usize,
    /// Mean loss over the step's terms, by their weights, before the update.
    pub loss: f64,
    /// How many terms (examples, tokens, frames) it is the mean of.
    pub terms: usize,
    /// Global norm of the gradient, before clipping.
    pub grad_norm: f64,
    /// The learning rate.
    pub learning_rate: f64,
    /// Mean loss on the validation data after the update, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_loss: Option<f64>,
}

/// Settings of a [`GradientTrainer`].
#[derive(Config, Debug, PartialEq)]
pub struct TrainingConfig {
    /// Updates to make; 1 or more.
    pub max_steps: usize,
    /// Examples in one forward pass; 1 or more.
    #[config(default = 32)]
    pub batch_size: usize,
    /// Forward passes for one update; 1 or more. The gradient is the mean over all their terms,
    /// by their weights.
    #[config(default = 1)]
    pub accumulate: usize,
    /// The update rule.
    #[config(default = "OptimizerConfig::adamw()")]
    pub optimizer: OptimizerConfig,
    /// The highest learning rate; above 0.
    #[config(default = 1e-3)]
    pub learning_rate: f64,
    /// Steps over which the learning rate rises linearly to its highest.
    #[config(default = 0)]
    pub warmup_steps: usize,
    /// What the learning rate does after the warm-up.
    #[config(default = "Schedule::Cosine { floor: 0.0 }")]
    pub schedule: Schedule,
    /// The global norm to which a larger gradient is scaled down; none leaves it as it is.
    #[config(default = "Some(1.0)")]
    pub clip_norm: Option<f64>,
    /// Steps between two measurements on the validation data; the last step is always measured.
    #[config(default = 100)]
    pub eval_every: usize,
    /// Measurements without an improvement after which training stops; none never stops.
    pub patience: Option<usize>,
    /// Whether the weights of the best measurement are kept, and not those of the last step.
    #[config(default = true)]
    pub keep_best: bool,
    /// Steps between two checkpoints, where the run has a folder; the last is always written.
    #[config(default = 500)]
    pub checkpoint_every: usize,
    /// Whether examples of like [`length`](Task::length) share a batch, so that less of it is padding. All
    /// are read once for it at every start. Without effect for a task that says no lengths.
    #[config(default = false)]
    pub group_by_length: bool,
    /// Decides the order of the examples and what dropout drops.
    #[config(default = 0)]
    pub seed: u64,
}

impl TrainingConfig {
    /// Updates for `epochs` passes over `examples` examples; `usize::MAX` if there are more.
    pub fn steps_for(&self, epochs: usize, examples: usize) -> usize {
        epochs.saturating_mul(examples.div_ceil(self.window().max(1)))
    }

    /// Examples for one update. More than `usize` holds are all that there are, as `usize::MAX` is.
    fn window(&self) -> usize {
        self.batch_size.saturating_mul(self.accumulate)
    }

    /// The learning rate of `step`, counted from 0.
    pub fn rate_at(&self, step: usize) -> f64 {
        self.schedule.rate_at(step, self.learning_rate, self.warmup_steps, self.max_steps)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("max_steps", 1, self.max_steps)?;
        ConfigError::at_least("batch_size", 1, self.batch_size)?;
        ConfigError::at_least("accumulate", 1, self.accumulate)?;
        ConfigError::at_least("eval_every", 1, self.eval_every)?;
        ConfigError::at_least("checkpoint_every", 1, self.checkpoint_every)?;
        ConfigError::within("learning_rate", f64::MIN_POSITIVE, 1e3, self.learning_rate)?;
        if let Some(norm) = self.clip_norm {
            ConfigError::within("clip_norm", f64::MIN_POSITIVE, f64::MAX, norm)?;
        }
        if let Some(patience) = self.patience {
            ConfigError::at_least("patience", 1, patience)?;
        }
        self.schedule.check()?;
        self.optimizer.check()
    }
}

/// A flag with which another thread (a signal handler, say) asks training to stop after the
/// current step.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks for the stop.
    pub fn trigger(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether a stop was asked for.
    pub fn is_triggered(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Trains by gradient descent, with the settings of a [`TrainingConfig`].
///
/// With a folder, each step is logged to `log.jsonl` and checkpoints are written; the same run
/// started again on the same folder goes on from the last checkpoint, and ends with the same
/// weights and the same log, bit for bit on the CPU, as if it had never stopped. The same run starts
/// from the same weights: another network on the folder of a run is refused.
#[derive(Debug, Clone)]
pub struct GradientTrainer {
    /// The settings.
    pub config: TrainingConfig,
    folder: Option<PathBuf>,
    progress: Progress,
    interrupt: Interrupt,
    stop_after: Option<usize>,
    loaders: usize,
}

impl GradientTrainer {
    /// A trainer that writes nothing to disk and shows progress.
    pub fn new(config: TrainingConfig) -> Self {
        Self {
            config,
            folder: None,
            progress: Progress::Auto,
            interrupt: Interrupt::default(),
            stop_after: None,
            loaders: 1,
        }
    }

    /// Where the log and the checkpoint go, and what to resume from.
    #[must_use]
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// How many threads make batches beside the training: more where decoding and augmenting take
    /// longer than learning. The run is the same for any number; 0 counts as 1, the default.
    #[must_use]
    pub fn with_loaders(mut self, loaders: usize) -> Self {
        self.loaders = loaders;
        self
    }

    /// How progress is shown.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// The flag that stops the run.
    #[must_use]
    pub fn with_interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// Interrupts the run once `steps` steps are done, as [`Interrupt::trigger`] would.
    #[must_use]
    pub fn with_stop_after(mut self, steps: usize) -> Self {
        self.stop_after = Some(steps);
        self
    }
}

impl Trainer for GradientTrainer {
    fn fit<T, C>(
        &self,
        task: T,
        network: Network<C>,
        train: &dyn Dataset<ExampleOf<T>>,
        valid: &dyn Dataset<ExampleOf<T>>,
        device: &Device,
    ) -> Result<Fitted<T>, TrainError>
    where
        C: ModelConfig,
        T: Solve<C::Model>,
    {
        run::fit(self, task, network, train, valid, device)
    }
}
