//! A token classifier from a folder as Hugging Face has it.

use super::{Pieces, TokenClassification};
use crate::{
    features::Tokens,
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig,
        token_classifier::TokenClassifierConfig,
    },
    published::{
        PublishedError,
        entries::{Entry, choose, has_head},
    },
    published_head::{self, HeadBase},
};
use andiron_core::{Fit, Layout, ModelConfig, Predictor, PublishedEntry, Solve};
use andiron_weights::fields::id2label;
use burn::tensor::Device;
use std::path::Path;

type Load = fn(&Path, &Device) -> Result<Predictor<TokenClassification>, PublishedError>;

static ENTRIES: &[Entry<Load>] = &[
    Entry::of::<BertConfig>(load::<BertConfig>),
    Entry::of::<DistilBertConfig>(load::<DistilBertConfig>),
    Entry::of::<RobertaConfig>(load::<RobertaConfig>),
];

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
    has_head(ENTRIES, layout, "ForTokenClassification").then_some(Fit::Meant)
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
    choose(ENTRIES, dir)?(dir, device)
}

fn load<E: HeadBase>(
    dir: &Path,
    device: &Device,
) -> Result<Predictor<TokenClassification>, PublishedError>
where
    TokenClassification: Solve<<TokenClassifierConfig<E> as ModelConfig>::Model>,
{
    let fail = |source| PublishedError::Config { path: dir.join("config.json"), source };
    let base = published_head::read_base::<E>(dir)?;
    let labels = id2label(&base.config).map_err(fail)?;
    let dropout = TokenClassifierConfig::<E>::dropout_of(&base.config).map_err(fail)?;
    let config = TokenClassifierConfig::new(base.encoder, labels.len()).with_dropout(dropout);
    let network = published_head::load(config, dir, device)?;
    let tokens = Tokens { tokenizer: base.tokenizer, max_length: base.max_length };
    let task = TokenClassification::new(labels, Pieces::Tokens(tokens));
    task.check().map_err(fail)?;
    Ok(Predictor::new(task, network, device))
}
