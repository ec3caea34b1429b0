//! What a request says, and what a line of data says beside it.

use crate::cells::{self, flag};
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
    /// be cut. In a table, where every field is a text, the documents are written as JSON.
    ///
    /// # Errors
    /// [`DataError::Field`] if a field is missing or of the wrong kind, [`DataError::WrongKind`] for
    /// anything but JSON.
    pub fn read(raw: Raw<'_>) -> Result<Self, DataError> {
        let Raw::Json(line) = raw else {
            let wanted = "JSON with a query and documents";
            return Err(DataError::WrongKind { wanted, got: raw.kind() });
        };
        let documents = cells::json(line, "documents");
        let documents = documents.as_deref().and_then(Value::as_array).ok_or_else(|| {
            let got = line.get("documents").map_or_else(|| "missing".to_owned(), shortened);
            DataError::Field { field: "documents".to_owned(), wanted: "a list of texts", got }
        })?;
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
            truncate: flag(line, "truncate")?,
        })
    }
}

/// How relevant each document is: `{"scores": [number, …]}`, one a document in order and none below 0,
/// or `{"relevant": [place, …]}`, the places of those that are relevant, counted from 0. In a table,
/// where every field is a text, the same as JSON.
///
/// # Errors
/// [`DataError::Field`] if neither is there, or one is of the wrong kind; [`DataError::Unpaired`] and
/// [`DataError::Negative`] for relevances that cannot be learnt, so that a line of a file is named
/// before the training, and not in the middle of a run.
pub(super) fn relevances(line: &Value) -> Result<Vec<f64>, DataError> {
    let refused = |field: &str, wanted: &'static str| DataError::Field {
        field: field.to_owned(),
        wanted,
        got: line.get(field).map_or_else(|| "missing".to_owned(), shortened),
    };
    let documents = cells::json(line, "documents");
    let documents = documents.as_deref().and_then(Value::as_array).map(Vec::len);
    let (scores, relevant) = (cells::json(line, "scores"), cells::json(line, "relevant"));
    let scores = match (scores.as_deref(), relevant.as_deref()) {
        (None, Some(relevant)) => {
            let mut scores = vec![0.0; documents.unwrap_or(0)];
            let refused = || refused("relevant", "a list of places of documents, counted from 0");
            for place in relevant.as_array().ok_or_else(refused)? {
                let at = place.as_u64().and_then(|at| scores.get_mut(usize::try_from(at).ok()?));
                *at.ok_or_else(refused)? = 1.0;
            }
            scores
        }
        (scores, _) => {
            let numbers = scores.and_then(Value::as_array);
            let numbers = numbers.and_then(|all| all.iter().map(Value::as_f64).collect());
            numbers.ok_or_else(|| refused("scores", "a list of numbers, one a document"))?
        }
    };
    check(documents.unwrap_or(scores.len()), &scores)?;
    Ok(scores)
}

/// Refuses relevances that say nothing of so many documents.
///
/// # Errors
/// [`DataError::Unpaired`], [`DataError::NotFinite`], [`DataError::Negative`].
pub(super) fn check(documents: usize, relevances: &[f64]) -> Result<(), DataError> {
    if documents != relevances.len() {
        let (left, right) = ("documents", "relevances");
        let (n_left, n_right) = (documents, relevances.len());
        return Err(DataError::Unpaired { left, right, n_left, n_right });
    }
    let what = "the list of relevances";
    for (at, got) in relevances.iter().copied().enumerate() {
        if !got.is_finite() {
            return Err(DataError::NotFinite { what, got: got as f32, at });
        }
        if got < 0.0 {
            return Err(DataError::Negative { what, got, at });
        }
    }
    Ok(())
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
