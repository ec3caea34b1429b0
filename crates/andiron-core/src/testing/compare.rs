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
