//! Spelled-out numbers as digits: Whisper's `EnglishNumberNormalizer`.

mod value;
mod words;

use super::{Replacement, pattern, replaced};
use crate::metrics::split_spaces;
use regex::{Captures, Regex};
use value::{Value, added, is_numeric, joined, multiplied, shifted, text_of};
use words::{Meaning, meaning};

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

/// "Double" and "triple" before a digit; whether they were.
fn repeated(speaker: &mut Speaker, word: &str, times: usize, follows: Option<Meaning>) -> bool {
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
    true
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
        Meaning::Repeat(times) => return repeated(speaker, word, times, follows),
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
