//! How each law is tried.

use super::{
    Contract, Law,
    compare::{Form, difference, lengths},
    finite::not_finite,
    unreached::unreached,
};
use crate::{
    Fitted, GradientTrainer, ModelConfig, Network, Predictor, Solve, Trainer, TrainingConfig, init,
    trainer::{Progress, mean_loss},
    weights,
};
use burn::tensor::{Distribution, Tensor};
use serde_json::Value;
use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
};

const SEED: u64 = 7;
/// Agreement of one network with itself, and of two backends.
const SAME: f64 = 1e-5;
const ACROSS: f64 = 1e-4;

/// An error with its causes, for the report.
pub(super) fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

pub(super) fn hold<T, C>(contract: &Contract<T, C>, law: Law) -> Result<(), String>
where
    C: ModelConfig,
    T: Solve<C::Model>,
{
    if contract.examples.len() < 4 {
        return Err(format!("{} examples are too few: 4 are needed", contract.examples.len()));
    }
    match law {
        Law::ConfigRoundTrip => contract.config_round_trip(),
        Law::OutputShape => contract.output_shape(),
        Law::OneByOne => contract.one_by_one(),
        Law::Padding => contract.padding(),
        Law::Gradients => contract.gradients(),
        Law::Overfit => contract.overfit(),
        Law::Answers => contract.answers(),
        Law::WeightsRoundTrip => contract.weights_round_trip(),
        Law::SeededRuns => contract.seeded_runs(),
        Law::PredictTwice => contract.predict_twice(),
        Law::SendSync => contract.threads(),
        Law::Backends => contract.backends(),
    }
}

impl<T, C> Contract<T, C>
where
    C: ModelConfig,
    T: Solve<C::Model>,
{
    fn network(&self) -> Result<Network<C>, String> {
        Network::init(self.config.clone(), SEED, &self.device).map_err(|error| said(&error))
    }

    fn predictor(&self) -> Result<Predictor<T>, String> {
        Ok(Predictor::new(self.task.clone(), self.network()?, &self.device))
    }

    fn inputs(&self) -> Vec<T::Input> {
        self.examples.iter().map(|example| example.input.clone()).collect()
    }

    fn config_round_trip(&self) -> Result<(), String> {
        let text = serde_json::to_string(&self.config).map_err(|error| said(&error))?;
        let again: C = serde_json::from_str(&text)
            .map_err(|error| format!("{text} is not read back: {error}"))?;
        let second = serde_json::to_string(&again).map_err(|error| said(&error))?;
        if text != second {
            return Err(format!("{text} became {second}"));
        }
        let other = Network::init(again, SEED, &self.device).map_err(|error| said(&error))?;
        same_bytes(&self.network()?, &other, "the configuration read back gives other weights")?;
        // A setting without a parameter of its own shows in the answers only.
        let other = Predictor::new(self.task.clone(), other, &self.device);
        let inputs = self.inputs();
        let answers = predict(&self.predictor()?, &inputs)?;
        equal(
            &answers,
            &predict(&other, &inputs)?,
            "the configuration read back gives other answers",
        )
    }

    fn output_shape(&self) -> Result<(), String> {
        let predictor = self.predictor()?;
        let inputs = self.inputs();
        let mut form = Form::Absent;
        let mut before: Vec<Value> = Vec::new();
        for size in [1, 2, inputs.len()] {
            let answers = predict(&predictor, &inputs[..size])?;
            for (at, answer) in answers.iter().enumerate() {
                let other = Form::of(answer);
                form = form
                    .with(&other)
                    .ok_or_else(|| format!("answers differ in form: {form} and {other}"))?;
                // Lists may vary from input to input, not with the neighbours.
                if let Some(how) = before.get(at).and_then(|before| lengths(before, answer)) {
                    let smaller = before.len();
                    return Err(format!("input {at} in batches of {smaller} and {size}: {how}"));
                }
            }
            before = answers;
        }
        Ok(())
    }

    fn one_by_one(&self) -> Result<(), String> {
        let predictor = self.predictor()?;
        let inputs = self.inputs();
        let whole = predict(&predictor, &inputs)?;
        // In reverse too: a model that mixes neighbours may agree by the chance of their order.
        let backwards: Vec<T::Input> = inputs.iter().rev().cloned().collect();
        let mut reversed = predict(&predictor, &backwards)?;
        reversed.reverse();
        for (at, input) in inputs.iter().enumerate() {
            let alone = predict(&predictor, std::slice::from_ref(input))?;
            for batch in [&whole, &reversed] {
                if let Some(how) = difference(&alone[0], &batch[at], SAME) {
                    return Err(format!("input {at} alone and in the batch: {how}"));
                }
            }
        }
        Ok(())
    }

    fn padding(&self) -> Result<(), String> {
        let inputs = self.inputs();
        let sizes: Vec<usize> = inputs
            .iter()
            .map(|input| serde_json::to_vec(input).map(|text| text.len()).unwrap_or(0))
            .collect();
        let longest = (0..inputs.len()).max_by_key(|at| sizes[*at]).unwrap_or(0);
        let shorter: Vec<usize> =
            (0..inputs.len()).filter(|at| 2 * sizes[*at] <= sizes[longest]).collect();
        if shorter.is_empty() {
            return Err("no example is half as long as the longest: give one, or declare that \
                        padding has no meaning for this model"
                .to_owned());
        }
        let predictor = self.predictor()?;
        for at in shorter {
            let alone = predict(&predictor, &inputs[at..=at])?;
            let pair = [inputs[at].clone(), inputs[longest].clone()];
            let padded = predict(&predictor, &pair)?;
            if let Some(how) = difference(&alone[0], &padded[0], SAME) {
                return Err(format!("input {at} alone and padded to input {longest}: {how}"));
            }
        }
        Ok(())
    }

    fn gradients(&self) -> Result<(), String> {
        let unreached = |model| unreached(&self.task, model, &self.examples, SEED, &self.device);
        let found = unreached(self.network()?.model)?;
        if found.is_empty() {
            return Ok(());
        }
        // A factor of one that starts at zero, as LoRA's first, is reached from the second step on.
        let fitted = self.fit(self.network()?, 2, self.learning_rate)?;
        let network =
            fitted.predictor.network::<C>().ok_or("the fitted network is of another type")?;
        let later = unreached(network.model.clone())?;
        let still: Vec<String> = found.into_iter().filter(|one| later.contains(one)).collect();
        match still.is_empty() {
            true => Ok(()),
            false => Err(still.join(", ")),
        }
    }

    fn fit(
        &self,
        network: Network<C>,
        steps: usize,
        learning_rate: f64,
    ) -> Result<Fitted<T>, String> {
        let config = TrainingConfig::new(steps)
            .with_batch_size(self.examples.len())
            .with_learning_rate(learning_rate)
            .with_seed(SEED);
        GradientTrainer::new(config)
            .with_progress(Progress::Silent)
            .fit(self.task.clone(), network, self.data(), &Vec::new(), &self.device)
            .map_err(|error| said(&error))
    }

    /// The network with its examples learnt by heart: made once, for all laws that ask for it.
    fn learnt(&self) -> Result<&Fitted<T>, String> {
        let fit = || self.fit(self.network()?, self.overfit_steps, self.learning_rate);
        self.learnt.get_or_init(fit).as_ref().map_err(Clone::clone)
    }

    fn overfit(&self) -> Result<(), String> {
        let Fitted { predictor, log, .. } = self.learnt()?;
        let (steps, first, last) = (log.len(), log[0].loss, log[log.len() - 1].loss);
        if last > 0.1 * first {
            return Err(format!(
                "after {steps} steps on one batch the loss fell from {first:.4} to {last:.4} only"
            ));
        }
        // What was logged is the loss in training. What answers may be another function: one that
        // forgets a layer there, or statistics that were never gathered.
        let network = predictor.network::<C>().ok_or("the fitted network is of another type")?;
        let size = self.examples.len();
        let outside = mean_loss(&self.task, &network.model, self.data(), size, &self.device)
            .map_err(|error| said(&error))?;
        match outside <= 0.5 * first {
            true => Ok(()),
            false => Err(format!(
                "in {steps} steps on one batch the loss fell from {first:.4} to {last:.4}, but \
                 outside training it is {outside:.4}"
            )),
        }
    }

    fn answers(&self) -> Result<(), String> {
        let answers = predict(&self.learnt()?.predictor, &self.inputs())?;
        match answers.iter().all(|answer| difference(&answers[0], answer, SAME).is_none()) {
            false => Ok(()),
            true => Err(format!(
                "every example gets the answer {}, though all were to be learnt by heart: if one \
                 answer is right for all, give examples that differ, or declare that this law has \
                 no meaning",
                answers[0]
            )),
        }
    }

    fn weights_round_trip(&self) -> Result<(), String> {
        let network = self.network()?;
        let predictor = Predictor::new(self.task.clone(), network.clone(), &self.device);
        let folder = tempfile::tempdir().map_err(|error| said(&error))?;
        let dir = folder.path().join("bundle");
        predictor.save(&dir).map_err(|error| said(&error))?;
        let again =
            Predictor::<T>::load_as::<C>(&dir, &self.device).map_err(|error| said(&error))?;
        let loaded = again.network::<C>().ok_or("the loaded network is of another type")?;
        same_bytes(&network, loaded, "the weights changed on their way through the disk")?;
        let inputs = self.inputs();
        equal(&predict(&predictor, &inputs)?, &predict(&again, &inputs)?, "saved and loaded")
    }

    fn seeded_runs(&self) -> Result<(), String> {
        let run = |unrelated: u64| -> Result<Vec<u8>, String> {
            let network = self.network()?;
            // What draws from burn's generator in training, where only the seed of the run should
            // count, must not find it where the parameters left it.
            self.device.seed(unrelated);
            let fitted = self.fit(network, 6, self.learning_rate)?;
            let network =
                fitted.predictor.network::<C>().ok_or("the fitted network is of another type")?;
            Ok(weights::to_bytes(network))
        };
        let first = run(1)?;
        if first != run(2)? {
            return Err("two runs with one seed gave different weights".to_owned());
        }
        let (stop, drawn) = (AtomicBool::new(false), AtomicBool::new(false));
        let beside = std::thread::scope(|scope| {
            // Even if the run panics: the scope waits for its threads.
            let _stop = SetWhenDropped(&stop);
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = Tensor::<2>::random([3, 17], Distribution::Default, &self.device)
                        .into_data();
                    drawn.store(true, Ordering::Relaxed);
                }
            });
            scope.spawn(|| run(3));
            while !drawn.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            run(4)
        })?;
        match first == beside {
            true => Ok(()),
            false => Err("another thread that trains and draws changed the weights".to_owned()),
        }
    }

    fn predict_twice(&self) -> Result<(), String> {
        let predictor = self.predictor()?;
        let inputs = self.inputs();
        equal(
            &predict(&predictor, &inputs)?,
            &predict(&predictor, &inputs)?,
            "the first and second time",
        )
    }

    fn threads(&self) -> Result<(), String> {
        let predictor = self.predictor()?;
        let inputs = self.inputs();
        let alone = predict(&predictor, &inputs)?;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let (predictor, inputs) = (predictor.clone(), &inputs);
                    scope.spawn(move || predict(&predictor, inputs))
                })
                .collect();
            threads.into_iter().try_for_each(|thread| {
                let answers = thread.join().map_err(|_| "a thread panicked".to_owned())??;
                equal(&alone, &answers, "on one thread and on several")
            })
        })
    }

    #[cfg(feature = "ndarray")]
    fn backends(&self) -> Result<(), String> {
        let other = crate::device("ndarray").map_err(|error| said(&error))?;
        let network = self.network()?;
        let bytes = weights::to_bytes(&network);
        let inputs = self.inputs();
        let flex = predict(&Predictor::new(self.task.clone(), network, &self.device), &inputs)?;
        let blank = Network::blank(self.config.clone(), &other).map_err(|error| said(&error))?;
        let moved = weights::from_bytes(blank, &bytes, std::path::Path::new("memory"))
            .map_err(|error| said(&error))?;
        let ndarray = predict(&Predictor::new(self.task.clone(), moved, &other), &inputs)?;
        for (at, (a, b)) in flex.iter().zip(&ndarray).enumerate() {
            if let Some(how) = difference(a, b, ACROSS) {
                return Err(format!("input {at} on flex and on ndarray: {how}"));
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "ndarray"))]
    fn backends(&self) -> Result<(), String> {
        Err("the feature `ndarray` is off: turn it on for tests, or declare this law".to_owned())
    }
}

/// Sets a flag, whatever ends the scope that it is in.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn predict<T: crate::Task>(
    predictor: &Predictor<T>,
    inputs: &[T::Input],
) -> Result<Vec<Value>, String> {
    let answers = predictor.predict(inputs).map_err(|error| said(&error))?;
    if answers.len() != inputs.len() {
        return Err(format!("{} inputs got {} answers", inputs.len(), answers.len()));
    }
    answers
        .iter()
        .enumerate()
        .map(|(at, answer)| match not_finite(answer) {
            Some(found) => Err(format!("input {at} got an answer in which {found}")),
            None => serde_json::to_value(answer).map_err(|error| said(&error)),
        })
        .collect()
}

fn equal(a: &[Value], b: &[Value], when: &str) -> Result<(), String> {
    match a.iter().zip(b).find_map(|(a, b)| difference(a, b, 0.0)) {
        Some(how) => Err(format!("{when}: {how}")),
        None => Ok(()),
    }
}

fn same_bytes<C: ModelConfig>(
    a: &Network<C>,
    b: &Network<C>,
    otherwise: &str,
) -> Result<(), String> {
    match weights::to_bytes(a) == weights::to_bytes(b) {
        true => Ok(()),
        false => {
            let names: Vec<String> =
                init::parameters(&a.model).into_iter().map(|p| p.path).take(3).collect();
            Err(format!("{otherwise} (parameters {names:?} …)"))
        }
    }
}
