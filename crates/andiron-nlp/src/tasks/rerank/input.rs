//! What a request says, and what a line of data says beside it.

use crate::text::truncate_field;
use andiron_core::{
    DataError, Raw,
    data::{shortened, text_field},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A query, and the documents to be scored for it.
///
/// ```
/// use andiron_nlp::tasks::rerank::Shortlist;
///
/// let list = Shortlist::new("who?", ["me", "you"]).truncated();
/// assert_eq!(
///     serde_json::to_string(&list)?,
///     r#"{"query":"who?","documents":["me","you"],"truncate":true}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortlist {
    /// The query.
    pub query: String,
    /// The documents; 1 or more.
    pub documents: Vec<String>,
    /// Whether a pair of query and document over the model's length is cut, and the answer says so.
    /// If not, it is an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncate: bool,
}

impl Shortlist {
    /// A query with its documents, none of which may be cut.
    pub fn new<S: Into<String>>(
        query: impl Into<String>,
        documents: impl IntoIterator<Item = S>,
    ) -> Self {
        let documents = documents.into_iter().map(Into::into).collect();
        Self { query: query.into(), documents, truncate: false }
    }

    /// The same list, whose pairs are cut if they are too long.
    #[must_use]
    pub fn truncated(self) -> Self {
        Self { truncate: true, ..self }
    }

    /// A list from a request: `{"query": …, "documents": […]}`, with `"truncate": true` if pairs may
    /// be cut.
    ///
    /// # Errors
    /// [`DataError::Field`] if a field is missing or of the wrong kind, [`DataError::WrongKind`] for
    /// anything but JSON.
    pub fn read(raw: Raw<'_>) -> Result<Self, DataError> {
        let Raw::Json(line) = raw else {
            let wanted = "JSON with a query and documents";
            return Err(DataError::WrongKind { wanted, got: raw.kind() });
        };
        let list = |got: String| DataError::Field {
            field: "documents".to_owned(),
            wanted: "a list of texts",
            got,
        };
        let documents = match line.get("documents") {
            Some(Value::Array(documents)) => documents,
            other => return Err(list(other.map_or_else(|| "missing".to_owned(), shortened))),
        };
        let text = |(at, document): (usize, &Value)| match document {
            Value::String(text) => Ok(text.clone()),
            other => Err(DataError::Field {
                field: format!("documents[{at}]"),
                wanted: "a text",
                got: shortened(other),
            }),
        };
        Ok(Self {
            query: text_field(line, "query")?,
            documents: documents.iter().enumerate().map(text).collect::<Result<_, _>>()?,
            truncate: truncate_field(line)?,
        })
    }
}

/// How relevant each document is: `{"scores": [number, …]}`, one a document in order, or
/// `{"relevant": [place, …]}`, the places of those that are relevant, counted from 0.
///
/// # Errors
/// [`DataError::Field`] if neither is there, or one is of the wrong kind.
pub(super) fn relevances(line: &Value) -> Result<Vec<f64>, DataError> {
    let refused = |field: &str, wanted: &'static str, got: Option<&Value>| DataError::Field {
        field: field.to_owned(),
        wanted,
        got: got.map_or_else(|| "missing".to_owned(), shortened),
    };
    match (line.get("scores"), line.get("relevant")) {
        (None, Some(relevant)) => {
            let documents = line.get("documents").and_then(Value::as_array).map_or(0, Vec::len);
            let mut scores = vec![0.0; documents];
            let wanted = "a list of places of documents, counted from 0";
            let places =
                relevant.as_array().ok_or_else(|| refused("relevant", wanted, Some(relevant)))?;
            for place in places {
                let at = place.as_u64().and_then(|at| scores.get_mut(usize::try_from(at).ok()?));
                *at.ok_or_else(|| refused("relevant", wanted, Some(relevant)))? = 1.0;
            }
            Ok(scores)
        }
        (scores, _) => {
            let wanted = "a list of numbers, one a document";
            let numbers = scores.and_then(Value::as_array);
            let numbers = numbers.ok_or_else(|| refused("scores", wanted, scores))?;
            let number = |score: &Value| score.as_f64();
            let numbers: Option<Vec<f64>> = numbers.iter().map(number).collect();
            numbers.ok_or_else(|| refused("scores", wanted, scores))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requests_are_read() {
        let line = json!({"query": "a", "documents": ["b", "c"], "truncate": "true", "id": 3});
        let read = Shortlist::read(Raw::Json(&line)).unwrap();
        assert_eq!(read, Shortlist::new("a", ["b", "c"]).truncated());
    }

    #[test]
    fn bad_requests_are_refused() {
        let refused = |line: Value| Shortlist::read(Raw::Json(&line)).unwrap_err().to_string();
        assert_eq!(
            refused(json!({"documents": []})),
            "field \"query\" must be a text, but is missing"
        );
        assert_eq!(
            refused(json!({"query": "a"})),
            "field \"documents\" must be a list of texts, but is missing"
        );
        assert_eq!(
            refused(json!({"query": "a", "documents": "b"})),
            "field \"documents\" must be a list of texts, but is \"b\""
        );
        assert_eq!(
            refused(json!({"query": "a", "documents": ["b", 7]})),
            "field \"documents[1]\" must be a text, but is 7"
        );
        assert_eq!(
            refused(json!({"query": "a", "documents": [], "truncate": 1})),
            "field \"truncate\" must be true or false, but is 1"
        );
        assert_eq!(
            Shortlist::read(Raw::Bytes(b"a")).unwrap_err().to_string(),
            "JSON with a query and documents was wanted, but the input is bytes"
        );
    }

    #[test]
    fn relevances_are_numbers_or_places() {
        let documents = ["a", "b", "c"];
        assert_eq!(relevances(&json!({"scores": [0, 0.5, 2]})).unwrap(), [0.0, 0.5, 2.0]);
        let places = json!({"documents": documents, "relevant": [2, 0]});
        assert_eq!(relevances(&places).unwrap(), [1.0, 0.0, 1.0]);
        let refused = |line: Value| relevances(&line).unwrap_err().to_string();
        let wanted = "field \"scores\" must be a list of numbers, one a document, but is ";
        assert_eq!(refused(json!({})), format!("{wanted}missing"));
        assert_eq!(refused(json!({"scores": ["a"]})), format!("{wanted}[\"a\"]"));
        let wanted =
            "field \"relevant\" must be a list of places of documents, counted from 0, but is ";
        for (relevant, got) in [(json!([3]), "[3]"), (json!([-1]), "[-1]"), (json!("a"), "\"a\"")] {
            let line = json!({"documents": documents, "relevant": relevant});
            assert_eq!(refused(line), format!("{wanted}{got}"));
        }
    }
}
