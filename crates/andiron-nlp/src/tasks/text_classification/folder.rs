//! A published classifier: a folder as Hugging Face has it, or an adapter of PEFT on one.

use super::TextClassification;
use crate::{
    features::{Features, Tokens},
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig,
        sequence_classifier::SequenceClassifierConfig,
    },
    published::{
        PublishedError,
        entries::{Entry, choose, has_head},
        read_json,
    },
    published_head::{self, Base, HeadBase, peft},
};
use andiron_core::{Fit, Labels, Layout, ModelConfig, Network, Predictor, Solve, Task};
use andiron_weights::fields::label_names;
use burn::tensor::Device;
use serde_json::Value;
use std::path::Path;

/// What a folder is read as: its files, the adapter's folder, and what makes the task.
struct Reading<'a, T> {
    dir: &'a Path,
    adapter: Option<(&'a Path, Labels)>,
    task: &'a dyn Fn(Labels, Features) -> T,
    device: &'a Device,
}

/// The endings of the classes that write such folders.
const CLASS: &str = "ForSequenceClassification";

/// Whether a folder holds a classifier of several labels, whose `problem_type` is `problem`; one that
/// says none gives one of them. What nobody here reads was meant as one, too: the loader refuses it by
/// its name.
pub(crate) fn fit(layout: &Layout, problem: &str) -> Option<Fit> {
    let known = [
        Entry::of::<DistilBertConfig>(()),
        Entry::of::<BertConfig>(()),
        Entry::of::<RobertaConfig>(()),
    ];
    let config = layout.config()?;
    let said = config["problem_type"].as_str().unwrap_or(ONE_LABEL);
    let unknown = ![ONE_LABEL, SEVERAL_LABELS].contains(&said);
    let is_one = said == problem || (unknown && problem == ONE_LABEL);
    let fits = is_one && label_names(config).is_ok_and(|names| names.len() > 1);
    (has_head(&known, layout, CLASS) && fits).then_some(Fit::Meant)
}

/// The `problem_type` of a classifier that gives one of its labels.
pub(crate) const ONE_LABEL: &str = "single_label_classification";
/// The `problem_type` of a classifier that gives several.
pub(crate) const SEVERAL_LABELS: &str = "multi_label_classification";

type Load<T> = fn(Reading<'_, T>) -> Result<Predictor<T>, PublishedError>;

/// Loads a published classifier of one label a text, its form told by `config.json`; the labels are
/// those of `id2label`, in that order.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_folder(
    dir: impl AsRef<Path>,
    device: &Device,
) -> Result<Predictor<TextClassification>, PublishedError> {
    published(dir.as_ref(), None, &[ONE_LABEL], &one_label, device)
}

/// Loads an adapter of PEFT, which a classifier of one label was trained as, on the published model
/// in the folder `base`. An adapter does not say its labels: `labels` does.
///
/// # Errors
/// As [`from_folder`].
pub fn from_adapter(
    base: impl AsRef<Path>,
    adapter: impl AsRef<Path>,
    labels: Labels,
    device: &Device,
) -> Result<Predictor<TextClassification>, PublishedError> {
    let adapter = Some((adapter.as_ref(), labels));
    published(base.as_ref(), adapter, &[], &one_label, device)
}

fn one_label(labels: Labels, features: Features) -> TextClassification {
    TextClassification { labels, features, class_weights: None, label_smoothing: 0.0, focus: 0.0 }
}

/// Loads a classifier whose `problem_type` is one of `problems`, or is not said.
pub(crate) fn published<T>(
    dir: &Path,
    adapter: Option<(&Path, Labels)>,
    problems: &[&str],
    task: &dyn Fn(Labels, Features) -> T,
    device: &Device,
) -> Result<Predictor<T>, PublishedError>
where
    T: Task
        + Solve<<SequenceClassifierConfig<BertConfig> as ModelConfig>::Model>
        + Solve<<SequenceClassifierConfig<DistilBertConfig> as ModelConfig>::Model>
        + Solve<<SequenceClassifierConfig<RobertaConfig> as ModelConfig>::Model>,
{
    let path = dir.join("config.json");
    let config = read_json(&path)?;
    let problem = &config["problem_type"];
    if adapter.is_none() && !problem.is_null() && !problems.iter().any(|known| problem == *known) {
        let reason = format!("supported here is {}", problems.join(", "));
        return Err(PublishedError::unsupported(&path, "problem_type", problem, &reason));
    }
    let entries: [Entry<Load<T>>; 3] = [
        Entry::of::<BertConfig>(load::<T, BertConfig>),
        Entry::of::<DistilBertConfig>(load::<T, DistilBertConfig>),
        Entry::of::<RobertaConfig>(load::<T, RobertaConfig>),
    ];
    choose(&entries, dir)?(Reading { dir, adapter, task, device })
}

fn load<T, E: HeadBase>(reading: Reading<'_, T>) -> Result<Predictor<T>, PublishedError>
where
    T: Task + Solve<<SequenceClassifierConfig<E> as ModelConfig>::Model>,
{
    let Reading { dir, adapter, task, device } = reading;
    let Base { encoder, tokenizer, max_length, config } = published_head::read_base::<E>(dir)?;
    let path = dir.join("config.json");
    let dropout = SequenceClassifierConfig::<E>::dropout_of(&config)
        .map_err(|source| PublishedError::Config { path: path.clone(), source })?;
    let of = |n_classes| SequenceClassifierConfig::new(encoder, n_classes).with_dropout(dropout);
    let (labels, network): (Labels, Network<SequenceClassifierConfig<E>>) = match adapter {
        Some((adapter, labels)) => {
            let config = SequenceClassifierConfig {
                base: Some(dir.display().to_string()),
                ..of(labels.count())
            };
            let adapted = SequenceClassifierConfig::with_adaptation;
            (labels, peft::load(config, adapted, (dir, adapter), device)?)
        }
        None => {
            let labels = labels(&path, &config)?;
            let config = of(labels.count());
            (labels, published_head::load(config, dir, device)?)
        }
    };
    let features = Features::Tokens(Tokens { tokenizer, max_length });
    Ok(Predictor::new(task(labels, features), network, device))
}

/// The labels of a `config.json`.
fn labels(path: &Path, config: &Value) -> Result<Labels, PublishedError> {
    let fail = |source| PublishedError::Config { path: path.into(), source };
    Labels::in_order(label_names(config).map_err(fail)?).map_err(|error| {
        PublishedError::unsupported(path, "id2label", &config["id2label"], &error.to_string())
    })
}
