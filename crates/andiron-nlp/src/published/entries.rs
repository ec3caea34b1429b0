//! Which of the encoders known here a published folder holds.

use super::{PublishedEncoder, PublishedError, read_json};
use andiron_core::Layout;
use serde_json::Value;
use std::path::Path;

/// An encoder that a folder may hold, and what makes a task's predictor of it.
pub(crate) struct Entry<F> {
    model_types: &'static [&'static str],
    load: F,
}

impl<F: Copy> Entry<F> {
    pub(crate) const fn of<E: PublishedEncoder>(load: F) -> Self {
        Self { model_types: E::MODEL_TYPES, load }
    }
}

/// The loader for the encoder that the folder's `config.json` tells of.
///
/// # Errors
/// [`PublishedError::UnknownModel`] names those known, if it is none of them.
pub(crate) fn choose<F: Copy>(entries: &[Entry<F>], dir: &Path) -> Result<F, PublishedError> {
    let path = dir.join("config.json");
    let config = read_json(&path)?;
    let got = config.get("model_type").and_then(Value::as_str).unwrap_or("missing");
    match entries.iter().find(|entry| entry.model_types.contains(&got)) {
        Some(entry) => Ok(entry.load),
        None => {
            let known = entries.iter().flat_map(|entry| entry.model_types).copied().collect();
            Err(PublishedError::UnknownModel { path, got: got.to_owned(), known })
        }
    }
}

/// Whether the folder's encoder is one of these.
pub(crate) fn has_encoder<F>(entries: &[Entry<F>], layout: &Layout) -> bool {
    let kind = layout.model_type();
    kind.is_some_and(|kind| entries.iter().any(|entry| entry.model_types.contains(&kind)))
}

/// Whether a folder says of itself that a class with this ending, such as
/// `ForSequenceClassification`, wrote it, and that its encoder is one of these.
pub(crate) fn has_head<F>(entries: &[Entry<F>], layout: &Layout, ending: &str) -> bool {
    let is_class = layout.architecture().is_some_and(|name| name.ends_with(ending));
    is_class && has_encoder(entries, layout)
}
