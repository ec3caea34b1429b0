//! Spelled-out numbers as digits: Whisper's `EnglishNumberNormalizer`.

use super::{Replacement, pattern, replaced};
use crate::metrics::split_spaces;
use regex::{Captures, Regex};

/// "one" is 1, "nineteen" is 19.
const ONES: [&str; 19] = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
/// "twenty" is 20, "ninety" is 90.
const TENS: [&str; 8] =
    ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
/// With the number of zeros.
const MULTIPLIERS: [(&str, usize); 12] = [
    ("hundred", 2),
    ("thousand", 3),
    ("million", 6),
    ("billion", 9),
    ("trillion", 12),
    ("quadrillion", 15),
    ("quintillion", 18),
    ("sextillion", 21),
    ("septillion", 24),
    ("octillion", 27),
    ("nonillion", 30),
    ("decillion", 33),
];

/// What a word says in a number.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meaning {
    Zero,
    /// 1 to 19, with the ending of an ordinal or a plural.
    Ones(usize, Option<&'static str>),
    /// 20 to 90.
    Tens(usize, Option<&'static str>),
    /// Zeros.
    Multiplier(usize, Option<&'static str>),
    /// A sign before a number.
    Before(&'static str),
    /// A currency after a number.
    After(&'static str),
    /// "per", of "per cent".
    Per,
    Percent,
    And,
    /// How often the next digit stands.
    Repeat(usize),
    Point,
}

fn meaning(word: &str) -> Option<Meaning> {
    Some(match word {
        "o" | "oh" | "zero" => Meaning::Zero,
        "minus" | "negative" => Meaning::Before("-"),
        "plus" | "positive" => Meaning::Before("+"),
        "pound" | "pounds" => Meaning::After("£"),
        "euro" | "euros" => Meaning::After("€"),
        "dollar" | "dollars" => Meaning::After("$"),
        "cent" | "cents" => Meaning::After("¢"),
        "per" => Meaning::Per,
        "percent" => Meaning::Percent,
        "and" => Meaning::And,
        "double" => Meaning::Repeat(2),
        "triple" => Meaning::Repeat(3),
        "point" => Meaning::Point,
        _ => return ones(word).or_else(|| tens(word)).or_else(|| multiplier(word)),
    })
}

fn ones(word: &str) -> Option<Meaning> {
    let irregular = match word {
        "zeroth" => Some((0, "th")),
        "first" => Some((1, "st")),
        "second" => Some((2, "nd")),
        "third" => Some((3, "rd")),
        "fifth" => Some((5, "th")),
        "twelfth" => Some((12, "th")),
        "sixes" => Some((6, "s")),
        _ => None,
    };
    if let Some((value, suffix)) = irregular {
        return Some(Meaning::Ones(value, Some(suffix)));
    }
    ONES.iter().zip(1..).find_map(|(name, value)| {
        let rest = word.strip_prefix(name)?;
        match (rest, value) {
            ("", _) => Some(Meaning::Ones(value, None)),
            ("s", _) if value != 6 => Some(Meaning::Ones(value, Some("s"))),
            ("h", 8) => Some(Meaning::Ones(value, Some("th"))),
            ("th", 4 | 6..) if value != 8 && value != 12 => Some(Meaning::Ones(value, Some("th"))),
            _ => None,
        }
    })
}

fn tens(word: &str) -> Option<Meaning> {
    TENS.iter().zip(2..).find_map(|(name, value)| {
        let rest = word.strip_prefix(name.trim_end_matches('y'))?;
        let suffix = match rest {
            "y" => None,
            "ies" => Some("s"),
            "ieth" => Some("th"),
            _ => return None,
        };
        Some(Meaning::Tens(10 * value, suffix))
    })
}

fn multiplier(word: &str) -> Option<Meaning> {
    MULTIPLIERS.iter().find_map(|(name, zeros)| {
        let suffix = match word.strip_prefix(name)? {
            "" => None,
            "s" => Some("s"),
            "th" => Some("th"),
            _ => return None,
        };
        Some(Meaning::Multiplier(*zeros, suffix))
    })
}

/// A number that is not finished: as one (`Whole`), or as digits that were said one after another.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    /// Digits without leading zeros.
    Whole(String),
    Text(String),
}

impl Value {
    fn digits(&self) -> &str {
        match self {
            Self::Whole(digits) | Self::Text(digits) => digits,
        }
    }

    fn whole(digits: &str) -> Self {
        let kept = digits.trim_start_matches('0');
        Self::Whole(if kept.is_empty() { "0" } else { kept }.to_owned())
    }
}

/// `0` is nothing in Python's `value or ""`.
fn text_of(value: &Option<Value>) -> String {
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

fn is_numeric(word: &str) -> bool {
    decimal(word)
        .is_some_and(|(whole, rest)| !whole.is_empty() && (rest.is_empty() != word.contains('.')))
}

/// Digits times ten to the power of `zeros`, if that is a whole number.
fn shifted(text: &str, zeros: usize) -> Option<String> {
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
fn joined(value: &Value, number: usize, before: Option<Meaning>) -> Value {
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
fn added(digits: &str, number: usize, places: usize) -> Value {
    let zeros = digits == "0" || digits.len() >= places && digits.ends_with(&"00"[..places]);
    match zeros {
        true => Value::whole(&sum(digits, &number.to_string())),
        false => Value::Text(format!("{digits}{number}")),
    }
}

/// The number that a multiplier makes of a whole one: of its last three digits only.
fn multiplied(digits: &str, zeros: usize) -> String {
    let cut = digits.len().saturating_sub(3);
    let residual = format!("{}{}", &digits[cut..], "0".repeat(zeros));
    let before = format!("{}000", &digits[..cut]);
    match Value::whole(&sum(&before, &residual)) {
        Value::Whole(digits) | Value::Text(digits) => digits,
    }
}

/// The words that are finished, and the number that is not.
#[derive(Default)]
struct Speaker {
    words: Vec<String>,
    value: Option<Value>,
    prefix: Option<String>,
}

impl Speaker {
    fn say(&mut self, word: &str) {
        self.value = None;
        self.words.push(self.prefix.take().unwrap_or_default() + word);
    }

    /// Says the number, if there is one.
    fn flush(&mut self) {
        if let Some(value) = self.value.take() {
            self.say(value.digits());
        }
    }

    fn flush_and_say(&mut self, word: &str) {
        self.flush();
        self.say(word);
    }

    /// Digits, perhaps with a sign or a currency in front; `bare` is without it.
    fn digits(&mut self, word: &str, bare: &str) {
        if let Some(value) = &self.value {
            match value {
                // Decimals, or the parts of an IP address.
                Value::Text(text) if text.ends_with('.') => {
                    self.value = Some(Value::Text(format!("{text}{word}")));
                    return;
                }
                _ => self.flush(),
            }
        }
        if word.len() > bare.len() {
            self.prefix = Some(word[..word.len() - bare.len()].to_owned());
        }
        self.value = Some(match shifted(bare, 0) {
            Some(whole) => Value::whole(&whole),
            None => Value::Text(bare.to_owned()),
        });
    }

    fn number(&mut self, number: usize, suffix: Option<&str>, value: Value) {
        match suffix {
            None => self.value = Some(value),
            Some(suffix) => {
                let said = match &self.value {
                    None => format!("{number}{suffix}"),
                    Some(_) => format!("{}{suffix}", value.digits()),
                };
                self.say(&said);
            }
        }
    }

    fn multiply(&mut self, zeros: usize, suffix: Option<&str>) {
        let alone = format!("1{}", "0".repeat(zeros));
        let value = match &self.value {
            None => alone,
            Some(Value::Whole(digits)) if digits == "0" && suffix.is_none() => "0".to_owned(),
            Some(Value::Whole(digits)) => multiplied(digits, zeros),
            Some(Value::Text(text)) => match shifted(text, zeros) {
                Some(product) => product,
                None => {
                    self.flush();
                    alone
                }
            },
        };
        let value = Value::whole(&value);
        match suffix {
            None => self.value = Some(value),
            Some(suffix) => self.say(&format!("{}{suffix}", value.digits())),
        }
    }
}

/// Numbers in words as numbers in digits.
#[derive(Debug, Clone)]
pub(super) struct EnglishNumbers {
    half: Regex,
    boundaries: Vec<Replacement>,
    cents: Regex,
    only_cents: Regex,
    one: Vec<Replacement>,
}

impl EnglishNumbers {
    pub(super) fn new() -> Self {
        Self {
            half: pattern(r"\band[\s\x1c-\x1f]+a[\s\x1c-\x1f]+half\b"),
            boundaries: vec![
                Replacement::new(r"([a-z])([0-9])", "${1} ${2}"),
                Replacement::new(r"([0-9])([a-z])", "${1} ${2}"),
                Replacement::new(r"([0-9])[\s\x1c-\x1f]+(st|nd|rd|th|s)\b", "${1}${2}"),
            ],
            cents: pattern(r"([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})\b"),
            only_cents: pattern(r"[€£$]0.([0-9]{1,2})\b"),
            one: vec![Replacement::new(r"\b1(s?)\b", "one${1}")],
        }
    }

    pub(super) fn normalize(&self, text: &str) -> String {
        let text = self.prepared(text);
        let words: Vec<&str> = split_spaces(&text).collect();
        let text = digits(&words).join(" ");
        // Both patterns have caught one or two digits.
        let number = |cents: &str| cents.parse::<u8>().unwrap_or_default();
        let text = self.cents.replace_all(&text, |found: &Captures<'_>| {
            format!("{}{}.{:02}", &found[1], &found[2], number(&found[3]))
        });
        let text = self
            .only_cents
            .replace_all(&text, |found: &Captures<'_>| format!("¢{}", number(&found[1])));
        replaced(&text, &self.one)
    }

    /// "two and a half" says "two point five"; digits and letters are parted.
    fn prepared(&self, text: &str) -> String {
        let segments: Vec<&str> = self.half.split(text).collect();
        let mut parts = Vec::new();
        for (at, segment) in segments.iter().enumerate() {
            let Some(last) = split_spaces(segment).last() else { continue };
            parts.push(*segment);
            if at + 1 < segments.len() {
                let number = matches!(
                    meaning(last),
                    Some(
                        Meaning::Zero
                            | Meaning::Ones(_, None)
                            | Meaning::Tens(_, None)
                            | Meaning::Multiplier(_, None)
                    )
                );
                parts.push(if number { "point five" } else { "and a half" });
            }
        }
        replaced(&parts.join(" "), &self.boundaries)
    }
}

fn digits(words: &[&str]) -> Vec<String> {
    let mut speaker = Speaker::default();
    let mut skip = false;
    for (at, word) in words.iter().enumerate() {
        if std::mem::take(&mut skip) {
            continue;
        }
        let next = words.get(at + 1).copied();
        let before = at.checked_sub(1).and_then(|at| meaning(words[at]));
        let bare = word.strip_prefix(['-', '+', '£', '€', '$', '¢']).unwrap_or(word);
        if is_numeric(bare) {
            speaker.digits(word, bare);
            continue;
        }
        let Some(meant) = meaning(word) else {
            speaker.flush_and_say(word);
            continue;
        };
        skip = word_of_number(&mut speaker, (word, meant), before, next);
    }
    speaker.flush();
    speaker.words
}

/// Takes a word that has a meaning in numbers; whether the next is taken with it.
fn word_of_number(
    speaker: &mut Speaker,
    (word, meant): (&str, Meaning),
    before: Option<Meaning>,
    next: Option<&str>,
) -> bool {
    let follows = next.and_then(meaning);
    let numeric = next.is_some_and(is_numeric);
    match meant {
        Meaning::Zero => speaker.value = Some(Value::Text(text_of(&speaker.value) + "0")),
        Meaning::Ones(number, suffix) => {
            let value = match &speaker.value {
                None => Value::whole(&number.to_string()),
                Some(value) => joined(value, number, before),
            };
            speaker.number(number, suffix, value);
        }
        Meaning::Tens(number, suffix) => {
            let value = match &speaker.value {
                None => Value::whole(&number.to_string()),
                Some(Value::Text(text)) => Value::Text(format!("{text}{number}")),
                Some(Value::Whole(digits)) => added(digits, number, 2),
            };
            speaker.number(number, suffix, value);
        }
        Meaning::Multiplier(zeros, suffix) => speaker.multiply(zeros, suffix),
        Meaning::Before(sign) => {
            speaker.flush();
            match follows.is_some() || numeric {
                true => speaker.prefix = Some(sign.to_owned()),
                false => speaker.say(word),
            }
        }
        Meaning::After(currency) => match speaker.value.is_some() {
            true => {
                speaker.prefix = Some(currency.to_owned());
                speaker.flush();
            }
            false => speaker.say(word),
        },
        Meaning::Per | Meaning::Percent => return percent(speaker, word, meant, next),
        // The rest only if a number can follow.
        _ if follows.is_none() && !numeric => speaker.flush_and_say(word),
        // "and" says nothing behind "hundred", "thousand", ….
        Meaning::And if matches!(before, Some(Meaning::Multiplier(_, None))) => {}
        Meaning::And => speaker.flush_and_say(word),
        Meaning::Repeat(times) => {
            let digit = match follows {
                Some(Meaning::Zero) => 0,
                Some(Meaning::Ones(number, None)) => number,
                _ => {
                    speaker.flush_and_say(word);
                    return false;
                }
            };
            let said = text_of(&speaker.value) + &digit.to_string().repeat(times);
            speaker.value = Some(Value::Text(said));
            return true;
        }
        Meaning::Point => {
            let digits = matches!(
                follows,
                Some(Meaning::Zero | Meaning::Ones(_, None) | Meaning::Tens(_, None))
            );
            if digits || numeric {
                speaker.value = Some(Value::Text(text_of(&speaker.value) + "."));
            }
        }
    }
    false
}

/// "percent" and "per cent" behind a number; whether the next word is taken with it.
fn percent(speaker: &mut Speaker, word: &str, meant: Meaning, next: Option<&str>) -> bool {
    let Some(value) = &speaker.value else {
        speaker.say(word);
        return false;
    };
    let said = format!("{}%", value.digits());
    match (meant, next) {
        (Meaning::Percent, _) => speaker.say(&said),
        (_, Some("cent")) => {
            speaker.say(&said);
            return true;
        }
        _ => speaker.flush_and_say(word),
    }
    false
}
