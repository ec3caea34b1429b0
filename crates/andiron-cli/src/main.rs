//! The program `andiron`: predict, train, evaluate, inspect, convert, models.
//!
//! Use it to answer, train or measure from a shell or another language; from Rust, use the crate
//! `andiron`, which it is a thin layer over. It names no task: what it can do is what the facade's
//! `TASKS` hold.

mod args;
mod builtin;
mod config;
mod convert;
mod data;
mod error;
mod evaluate;
mod file;
mod inspect;
mod model;
mod parts;
mod predict;
mod rows;
mod train;

use args::{Args, Command};
use clap::Parser as _;
use error::{CliError, PIPE, USAGE, chain};
use std::{
    io::{self, Write as _},
    process::ExitCode,
};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        // Help and version come this way too; a reader that went away is no reason to fail.
        Err(refusal) => {
            let _ = refusal.print();
            return if refusal.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    match run(args) {
        Ok(status) => status.into(),
        Err(error) => {
            if error.status() != PIPE {
                // A closed standard error is no reason to fail in another way.
                let _ = writeln!(io::stderr(), "andiron: {}", chain(&error));
            }
            error.status().into()
        }
    }
}

fn run(args: Args) -> Result<u8, CliError> {
    let device = andiron::device(&args.device)?;
    match args.command {
        Command::Predict(args) => predict::run(&args, &device),
        Command::Train(args) => train::run(&args, &device),
        Command::Evaluate(args) => evaluate::run(&args, &device),
        Command::Inspect(args) => inspect::inspect(&args, &device),
        Command::Convert(args) => convert::run(&args, &device),
        Command::Models(args) => inspect::models(&args),
    }
}
