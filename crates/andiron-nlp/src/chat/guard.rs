//! A template with a check behind every value that it names, so that what its operators and filters
//! then do with the value is paid for beforehand.
//!
//! minijinja charges what a value costs once it is there. A list that holds another one twice, which
//! holds another one twice, and so on, is small; what becomes of it as a text, or how long it takes to
//! compare it, is not, and none of that is charged before it is done. So `a ~ b.c` is read as
//! `a|__checked ~ b.c|__checked`. The sum of what is charged bounds the size of every value, and the
//! work of every operation on it.

mod tokens;

use tokens::{Kind, Token, tokens};

/// The filter that charges for a value. No template can name these three by chance.
pub(super) const CHECKED: &str = "__checked";
/// As [`CHECKED`], for what is multiplied: no list.
pub(super) const FACTOR: &str = "__factor";
/// As [`CHECKED`], for what is kept in a namespace: no namespace.
pub(super) const KEPT: &str = "__kept";

/// Words that stand between values.
const WORDS: [&str; 8] = ["and", "or", "not", "in", "is", "if", "else", "recursive"];
const CONSTANTS: [&str; 6] = ["true", "false", "none", "True", "False", "None"];

/// How many branches `elif` may begin in a template: minijinja reads each inside the one before.
const MOST_BRANCHES: usize = 200;

/// Why a template is not given its checks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It cannot be taken apart.
    Unreadable,
    /// It has more than `limit` of something; to read it would take too much of the stack.
    Many { what: &'static str, limit: usize },
}

/// The template with its checks.
///
/// # Errors
/// [`Fault`].
pub(super) fn guarded(source: &str) -> Result<String, Fault> {
    let (mut out, mut rest) = (String::with_capacity(2 * source.len()), source);
    let mut branches = 0;
    while let Some(at) = rest.find('{') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(kind) = tag.get(..2).filter(|kind| ["{{", "{%", "{#"].contains(kind)) else {
            out.push('{');
            rest = &tag[1..];
            continue;
        };
        if kind == "{#" {
            let end = tag.find("#}").ok_or(Fault::Unreadable)? + 2;
            out.push_str(&tag[..end]);
            rest = &tag[end..];
            continue;
        }
        let is_block = kind == "{%";
        let marked = tag[2..].starts_with(['-', '+']);
        let head = if marked { 3 } else { 2 };
        let (tokens, end) = tokens(&tag[head..], if is_block { "%}" } else { "}}" })?;
        out.push_str(&tag[..head]);
        rest = &tag[head + end..];
        if is_block && tokens.first().is_some_and(|token| token.text == "raw") {
            // What stands in there is text.
            let length = end + raw_end(rest).ok_or(Fault::Unreadable)?;
            out.push_str(&tag[head..head + length]);
            rest = &tag[head + length..];
            continue;
        }
        if is_block && tokens.first().is_some_and(|token| token.text == "elif") {
            branches += 1;
            if branches > MOST_BRANCHES {
                return Err(Fault::Many { what: "elif branches", limit: MOST_BRANCHES });
            }
        }
        let mut writer = Writer { tokens: &tokens, at: 0, out: &mut out, end: CHECKED };
        let written = if is_block { writer.block() } else { writer.values() };
        if written.is_none() || writer.at < tokens.len() {
            return Err(Fault::Unreadable);
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the text of a raw block ends, with the tag that ends it.
fn raw_end(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find("{%")?;
        let inside = text[at + 2..].trim_start_matches(['-', '+']).trim_start();
        if inside.starts_with("endraw") {
            return Some(at + text[at..].find("%}")? + 2);
        }
        from = at + 2;
    }
}

/// Writes tokens with the checks between them.
struct Writer<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    out: &'t mut String,
    /// The check for values that stand in no bracket.
    end: &'static str,
}

impl<'t> Writer<'t, '_> {
    fn text(&self, ahead: usize) -> &'t str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn kind(&self) -> Option<Kind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    /// The next token as it is.
    fn push(&mut self) -> Option<()> {
        let token = self.tokens.get(self.at)?;
        self.out.push_str(token.space);
        self.out.push_str(token.text);
        self.at += 1;
        Some(())
    }

    fn rest_as_it_is(&mut self) -> Option<()> {
        while self.at < self.tokens.len() {
            self.push()?;
        }
        Some(())
    }

    /// What stands in a block.
    fn block(&mut self) -> Option<()> {
        let word = self.text(0);
        if self.kind()? != Kind::Name {
            return self.rest_as_it_is();
        }
        match word {
            "if" | "elif" | "do" | "autoescape" | "with" => {
                self.push()?;
                self.values()
            }
            "for" => {
                while self.text(0) != "in" {
                    self.push()?;
                }
                self.push()?;
                self.values()
            }
            "set" => self.set(),
            "call" => {
                self.push()?;
                if self.text(0) == "(" {
                    self.group_as_it_is()?;
                }
                // It has to stay a call.
                self.value("", true)?;
                self.rest_as_it_is()
            }
            "filter" => self.filters(),
            // Parameters and their defaults, which are checked where they are used; and what has
            // no value in it.
            _ => self.rest_as_it_is(),
        }
    }

    fn set(&mut self) -> Option<()> {
        let (mut depth, mut assigned) = (0_usize, None);
        for (at, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.checked_sub(1)?,
                "=" if depth == 0 => {
                    assigned = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let Some(assigned) = assigned else { return self.filters() };
        while self.at <= assigned {
            if self.text(0) == "." {
                self.end = KEPT;
            }
            self.push()?;
        }
        self.values()
    }

    /// A word, a name, and filters behind it.
    fn filters(&mut self) -> Option<()> {
        while self.at < self.tokens.len() {
            match self.text(0) {
                "(" => self.group()?,
                _ => self.push()?,
            }
        }
        Some(())
    }

    /// Values and what stands between them, up to a closing bracket or the end.
    fn values(&mut self) -> Option<()> {
        // Whether the value that comes is multiplied; never at the beginning, where a star unpacks.
        let (mut star, mut first) = (false, true);
        while let Some(kind) = self.kind() {
            let text = self.text(0);
            match kind {
                _ if matches!(text, ")" | "]" | "}") => return Some(()),
                Kind::Name if text == "is" => self.test()?,
                Kind::Name if WORDS.contains(&text) => self.push()?,
                Kind::Name if self.text(1) == "=" => {
                    self.push()?;
                    self.push()?;
                }
                Kind::Name | Kind::Literal => self.multiplied(star)?,
                Kind::Sign if matches!(text, "(" | "[" | "{") => self.multiplied(star)?,
                Kind::Sign => {
                    star = text == "*" && !first;
                    first = text == ",";
                    self.push()?;
                    continue;
                }
            }
            (star, first) = (false, false);
        }
        Some(())
    }

    fn multiplied(&mut self, star: bool) -> Option<()> {
        let from = self.out.len();
        let end = self.end;
        self.value(end, true)?;
        if star || self.text(0) == "*" {
            let check = format!("|{end}");
            if self.out[from..].ends_with(&check) {
                self.out.truncate(self.out.len() - check.len());
                self.out.push('|');
                self.out.push_str(FACTOR);
            }
        }
        Some(())
    }

    /// `is`, a test, and its argument in brackets, where it may stand without.
    fn test(&mut self) -> Option<()> {
        self.push()?;
        if self.text(0) == "not" {
            self.push()?;
        }
        self.push()?;
        let text = self.text(0);
        if text == "(" {
            return self.group();
        }
        let sign = matches!(text, "-" | "+") && self.at + 1 < self.tokens.len();
        let argument = match self.kind()? {
            Kind::Literal => true,
            Kind::Name => !WORDS.contains(&text),
            Kind::Sign => sign || matches!(text, "[" | "{"),
        };
        if argument {
            self.out.push('(');
            if sign {
                self.push()?;
            }
            self.value(CHECKED, false)?;
            self.out.push(')');
        }
        Some(())
    }

    /// A value with all that belongs to it, and the check `end` behind it.
    fn value(&mut self, end: &str, filters: bool) -> Option<()> {
        let space = self.tokens.get(self.at)?.space;
        let from = self.out.len() + space.len();
        let mut needed = match self.kind()? {
            Kind::Literal => {
                self.push()?;
                false
            }
            Kind::Name => {
                let constant = CONSTANTS.contains(&self.text(0));
                self.push()?;
                !constant
            }
            Kind::Sign => {
                self.group()?;
                true
            }
        };
        loop {
            match self.text(0) {
                "." => {
                    if needed && self.text(2) == "(" {
                        // A method walks through what it is called on.
                        self.out.insert(from, '(');
                        self.check(CHECKED);
                        self.out.push(')');
                    }
                    self.push()?;
                    self.push()?;
                }
                "(" | "[" => self.group()?,
                "|" if filters => {
                    if needed {
                        self.check(CHECKED);
                    }
                    self.push()?;
                    self.push()?;
                }
                _ => break,
            }
            needed = true;
        }
        if needed && !end.is_empty() {
            self.check(end);
        }
        Some(())
    }

    fn check(&mut self, name: &str) {
        self.out.push('|');
        self.out.push_str(name);
    }

    /// Brackets with the values in them.
    fn group(&mut self) -> Option<()> {
        self.push()?;
        let end = std::mem::replace(&mut self.end, CHECKED);
        self.values()?;
        self.end = end;
        self.push()
    }

    fn group_as_it_is(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.text(0) {
                "(" => depth += 1,
                ")" => depth = depth.checked_sub(1)?,
                _ => {}
            }
            self.push()?;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// With `§` for the check.
    fn of(source: &str) -> String {
        guarded(source).unwrap().replace("|__checked", "§").replace("|__", "§")
    }

    #[test]
    fn a_check_stands_behind_every_value() {
        for (source, wanted) in [
            ("a {{ x }} {b} {", "a {{ x§ }} {b} {"),
            ("{{- 'a' ~ m.role ~ '}}' -}}", "{{- 'a' ~ m.role§ ~ '}}' -}}"),
            ("{{ m['a'][1:n] }}", "{{ m['a'][1:n§]§ }}"),
            ("{{ x|trim|join(', ', y) }}", "{{ x§|trim§|join(', ', y§)§ }}"),
            ("{{ f(a, b=c, *d, **e) }}", "{{ f(a§, b=c§, *d§, **e§)§ }}"),
            ("{{ a.b.items()|list }}", "{{ (a.b§).items()§|list§ }}"),
            ("{{ ', '.join(x) }}", "{{ ', '.join(x§)§ }}"),
            ("{{ {'a': [x, 1]}.a }}", "{{ {'a': [x§, 1]§}.a§ }}"),
            ("{{ 2 * x * (y + 1) * 'a' }}", "{{ 2 * x§factor * (y§ + 1)§factor * 'a' }}"),
            ("{{ a if b is not none else true }}", "{{ a§ if b§ is not none else true }}"),
            ("{{ x is eq y.z and not w }}", "{{ x§ is eq( y.z§) and not w§ }}"),
            ("{{ x is divisibleby -3|abs }}", "{{ x§ is divisibleby( -3)|abs§ }}"),
            ("{{ 1.5e-3 - 0x1F + a.0.1 }}", "{{ 1.5e-3 - 0x1F + a.0.1§ }}"),
            (
                "{% if x == y %}{% elif z in [1] %}{% endif %}",
                "{% if x§ == y§ %}{% elif z§ in [1]§ %}{% endif %}",
            ),
            (
                "{%- for k, v in d.items() if v recursive +%}",
                "{%- for k, v in (d§).items()§ if v§ recursive +%}",
            ),
            ("{% set a, b = x, (y == z) %}", "{% set a, b = x§, (y§ == z§)§ %}"),
            ("{% set ns.a = x + [x] %}", "{% set ns.a = x§kept + [x§]§kept %}"),
            ("{% set a | replace('x', y) %}", "{% set a | replace('x', y§) %}"),
            ("{% with a = x, b = 1 %}", "{% with a = x§, b = 1 %}"),
            ("{% macro f(a, b=[]) %}", "{% macro f(a, b=[]) %}"),
            ("{% call(u) f(x) %}{{ u }}", "{% call(u) f(x§) %}{{ u§ }}"),
            ("{% filter trim %}", "{% filter trim %}"),
            (
                "{# {{ x }} #}{% raw -%} {{ x }} {%- endraw %}{{ x }}",
                "{# {{ x }} #}{% raw -%} {{ x }} {%- endraw %}{{ x§ }}",
            ),
            (r#"{{ "a\"}}" }}"#, r#"{{ "a\"}}" }}"#),
        ] {
            assert_eq!(of(source), wanted);
        }
    }

    #[test]
    fn what_is_too_deep_is_told() {
        let nested = |n: usize| format!("{{{{ {}1{} }}}}", "(".repeat(n), ")".repeat(n));
        assert!(guarded(&nested(tokens::MOST_OPEN)).is_ok());
        let long = |n: usize| format!("{{{{ 1{} }}}}", " + 1".repeat(n));
        assert!(guarded(&long(tokens::MOST_PIECES / 2 - 1)).is_ok());
        let branched = |n: usize| format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(n));
        assert!(guarded(&branched(MOST_BRANCHES)).is_ok());
        for (source, what) in [
            (nested(tokens::MOST_OPEN + 1), "brackets in each other"),
            (long(tokens::MOST_PIECES), "pieces in a tag"),
            (branched(MOST_BRANCHES + 1), "elif branches"),
        ] {
            let fault = guarded(&source).unwrap_err();
            assert!(matches!(fault, Fault::Many { what: said, .. } if said == what), "{fault:?}");
        }
    }

    #[test]
    fn what_cannot_be_taken_apart_is_told() {
        for source in
            ["{{ x", "{{ 'x }}", "{{ ) }}", "{% raw %}{{ x }}", "{# x", "{{ § }}", "{% for x %}"]
        {
            assert_eq!(guarded(source), Err(Fault::Unreadable), "{source}");
        }
    }
}
