//! What others publish and the task reads.

use super::{fasttext::FastTextClassifier, folder};
use andiron_core::{Fit, Layout, PublishedEntry};
use std::path::PathBuf;

/// A line for each.
pub static PUBLISHED: &[PublishedEntry] = &[
    PublishedEntry {
        reads: &["fastText's supervised .bin and .ftz"],
        fit: |layout| fasttext(layout).map(|_| Fit::Meant),
        load: |layout, _| {
            let path = fasttext(layout).unwrap_or_else(|| layout.path().to_owned());
            Ok(Box::new(FastTextClassifier::open(path)?))
        },
        keeps: Some(FastTextClassifier::ARCHITECTURE),
    },
    PublishedEntry {
        reads: &[
            "BertForSequenceClassification",
            "DistilBertForSequenceClassification",
            "RobertaForSequenceClassification",
            "XLMRobertaForSequenceClassification",
            "CamembertForSequenceClassification",
        ],
        fit: |layout| folder::fit(layout, folder::ONE_LABEL),
        load: |layout, device| Ok(Box::new(folder::from_folder(layout.path(), device)?)),
        keeps: None,
    },
];

/// The fastText file: the layout itself, or the only such file in a folder of no network.
fn fasttext(layout: &Layout) -> Option<PathBuf> {
    if layout.starts_with(&crate::fasttext::MAGIC.to_le_bytes()) {
        return Some(layout.path().to_owned());
    }
    if layout.model_type().is_some() {
        return None;
    }
    let inside = Layout::read(&layout.only(&[".ftz", ".bin"])?).ok()?;
    fasttext(&inside)
}
