//! A published network for hidden words: a folder of Hugging Face's with its head.

use super::{FillMask, recipe::task};
use crate::{
    models::{
        bert::BertConfig,
        distilbert::DistilBertConfig,
        masked_lm::{MaskedLmBase, MaskedLmConfig},
        roberta::RobertaConfig,
    },
    published::{
        PublishedError,
        entries::{Entry, choose, has_head},
        read_json_if_any,
    },
    published_head,
};
use andiron_core::{Fit, Layout, ModelConfig, Predictor, PublishedEntry, Solve};
use burn::tensor::Device;
use serde_json::Value;
use std::path::Path;

type Load = fn(&Path, &Device) -> Result<Predictor<FillMask>, PublishedError>;

static ENTRIES: &[Entry<Load>] = &[
    Entry::of::<DistilBertConfig>(load::<DistilBertConfig>),
    Entry::of::<BertConfig>(load::<BertConfig>),
    Entry::of::<RobertaConfig>(load::<RobertaConfig>),
];

/// What others publish and the task reads.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &[
        "BertForMaskedLM",
        "DistilBertForMaskedLM",
        "RobertaForMaskedLM",
        "XLMRobertaForMaskedLM",
        "CamembertForMaskedLM",
        "BertForPreTraining",
    ],
    fit,
    load: |layout, device| Ok(Box::new(from_folder(layout.path(), device)?)),
    keeps: None,
}];

fn fit(layout: &Layout) -> Option<Fit> {
    // A sentence-transformers folder keeps the class that its encoder was trained as.
    let is_other = layout.has("modules.json");
    let has_head = |class| has_head(ENTRIES, layout, class);
    (!is_other && (has_head("ForMaskedLM") || has_head("ForPreTraining"))).then_some(Fit::Meant)
}

/// Loads a published network for hidden words, its form told by `config.json`: a `…ForMaskedLM`,
/// or a BERT as it was first published, with a second head, which is left out.
///
/// A head whose map to the vocabulary is not the table of words (`tie_word_embeddings`) is refused.
/// The mask token is that of `tokenizer_config.json`, or `[MASK]` or `<mask>` where it names none.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_folder(
    dir: impl AsRef<Path>,
    device: &Device,
) -> Result<Predictor<FillMask>, PublishedError> {
    let dir = dir.as_ref();
    choose(ENTRIES, dir)?(dir, device)
}

fn load<E: MaskedLmBase>(dir: &Path, device: &Device) -> Result<Predictor<FillMask>, PublishedError>
where
    FillMask: Solve<<MaskedLmConfig<E> as ModelConfig>::Model>,
{
    let path = dir.join("config.json");
    let base = published_head::read_base::<E>(dir)?;
    if let Some(tied) = base.config.get("tie_word_embeddings")
        && *tied != Value::Bool(true)
    {
        let reason = "supported is true alone";
        return Err(PublishedError::unsupported(&path, "tie_word_embeddings", tied, reason));
    }
    let network = published_head::load(MaskedLmConfig::new(base.encoder), dir, device)?;
    let task = match mask(dir)? {
        Some(mask) => FillMask::new(base.tokenizer, base.max_length, mask),
        None => task(base.tokenizer, base.max_length),
    };
    let task = task.map_err(|source| PublishedError::Config { path, source })?;
    Ok(Predictor::new(task, network, device))
}

/// The mask token that `tokenizer_config.json` names.
fn mask(dir: &Path) -> Result<Option<String>, PublishedError> {
    let config = read_json_if_any(&dir.join("tokenizer_config.json"))?.unwrap_or_default();
    let mask = &config["mask_token"];
    Ok(mask.as_str().or(mask["content"].as_str()).map(str::to_owned))
}
