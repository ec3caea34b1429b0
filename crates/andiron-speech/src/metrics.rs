//! Metrics on speech: numbers about what a model heard, with intervals.
//!
//! They take texts and know no network.
//!
//! - [`errors`]: word and character error rates with substitutions, deletions and insertions, as
//!   jiwer.
//! - [`normalizer`]: what is made equal in two texts before they are compared, as Whisper's
//!   `EnglishTextNormalizer`.
//!
//! Scores of speakers and of speech (equal error rate, detection cost, area under the curve) are
//! [`andiron_core::evaluator::roc`].

pub mod errors;
pub mod normalizer;

/// White space as Python's `str.split` has it: Unicode's, and the four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The parts of a text between white space, as Python's `str.split`.
fn split_spaces(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|part| !part.is_empty())
}
