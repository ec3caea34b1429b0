//! How a text becomes words before it is scored.

use crate::metrics::split_spaces;

/// How a text becomes words. Scores by different tokenisers cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokenizer {
    /// What stands between white space.
    None,
    /// The rules of `mteval-v13a.pl`, the script of the NIST evaluations: signs of ASCII are words
    /// of their own, but not stops and commas within numbers, nor hyphens except behind a digit.
    V13a,
}

impl Tokenizer {
    /// The words of `text`.
    ///
    /// ```
    /// use andiron_nlp::metrics::bleu::Tokenizer;
    ///
    /// let words = Tokenizer::V13a.words("He paid $1,000.50, &quot;all&quot; in 10-year bonds.");
    /// let wanted = [
    ///     "He", "paid", "$", "1,000.50", ",", "\"", "all", "\"", "in", "10", "-", "year", "bonds", ".",
    /// ];
    /// assert_eq!(words, wanted);
    /// ```
    pub fn words(self, text: &str) -> Vec<String> {
        match self {
            Self::None => split_spaces(text).map(str::to_owned).collect(),
            Self::V13a => split_spaces(&v13a(text)).map(str::to_owned).collect(),
        }
    }
}

/// The text with spaces around what is to be a word.
fn v13a(text: &str) -> String {
    let mut plain = text.trim_end_matches(super::super::is_space).to_owned();
    // Order matters: a hyphen at the end of a line joins, `&amp;lt;` ends as `<`.
    for (from, to) in [
        ("<skipped>", ""),
        ("-\n", ""),
        ("\n", " "),
        ("&quot;", "\""),
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ] {
        if plain.contains(from) {
            plain = plain.replace(from, to);
        }
    }
    let mut spaced = vec![' '];
    for c in plain.chars() {
        if stands_alone(c) {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    spaced.push(' ');
    let digit = |c: char| c.is_ascii_digit();
    let stop = |c: char| c == '.' || c == ',';
    let spaced = around(&spaced, |a, b| !digit(a) && stop(b), |a, b| [a, ' ', b, ' ']);
    let spaced = around(&spaced, |a, b| stop(a) && !digit(b), |a, b| [' ', a, ' ', b]);
    let spaced = around(&spaced, |a, b| digit(a) && b == '-', |a, b| [a, ' ', b, ' ']);
    spaced.into_iter().collect()
}

/// Signs of ASCII that are a word wherever they stand: all but `'`, `,`, `-` and `.`.
fn stands_alone(c: char) -> bool {
    (c.is_ascii_punctuation() && !matches!(c, '\'' | ',' | '-' | '.')) || c == ' '
}

/// Neighbours that match, from the left and none twice, become what `replace` says.
fn around(
    text: &[char],
    matches: impl Fn(char, char) -> bool,
    replace: impl Fn(char, char) -> [char; 4],
) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    let mut at = 0;
    while at < text.len() {
        match text.get(at + 1) {
            Some(next) if matches(text[at], *next) => {
                out.extend(replace(text[at], *next));
                at += 2;
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}
