//! The filter `tojson`.

use super::DEEPEST;
use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Kwargs, ValueKind},
};

/// Spaces of indentation that are not cut.
const WIDEST: usize = 16;

/// As Python's `json.dumps(value, ensure_ascii=False)` writes it.
pub(super) fn to_json(
    state: &State<'_, '_>,
    value: &Value,
    options: Kwargs,
) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    options.assert_all_used()?;
    let mut text = String::new();
    write_json(state, value, indent, 0, &mut text)?;
    Ok(text)
}

fn write_json(
    state: &State<'_, '_>,
    value: &Value,
    indent: Option<usize>,
    depth: usize,
    text: &mut String,
) -> Result<(), Error> {
    let too_deep = || Error::new(ErrorKind::InvalidOperation, "tojson: the value is too deep");
    if depth > DEEPEST {
        return Err(too_deep());
    }
    // What an empty place takes, for each that is written; the rest is charged by its size.
    state.consume_fuel(indent.map_or(1, |by| 1 + (by.min(WIDEST) * depth / 64) as u64))?;
    let line = |depth: usize| indent.map(|by| format!("\n{}", " ".repeat(by.min(WIDEST) * depth)));
    let map = value.kind() == ValueKind::Map;
    if !map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        let plain = serde_json::to_string(value)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
        text.push_str(&plain);
        return Ok(());
    }
    text.push(if map { '{' } else { '[' });
    let mut any = false;
    for item in value.try_iter()? {
        if any {
            text.push_str(if indent.is_some() { "," } else { ", " });
        }
        any = true;
        text.push_str(&line(depth + 1).unwrap_or_default());
        if map {
            write_json(state, &Value::from(item.to_string()), None, depth + 1, text)?;
            text.push_str(": ");
            write_json(state, &value.get_item(&item)?, indent, depth + 1, text)?;
        } else {
            write_json(state, &item, indent, depth + 1, text)?;
        }
    }
    if any {
        text.push_str(&line(depth).unwrap_or_default());
    }
    text.push(if map { '}' } else { ']' });
    Ok(())
}
