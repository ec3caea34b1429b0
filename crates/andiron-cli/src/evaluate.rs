//! `andiron evaluate`: numbers with intervals, and whether two models differ.

use crate::{
    args::Evaluate,
    builtin::registry,
    config::RunConfig,
    data::{IdxPair, Records, Source},
    error::{CliError, DONE},
    model::Model,
    parts::{CUTS, Parts},
};
use andiron::{AnyPredictor, Report, TaskEntry, burn::tensor::Device};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::Path,
};

/// Measures and prints.
pub(crate) fn run(args: &Evaluate, device: &Device) -> Result<u8, CliError> {
    let registry = registry();
    let load = |name: &str| Model::of(name)?.load(&registry, args.task.as_deref(), device);
    let predictor = load(&args.model)?;
    let other = match &args.compare {
        Some(name) => Some(load(name)?),
        None => None,
    };
    let task = registry.task(predictor.task())?;
    let records = records(args, task)?.attaching(task.attached);
    if task.cuts && args.config.is_some() {
        // A closed standard error is no reason to stop.
        let _ = writeln!(io::stderr(), "{CUTS}");
    }
    let measure = |predictor: &dyn AnyPredictor| -> Result<Report, CliError> {
        let explained = |error| records.explain(records.located(error).into());
        predictor.evaluate(&records).map_err(explained)
    };
    let first = measure(predictor.as_ref())?;
    let mut out = io::stdout().lock();
    let written = match other {
        None if args.table => write!(out, "{first}"),
        None => writeln!(out, "{}", shown(&first, args.outcomes)),
        Some(other) => {
            let second = measure(other.as_ref())?;
            let comparison = first.compare(&second)?;
            if args.table {
                let name = args.compare.as_deref().unwrap_or_default();
                write!(out, "{}: {first}\n{name}: {second}\n{comparison}", args.model)
            } else {
                let all = json!({
                    "first": shown(&first, args.outcomes),
                    "second": shown(&second, args.outcomes),
                    "comparison": comparison,
                });
                writeln!(out, "{all}")
            }
        }
    };
    written.map_err(CliError::output)?;
    Ok(DONE)
}

/// A report as JSON; its outcomes, a line an example, only if asked for.
fn shown(report: &Report, outcomes: bool) -> Value {
    if outcomes { json!(report) } else { json!(report.summary()) }
}

fn records(args: &Evaluate, task: &TaskEntry) -> Result<Records, CliError> {
    if let Some(config) = &args.config {
        let config = RunConfig::read(config, &[])?;
        return Parts::test_of(&config.data, config.base(), task);
    }
    let mut columns = BTreeMap::new();
    for pair in &args.columns {
        let (field, column) = pair.split_once('=').ok_or_else(|| CliError::Argument {
            argument: format!("--columns {pair}"),
            reason: "FIELD=COLUMN was wanted",
        })?;
        columns.insert(field.to_owned(), column.to_owned());
    }
    let data = args.data.clone().unwrap_or_default();
    let source = match args.labels.clone() {
        Some(labels) => Source::Idx(IdxPair { images: data, labels, names: Vec::new() }),
        None => Source::Path(data),
    };
    Records::read(&source, Path::new(""), &columns, task)
}
