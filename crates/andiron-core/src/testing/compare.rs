//! Predictions of any kind, compared as JSON.

use serde_json::Value;

/// The first place where two predictions differ by more than `tolerance`, and by how much.
pub(super) fn difference(a: &Value, b: &Value, tolerance: f64) -> Option<String> {
    at("", a, b, tolerance)
}

fn at(path: &str, a: &Value, b: &Value, tolerance: f64) -> Option<String> {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let (x, y) = (x.as_f64().unwrap_or(f64::NAN), y.as_f64().unwrap_or(f64::NAN));
            let near = (x - y).abs() <= tolerance * 1.0_f64.max(x.abs());
            (!near).then(|| format!("{path} is {x} and {y}"))
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => x
            .iter()
            .zip(y)
            .enumerate()
            .find_map(|(i, (x, y))| at(&format!("{path}[{i}]"), x, y, tolerance)),
        (Value::Object(x), Value::Object(y)) if x.len() == y.len() => {
            x.iter().find_map(|(key, x)| {
                let y = y.get(key).unwrap_or(&Value::Null);
                at(&format!("{path}.{key}"), x, y, tolerance)
            })
        }
        _ if a == b => None,
        _ => Some(format!("{path} is {a} and {b}")),
    }
}

/// The form of a prediction: kinds of values and names of fields, without the values. Lists count
/// as one form whatever their length, for texts and found objects vary in number.
pub(super) fn form(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Array(all) => format!("[{}]", all.first().map(form).unwrap_or_default()),
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}:{}", form(value))).collect();
            format!("{{{}}}", fields.join(","))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_named() {
        let a = json!({"label": "x", "scores": [0.5, 1000.0], "on": true, "none": null});
        assert_eq!(difference(&a, &a, 0.0), None);
        let mut b = a.clone();
        // Relative where the number is large, absolute where it is small.
        b["scores"] = json!([0.500_004, 1000.004]);
        assert_eq!(difference(&a, &b, 1e-5), None);
        let text = difference(&a, &b, 1e-6).unwrap();
        assert_eq!(text, ".scores[0] is 0.5 and 0.500004");
        for (field, other, text) in [
            ("label", json!("y"), ".label is \"x\" and \"y\""),
            ("scores", json!([0.5]), ".scores is [0.5,1000.0] and [0.5]"),
            ("scores", json!([0.5, null]), ".scores[1] is 1000.0 and null"),
            ("on", json!(1), ".on is true and 1"),
        ] {
            let mut b = a.clone();
            b[field] = other;
            assert_eq!(difference(&a, &b, 1e-5).unwrap(), text);
        }
        let other = json!({"label": "x", "scores": [0.5, 1000.0], "off": true, "none": null});
        assert_eq!(difference(&a, &other, 1e-5).unwrap(), ".on is true and null");
        assert!(difference(&json!([1.0]), &json!([1.0, 2.0]), 1.0).is_some());
    }

    #[test]
    fn forms_leave_values_out() {
        let form_of = |value| form(&value);
        assert_eq!(form_of(json!({"b": [1, 2], "a": "x"})), "{a:text,b:[number]}");
        assert_eq!(form_of(json!([])), "[]");
        assert_ne!(form_of(json!({"a": null})), form_of(json!({"a": 1})));
    }
}
