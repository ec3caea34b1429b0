//! Batches are made while others are learnt.

use crate::toy::{self, Fault, PooledConfig, Tokens};
use andiron_core::{
    DataError, Dataset, GradientTrainer, Network, Trainer, TrainingConfig, data::ExampleOf,
    trainer::Progress,
};
use burn::tensor::Device;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

const BATCH: usize = 3;
const STEPS: usize = 5;

/// Counts what is asked of it.
struct Counted {
    examples: Vec<ExampleOf<Tokens>>,
    asked: AtomicUsize,
}

impl Dataset<ExampleOf<Tokens>> for Counted {
    fn len(&self) -> usize {
        self.examples.len()
    }
    fn get(&self, index: usize) -> Result<ExampleOf<Tokens>, DataError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.examples[index].clone())
    }
}

/// One example for the validation behind each step. It holds the thread that learns until the examples
/// of the next step have been asked for, which that thread cannot do meanwhile.
struct Holding<'a> {
    train: &'a Counted,
    example: ExampleOf<Tokens>,
    steps: AtomicUsize,
}

impl Dataset<ExampleOf<Tokens>> for Holding<'_> {
    fn len(&self) -> usize {
        1
    }
    fn get(&self, _: usize) -> Result<ExampleOf<Tokens>, DataError> {
        let done = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        let wanted = BATCH * (done + 1).min(STEPS);
        let begun = Instant::now();
        while self.train.asked.load(Ordering::SeqCst) < wanted {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err(DataError::Empty { what: format!("the queue behind step {done}") });
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(self.example.clone())
    }
}

#[test]
fn the_next_batch_is_made_while_the_last_is_learnt() {
    for loaders in [1, 2, 3] {
        let examples: Vec<_> = toy::examples().into_iter().cycle().take(BATCH * STEPS).collect();
        let example = examples[0].clone();
        let train = Counted { examples, asked: AtomicUsize::new(0) };
        let valid = Holding { train: &train, example, steps: AtomicUsize::new(0) };
        let device = Device::flex();
        let network = Network::init(PooledConfig::new(Fault::None), 1, &device).unwrap();
        let config = TrainingConfig::new(STEPS).with_batch_size(BATCH).with_eval_every(1);
        GradientTrainer::new(config)
            .with_progress(Progress::Silent)
            .with_loaders(loaders)
            .fit(toy::tokens(Fault::None), network, &train, &valid, &device)
            .unwrap();
        assert_eq!(train.asked.load(Ordering::SeqCst), BATCH * STEPS);
        assert_eq!(valid.steps.load(Ordering::SeqCst), STEPS);
    }
}
