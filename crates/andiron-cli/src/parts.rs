//! Training, validation and test examples, without one leaking into another.

use crate::{
    config::{DataConfig, Held, Split},
    data::{LABEL, Records, Source},
    error::CliError,
    file::read_file,
};
use andiron::{
    Attachment, DataError, Dataset as _, TaskEntry, TrainError,
    data::{Fractions, split, split_stratified},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// What is said of a test part whose task cuts.
pub(crate) const CUTS: &str =
    "test examples over the model's length are cut to it, as in the training";

/// The examples of a run.
#[derive(Debug)]
pub(crate) struct Parts {
    /// What is learnt from.
    pub(crate) train: Records,
    /// What chooses the best step.
    pub(crate) valid: Records,
    /// What is measured on, once; cut to the model's length as in the training, where the task cuts.
    pub(crate) test: Records,
    /// Training examples left out, since their group is in a part with a source of its own.
    pub(crate) left_out: usize,
}

impl Parts {
    /// Reads and splits examples of a task, relative to `base`.
    pub(crate) fn read(
        config: &DataConfig,
        base: &Path,
        task: &TaskEntry,
    ) -> Result<Self, CliError> {
        let read = |source: &Source| Records::read(source, base, &config.columns, task);
        let own = |held: &Held| match held {
            Held::Share(share) => Ok((*share, None)),
            Held::Source(source) => read(source).map(|records| (0.0, Some(records))),
        };
        let mut train = read(&config.train)?;
        let ((test_share, test), (valid_share, valid)) = (own(&config.test)?, own(&config.valid)?);
        let fractions = Fractions { valid: valid_share, test: test_share };
        let before = train.len();
        let by = Grouping::of(config)?;
        let (mut valid, test) = (valid.unwrap_or_default(), test.unwrap_or_default());
        if let Some(by) = &by {
            let held: BTreeSet<String> = by.groups(&test)?.into_iter().collect();
            valid = without(&valid, by, &held)?;
            train = without(&train, by, &held)?;
            train = without(&train, by, &by.groups(&valid)?.into_iter().collect())?;
        }
        let left_out = before - train.len();
        let usual = if task.labelled { Split::Stratified } else { Split::Random };
        let indices = match (config.split.unwrap_or(usual), &by) {
            (_, Some(by)) => split_groups(&train, &by.groups(&train)?, fractions, config.seed)?,
            (Split::Random, None) => split(train.len(), fractions, config.seed)?,
            (_, None) => split_stratified(&train.labels()?, fractions, config.seed)?,
        };
        let shared = |own: Records, chosen: &[usize], share: f64| {
            if share == 0.0 { own } else { train.select(chosen) }
        };
        let parts = Self {
            valid: shared(valid, &indices.1, valid_share),
            test: shared(test, &indices.2, test_share).cut(),
            train: train.select(&indices.0),
            left_out,
        };
        if task.labelled {
            parts.check_labels()?;
        }
        Ok(parts)
    }

    /// The same parts, of whose lines a field stands in a file of its own.
    pub(crate) fn attaching(self, attached: Option<Attachment>) -> Self {
        let Self { train, valid, test, left_out } = self;
        let [train, valid, test] = [train, valid, test].map(|part| part.attaching(attached));
        Self { train, valid, test, left_out }
    }

    /// The test part alone; reads nothing else where it has a source of its own.
    pub(crate) fn test_of(
        config: &DataConfig,
        base: &Path,
        task: &TaskEntry,
    ) -> Result<Records, CliError> {
        match &config.test {
            Held::Source(source) => Ok(Records::read(source, base, &config.columns, task)?.cut()),
            Held::Share(_) => Ok(Self::read(config, base, task)?.test),
        }
    }

    /// Says where the example comes from that an error of the training names by its number alone.
    pub(crate) fn placed(&self, error: TrainError) -> TrainError {
        match error {
            TrainError::Data { split, source } => {
                let part = if split == "validation" { &self.valid } else { &self.train };
                TrainError::Data { split, source: part.named(source) }
            }
            error => error,
        }
    }

    /// Every label to be measured on must be one that is learnt: better to say so before the
    /// training than after it.
    fn check_labels(&self) -> Result<(), DataError> {
        let label = |line: &Value| line.get(LABEL).and_then(Value::as_str).map(str::to_owned);
        let known: BTreeSet<String> =
            self.train.entries.iter().filter_map(|entry| label(&entry.line)).collect();
        for part in [&self.valid, &self.test] {
            for (index, entry) in part.entries.iter().enumerate() {
                if let Some(label) = label(&entry.line).filter(|label| !known.contains(label)) {
                    let known = known.into_iter().collect();
                    let error = DataError::UnknownLabel { label, known };
                    return Err(error.at(index, Some(&entry.name)));
                }
            }
        }
        Ok(())
    }
}

fn without(records: &Records, by: &Grouping, held: &BTreeSet<String>) -> Result<Records, CliError> {
    let groups = by.groups(records)?;
    let kept: Vec<usize> =
        (0..records.len()).filter(|index| !held.contains(&groups[*index])).collect();
    Ok(records.select(&kept))
}

/// Indices of the training, validation and test examples.
type Indices = (Vec<usize>, Vec<usize>, Vec<usize>);

/// The examples of a group and the labels that they have.
type Group = (Vec<usize>, BTreeSet<String>);

/// Splits so that all examples of a group are in one part. Groups with the same labels are shared
/// out evenly, so that the split is stratified as far as groups allow; where no example has a label,
/// all groups count alike.
fn split_groups(
    records: &Records,
    groups: &[String],
    fractions: Fractions,
    seed: u64,
) -> Result<Indices, CliError> {
    let mut members: BTreeMap<&str, Group> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        let (indices, labels) = members.entry(group).or_default();
        indices.push(index);
        labels.extend(records.entries[index].line.get(LABEL).map(Value::to_string));
    }
    let strata: Vec<String> = members
        .values()
        .map(|(_, labels)| labels.iter().map(String::as_str).collect::<Vec<_>>().join("\n"))
        .collect();
    let members: Vec<Vec<usize>> = members.into_values().map(|(indices, _)| indices).collect();
    let (train, valid, test) = split_stratified(&strata, fractions, seed)?;
    let gather = |chosen: Vec<usize>| {
        let mut indices: Vec<usize> =
            chosen.into_iter().flat_map(|group| members[group].iter().copied()).collect();
        indices.sort_unstable();
        indices
    };
    Ok((gather(train), gather(valid), gather(test)))
}

/// What makes two examples of one group.
enum Grouping {
    /// Their text in lower case without anything but words.
    NormalisedText,
    /// A field: a column of a table, or `file-stem`.
    Field(String),
}

impl Grouping {
    fn of(config: &DataConfig) -> Result<Option<Self>, CliError> {
        let refuse = |reason| CliError::Argument { argument: "data.group".to_owned(), reason };
        match (config.split, config.group.as_deref()) {
            (Some(Split::Group), None) => {
                Err(refuse("a split by group needs a column, \"file-stem\" or \"normalised-text\""))
            }
            (Some(Split::Group), Some("normalised-text")) => Ok(Some(Self::NormalisedText)),
            (Some(Split::Group), Some(field)) => Ok(Some(Self::Field(field.to_owned()))),
            (_, Some(_)) => Err(refuse("it has a meaning only with split = \"group\"")),
            (_, None) => Ok(None),
        }
    }

    /// The group of each example.
    fn groups(&self, records: &Records) -> Result<Vec<String>, CliError> {
        let missing = |field: &str, index: usize| {
            let (field, got) = (field.to_owned(), "missing".to_owned());
            let error = DataError::Field { field, wanted: "there, since it makes the groups", got };
            error.at(index, Some(&records.entries[index].name))
        };
        let group = |index: usize| {
            let entry = &records.entries[index];
            match self {
                Self::NormalisedText => match (entry.line.get("text"), entry.file()) {
                    (Some(Value::String(text)), _) => Ok(normalised(text)),
                    (_, Some(file)) => Ok(normalised(&String::from_utf8_lossy(&read_file(file)?))),
                    _ => Err(missing("text", index)),
                },
                Self::Field(field) => match entry.line.get(field) {
                    Some(Value::String(text)) => Ok(text.clone()),
                    Some(other) => Ok(other.to_string()),
                    None => Err(missing(field, index)),
                },
            }
        };
        let groups = (0..records.len()).map(group).collect::<Result<_, DataError>>();
        groups.map_err(|error| records.explain(error.into()))
    }
}

/// The words in lower case; the text itself if it has none.
fn normalised(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() { text.to_owned() } else { words.join(" ") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
