//! Fields of a line, which may be a row of a table: there every field is a text, and counts as what it
//! says. An empty one is one that is not there.

use andiron_core::{DataError, data::shortened};
use serde_json::Value;
use std::borrow::Cow;

/// The field `name`, unless it is missing, null or an empty text.
pub(crate) fn given<'a>(line: &'a Value, name: &str) -> Option<&'a Value> {
    let empty = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
    line.get(name).filter(|value| !value.is_null() && !empty(value))
}

/// As [`given`], for a list or an object: in a table it is written as JSON. A text that is none stays
/// the text.
pub(crate) fn json<'a>(line: &'a Value, name: &str) -> Option<Cow<'a, Value>> {
    let value = given(line, name)?;
    let inside = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    Some(inside.map_or(Cow::Borrowed(value), Cow::Owned))
}

/// A number.
///
/// # Errors
/// [`DataError::Field`], saying what was `wanted`.
pub(crate) fn number(
    line: &Value,
    name: &str,
    wanted: &'static str,
) -> Result<Option<f64>, DataError> {
    let Some(value) = given(line, name) else { return Ok(None) };
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    number.map(Some).ok_or_else(|| wrong(name, wanted, value))
}

/// A whole number of 0 or more.
///
/// # Errors
/// As [`number`].
pub(crate) fn whole(
    line: &Value,
    name: &str,
    wanted: &'static str,
) -> Result<Option<u64>, DataError> {
    let Some(value) = given(line, name) else { return Ok(None) };
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64(),
    };
    number.map(Some).ok_or_else(|| wrong(name, wanted, value))
}

/// A truth value; false where it is not there.
///
/// # Errors
/// As [`number`].
pub(crate) fn flag(line: &Value, name: &str) -> Result<bool, DataError> {
    match given(line, name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text.trim() == "true" => Ok(true),
        Some(Value::String(text)) if text.trim() == "false" => Ok(false),
        Some(other) => Err(wrong(name, "true or false", other)),
    }
}

/// A field of the wrong kind.
pub(crate) fn wrong(name: &str, wanted: &'static str, got: &Value) -> DataError {
    DataError::Field { field: name.to_owned(), wanted, got: shortened(got) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_counts_as_what_it_says() {
        for (plain, cell) in [(json!(0.5), "0.5"), (json!(3), " 3 "), (json!(-1e-3), "-0.001")] {
            let of = |value: Value| number(&json!({ "x": value }), "x", "a number").unwrap();
            assert_eq!(of(plain), of(json!(cell)));
        }
        for line in [json!({}), json!({"x": null}), json!({"x": " "})] {
            assert_eq!(number(&line, "x", "a number").unwrap(), None);
            assert_eq!(whole(&line, "x", "a number").unwrap(), None);
            assert!(!flag(&line, "x").unwrap());
            assert!(json(&line, "x").is_none());
        }
        assert_eq!(whole(&json!({"x": "7"}), "x", "").unwrap(), Some(7));
        assert!(flag(&json!({"x": "true"}), "x").unwrap());
        assert_eq!(json(&json!({"x": "[1, 2]"}), "x").unwrap().as_ref(), &json!([1, 2]));
        assert_eq!(json(&json!({"x": "[1"}), "x").unwrap().as_ref(), &json!("[1"));
    }

    #[test]
    fn what_it_does_not_say_is_refused() {
        let refused = |value: Value| {
            whole(&json!({ "x": value }), "x", "a whole number").unwrap_err().to_string()
        };
        for (value, got) in
            [(json!("-1"), "\"-1\""), (json!(1.5), "1.5"), (json!("1.5"), "\"1.5\"")]
        {
            assert_eq!(refused(value), format!("field \"x\" must be a whole number, but is {got}"));
        }
        let refused = flag(&json!({"x": 1}), "x").unwrap_err().to_string();
        assert_eq!(refused, "field \"x\" must be true or false, but is 1");
    }
}
