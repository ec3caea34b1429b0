//! Batches made on other threads, ahead of the steps that learn them.

use super::TrainingConfig;
use crate::{
    DataError, Dataset, Task,
    data::{ExampleOf, Order},
};
use andiron_kernels::{mix, training};
use burn::tensor::Device;
use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::Scope,
};

/// Numbers the random streams that loading draws from.
const ORDER: u64 = 1;
const AUGMENT: u64 = 3;

/// The order of a run's examples.
///
/// # Errors
/// What reading an example says, where their lengths are wanted.
pub(super) fn order<T: Task>(
    task: &T,
    train: &dyn Dataset<ExampleOf<T>>,
    settings: &TrainingConfig,
) -> Result<Order, DataError> {
    let order = Order::new(mix(settings.seed, &[ORDER]), train.len(), settings.window());
    if !settings.group_by_length {
        return Ok(order);
    }
    let mut lengths = Vec::with_capacity(train.len());
    for index in 0..train.len() {
        match task.length(&train.get(index)?) {
            Some(length) => lengths.push(length),
            None => return Ok(order),
        }
    }
    Ok(order.grouped(lengths.into()))
}

/// What a thread hands over: a micro-batch, or why there is none.
type Made<T> = Result<<T as Task>::Batch, DataError>;

/// The micro-batches of a run, in order, whatever number of threads makes them.
pub(super) struct Batches<T: Task> {
    /// One queue a thread; the threads take turns.
    queues: Vec<Receiver<Made<T>>>,
    taken: usize,
}

impl<T: Task> Batches<T> {
    /// The next micro-batch; none if its thread has ended.
    pub(super) fn next(&mut self) -> Option<Made<T>> {
        let queue = self.queues.get(self.taken % self.queues.len())?;
        self.taken += 1;
        queue.recv().ok()
    }
}

/// Begins to make the micro-batches from step `first` on, on `loaders` threads of `scope`. They end
/// with the last batch, or once nobody wants another.
pub(super) fn load<'scope, T: Task>(
    scope: &'scope Scope<'scope, '_>,
    loaders: usize,
    loader: &'scope Loader<'_, T>,
    first: usize,
) -> Batches<T> {
    let loaders = loaders.max(1);
    // Together at least two wait: one is learnt, the next is there.
    let waiting = if loaders == 1 { 2 } else { 1 };
    let queues = (0..loaders).map(|turn| {
        let (send, receive) = sync_channel(waiting);
        scope.spawn(move || {
            // Nobody wants a batch any more: the run has ended.
            let _ = loader.make(first, (turn, loaders), &send);
        });
        receive
    });
    Batches { queues: queues.collect(), taken: 0 }
}

/// What batches are made of.
pub(super) struct Loader<'a, T: Task> {
    pub(super) task: &'a T,
    pub(super) train: &'a dyn Dataset<ExampleOf<T>>,
    pub(super) settings: &'a TrainingConfig,
    pub(super) order: &'a Order,
    pub(super) device: &'a Device,
}

impl<T: Task> Loader<'_, T> {
    /// Makes every micro-batch whose turn it is; fails once nobody wants them any more.
    fn make(
        &self,
        first: usize,
        (turn, loaders): (usize, usize),
        send: &SyncSender<Made<T>>,
    ) -> Result<(), ()> {
        let settings = self.settings;
        let mut order = self.order.clone();
        let mut count = 0;
        for step in first..settings.max_steps {
            for (micro, part) in order.window(step).chunks(settings.batch_size).enumerate() {
                let mine = count % loaders == turn;
                count += 1;
                if mine {
                    send.send(self.batch(part, step, micro)).map_err(|_| ())?;
                }
            }
        }
        Ok(())
    }

    /// One micro-batch. What the task draws meanwhile follows from the seed and the step, not from
    /// the thread.
    fn batch(&self, indices: &[usize], step: usize, micro: usize) -> Made<T> {
        let examples = indices.iter().map(|index| self.train.get(*index));
        let examples = examples.collect::<Result<Vec<_>, _>>()?;
        let seed = mix(self.settings.seed, &[AUGMENT, step as u64, micro as u64]);
        training(seed, || self.task.batch(&examples, self.device))
            .map_err(|error| error.placed(|at| indices.get(at).copied()))
    }
}
