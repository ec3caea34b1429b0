//! The program as a user meets it: started as a process, given files, judged by what it prints.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bundles;
mod entities;
mod hostile_lines;
mod predict;
mod serve;
mod shipped;
mod signals;
mod support;
mod train;
