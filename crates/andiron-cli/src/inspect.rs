//! `andiron inspect` and `andiron models`: what a model holds. A bundle is not loaded for it; what
//! others publish is, for only then is it known what is made of it.

use crate::{
    args::{Inspect, Models},
    builtin::{BUILTINS, Builtin, registry},
    error::{CliError, DONE},
    model::Model,
};
use andiron::{
    BundleError, Registry, TaskEntry, WeightsError,
    bundle::{Card, Description, Metric, WEIGHTS},
    burn::tensor::Device,
    data::shortened,
};
use safetensors::SafeTensors;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    path::Path,
};

/// The scores that a list has room for, where a model has them.
const SHOWN: [&str; 2] = ["accuracy", "f1_macro"];

/// A tensor of the weights file.
#[derive(Debug, Serialize)]
struct TensorInfo {
    name: String,
    dtype: String,
    shape: Vec<usize>,
}

/// Prints what is in a model; every file's hash of a bundle is checked on the way.
pub(crate) fn inspect(args: &Inspect, device: &Device) -> Result<u8, CliError> {
    let model = Model::of(&args.model)?;
    let saved = model.verify(|folder, description| {
        // Only a network has its tensors in a file of their own.
        let has_tensors = description.files.contains_key(WEIGHTS);
        let tensors = if has_tensors { Some(tensors(folder)?) } else { None };
        Ok((description, tensors))
    })?;
    let loaded = || loaded(&model, args.task.as_deref(), device);
    let (description, tensors) = match saved {
        Some((description, Some(tensors))) => (description, tensors),
        Some((description, None)) => (description, loaded()?.1),
        None => loaded()?,
    };
    let text = if args.json {
        format!("{}\n", as_json(&description, &tensors))
    } else {
        for_people(&args.model, &description, &tensors)
    };
    print(&text)
}

/// What is in a model that has to be loaded to know it.
fn loaded(
    model: &Model,
    task: Option<&str>,
    device: &Device,
) -> Result<(Description, Vec<TensorInfo>), CliError> {
    let contents = model.load(&registry(), task, device)?.contents()?;
    let mut tensors: Vec<TensorInfo> = contents
        .tensors
        .into_iter()
        .map(|(name, shape)| TensorInfo { name, dtype: "F32".to_owned(), shape })
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((contents.description, tensors))
}

fn print(text: &str) -> Result<u8, CliError> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(CliError::output)?;
    Ok(DONE)
}

/// Names and shapes, from the head of the weights file.
fn tensors(folder: &Path) -> Result<Vec<TensorInfo>, CliError> {
    let path = folder.join(WEIGHTS);
    let bytes =
        std::fs::read(&path).map_err(|source| BundleError::Io { path: path.clone(), source })?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|source| BundleError::from(WeightsError::Format { path, source }))?;
    let mut tensors: Vec<TensorInfo> = file
        .iter()
        .map(|(name, view)| TensorInfo {
            name: name.to_owned(),
            dtype: format!("{:?}", view.dtype()),
            shape: view.shape().to_vec(),
        })
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

/// How many numbers a weights file holds.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// All, as a card and the examples count them.
    parameters: usize,
    /// Those of them that no gradient trained: means and variances of batch normalisations, and how
    /// many batches they have seen.
    statistics: usize,
}

impl Counts {
    /// The names of a weights file are PyTorch's, and so tell the statistics from the rest.
    fn of(tensors: &[TensorInfo]) -> Self {
        const STATISTICS: [&str; 3] = ["running_mean", "running_var", "num_batches_tracked"];
        let numbers = |tensor: &TensorInfo| tensor.shape.iter().product::<usize>();
        let is_statistic = |tensor: &&TensorInfo| {
            let name = tensor.name.rsplit('.').next();
            name.is_some_and(|name| STATISTICS.contains(&name))
        };
        Self {
            parameters: tensors.iter().map(numbers).sum(),
            statistics: tensors.iter().filter(is_statistic).map(numbers).sum(),
        }
    }

    fn trained(self) -> usize {
        self.parameters - self.statistics
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.parameters)?;
        match self.statistics {
            0 => Ok(()),
            n => write!(f, ": {} trained, {n} running statistics", self.trained()),
        }
    }
}

fn as_json(description: &Description, tensors: &[TensorInfo]) -> Value {
    let mut all = json!(description);
    let counts = Counts::of(tensors);
    all["parameters"] = counts.parameters.into();
    all["trained_parameters"] = counts.trained().into();
    all["running_statistics"] = counts.statistics.into();
    all["tensors"] = json!(tensors);
    all
}

fn for_people(model: &str, description: &Description, tensors: &[TensorInfo]) -> String {
    let Description { task, architecture, config, preprocessing, card, versions, .. } = description;
    let counts = Counts::of(tensors);
    let mut text = format!(
        "{}\ntask          {}\narchitecture  {}\nparameters    {}\n",
        printable(model),
        printable(task),
        printable(architecture),
        counts
    );
    // Writing to a String cannot fail.
    for (name, version) in versions {
        let _ = writeln!(text, "{:<13} {}", printable(name), printable(version));
    }
    for (title, value) in [("configuration", config), ("preprocessing", preprocessing)] {
        let _ = writeln!(text, "\n{title}");
        match value.as_object() {
            Some(fields) => fields.iter().for_each(|(name, value)| {
                let _ = writeln!(text, "  {}: {}", printable(name), brief(value));
            }),
            None => {
                let _ = writeln!(text, "  {}", brief(value));
            }
        }
    }
    let _ = writeln!(text, "\ntensors");
    let width = tensors.iter().map(|tensor| tensor.name.chars().count()).max().unwrap_or(0);
    for tensor in tensors {
        let name = printable(&tensor.name);
        let _ = writeln!(text, "  {name:<width$}  {} {:?}", tensor.dtype, tensor.shape);
    }
    text.push_str("\ncard\n");
    for line in card.to_markdown(task, architecture, counts.parameters).lines() {
        let _ = writeln!(text, "  {}", printable(line));
    }
    text
}

/// A value in a line: long lists and tables by their size.
fn brief(value: &Value) -> String {
    match value {
        Value::Array(items) if items.len() > 12 => format!("{} entries", items.len()),
        Value::Object(fields) if value.to_string().len() > 200 => {
            format!("{} fields", fields.len())
        }
        Value::Array(_) | Value::Object(_) => printable(&value.to_string()),
        other => printable(&shortened(other)),
    }
}

/// Text from a bundle of anyone's must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Lists the built-in models.
pub(crate) fn models(args: &Models) -> Result<u8, CliError> {
    let registry = registry();
    let mut text = String::new();
    for builtin in BUILTINS {
        let description = builtin.describe()?;
        let input = input(&registry, &description.task)?;
        if args.json {
            let _ = writeln!(text, "{}", line(builtin, &description, &input));
            continue;
        }
        let Card { description: about, licence, metrics, limits, .. } = &description.card;
        let scores: Vec<String> = SHOWN
            .iter()
            .filter_map(|name| metrics.get(*name).map(|metric| score(name, metric)))
            .collect();
        let _ = writeln!(
            text,
            "{}  {}, {}, {} kB\n    {about}\n    needs    {input}\n    scored   {}\n    licence  {licence}\n    limits   {limits}",
            builtin.name,
            description.task,
            description.architecture,
            builtin.bytes().div_ceil(1000),
            scores.join(", "),
        );
    }
    readable(&registry, args.json, &mut text);
    print(&text)
}

/// Adds what others publish and can be loaded, by task.
fn readable(registry: &Registry, as_json: bool, text: &mut String) {
    let reads = |task: &TaskEntry| -> Vec<&'static str> {
        task.published().iter().flat_map(|entry| entry.reads).copied().collect()
    };
    let tasks = registry.tasks().map(|task| (task.name, reads(task)));
    let tasks: Vec<_> = tasks.filter(|(_, reads)| !reads.is_empty()).collect();
    if !as_json && !tasks.is_empty() {
        text.push_str(
            "\npublished by others, as a folder or file, or as hf:owner/name[@revision]\n",
        );
    }
    for (task, reads) in tasks {
        let _ = match as_json {
            true => writeln!(text, "{}", json!({ "task": task, "reads": reads })),
            false => writeln!(text, "  {task}: {}", reads.join(", ")),
        };
    }
}

/// A line of input for the task.
fn input(registry: &Registry, task: &str) -> Result<String, CliError> {
    Ok(match registry.task(task)?.media {
        Some(field) => json!({ field: "PATH" }).to_string(),
        None => json!({ "text": "TEXT" }).to_string(),
    })
}

fn score(name: &str, Metric { value, low, high }: &Metric) -> String {
    format!("{name} {value:.3} [{low:.3}, {high:.3}]")
}

fn line(builtin: &Builtin, description: &Description, input: &str) -> Value {
    json!({
        "name": builtin.name,
        "task": description.task,
        "architecture": description.architecture,
        "bytes": builtin.bytes(),
        "input": serde_json::from_str::<Value>(input).unwrap_or_default(),
        "card": description.card,
    })
}
