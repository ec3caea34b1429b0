//! The loop.

use super::{
    Fitted, GradientTrainer, Step,
    checkpoint::{Best, Identity, Reached, RunFolder},
    gradients::{global_norm, scale},
    loading::{Batches, Loader, load, order},
    progress::Display,
};
use crate::{
    DataError, Dataset, Loss, ModelConfig, Network, Predictor, Solve, TrainError,
    data::{ExampleOf, Order},
    init,
};
use andiron_kernels::{mix, training};
use burn::{
    module::Module,
    optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer},
    tensor::Device,
};

/// Numbers the random stream that a step draws from.
const DROPOUT: u64 = 2;

fn on(split: &'static str) -> impl Fn(DataError) -> TrainError {
    move |source| TrainError::Data { split, source }
}

/// A run: what it is made of and how far it has come.
struct Run<'a, T: Solve<C::Model>, C: ModelConfig> {
    trainer: &'a GradientTrainer,
    task: &'a T,
    config: C,
    valid: &'a dyn Dataset<ExampleOf<T>>,
    plain: Device,
    folder: Option<RunFolder>,
    optimizer: ModuleOptimizer,
    best: Option<C::Model>,
    reached: Reached,
    log: Vec<Step>,
}

pub(super) fn fit<T, C>(
    trainer: &GradientTrainer,
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
    trainer.config.check()?;
    if train.is_empty() {
        return Err(on("training")(DataError::Empty { what: "the data set".to_owned() }));
    }
    let plain = device.clone().without_autodiff();
    let mut network =
        Network { model: init::with_stable_ids(network.model), config: network.config };
    let mut optimizer = trainer.config.optimizer.build(&init::parameters(&network.model));
    let (mut best, mut reached, mut log, mut folder) = (None, Reached::default(), Vec::new(), None);
    if let Some(root) = &trainer.folder {
        let examples = (train.len(), valid.len());
        let identity = Identity::of(&trainer.config, &task, &network, examples);
        let (opened, resumed) =
            RunFolder::open(root, identity, &network.config, optimizer.clone(), &plain)?;
        folder = Some(opened);
        if let Some(resumed) = resumed {
            (network, optimizer, best, log) =
                (resumed.network, resumed.optimizer, resumed.best, resumed.log);
            let state = resumed.state;
            reached = Reached {
                steps: state.steps,
                finished: state.finished,
                best: state.best,
                stale: state.stale,
            };
        }
    }
    let Network { config, model } = network;
    let mut run =
        Run { trainer, task: &task, config, valid, plain, folder, optimizer, best, reached, log };
    let model = if run.reached.finished { model } else { run.steps(model.train(), train)? };
    let kept = match run.best.take() {
        Some(best) if trainer.config.keep_best => best,
        _ => model.valid(),
    };
    let Run { config, log, reached, plain, .. } = run;
    let predictor = Predictor::new(task.clone(), Network { config, model: kept }, &plain);
    Ok(Fitted {
        predictor,
        log,
        best_step: reached.best.filter(|_| trainer.config.keep_best).map(|best| best.step),
    })
}

impl<T: Solve<C::Model>, C: ModelConfig> Run<'_, T, C> {
    /// All steps that are left.
    fn steps(
        &mut self,
        model: C::Model,
        train: &dyn Dataset<ExampleOf<T>>,
    ) -> Result<C::Model, TrainError> {
        let settings = self.trainer.config.clone();
        let tape = self.plain.clone().autodiff();
        let first = self.reached.steps;
        let task = self.task;
        let order = order(task, train, &settings).map_err(on("training"))?;
        let display = Display::new(self.trainer.progress, first, settings.max_steps);
        let loaders = self.trainer.loaders;
        let loader = Loader { task, train, settings: &settings, order: &order, device: &tape };
        let result = std::thread::scope(|scope| {
            // The next batches are made on other threads while this one is learnt.
            let mut batches = load(scope, loaders, &loader, first);
            self.updates(model, train.len(), &mut batches, &display)
        });
        display.finish();
        result
    }

    fn updates(
        &mut self,
        mut model: C::Model,
        examples: usize,
        batches: &mut Batches<T>,
        display: &Display,
    ) -> Result<C::Model, TrainError> {
        let settings = self.trainer.config.clone();
        let window = settings.window();
        let sizes = Order::new(0, examples, window);
        for step in self.reached.steps..settings.max_steps {
            let left = examples - (step % sizes.steps_per_epoch()) * window;
            let micro_batches = left.min(window).div_ceil(settings.batch_size);
            let (next, mut entry) = self.update(model, step, micro_batches, batches)?;
            model = next;
            let last = step + 1 == settings.max_steps;
            let mut finished = last;
            if !self.valid.is_empty() && (last || (step + 1).is_multiple_of(settings.eval_every)) {
                let loss = self.measure(&model, step, entry.grad_norm)?;
                entry.valid_loss = Some(loss);
                finished |=
                    settings.patience.is_some_and(|patience| self.reached.stale >= patience);
            }
            self.reached.steps = step + 1;
            self.reached.finished = finished;
            if let Some(folder) = &mut self.folder {
                folder.log(&entry)?;
            }
            display.step(&entry);
            self.log.push(entry);
            let interrupted = !finished
                && (self.trainer.interrupt.is_triggered()
                    || self.trainer.stop_after.is_some_and(|steps| step + 1 >= steps));
            if finished || interrupted || (step + 1).is_multiple_of(settings.checkpoint_every) {
                self.save(&model)?;
            }
            if interrupted {
                let checkpoint = self.folder.as_ref().map(RunFolder::checkpoint);
                return Err(TrainError::Interrupted { steps: step + 1, checkpoint });
            }
            if finished {
                break;
            }
        }
        Ok(model)
    }

    /// One update, from one or more micro-batches. The gradient is the mean over all their
    /// terms by their weights, whatever number of terms each has.
    fn update(
        &mut self,
        model: C::Model,
        step: usize,
        micro_batches: usize,
        batches: &mut Batches<T>,
    ) -> Result<(C::Model, Step), TrainError> {
        let settings = &self.trainer.config;
        let mut sum = GradientsAccumulator::new();
        let (mut terms, mut weights, mut total) = (0, 0.0, 0.0);
        for micro in 0..micro_batches {
            // The other thread ends early only by a panic, which the scope passes on.
            let Some(batch) = batches.next() else {
                let what = "the queue of batches".to_owned();
                return Err(on("training")(DataError::Empty { what }));
            };
            let batch = batch.map_err(on("training"))?;
            let seed = mix(settings.seed, &[DROPOUT, step as u64, micro as u64]);
            let Loss { mean, count, weight } = training(seed, || self.task.learn(&model, batch));
            if !mean.is_tracked() {
                return Err(TrainError::NothingToTrain);
            }
            // A mean over nothing is no number, and has no part in the sum.
            if weight == 0.0 {
                continue;
            }
            terms += count;
            weights += weight;
            total += mean.clone().into_scalar::<f64>() * weight;
            let grads = (mean * weight).backward();
            sum.accumulate(&model, GradientsParams::from_grads(grads, &model));
        }
        if terms == 0 {
            return Err(on("training")(DataError::Empty {
                what: format!("the batch of step {step}"),
            }));
        }
        let (loss, mut grads) = (total / weights, sum.grads());
        let norm = global_norm(&model, &grads) / weights;
        if !norm.is_finite() || !loss.is_finite() {
            return Err(TrainError::Diverged { step, loss, norm });
        }
        // As PyTorch's clip_grad_norm_, with its 1e-6 in the denominator.
        let clip = settings.clip_norm.map_or(1.0, |most| (most / (norm + 1e-6)).min(1.0));
        scale(&model, &mut grads, clip / weights);
        let learning_rate = settings.rate_at(step);
        let model = self.optimizer.step(learning_rate, model, grads);
        let entry = Step { step, loss, terms, grad_norm: norm, learning_rate, valid_loss: None };
        Ok((model, entry))
    }

    /// The loss on the validation data; keeps the weights if it is the lowest so far.
    fn measure(&mut self, model: &C::Model, step: usize, norm: f64) -> Result<f64, TrainError> {
        let model = model.valid();
        let size = self.trainer.config.batch_size;
        let loss = mean_loss(self.task, &model, self.valid, size, &self.plain)
            .map_err(on("validation"))?;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { step, loss, norm });
        }
        if self.reached.best.is_none_or(|best| loss < best.loss) {
            self.reached.best = Some(Best { step, loss });
            self.reached.stale = 0;
            self.best = Some(model);
        } else {
            self.reached.stale += 1;
        }
        Ok(loss)
    }

    fn save(&self, model: &C::Model) -> Result<(), TrainError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let network = Network { config: self.config.clone(), model: model.valid() };
        folder.save(&self.reached, &network, self.best.as_ref(), &self.optimizer)
    }
}

/// The mean loss over all terms of a data set, by their weights.
pub(crate) fn mean_loss<T: Solve<M>, M>(
    task: &T,
    model: &M,
    data: &dyn Dataset<ExampleOf<T>>,
    batch_size: usize,
    device: &Device,
) -> Result<f64, DataError> {
    let (mut total, mut weights) = (0.0, 0.0);
    for start in (0..data.len()).step_by(batch_size) {
        let end = data.len().min(start.saturating_add(batch_size));
        let examples = (start..end).map(|index| data.get(index)).collect::<Result<Vec<_>, _>>()?;
        let place = |at: usize| (start + at < end).then_some(start + at);
        let batch = task.batch(&examples, device).map_err(|error| error.placed(place))?;
        let Loss { mean, weight, .. } = task.learn(model, batch);
        if weight != 0.0 {
            total += mean.into_scalar::<f64>() * weight;
            weights += weight;
        }
    }
    Ok(if weights == 0.0 { 0.0 } else { total / weights })
}
