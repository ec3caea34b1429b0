//! A published text classifier: a folder of Hugging Face's with two labels or more.

use super::TextClassification;
use crate::{
    features::{Features, Tokens},
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig,
        sequence_classifier::SequenceClassifierConfig,
    },
    published::{PublishedError, has_head, read_json},
    published_head::{self, HeadBase},
};
use andiron_core::{
    ConfigError, Fit, Labels, Layout, ModelConfig, Predictor, Solve, data::shortened,
};
use burn::tensor::Device;
use serde_json::{Value, json};
use std::path::Path;

/// An encoder that a folder may hold.
struct Entry {
    model_types: &'static [&'static str],
    load: fn(&Path, &Device) -> Result<Predictor<TextClassification>, PublishedError>,
}

impl Entry {
    const fn of<E: HeadBase>() -> Self
    where
        TextClassification: Solve<<SequenceClassifierConfig<E> as ModelConfig>::Model>,
    {
        Self { model_types: E::MODEL_TYPES, load: load::<E> }
    }
}

static ENTRIES: &[Entry] =
    &[Entry::of::<DistilBertConfig>(), Entry::of::<BertConfig>(), Entry::of::<RobertaConfig>()];

/// The endings of the classes that write such folders.
const CLASS: &str = "ForSequenceClassification";

/// Whether a folder holds a classifier that gives one of several labels.
pub(super) fn fit(layout: &Layout) -> Option<Fit> {
    let known = ENTRIES.iter().flat_map(|entry| entry.model_types);
    let config = layout.config()?;
    let is_one_of_several = labels(config).is_ok_and(|labels| labels.len() > 1)
        && is_single(config.get("problem_type").unwrap_or(&Value::Null));
    (has_head(layout, CLASS, known) && is_one_of_several).then_some(Fit::Meant)
}

/// Loads a published text classifier, its encoder told by `config.json`, which also has the labels:
/// a `…ForSequenceClassification` that gives one of several labels.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_folder(
    dir: impl AsRef<Path>,
    device: &Device,
) -> Result<Predictor<TextClassification>, PublishedError> {
    let dir = dir.as_ref();
    let path = dir.join("config.json");
    let config = read_json(&path)?;
    let got = config.get("model_type").and_then(Value::as_str).unwrap_or("missing");
    match ENTRIES.iter().find(|entry| entry.model_types.contains(&got)) {
        Some(entry) => (entry.load)(dir, device),
        None => {
            let known = ENTRIES.iter().flat_map(|entry| entry.model_types).copied().collect();
            Err(PublishedError::UnknownModel { path, got: got.to_owned(), known })
        }
    }
}

fn load<E: HeadBase>(
    dir: &Path,
    device: &Device,
) -> Result<Predictor<TextClassification>, PublishedError>
where
    TextClassification: Solve<<SequenceClassifierConfig<E> as ModelConfig>::Model>,
{
    let path = dir.join("config.json");
    let fail = |source| PublishedError::Config { path: path.clone(), source };
    let base = published_head::read_base::<E>(dir)?;
    let problem = base.config.get("problem_type").unwrap_or(&Value::Null);
    if !is_single(problem) {
        let reason = "supported is single_label_classification alone";
        return Err(PublishedError::unsupported(&path, "problem_type", problem, reason));
    }
    let names = labels(&base.config).map_err(fail)?;
    let count = names.len();
    let labels = Labels::in_order(names).map_err(|error| {
        let got = base.config.get("id2label").unwrap_or(&Value::Null);
        PublishedError::unsupported(&path, "id2label", got, &error.to_string())
    })?;
    let dropout = SequenceClassifierConfig::<E>::dropout_of(&base.config).map_err(fail)?;
    let config = SequenceClassifierConfig::new(base.encoder, count).with_dropout(dropout);
    let network = published_head::load(config, dir, device)?;
    let tokens = Tokens { tokenizer: base.tokenizer, max_length: base.max_length };
    let task = TextClassification {
        labels,
        features: Features::Tokens(tokens),
        class_weights: None,
        label_smoothing: 0.0,
    };
    Ok(Predictor::new(task, network, device))
}

/// Whether one of the labels is right; so it is where nothing is said.
fn is_single(problem: &Value) -> bool {
    problem.is_null() || problem == "single_label_classification"
}

/// The labels in the order of their numbers, as `id2label` has them; named as transformers names
/// them where it has none, two unless `num_labels` says how many.
fn labels(config: &Value) -> Result<Vec<String>, ConfigError> {
    let refused = |field: &str, got: &Value, reason: &str| ConfigError::Kind {
        field: field.to_owned(),
        got: shortened(got),
        reason: reason.to_owned(),
    };
    match config.get("id2label").unwrap_or(&Value::Null) {
        Value::Null => {
            let number = config.get("num_labels").cloned().unwrap_or(json!(2));
            let count = number.as_u64().filter(|count| (1..=1 << 20).contains(count));
            let count = count.ok_or_else(|| {
                refused("num_labels", &number, "a whole number from 1 to 1048576 was wanted")
            })?;
            Ok((0..count).map(|at| format!("LABEL_{at}")).collect())
        }
        field => {
            let count = field.as_object().map_or(0, serde_json::Map::len);
            let label = |at: usize| field[at.to_string()].as_str().map(str::to_owned);
            let labels: Option<Vec<String>> = (0..count).map(label).collect();
            labels.filter(|labels| !labels.is_empty()).ok_or_else(|| {
                refused("id2label", field, "a label for each number from 0 was wanted")
            })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn labels_are_in_the_order_of_their_numbers() {
        let said = |config: Value| labels(&config).map_err(|error| error.to_string());
        let many = json!({"id2label": {"1": "b", "0": "z", "10": "k", "2": "a", "3": "c", "4": "d",
            "5": "e", "6": "f", "7": "g", "8": "h", "9": "i"}});
        assert_eq!(said(many).unwrap()[..3], ["z", "b", "a"]);
        assert_eq!(said(json!({})).unwrap(), ["LABEL_0", "LABEL_1"]);
        assert_eq!(said(json!({"num_labels": 3})).unwrap().len(), 3);
        for (config, field) in [
            (json!({"id2label": {"1": "b", "2": "c"}}), "id2label"),
            (json!({"id2label": {"0": 5}}), "id2label"),
            (json!({"id2label": []}), "id2label"),
            (json!({"num_labels": 1u64 << 40}), "num_labels"),
            (json!({"num_labels": "two"}), "num_labels"),
        ] {
            let refused = said(config).unwrap_err();
            assert!(refused.starts_with(&format!("setting \"{field}\" cannot be ")), "{refused}");
        }
    }
}
