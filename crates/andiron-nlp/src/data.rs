//! Labelled texts from disk.
//!
//! CSV, TSV and JSON Lines are read by core's [`table`](andiron_core::data::table), as objects
//! ([`read`]) or as rows of any type that serde reads ([`read_as`]); [`text_examples`] is the short
//! way to the examples of text classification, [`tagged_examples`] that to the examples of token
//! classification, from files of words and tags as CoNLL has them.

mod conll;

pub use andiron_core::data::table::{Row, read, read_as};
pub use conll::{tagged_examples, tagged_rows};

use crate::{features::tokens, text::Text};
use andiron_core::{DataError, Example};
use serde::Deserialize;
use std::path::Path;

/// The columns that are read; a table may have more.
#[derive(Deserialize)]
struct Labelled {
    text: String,
    label: String,
    #[serde(default)]
    truncate: Option<bool>,
}

/// The rows of a CSV, TSV or JSON Lines file with columns `text` and `label`, and `truncate` where
/// texts may be cut.
///
/// ```no_run
/// let examples = andiron_nlp::data::text_examples("examples/data/tweets/tweets.csv")?;
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// As [`read_as`].
pub fn text_examples(path: impl AsRef<Path>) -> Result<Vec<Example<Text, String>>, DataError> {
    let rows: Vec<Labelled> = read_as(path)?;
    let example = |Labelled { text, label, truncate }| Example {
        input: Text { text, truncate: truncate.unwrap_or(false) },
        target: label,
    };
    Ok(rows.into_iter().map(example).collect())
}

/// The words of a text in lower case without its signs: equal for variants of one text, so that a
/// split by group (`andiron_core::data::split_by_group`) puts none of them into the test that has
/// another in the training examples.
///
/// ```
/// use andiron_nlp::data::variant_key;
///
/// assert_eq!(variant_key("YAY!!! Another good interview!!!"), variant_key("Yay. Another good interview."));
/// ```
pub fn variant_key(text: &str) -> String {
    let mut words = tokens(text);
    words.retain(|word| word.chars().any(char::is_alphanumeric));
    words.join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::fs;

    fn with<X>(name: &str, bytes: &str, then: impl FnOnce(&Path) -> X) -> X {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        then(&path)
    }

    #[test]
    fn the_three_formats_agree() {
        let wanted = [
            Example { input: Text::from("a, \"b\""), target: "x".to_owned() },
            Example { input: Text::from("é").truncated(), target: "y".to_owned() },
        ];
        for (name, text) in [
            (
                "t.csv",
                "\u{feff}label,more,text,truncate\r\nx,1,\"a, \"\"b\"\"\",\r\ny,2,é,true\r\n",
            ),
            ("t.tsv", "text\tlabel\ttruncate\na, \"b\"\tx\tfalse\né\ty\ttrue\n"),
            (
                "t.jsonl",
                "{\"text\":\"a, \\\"b\\\"\",\"label\":\"x\"}\n\n{\"label\":\"y\",\"text\":\"é\",\"truncate\":true}\n",
            ),
        ] {
            assert_eq!(with(name, text, |path| text_examples(path)).unwrap(), wanted, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let refused = |name: &str, text: &str| {
            with(name, text, |path| {
                let error = text_examples(path).unwrap_err();
                error.to_string().replace(&path.display().to_string(), name)
            })
        };
        assert_eq!(
            refused("t.csv", "text,stars\na,1\n"),
            "t.csv: there is no column \"label\"; there are [\"text\", \"stars\"]"
        );
        assert_eq!(
            refused("t.csv", "text,label,truncate\na,b,maybe\n"),
            "t.csv, line 2: column \"truncate\": provided string was not `true` or `false`"
        );
        assert_eq!(
            refused("t.jsonl", "{\"text\":\"a\",\"label\":\"b\"}\n{\"text\":\"a\",\"label\":2}\n"),
            "t.jsonl, line 2: invalid type: integer `2`, expected a string"
        );
    }

    #[test]
    fn variants_share_their_key() {
        assert_eq!(variant_key("I can't WAIT :) #now"), "i can't wait now");
        assert_ne!(variant_key("good day"), variant_key("goodday"));
    }
}
