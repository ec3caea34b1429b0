//! The model card: what a user should know before trusting a model.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write as _};

/// What is known about a model; saved in its bundle and written out as `README.md`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Card {
    /// What the model is for, in a sentence or two.
    pub description: String,
    /// The licence of the weights.
    pub licence: String,
    /// The command that made the model.
    pub command: String,
    /// The seed of its training.
    pub seed: Option<u64>,
    /// The data it was made from.
    pub data: Vec<DataSource>,
    /// What it scored on examples that it never saw.
    pub metrics: BTreeMap<String, Metric>,
    /// What it should not be used for, and where it errs.
    pub limits: String,
}

/// Data that a model was made from or measured on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataSource {
    /// Its name.
    pub name: String,
    /// Its licence.
    pub licence: String,
    /// Who made it.
    pub authors: String,
    /// How many examples were used for training, validation and the test.
    pub examples: BTreeMap<String, usize>,
    /// SHA-256 over the examples' lines and files, in order.
    pub sha256: String,
}

/// A number with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The number.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

impl Card {
    /// The card as Markdown.
    pub fn to_markdown(&self, task: &str, architecture: &str, parameters: usize) -> String {
        let mut text = format!(
            "# {task}: {architecture}\n\n{}\n\n- task: `{task}`\n- architecture: `{architecture}`\n- parameters: {parameters}\n",
            if self.description.is_empty() {
                "A model trained with Andiron."
            } else {
                &self.description
            }
        );
        // Writing to a String cannot fail.
        if !self.licence.is_empty() {
            let _ = writeln!(text, "- licence of the weights: {}", self.licence);
        }
        if let Some(seed) = self.seed {
            let _ = writeln!(text, "- seed: {seed}");
        }
        if !self.command.is_empty() {
            let _ = writeln!(text, "\nMade by:\n\n```\n{}\n```", self.command);
        }
        if !self.metrics.is_empty() {
            let _ = writeln!(
                text,
                "\n## Measured on held-out examples\n\n| metric | value | 95 % interval |\n|---|---|---|"
            );
            for (name, m) in &self.metrics {
                let _ =
                    writeln!(text, "| {name} | {:.4} | {:.4} to {:.4} |", m.value, m.low, m.high);
            }
        }
        if !self.data.is_empty() {
            let _ = writeln!(
                text,
                "\n## Data\n\n| data | licence | authors | examples |\n|---|---|---|---|"
            );
            for d in &self.data {
                let counts: Vec<String> =
                    d.examples.iter().map(|(part, n)| format!("{part} {n}")).collect();
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} |",
                    d.name,
                    d.licence,
                    d.authors,
                    counts.join(", ")
                );
            }
        }
        if !self.limits.is_empty() {
            let _ = writeln!(text, "\n## Limits\n\n{}", self.limits);
        }
        text
    }
}
