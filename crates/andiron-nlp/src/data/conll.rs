//! Files of words and tags, as the CoNLL shared tasks have them.

use super::Row;
use crate::{
    metrics::entities::{self, Mode, Span},
    text::Text,
};
use andiron_core::{DataError, Example};
use serde_json::json;
use std::{path::Path, str::Utf8Error};

/// Stands between the documents of CoNLL-2003, as a sentence of its own.
const BETWEEN: &str = "-DOCSTART-";

/// The sentences of a file of words and tags, with their entities.
///
/// A line has a word in its first column and a tag in its last: `O`, or `B-`, `I-`, `E-` or `S-` and
/// a label. Columns are set apart by tabs, or by any white space where the line has no tab. An empty
/// line ends a sentence, and so does a line of the word `-DOCSTART-`, which is left out. The text is
/// the words with a space between them; a tag that is out of place begins an entity, as
/// [`Mode::Lenient`] has it, so files in IOB1 are read too.
///
/// ```no_run
/// let sentences = andiron_nlp::data::tagged_examples("train.conll")?;
/// println!("{} {:?}", sentences[0].input.text, sentences[0].target);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::Line`] names the line that cannot be read, [`DataError::Empty`] a file without a
/// sentence, [`DataError::Io`] one that cannot be opened.
pub fn tagged_examples(path: impl AsRef<Path>) -> Result<Vec<Example<Text, Vec<Span>>>, DataError> {
    let example =
        |(_, text, target): (u64, String, Vec<Span>)| Example { input: Text::from(text), target };
    Ok(sentences(path.as_ref())?.into_iter().map(example).collect())
}

/// As [`tagged_examples`], as rows of the fields `text` and `entities`, which is how `andiron train`
/// reads a file that ends in `.conll`.
///
/// # Errors
/// As [`tagged_examples`].
pub fn tagged_rows(path: &Path) -> Result<Vec<Row>, DataError> {
    let row = |(line, text, entities): (u64, String, Vec<Span>)| Row {
        line,
        value: json!({"text": text, "entities": entities}),
    };
    Ok(sentences(path)?.into_iter().map(row).collect())
}

/// The words and tags of a sentence, and the line that it begins in.
#[derive(Default)]
struct Sentence {
    line: u64,
    words: Vec<String>,
    tags: Vec<String>,
}

impl Sentence {
    /// The text and its entities in characters; the sentence begins anew.
    fn finish(&mut self, found: &mut Vec<(u64, String, Vec<Span>)>) -> Result<(), DataError> {
        let Self { line, words, tags } = std::mem::take(self);
        if words.is_empty() {
            return Ok(());
        }
        let mut places = Vec::with_capacity(words.len());
        let mut next = 0;
        for word in &words {
            let end = next + word.chars().count();
            places.push((next, end));
            next = end + 1;
        }
        let spans = entities::spans(&tags, Mode::Lenient)?;
        let in_characters = |span: Span| Span {
            start: places[span.start].0,
            end: places[span.end - 1].1,
            label: span.label,
        };
        found.push((line, words.join(" "), spans.into_iter().map(in_characters).collect()));
        Ok(())
    }
}

fn sentences(path: &Path) -> Result<Vec<(u64, String, Vec<Span>)>, DataError> {
    let bytes = std::fs::read(path).map_err(|error| DataError::io(path, error))?;
    let mut found = Vec::new();
    let mut sentence = Sentence::default();
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let text = std::str::from_utf8(bytes).map_err(|error| Fault::from(error).at(path, line))?;
        let text = if line == 1 { text.trim_start_matches('\u{feff}') } else { text };
        if text.trim().is_empty() || text.starts_with(BETWEEN) {
            sentence.finish(&mut found)?;
            continue;
        }
        let (word, tag) = columns(text).map_err(|fault| fault.at(path, line))?;
        if sentence.words.is_empty() {
            sentence.line = line;
        }
        sentence.words.push(word.to_owned());
        sentence.tags.push(tag.to_owned());
    }
    sentence.finish(&mut found)?;
    if found.is_empty() {
        return Err(DataError::Empty { what: path.display().to_string() });
    }
    Ok(found)
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    NoText(#[from] Utf8Error),
    #[error("a word and a tag were wanted, but there is one column")]
    OneColumn,
    #[error("the word is empty")]
    NoWord,
    #[error("a tag is O, or B-, I-, E- or S- and a label, but this is {got:?}")]
    NoTag { got: String },
}

impl Fault {
    fn at(self, path: &Path, line: u64) -> DataError {
        DataError::Line { path: path.to_owned(), line, reason: self.to_string() }
    }
}

/// The word and the tag of a line.
fn columns(line: &str) -> Result<(&str, &str), Fault> {
    let columns: Vec<&str> = match line.contains('\t') {
        true => line.split('\t').map(str::trim).collect(),
        false => line.split_whitespace().collect(),
    };
    let [word, .., tag] = columns[..] else { return Err(Fault::OneColumn) };
    if word.is_empty() {
        return Err(Fault::NoWord);
    }
    let known = matches!(
        tag.split_once('-'),
        Some(("B" | "I" | "E" | "S", label)) if !label.is_empty()
    );
    if tag == "O" || known {
        return Ok((word, tag));
    }
    Err(Fault::NoTag { got: tag.to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::fs;

    fn with<X>(bytes: impl AsRef<[u8]>, then: impl FnOnce(&Path) -> X) -> X {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.conll");
        fs::write(&path, bytes).unwrap();
        then(&path)
    }

    fn read(text: &str) -> Vec<(String, String)> {
        let examples = with(text, |path| tagged_examples(path)).unwrap();
        let shown = |example: Example<Text, Vec<Span>>| {
            let spans = example.target.iter();
            let spans = spans.map(|span| format!("{}:{}-{}", span.label, span.start, span.end));
            (example.input.text, spans.collect::<Vec<_>>().join(" "))
        };
        examples.into_iter().map(shown).collect()
    }

    fn wanted(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(text, spans)| ((*text).to_owned(), (*spans).to_owned())).collect()
    }

    #[test]
    fn sentences_have_their_entities_in_characters() {
        let text = "\u{feff}Zoë\tB-PER\r\nSmith\tI-PER\r\nin\tO\r\nNew\tB-LOC\r\nYork\tI-LOC\r\n\r\n\r\nno\tO\r\n";
        assert_eq!(
            read(text),
            wanted(&[("Zoë Smith in New York", "PER:0-9 LOC:13-21"), ("no", "")])
        );
        // Four columns, documents, IOB1 and no line end at the end.
        let text = "-DOCSTART- -X- O O\n\nJ. NNP I-NP I-PER\nA NNP I-NP B-PER\n\na DT O O\n日本 NNP I-NP S-LOC";
        assert_eq!(read(text), wanted(&[("J. A", "PER:0-2 PER:3-4"), ("a 日本", "LOC:2-4")]));
    }

    #[test]
    fn rows_are_what_the_program_reads() {
        let rows = with("\n\na O\nb B-x-y\n\nc O\n", tagged_rows).unwrap();
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 6]);
        let wanted = json!({"text": "a b", "entities": [{"label": "x-y", "start": 2, "end": 3}]});
        assert_eq!(rows[0].value, wanted);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        let refused = |bytes: &[u8]| {
            with(bytes, |path| {
                let error = tagged_examples(path).unwrap_err().to_string();
                error.replace(&path.display().to_string(), "t.conll")
            })
        };
        for (bytes, wanted) in [
            (
                &b"a O\nb\n"[..],
                "t.conll, line 2: a word and a tag were wanted, but there is one column",
            ),
            (b"a\tO\n\tO\n", "t.conll, line 2: the word is empty"),
            (
                b"\na B\n",
                "t.conll, line 2: a tag is O, or B-, I-, E- or S- and a label, but this is \"B\"",
            ),
            (
                b"a X-PER\n",
                "t.conll, line 1: a tag is O, or B-, I-, E- or S- and a label, but this is \"X-PER\"",
            ),
            (
                b"a B-\n",
                "t.conll, line 1: a tag is O, or B-, I-, E- or S- and a label, but this is \"B-\"",
            ),
            (b"a O\n\xff O\n", "t.conll, line 2: invalid utf-8 sequence of 1 bytes from index 0"),
            (b"\n \n", "t.conll is empty"),
        ] {
            assert_eq!(refused(bytes), wanted);
        }
        let missing = tagged_examples("nowhere.conll").unwrap_err();
        assert_eq!(missing.to_string(), "cannot read nowhere.conll");
    }
}
