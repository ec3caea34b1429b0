//! Words that have a meaning in numbers.

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
pub(super) enum Meaning {
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

pub(super) fn meaning(word: &str) -> Option<Meaning> {
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
