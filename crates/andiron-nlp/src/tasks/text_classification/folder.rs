//! A published classifier: a folder as Hugging Face has it, or an adapter of PEFT on one.

use super::TextClassification;
use crate::{
    features::{Features, Tokens},
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig,
        sequence_classifier::SequenceClassifierConfig,
    },
    published::{PublishedError, read_json},
    published_head::{self, Base, HeadBase, peft},
};
use andiron_core::{Labels, Network, Predictor, Solve, Task};
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
    published(dir.as_ref(), None, &["single_label_classification"], &one_label, device)
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
        + Solve<<SequenceClassifierConfig<BertConfig> as andiron_core::ModelConfig>::Model>
        + Solve<<SequenceClassifierConfig<DistilBertConfig> as andiron_core::ModelConfig>::Model>
        + Solve<<SequenceClassifierConfig<RobertaConfig> as andiron_core::ModelConfig>::Model>,
{
    let path = dir.join("config.json");
    let config = read_json(&path)?;
    let problem = &config["problem_type"];
    if adapter.is_none() && !problem.is_null() && !problems.iter().any(|known| problem == *known) {
        let reason = format!("supported here is {}", problems.join(", "));
        return Err(PublishedError::unsupported(&path, "problem_type", problem, &reason));
    }
    let got = config["model_type"].as_str().unwrap_or("missing");
    let entries: [(&[&str], Load<T>); 3] =
        [entry::<T, BertConfig>(), entry::<T, DistilBertConfig>(), entry::<T, RobertaConfig>()];
    let known = entries.iter().flat_map(|(types, _)| types.iter().copied()).collect();
    match entries.into_iter().find(|(types, _)| types.contains(&got)) {
        Some((_, load)) => load(Reading { dir, adapter, task, device }),
        None => Err(PublishedError::UnknownModel { path, got: got.to_owned(), known }),
    }
}

fn entry<T, E: HeadBase>() -> (&'static [&'static str], Load<T>)
where
    T: Task + Solve<<SequenceClassifierConfig<E> as andiron_core::ModelConfig>::Model>,
{
    (E::MODEL_TYPES, load::<T, E>)
}

fn load<T, E: HeadBase>(reading: Reading<'_, T>) -> Result<Predictor<T>, PublishedError>
where
    T: Task + Solve<<SequenceClassifierConfig<E> as andiron_core::ModelConfig>::Model>,
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

/// The labels of `id2label`, by their numbers.
fn labels(path: &Path, config: &Value) -> Result<Labels, PublishedError> {
    let field = &config["id2label"];
    let refused = |reason: &str| PublishedError::unsupported(path, "id2label", field, reason);
    let names = field.as_object().ok_or_else(|| refused("labels by number were wanted"))?;
    let name = |at: usize| names.get(&at.to_string()).and_then(Value::as_str).map(str::to_owned);
    let all: Option<Vec<String>> = (0..names.len()).map(name).collect();
    let all = all.ok_or_else(|| refused("the numbers have to go from 0 on, each with a name"))?;
    Labels::in_order(all).map_err(|error| refused(&error.to_string()))
}
