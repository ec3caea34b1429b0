//! The contract suite: the laws that every model keeps, for models of this workspace and of
//! others alike.
//!
//! A test gives a task, a tiny configuration and a few examples of different sizes:
//!
//! ```ignore
//! testing::Contract::new(task, TinyConfig::new(3), examples)
//!     .without(testing::Law::Padding, "images are resized to one size")
//!     .overfits_in(150, 1e-2)
//!     .check();
//! ```
//!
//! A law that has no meaning for a model is declared so, by name and with a reason, and is counted
//! in the report; there is no other way to leave one out. A number that is not finite in an answer
//! breaks every law that asks for answers.

mod capability;
mod compare;
mod finite;
pub mod fuzz;
mod laws;
mod unreached;

pub use capability::{Capability, record, to_markdown};

use crate::{Dataset, Fitted, ModelConfig, Solve, data::ExampleOf};
use burn::tensor::Device;
use std::{fmt, sync::OnceLock};

/// What every model keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    /// The configuration survives JSON, and gives the same weights from the same seed.
    ConfigRoundTrip,
    /// One prediction an input, of one form, for batches of one, two and all; and the lists of an
    /// input's prediction are as long in each.
    OutputShape,
    /// An input alone and in a batch gets the same answer within 1e-5.
    OneByOne,
    /// What a longer neighbour pads it with changes no answer by more than 1e-5.
    Padding,
    /// Every trainable parameter gets a gradient that is not all zero.
    Gradients,
    /// One batch is learnt by heart: the loss falls to a tenth, and outside training to half.
    Overfit,
    /// Learnt by heart, the examples do not all get the same answer.
    Answers,
    /// Saved and loaded, weights are equal bit for bit and so are the answers.
    WeightsRoundTrip,
    /// Two runs with one seed are equal bit for bit, also while another thread trains and draws.
    SeededRuns,
    /// Predicting twice gives the same.
    PredictTwice,
    /// Several threads share one predictor and agree.
    SendSync,
    /// The answers on `flex` and on `ndarray` agree within 1e-4.
    Backends,
}

impl Law {
    /// All laws, in the order they are tried.
    pub const ALL: [Self; 12] = [
        Self::ConfigRoundTrip,
        Self::OutputShape,
        Self::OneByOne,
        Self::Padding,
        Self::Gradients,
        Self::Overfit,
        Self::Answers,
        Self::WeightsRoundTrip,
        Self::SeededRuns,
        Self::PredictTwice,
        Self::SendSync,
        Self::Backends,
    ];
}

/// What became of a law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Held,
    /// It has no meaning for this model, for the reason given.
    Declared(String),
    /// It does not hold, and this is how it shows.
    Broken(String),
}

/// What became of every law.
#[derive(Debug, Clone)]
pub struct ContractReport {
    /// The task's name.
    pub task: &'static str,
    /// The architecture's name.
    pub architecture: &'static str,
    /// One outcome a law.
    pub laws: Vec<(Law, Outcome)>,
}

impl ContractReport {
    /// What became of one law.
    pub fn outcome(&self, law: Law) -> &Outcome {
        static BROKEN: Outcome = Outcome::Broken(String::new());
        self.laws.iter().find(|(tried, _)| *tried == law).map_or(&BROKEN, |(_, outcome)| outcome)
    }

    /// The laws that are broken, with how it shows.
    pub fn broken(&self) -> Vec<(Law, &str)> {
        self.laws
            .iter()
            .filter_map(|(law, outcome)| match outcome {
                Outcome::Broken(how) => Some((*law, how.as_str())),
                _ => None,
            })
            .collect()
    }

    /// How many laws hold, are declared meaningless, and are broken.
    pub fn counts(&self) -> (usize, usize, usize) {
        let declared =
            self.laws.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Declared(_))).count();
        let broken = self.broken().len();
        (self.laws.len() - declared - broken, declared, broken)
    }
}

impl fmt::Display for ContractReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (held, declared, broken) = self.counts();
        writeln!(
            f,
            "{} / {}: {held} laws hold, {declared} have no meaning here, {broken} are broken",
            self.task, self.architecture
        )?;
        for (law, outcome) in &self.laws {
            match outcome {
                Outcome::Held => writeln!(f, "  holds    {law:?}")?,
                Outcome::Declared(why) => writeln!(f, "  no sense {law:?}: {why}")?,
                Outcome::Broken(how) => writeln!(f, "  BROKEN   {law:?}: {how}")?,
            }
        }
        Ok(())
    }
}

/// A model's trial: its task, a tiny configuration and a few examples.
pub struct Contract<T: Solve<C::Model>, C: ModelConfig> {
    pub(crate) task: T,
    pub(crate) config: C,
    pub(crate) examples: Vec<ExampleOf<T>>,
    declared: Vec<(Law, String)>,
    pub(crate) overfit_steps: usize,
    pub(crate) learning_rate: f64,
    pub(crate) device: Device,
    /// The network that has learnt the examples by heart, once a law asked for it.
    pub(crate) learnt: OnceLock<Result<Fitted<T>, String>>,
}

impl<T: Solve<C::Model>, C: ModelConfig> Contract<T, C> {
    /// A trial of the model that `config` describes on `task`. `examples` are four or more, of
    /// different sizes where sizes vary, not all with one right answer, and few enough to be learnt
    /// by heart as one batch.
    pub fn new(task: T, config: C, examples: Vec<ExampleOf<T>>) -> Self {
        Self {
            task,
            config,
            examples,
            declared: Vec::new(),
            overfit_steps: 150,
            learning_rate: 1e-2,
            device: Device::flex(),
            learnt: OnceLock::new(),
        }
    }

    /// Declares that a law has no meaning for this model, and why.
    #[must_use]
    pub fn without(mut self, law: Law, reason: impl Into<String>) -> Self {
        self.declared.push((law, reason.into()));
        self
    }

    /// How many steps at which learning rate [`Law::Overfit`] and [`Law::Answers`] get; 150 at 0.01
    /// if not said.
    #[must_use]
    pub fn overfits_in(mut self, steps: usize, learning_rate: f64) -> Self {
        (self.overfit_steps, self.learning_rate) = (steps, learning_rate);
        self
    }

    /// Tries every law.
    pub fn report(&self) -> ContractReport {
        let laws = Law::ALL
            .into_iter()
            .map(|law| {
                let declared = self.declared.iter().find(|(left_out, _)| *left_out == law);
                let outcome = match declared {
                    Some((_, reason)) => Outcome::Declared(reason.clone()),
                    None => match laws::hold(self, law) {
                        Ok(()) => Outcome::Held,
                        Err(how) => Outcome::Broken(how),
                    },
                };
                (law, outcome)
            })
            .collect();
        ContractReport { task: T::NAME, architecture: C::ARCHITECTURE, laws }
    }

    /// Tries every law, prints the report, and registers the model as one that keeps the
    /// contract.
    ///
    /// # Panics
    /// If a law is broken; the message is the report. That is what a test wants.
    pub fn check(&self) -> ContractReport {
        let report = self.report();
        println!("{report}");
        let (held, declared, broken) = report.counts();
        assert!(broken == 0, "\n{report}");
        let name = format!("{}: {}", T::NAME, C::ARCHITECTURE);
        record(
            "contract",
            &name,
            &format!("{held} laws hold, {declared} declared without meaning"),
        );
        report
    }

    pub(crate) fn data(&self) -> &dyn Dataset<ExampleOf<T>> {
        &self.examples
    }
}
