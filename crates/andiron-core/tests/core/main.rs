//! Core from outside: training against PyTorch's numbers, exact resume, the contract suite and
//! its planted faults, bundles, and the two traits that other kinds of task need.
#![allow(clippy::unwrap_used, reason = "tests")]

mod adaptation;
mod bundle;
#[cfg(unix)]
mod capabilities;
mod checkpoint;
mod contract;
mod full_disk;
mod fuzz;
mod generation;
mod golden_losses;
mod golden_optimizer;
mod hosting;
mod loading;
mod mixed;
mod published;
mod refused_runs;
mod resume;
mod runs;
mod seeds;
mod streaming;
mod toy;
