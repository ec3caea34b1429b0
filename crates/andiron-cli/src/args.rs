//! The command line.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Language, vision and speech models: train, evaluate, predict. One line in, one line out, as
/// JSON Lines. Exit status: 0 done, 1 a line or the work failed, 2 called wrongly.
#[derive(Debug, Parser)]
#[command(name = "andiron", version)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Where to compute.
    #[arg(long, global = true, default_value = "flex", value_name = "NAME")]
    pub(crate) device: String,
}

/// What to do. MODEL is a folder that holds a bundle (which wins over a built-in name), a folder or
/// file that others published (see `andiron models`), the name of a built-in model, or
/// hf:owner/name[/file][@revision], which is fetched from the Hugging Face hub.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer lines or files, in order; a bad one gives {"error": …} in its place
    Predict(Predict),
    /// Train by a configuration; write a bundle and the run's log folder; print the report
    Train(Train),
    /// Measure a model on labelled data and print the report
    Evaluate(Evaluate),
    /// Say what is in a model: task, tensors, preprocessing, card
    Inspect(Inspect),
    /// Write any model that can be read as a bundle
    Convert(Convert),
    /// List the built-in models (what they need, what they scored), and what others publish and
    /// can be loaded
    Models(Models),
}

/// Arguments of `andiron predict`.
#[derive(Debug, clap::Args)]
pub(crate) struct Predict {
    /// Folder, file, built-in name, or hf:owner/name[@revision]
    pub(crate) model: String,
    /// `-` is JSON Lines on standard input; for tasks on images or sound, the image or sound
    /// itself; for tasks on text .txt (a text a line), .csv or .tsv (a text a row, column `text`).
    /// Everything else is JSON Lines, as .jsonl and .ndjson are for every task
    #[arg(default_value = "-")]
    pub(crate) files: Vec<PathBuf>,
    /// The task, where a published model can be used for several
    #[arg(long, value_name = "NAME")]
    pub(crate) task: Option<String>,
    /// Draw each answer over its image, for tasks whose answers can be seen, as a PNG file in this
    /// folder; the answer's line then names it as `picture`
    #[arg(long, value_name = "DIR")]
    pub(crate) pictures: Option<PathBuf>,
    /// Where files go that are part of an answer, as masks are: a folder; the answer has their paths
    #[arg(long, value_name = "DIR")]
    pub(crate) write: Option<PathBuf>,
}

/// Arguments of `andiron train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Train {
    /// The configuration, in TOML
    pub(crate) config: PathBuf,
    /// Replace a setting, as `training.epochs=5`; the value is TOML, or else taken as text
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Throw an earlier run's checkpoint and log away and begin again
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// Arguments of `andiron evaluate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Evaluate {
    /// Folder, file, built-in name, or hf:owner/name[@revision]
    pub(crate) model: String,
    /// Labelled data: .csv, .tsv, .jsonl, a folder with a folder per class, or idx images
    #[arg(required_unless_present = "config", conflicts_with = "config")]
    pub(crate) data: Option<PathBuf>,
    /// The test part of a training configuration, in place of DATA
    #[arg(long, value_name = "TOML")]
    pub(crate) config: Option<PathBuf>,
    /// The idx file with the labels, where DATA is idx images
    #[arg(long, value_name = "FILE", requires = "data")]
    pub(crate) labels: Option<PathBuf>,
    /// What the columns of a table are called, as `text=review,label=stars`
    #[arg(long, value_name = "FIELD=COLUMN", value_delimiter = ',', requires = "data")]
    pub(crate) columns: Vec<String>,
    /// Measure another model on the same examples and test whether the two differ
    #[arg(long, value_name = "MODEL")]
    pub(crate) compare: Option<String>,
    /// The task, where a published model can be used for several
    #[arg(long, value_name = "NAME")]
    pub(crate) task: Option<String>,
    /// Print tables for people
    #[arg(long)]
    pub(crate) table: bool,
    /// Print how each example went, too
    #[arg(long, conflicts_with = "table")]
    pub(crate) outcomes: bool,
}

/// Arguments of `andiron inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Folder, file, built-in name, or hf:owner/name[@revision]
    pub(crate) model: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The task, where a published model can be used for several
    #[arg(long, value_name = "NAME")]
    pub(crate) task: Option<String>,
}

/// Arguments of `andiron convert`.
#[derive(Debug, clap::Args)]
pub(crate) struct Convert {
    /// Folder, file, built-in name, or hf:owner/name[@revision]
    pub(crate) model: String,
    /// Where the bundle goes: a new folder, or one with a bundle, which is replaced
    pub(crate) folder: PathBuf,
    /// The task, where a published model can be used for several
    #[arg(long, value_name = "NAME")]
    pub(crate) task: Option<String>,
    /// What MODEL is, where it does not say so itself, as bare weights do not: one of the names
    /// that `andiron models` lists
    #[arg(long, value_name = "NAME")]
    pub(crate) architecture: Option<String>,
}

/// Arguments of `andiron models`.
#[derive(Debug, clap::Args)]
pub(crate) struct Models {
    /// Print JSON Lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }
}
