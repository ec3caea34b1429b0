//! What stands between the brackets of a template, in pieces.

use super::Fault;

/// How deep brackets may stand in each other, and how many pieces a tag may have: whoever reads a
/// template calls itself for each bracket, and minijinja also for each sign between values.
pub(super) const MOST_OPEN: usize = 100;
pub(super) const MOST_PIECES: usize = 1500;

/// Signs of two characters.
const PAIRS: [&str; 6] = ["==", "!=", "<=", ">=", "//", "**"];

/// A part of an expression.
pub(super) struct Token<'a> {
    /// White space before it.
    pub(super) space: &'a str,
    pub(super) text: &'a str,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Name,
    /// A number or a text.
    Literal,
    Sign,
}

/// The tokens up to `end`, and where what follows begins. The end itself is a token: the last.
///
/// # Errors
/// [`Fault`].
pub(super) fn tokens<'a>(text: &'a str, end: &str) -> Result<(Vec<Token<'a>>, usize), Fault> {
    let (mut found, mut at, mut open) = (Vec::new(), 0, 0_usize);
    loop {
        if found.len() > MOST_PIECES {
            return Err(Fault::Many { what: "pieces in a tag", limit: MOST_PIECES });
        }
        let rest = &text[at..];
        let body = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let space = &rest[..rest.len() - body.len()];
        let ends = body.strip_prefix(['-', '+']).unwrap_or(body).starts_with(end);
        if open == 0 && ends {
            let length = if body.starts_with(end) { 2 } else { 3 };
            let text = &body[..length];
            found.push(Token { space, text, kind: Kind::Sign });
            return Ok((found, at + space.len() + length));
        }
        let first = body.chars().next().ok_or(Fault::Unreadable)?;
        let after_dot = found.last().is_some_and(|token: &Token<'_>| token.text == ".");
        let (length, kind) = match first {
            '"' | '\'' => (quoted(body, first).ok_or(Fault::Unreadable)?, Kind::Literal),
            '0'..='9' => (number(body, after_dot), Kind::Literal),
            'a'..='z' | 'A'..='Z' | '_' => {
                let inside = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
                (body.find(inside).unwrap_or(body.len()), Kind::Name)
            }
            '(' | '[' | '{' => {
                open += 1;
                if open > MOST_OPEN {
                    return Err(Fault::Many { what: "brackets in each other", limit: MOST_OPEN });
                }
                (1, Kind::Sign)
            }
            ')' | ']' | '}' => {
                open = open.checked_sub(1).ok_or(Fault::Unreadable)?;
                (1, Kind::Sign)
            }
            _ if PAIRS.iter().any(|pair| body.starts_with(pair)) => (2, Kind::Sign),
            _ if first.is_ascii_punctuation() => (1, Kind::Sign),
            _ => return Err(Fault::Unreadable),
        };
        found.push(Token { space, text: &body[..length], kind });
        at += space.len() + length;
    }
}

/// The length of a text with its quotes.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of a number. Behind a dot it has no fraction: it is the place in a list.
fn number(text: &str, after_dot: bool) -> usize {
    let bytes = text.as_bytes();
    let plain = !matches!(bytes.get(1), Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B'));
    let mut length = 1;
    while let Some(byte) = bytes.get(length) {
        let before = bytes[length - 1];
        let next = bytes.get(length + 1);
        let goes_on = match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => true,
            b'.' => plain && !after_dot && next.is_some_and(u8::is_ascii_digit),
            b'+' | b'-' => {
                plain && matches!(before, b'e' | b'E') && next.is_some_and(u8::is_ascii_digit)
            }
            _ => false,
        };
        if !goes_on {
            break;
        }
        length += 1;
    }
    length
}
