//! What the values of a template cost, before anything is done with them.

use super::guard::{CHECKED, FACTOR, KEPT};
use minijinja::{Environment, Error, ErrorKind, State, Value, value::ValueKind};
use minijinja_contrib::pycompat::unknown_method_callback;

/// How deep values may hold each other.
const DEEPEST: usize = 64;
/// How many parts of a value a unit of fuel pays for.
const PARTS: u64 = 2;
/// Bytes of a text that count as a part.
const PART: usize = 64;
/// A width in `str.format` may have so many digits.
const DIGITS: usize = 4;

/// Adds what [`guarded`](super::guard::guarded) templates call.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter(CHECKED, checked);
    environment.add_filter(FACTOR, factor);
    environment.add_filter(KEPT, kept);
    environment.set_unknown_method_callback(method);
}

fn refused(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

/// The value itself, once it is paid for.
fn checked(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    // A text that stands alone is handed on as it is; minijinja charges what is done with it.
    if value.as_object().is_some() {
        charge(state, &value)?;
    }
    Ok(value)
}

fn factor(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    match value.as_object() {
        Some(_) => Err(refused("a list cannot be multiplied here")),
        None => checked(state, value),
    }
}

fn kept(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    match is_namespace(&value) {
        true => Err(refused("a namespace cannot be kept in a namespace")),
        false => checked(state, value),
    }
}

/// minijinja's own type is private. A namespace that holds itself has no end.
fn is_namespace(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"))
}

/// Pays for a value with all that it holds; gives its parts.
fn charge(state: &State<'_, '_>, value: &Value) -> Result<u64, Error> {
    let (_, fuel) = state.fuel_levels().unwrap_or((0, 0));
    let all = fuel.saturating_mul(PARTS);
    let mut left = all;
    let weighed = weigh(value, 0, &mut left);
    let parts = all - left;
    state.consume_fuel(parts.div_ceil(PARTS))?;
    weighed.map(|()| parts)
}

/// Takes the parts of a value from those that are `left`.
fn weigh(value: &Value, depth: usize, left: &mut u64) -> Result<(), Error> {
    let bytes = value.as_str().map_or(0, str::len);
    *left = left
        .checked_sub(1 + (bytes / PART) as u64)
        .ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
    if value.as_object().is_none() {
        return Ok(());
    }
    if depth > DEEPEST {
        return Err(refused("a value is too deep"));
    }
    if depth > 0 && is_namespace(value) {
        return Err(refused("a namespace cannot be held by another value"));
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.try_for_each(|item| weigh(&item, depth + 1, left))
        }
        ValueKind::Map => value.try_iter()?.try_for_each(|key| {
            weigh(&key, depth + 1, left)?;
            weigh(&value.get_item(&key)?, depth + 1, left)
        }),
        _ => Ok(()),
    }
}

/// Python's methods; those that can make much of little are paid for beforehand.
fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        match name {
            "format" => check_format(state, text, arguments)?,
            // As many values as there are separators.
            "split" => {
                let pieces = match arguments.first().and_then(Value::as_str) {
                    Some(separator) => text.matches(separator).count(),
                    None => text.split_whitespace().count(),
                };
                state.consume_fuel(pieces as u64)?;
            }
            "splitlines" => state.consume_fuel(text.lines().count() as u64)?,
            _ => {}
        }
    }
    unknown_method_callback(state, value, name, arguments)
}

/// Each place may take the largest argument, and be filled up to a width.
fn check_format(state: &State<'_, '_>, text: &str, arguments: &[Value]) -> Result<(), Error> {
    let is_number = |part: &str| part.len() > DIGITS && part.bytes().all(|b| b.is_ascii_digit());
    if text.split(|c: char| !c.is_ascii_digit()).any(is_number) {
        return Err(refused("a width in format is too large"));
    }
    let mut parts = 10_u64.pow(DIGITS as u32) / PART as u64;
    for argument in arguments {
        parts = parts.saturating_add(charge(state, argument)?);
    }
    let places = text.matches('{').count() as u64;
    state.consume_fuel(parts.saturating_mul(places))
}
