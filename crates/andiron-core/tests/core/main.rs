//! Core from outside: training against PyTorch's numbers, exact resume, the contract suite and
//! its planted faults, bundles, and the two traits that other kinds of task need.
#![allow(clippy::unwrap_used, reason = "tests")]

mod contract;
mod generation;
mod golden_losses;
mod golden_optimizer;
mod streaming;
mod toy;
