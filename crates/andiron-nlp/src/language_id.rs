//! In which language a text is written, by a model of fastText's.
//!
//! The model `lid.176.ftz` of 938 kB tells 176 languages apart (Grave 2017,
//! <https://fasttext.cc/docs/en/language-identification.html>; CC-BY-SA 3.0). It is not shipped
//! here: `scripts/fetch-assets --only lid-176` brings it.
//!
//! ```no_run
//! use andiron_nlp::language_id::LanguageIdentifier;
//!
//! let identifier = LanguageIdentifier::open("assets/lid-176/lid.176.ftz")?;
//! let languages = identifier.predict("Wo ist die Bibliothek?", 2)?;
//! assert_eq!(languages[0].label, "de");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::fasttext::{Answer, FastText, FastTextError};
use andiron_core::DataError;
use std::path::Path;

/// Tells the language of texts.
///
/// It is no [`Task`](andiron_core::Task): that trait is about networks which learn from batches of
/// tensors, and this model neither learns nor has any. In the program and behind a registry it
/// answers as a
/// [`FastTextClassifier`](crate::tasks::text_classification::FastTextClassifier).
#[derive(Debug, Clone)]
pub struct LanguageIdentifier {
    model: FastText,
}

impl LanguageIdentifier {
    /// Reads a `.ftz` or `.bin` file whose labels are languages.
    ///
    /// # Errors
    /// As [`FastText::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FastTextError> {
        Ok(FastText::open(path)?.into())
    }

    /// The languages that are told apart, by their codes.
    pub fn languages(&self) -> &[String] {
        self.model.labels()
    }

    /// The `k` most probable languages, the best first; a line break counts as a space.
    ///
    /// # Errors
    /// [`DataError::Empty`] for a text of nothing but white space.
    pub fn predict(&self, text: &str, k: usize) -> Result<Vec<Answer>, DataError> {
        if text.trim().is_empty() {
            return Err(DataError::Empty { what: "the text".to_owned() });
        }
        Ok(self.model.predict(&text.replace('\n', " "), k))
    }
}

impl From<FastText> for LanguageIdentifier {
    fn from(model: FastText) -> Self {
        Self { model }
    }
}
