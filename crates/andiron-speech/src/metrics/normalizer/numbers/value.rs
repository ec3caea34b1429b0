//! Numbers as digits, of any length.

use super::words::Meaning;

/// A number that is not finished: as one (`Whole`), or as digits that were said one after another.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Digits without leading zeros.
    Whole(String),
    Text(String),
}

impl Value {
    pub(super) fn digits(&self) -> &str {
        match self {
            Self::Whole(digits) | Self::Text(digits) => digits,
        }
    }

    pub(super) fn whole(digits: &str) -> Self {
        let kept = digits.trim_start_matches('0');
        Self::Whole(if kept.is_empty() { "0" } else { kept }.to_owned())
    }
}

/// `0` is nothing in Python's `value or ""`.
pub(super) fn text_of(value: &Option<Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::Whole(digits)) if digits == "0" => String::new(),
        Some(value) => value.digits().to_owned(),
    }
}

/// Whether a number can be read as `digits` or `digits.digits`; and its two parts.
fn decimal(text: &str) -> Option<(&str, &str)> {
    let all = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = !whole.is_empty() || !rest.is_empty();
    (digits && all(whole) && all(rest)).then_some((whole, rest))
}

pub(super) fn is_numeric(word: &str) -> bool {
    decimal(word)
        .is_some_and(|(whole, rest)| !whole.is_empty() && (rest.is_empty() != word.contains('.')))
}

/// Digits times ten to the power of `zeros`, if that is a whole number.
pub(super) fn shifted(text: &str, zeros: usize) -> Option<String> {
    let (whole, rest) = decimal(text)?;
    let rest = rest.trim_end_matches('0');
    let missing = zeros.checked_sub(rest.len())?;
    Some(format!("{whole}{rest}{}", "0".repeat(missing)))
}

/// The sum of two numbers of any length.
fn sum(left: &str, right: &str) -> String {
    let length = left.len().max(right.len());
    let digit = |text: &str, at: usize| {
        text.len().checked_sub(at + 1).map_or(0, |place| text.as_bytes()[place] - b'0')
    };
    let (mut digits, mut carry) = (Vec::with_capacity(length + 1), 0);
    for at in 0..length {
        let total = digit(left, at) + digit(right, at) + carry;
        digits.push(b'0' + total % 10);
        carry = total / 10;
    }
    if carry > 0 {
        digits.push(b'0' + carry);
    }
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}

/// A value and a number below 100 said after it: added where the value ends in enough zeros,
/// else put behind.
pub(super) fn joined(value: &Value, number: usize, before: Option<Meaning>) -> Value {
    let digits = value.digits();
    let after_ones = matches!(before, Some(Meaning::Ones(_, None)));
    if matches!(value, Value::Text(_)) || after_ones {
        if matches!(before, Some(Meaning::Tens(_, None))) && number < 10 {
            return Value::Text(format!("{}{number}", &digits[..digits.len() - 1]));
        }
        return Value::Text(format!("{digits}{number}"));
    }
    added(digits, number, if number < 10 { 1 } else { 2 })
}

/// `digits + number` if the last `places` of it are zeros, else the one behind the other.
pub(super) fn added(digits: &str, number: usize, places: usize) -> Value {
    let zeros = digits == "0" || digits.len() >= places && digits.ends_with(&"00"[..places]);
    match zeros {
        true => Value::whole(&sum(digits, &number.to_string())),
        false => Value::Text(format!("{digits}{number}")),
    }
}

/// The number that a multiplier makes of a whole one: of its last three digits only.
pub(super) fn multiplied(digits: &str, zeros: usize) -> String {
    let cut = digits.len().saturating_sub(3);
    let residual = format!("{}{}", &digits[cut..], "0".repeat(zeros));
    let before = format!("{}000", &digits[..cut]);
    match Value::whole(&sum(&before, &residual)) {
        Value::Whole(digits) | Value::Text(digits) => digits,
    }
}
