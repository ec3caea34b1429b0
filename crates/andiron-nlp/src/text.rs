//! The input of the tasks.

use crate::cells::flag;
use andiron_core::{DataError, Raw, data::text_field};
use serde::{Deserialize, Serialize};

/// A text, and what to do if it is longer than a model takes.
///
/// ```
/// use andiron_nlp::text::Text;
///
/// let text = Text::from("as long as it likes").truncated();
/// assert_eq!(serde_json::to_string(&text)?, r#"{"text":"as long as it likes","truncate":true}"#);
/// assert_eq!(serde_json::from_str::<Text>(r#"{"text":"short"}"#)?, Text::from("short"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Whether a text over the model's length is cut, and the answer says so. If not, it is an
    /// error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncate: bool,
}

impl Text {
    /// The same text, to be cut if it is too long.
    #[must_use]
    pub fn truncated(self) -> Self {
        Self { truncate: true, ..self }
    }

    /// A text from a request: `{"text": …}`, with `"truncate": true` if it may be cut, or the bytes
    /// of a text file.
    ///
    /// # Errors
    /// [`DataError::Field`] if a field is missing or of the wrong kind, [`DataError::Decode`] for
    /// bytes that are not UTF-8, [`DataError::WrongKind`] for numbers.
    pub fn read(raw: Raw<'_>) -> Result<Self, DataError> {
        match raw {
            Raw::Json(line) => {
                Ok(Self { text: text_field(line, "text")?, truncate: flag(line, "truncate")? })
            }
            Raw::Bytes(bytes) => match std::str::from_utf8(bytes) {
                // The mark of the encoding that some editors put in front is no part of the text.
                Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).into()),
                Err(error) => Err(DataError::Decode {
                    what: "the text".to_owned(),
                    reason: format!("it is not UTF-8 from byte {} on", error.valid_up_to()),
                }),
            },
            Raw::Array { .. } => Err(DataError::WrongKind { wanted: "a text", got: raw.kind() }),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text, truncate: false }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn requests_are_read() {
        let read = |line: Value| Text::read(Raw::Json(&line)).unwrap();
        assert_eq!(read(json!({"text": "a"})), Text::from("a"));
        for truncate in [json!(true), json!("true")] {
            let line = json!({"text": "a", "truncate": truncate, "label": "b"});
            assert_eq!(read(line), Text::from("a").truncated());
        }
        for truncate in [json!(false), json!("false"), json!(""), json!(null)] {
            assert_eq!(read(json!({"text": "a", "truncate": truncate})), Text::from("a"));
        }
        assert_eq!(Text::read(Raw::Bytes("\u{feff}é".as_bytes())).unwrap(), Text::from("é"));
    }

    #[test]
    fn bad_requests_are_refused() {
        let refused = |raw: Raw<'_>| Text::read(raw).unwrap_err().to_string();
        let json = |line: Value| refused(Raw::Json(&line));
        assert_eq!(json(json!({"texts": "a"})), "field \"text\" must be a text, but is missing");
        assert_eq!(json(json!({"text": 5})), "field \"text\" must be a text, but is 5");
        assert_eq!(json(json!("a")), "field \"text\" must be a text, but is missing");
        assert_eq!(
            json(json!({"text": "a", "truncate": 1})),
            "field \"truncate\" must be true or false, but is 1"
        );
        assert_eq!(
            refused(Raw::Bytes(b"ab\xffc")),
            "the text cannot be decoded: it is not UTF-8 from byte 2 on"
        );
        assert_eq!(
            refused(Raw::Array { shape: &[1], data: &[0.0] }),
            "a text was wanted, but the input is an array"
        );
    }
}
