//! The evaluator and its measurements against scikit-learn, statsmodels and simulation, and through a
//! predictor.
#![allow(clippy::unwrap_used, reason = "tests")]

mod compared;
mod coverage;
mod measured;
mod reference;
mod text_metrics;
