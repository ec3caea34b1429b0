//! Metrics on texts and tags: numbers about what a model wrote or marked, with intervals.
//!
//! They take strings and know no network. Each is compared with the package that its field quotes
//! from, and says which.
//!
//! - [`bleu`], [`chrf`]: a translation against one or more references, as sacrebleu.
//! - [`rouge`]: a summary against a reference, as rouge-score.
//! - [`entities`]: tagged words against the truth, as seqeval.
//!
//! Every `score` here has its percentile bootstrap interval over the examples. A corpus-level
//! metric is not the mean of its values on sentences: each resample sums the sentences' counts anew
//! and makes one number of the sums.

pub mod bleu;
pub mod chrf;
pub mod entities;
mod ngrams;
pub mod rouge;
mod stemmer;

use andiron_core::DataError;

/// What a model wrote, and what people wrote for the same source.
///
/// ```
/// use andiron_nlp::metrics::Written;
///
/// let one = Written::new("a cat sat", ["the cat sat", "there sat a cat"]);
/// assert_eq!(one.references.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The model's text.
    pub hypothesis: String,
    /// The texts that would have been right; one or more.
    pub references: Vec<String>,
}

impl Written {
    /// From texts of any kind.
    pub fn new<S: Into<String>>(
        hypothesis: impl Into<String>,
        references: impl IntoIterator<Item = S>,
    ) -> Self {
        let references = references.into_iter().map(Into::into).collect();
        Self { hypothesis: hypothesis.into(), references }
    }
}

/// Refuses no example at all, and an example without a reference, by its place.
fn check(examples: &[Written]) -> Result<(), DataError> {
    if examples.is_empty() {
        return Err(DataError::Empty { what: "the list of examples".to_owned() });
    }
    match examples.iter().position(|example| example.references.is_empty()) {
        Some(at) => Err(no_reference().at(at, None)),
        None => Ok(()),
    }
}

fn no_reference() -> DataError {
    DataError::Empty { what: "the list of references".to_owned() }
}

/// White space as Python's `str.split` has it: Unicode's, and the four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The parts of a text between white space, as Python's `str.split`.
fn split_spaces(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|part| !part.is_empty())
}
