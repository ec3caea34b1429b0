//! What a request says.

use crate::{
    cells::{whole, wrong},
    text::Text,
};
use andiron_core::{DataError, Raw};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many candidates an answer has if the request does not say.
pub const DEFAULT_TOP_K: usize = 5;

/// A text with a gap, marked by the model's mask token, or a text to learn from.
///
/// ```
/// use andiron_nlp::tasks::fill_mask::Gap;
///
/// let gap = Gap::from("The capital of France is [MASK].").with_top_k(2);
/// assert_eq!(
///     serde_json::to_string(&gap)?,
///     r#"{"text":"The capital of France is [MASK].","top_k":2}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The text, and whether it may be cut.
    #[serde(flatten)]
    pub text: Text,
    /// How many candidates are wanted, 1 or more; [`DEFAULT_TOP_K`] if not said. There are never
    /// more than the vocabulary has tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
}

impl Gap {
    /// The same text, with so many candidates wanted.
    #[must_use]
    pub fn with_top_k(self, top_k: usize) -> Self {
        Self { top_k: Some(top_k), ..self }
    }

    /// The same text, to be cut if it is too long.
    #[must_use]
    pub fn truncated(self) -> Self {
        Self { text: self.text.truncated(), ..self }
    }

    /// A text from a request: as [`Text::read`], and `"top_k"`.
    ///
    /// # Errors
    /// As [`Text::read`]; [`DataError::Field`] for a `top_k` that is no number above 0.
    pub fn read(raw: Raw<'_>) -> Result<Self, DataError> {
        let top_k = match raw {
            Raw::Json(line) => top_k(line)?,
            _ => None,
        };
        Ok(Self { text: Text::read(raw)?, top_k })
    }
}

fn top_k(line: &Value) -> Result<Option<usize>, DataError> {
    let wanted = "a whole number above 0";
    let number = whole(line, "top_k", wanted)?;
    let Some(number) = number else { return Ok(None) };
    match usize::try_from(number) {
        Ok(top_k) if top_k > 0 => Ok(Some(top_k)),
        _ => Err(wrong("top_k", wanted, &line["top_k"])),
    }
}

impl From<&str> for Gap {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Gap {
    fn from(text: String) -> Self {
        Self { text: text.into(), top_k: None }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requests_are_read() {
        let read = |line: Value| Gap::read(Raw::Json(&line)).unwrap();
        assert_eq!(read(json!({"text": "a"})), Gap::from("a"));
        for top_k in [json!(3), json!("3")] {
            let line = json!({"text": "a", "top_k": top_k, "truncate": true});
            assert_eq!(read(line), Gap::from("a").with_top_k(3).truncated());
        }
        for top_k in [json!(null), json!("")] {
            assert_eq!(read(json!({"text": "a", "top_k": top_k})), Gap::from("a"));
        }
        assert_eq!(Gap::read(Raw::Bytes(b"a")).unwrap(), Gap::from("a"));
        let gap = Gap::from("a").with_top_k(3).truncated();
        let line = serde_json::to_value(&gap).unwrap();
        assert_eq!(serde_json::from_value::<Gap>(line).unwrap(), gap);
    }

    #[test]
    fn bad_requests_are_refused() {
        let refused = |line: Value| Gap::read(Raw::Json(&line)).unwrap_err().to_string();
        for (top_k, got) in [
            (json!(0), "0"),
            (json!(-1), "-1"),
            (json!(1.5), "1.5"),
            (json!("many"), "\"many\""),
            (json!([1]), "[1]"),
        ] {
            let wanted = format!("field \"top_k\" must be a whole number above 0, but is {got}");
            assert_eq!(refused(json!({"text": "a", "top_k": top_k})), wanted);
        }
        assert_eq!(refused(json!({})), "field \"text\" must be a text, but is missing");
    }
}
