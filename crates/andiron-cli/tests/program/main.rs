//! The program as a user meets it: started as a process, given files, judged by what it prints.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bundles;
mod fill_mask;
mod predict;
mod reranking;
mod serve;
mod shipped;
mod signals;
mod support;
mod train;
