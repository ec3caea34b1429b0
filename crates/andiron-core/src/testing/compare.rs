//! Predictions of any kind, compared as JSON.

use serde_json::Value;
use std::{collections::BTreeMap, fmt};

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

/// The first list that has another length in one prediction than in the other, which is of the same
/// form.
pub(super) fn lengths(a: &Value, b: &Value) -> Option<String> {
    uneven("", a, b)
}

fn uneven(path: &str, a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Array(x), Value::Array(y)) if x.len() != y.len() => {
            Some(format!("{path} has {} and {} elements", x.len(), y.len()))
        }
        (Value::Array(x), Value::Array(y)) => x
            .iter()
            .zip(y)
            .enumerate()
            .find_map(|(i, (x, y))| uneven(&format!("{path}[{i}]"), x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.iter().find_map(|(key, x)| uneven(&format!("{path}.{key}"), x, y.get(key)?))
        }
        _ => None,
    }
}

/// The form of a prediction: kinds of values and names of fields, without the values. Lists count
/// as one form whatever their length, for texts and found objects vary in number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// Nothing was there to have a form: it fits every other.
    Absent,
    Bool,
    Number,
    Text,
    List(ListForm),
    Fields(BTreeMap<String, Form>),
}

/// What the elements of one or more lists have in common.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ListForm {
    /// The form of every element; none if they differ, as those of a tuple do.
    every: Option<Box<Form>>,
    /// The forms in order; none if the lists differ in length.
    each: Option<Vec<Form>>,
    /// Whether no element was seen at all: this fits every other list.
    empty: bool,
}

impl Form {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Absent,
            Value::Bool(_) => Self::Bool,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(all) => Self::List(ListForm::of(all)),
            Value::Object(fields) => Self::Fields(
                fields.iter().map(|(name, value)| (name.clone(), Self::of(value))).collect(),
            ),
        }
    }

    /// The form that both are of; none if there is no such form.
    pub(super) fn with(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Absent, form) | (form, Self::Absent) => Some(form.clone()),
            (Self::List(a), Self::List(b)) => a.with(b).map(Self::List),
            (Self::Fields(a), Self::Fields(b)) if a.keys().eq(b.keys()) => a
                .iter()
                .map(|(name, a)| Some((name.clone(), a.with(&b[name])?)))
                .collect::<Option<BTreeMap<_, _>>>()
                .map(Self::Fields),
            _ if self == other => Some(self.clone()),
            _ => None,
        }
    }
}

impl ListForm {
    fn of(all: &[Value]) -> Self {
        let each: Vec<Form> = all.iter().map(Form::of).collect();
        let every = each.iter().try_fold(Form::Absent, |every, form| every.with(form));
        Self { every: every.map(Box::new), empty: each.is_empty(), each: Some(each) }
    }

    /// Lists fit if all their elements are of one form, or if they are tuples of the same forms.
    fn with(&self, other: &Self) -> Option<Self> {
        if self.empty || other.empty {
            return Some(if self.empty { other.clone() } else { self.clone() });
        }
        let every = match (&self.every, &other.every) {
            (Some(a), Some(b)) => a.with(b).map(Box::new),
            _ => None,
        };
        let each = match (&self.each, &other.each) {
            (Some(a), Some(b)) if a.len() == b.len() => {
                a.iter().zip(b).map(|(a, b)| a.with(b)).collect()
            }
            _ => None,
        };
        (every.is_some() || each.is_some()).then_some(Self { every, each, empty: false })
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |forms: &[Self]| -> String {
            forms.iter().map(Self::to_string).collect::<Vec<_>>().join(",")
        };
        match self {
            Self::Absent => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Number => f.write_str("number"),
            Self::Text => f.write_str("text"),
            Self::List(ListForm { empty: true, .. }) => f.write_str("[]"),
            Self::List(ListForm { every: Some(every), .. }) => write!(f, "[{every}]"),
            Self::List(list) => write!(f, "[{}]", joined(list.each.as_deref().unwrap_or_default())),
            Self::Fields(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, form)| format!("{name}:{form}")).collect();
                write!(f, "{{{}}}", fields.join(","))
            }
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
    fn the_first_list_of_another_length_is_named() {
        let a = json!({"name": "x", "rows": [[1.0], [2.0, 3.0]], "none": null});
        let mut b = json!({"name": "long", "rows": [[4.0], [5.0, 6.0]], "none": [7]});
        assert_eq!(lengths(&a, &b), None);
        b["rows"][1] = json!([5.0]);
        assert_eq!(lengths(&a, &b).unwrap(), ".rows[1] has 2 and 1 elements");
        b["rows"] = json!([]);
        assert_eq!(lengths(&a, &b).unwrap(), ".rows has 2 and 0 elements");
    }

    #[test]
    fn forms_leave_values_out() {
        let form_of = |value| Form::of(&value).to_string();
        assert_eq!(form_of(json!({"b": [1, 2], "a": "x"})), "{a:text,b:[number]}");
        assert_eq!(form_of(json!([])), "[]");
        assert_eq!(form_of(json!(["a", 0.5])), "[text,number]");
        assert_eq!(form_of(json!([null, {"on": true}])), "[{on:bool}]");
    }

    #[test]
    fn forms_fit_whatever_the_lengths_and_what_is_absent() {
        let fit = |values: &[Value]| {
            values
                .iter()
                .map(Form::of)
                .try_fold(Form::Absent, |all, form| all.with(&form))
                .map(|form| form.to_string())
        };
        let boxes = |n: usize| json!({"boxes": vec![json!({"name": "x", "at": [1, 2]}); n]});
        let found = Some("{boxes:[{at:[number],name:text}]}".to_owned());
        // Nothing found first, last and in between.
        assert_eq!(fit(&[boxes(0), boxes(2), boxes(0), boxes(1)]), found);
        assert_eq!(fit(&[boxes(1), boxes(0)]), found);
        assert_eq!(fit(&[boxes(0), json!({"boxes": null})]), Some("{boxes:[]}".to_owned()));
        assert_eq!(fit(&[json!([[]]), json!([[1], []]), json!([])]), Some("[[number]]".to_owned()));
        assert_eq!(fit(&[json!({"a": null}), json!({"a": 1})]), Some("{a:number}".to_owned()));
        // What fits the absent does not fit each other for that.
        assert_eq!(fit(&[json!({"a": null}), json!({"a": 1}), json!({"a": "x"})]), None);
        assert_eq!(fit(&[json!([]), json!([1]), json!(["x"])]), None);
        // All elements count, not the first alone.
        assert_eq!(fit(&[json!([1, 2]), json!([1, 2, "x"])]), None);
        assert_eq!(fit(&[json!([1]), json!([1, "x"])]), None);
        // Tuples, of one length each.
        assert_eq!(
            fit(&[json!([["a", 1]]), json!([["b", 2], ["c", 3]]), json!([])]),
            Some("[[text,number]]".to_owned())
        );
        assert_eq!(fit(&[json!(["a", 1]), json!(["b", null])]), Some("[text,number]".to_owned()));
        assert_eq!(fit(&[json!(["a", 1]), json!([1, "a"])]), None);
        assert_eq!(fit(&[json!(["a", 1]), json!(["a", 1, 2])]), None);
        // Names are part of the form, and a list is no number.
        assert_eq!(fit(&[json!({"a": 1}), json!({"b": 1})]), None);
        assert_eq!(fit(&[json!({"a": 1}), json!({"a": 1, "b": 1})]), None);
        assert_eq!(fit(&[json!([]), json!(1)]), None);
    }
}
