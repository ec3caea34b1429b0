//! Numbers about a predictor, each with its interval, and whether two predictors differ.
//!
//! - [`Evaluator`] measures; [`ClassifierEvaluator`] is the one for tasks that choose one label.
//! - [`Report`] is what comes out: scores, tables, and per example what the paired tests need.
//! - [`Report::compare`] tests two reports on the same examples against each other.
//! - [`metrics`] and [`bootstrap`] are the formulas, for an evaluator of another kind of task;
//!   [`multilabel`], [`ranking`], [`correlation`], [`perplexity`] and [`roc`] those of other
//!   answers.

pub mod bootstrap;
mod class_retrieval;
mod classifier;
pub mod correlation;
pub mod metrics;
pub mod multilabel;
pub mod paired;
pub mod perplexity;
pub mod ranking;
mod report;
pub mod roc;
mod table;

pub use bootstrap::Bootstrap;
pub use class_retrieval::ClassRetrieval;
pub use classifier::{ClassifierEvaluator, classification_scores, predict};
pub use paired::{Comparison, McNemar};
pub use report::{ClassScores, Fingerprint, Found, Outcome, Report, Score};

use crate::{Dataset, EvalError, Predictor, Task, data::ExampleOf};

/// Measures a predictor without changing it.
pub trait Evaluator<T: Task> {
    /// Measures `predictor` on `data`.
    ///
    /// # Errors
    /// [`EvalError`] names the example or the setting that cannot be used.
    fn evaluate(
        &self,
        predictor: &Predictor<T>,
        data: &dyn Dataset<ExampleOf<T>>,
    ) -> Result<Report, EvalError>;
}
