//! The program as a user meets it: started as a process, given files, judged by what it prints.
#![allow(clippy::unwrap_used, reason = "tests")]

// The hub's server is that of the crate whose client it tests, and names core so.
extern crate andiron as andiron_core;

mod assets;
mod bases;
mod bundles;
mod cells;
mod convert;
mod entities;
mod fill_mask;
mod hostile_lines;
mod hub;
mod image_networks;
mod images;
mod limits;
mod listening;
mod made;
mod objects;
mod predict;
mod published;
mod reranking;
mod serve;
#[allow(dead_code, reason = "the client's own tests need more faults")]
#[path = "../../../andiron-weights/tests/hub/server.rs"]
mod server;
mod several_labels;
mod shipped;
mod signals;
mod speech;
mod support;
mod train;
