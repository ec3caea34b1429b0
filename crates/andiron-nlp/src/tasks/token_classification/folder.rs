//! A token classifier from a folder as Hugging Face has it.

use super::{Pieces, TokenClassification};
use crate::{
    features::Tokens,
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig,
        token_classifier::TokenClassifierConfig,
    },
    published::{PublishedError, has_head, read_json},
    published_head::{self, HeadBase},
};
use andiron_core::{ConfigError, Fit, Layout, Predictor, PublishedEntry, Solve, data::shortened};
use burn::tensor::Device;
use serde_json::Value;
use std::path::Path;

/// An encoder that a folder may hold.
struct Entry {
    model_types: &'static [&'static str],
    load: fn(&Path, &Device) -> Result<Predictor<TokenClassification>, PublishedError>,
}

impl Entry {
    const fn of<E: HeadBase>() -> Self
    where
        TokenClassification: Solve<<TokenClassifierConfig<E> as andiron_core::ModelConfig>::Model>,
    {
        Self { model_types: E::MODEL_TYPES, load: load::<E> }
    }
}

static ENTRIES: &[Entry] =
    &[Entry::of::<BertConfig>(), Entry::of::<DistilBertConfig>(), Entry::of::<RobertaConfig>()];

/// What others publish and the task reads.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &[
        "BertForTokenClassification",
        "DistilBertForTokenClassification",
        "RobertaForTokenClassification",
        "XLMRobertaForTokenClassification",
        "CamembertForTokenClassification",
    ],
    fit,
    load: |layout, device| Ok(Box::new(from_folder(layout.path(), device)?)),
    keeps: None,
}];

fn fit(layout: &Layout) -> Option<Fit> {
    let known = ENTRIES.iter().flat_map(|entry| entry.model_types);
    has_head(layout, "ForTokenClassification", known).then_some(Fit::Meant)
}

/// Loads a published token classifier, its encoder told by `config.json`: `id2label` has the tags,
/// and `tokenizer.json` makes the pieces. A word's tag is that of its first piece; use
/// [`TokenClassification::with_aggregation`] for another agreement.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_folder(
    dir: impl AsRef<Path>,
    device: &Device,
) -> Result<Predictor<TokenClassification>, PublishedError> {
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
) -> Result<Predictor<TokenClassification>, PublishedError>
where
    TokenClassification: Solve<<TokenClassifierConfig<E> as andiron_core::ModelConfig>::Model>,
{
    let fail = |source| PublishedError::Config { path: dir.join("config.json"), source };
    let base = published_head::read_base::<E>(dir)?;
    let labels = labels_of(&base.config).map_err(fail)?;
    let dropout = TokenClassifierConfig::<E>::dropout_of(&base.config).map_err(fail)?;
    let config = TokenClassifierConfig::new(base.encoder, labels.len()).with_dropout(dropout);
    let network = published_head::load(config, dir, device)?;
    let tokens = Tokens { tokenizer: base.tokenizer, max_length: base.max_length };
    let task = TokenClassification::new(labels, Pieces::Tokens(tokens));
    task.check().map_err(fail)?;
    Ok(Predictor::new(task, network, device))
}

/// The tags of a `config.json` in the order of their numbers.
pub(super) fn labels_of(config: &Value) -> Result<Vec<String>, ConfigError> {
    let field = &config["id2label"];
    let refused = || ConfigError::Kind {
        field: "id2label".to_owned(),
        got: shortened(field),
        reason: "a tag for each number from 0 was wanted".to_owned(),
    };
    let count = field.as_object().map_or(0, serde_json::Map::len);
    let tag = |at: usize| field[at.to_string()].as_str().map(str::to_owned);
    let tags: Option<Vec<String>> = (0..count).map(tag).collect();
    tags.filter(|tags| !tags.is_empty()).ok_or_else(refused)
}
