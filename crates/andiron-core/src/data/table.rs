//! Tables from disk: CSV, TSV and JSON Lines, told by the file's ending.
//!
//! - `.csv`: RFC 4180, with a line of column names; fields stay text.
//! - `.tsv`: the same with tabs, where a quotation mark is a character like any other (IANA's
//!   `text/tab-separated-values`).
//! - `.jsonl`, `.ndjson`: one JSON object a line.
//!
//! All are UTF-8; a byte-order mark in front, Windows line ends and empty lines are tolerated.
//! Nothing is guessed: a line that does not fit is refused, with its number.

use crate::{DataError, data::shortened};
use csv::{ByteRecord, ReaderBuilder, StringRecord};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::Path;

/// Stands behind the last line while a table is read. If it comes back as part of another row, then
/// a quotation mark was never closed, which the parser itself does not tell.
const END: &[u8] = b"\nandiron: end of table\n";

/// One row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The line of the file that it begins in, counted from 1.
    pub line: u64,
    /// The row: an object.
    pub value: Value,
}

/// Every row of a table, as an object.
///
/// # Errors
/// [`DataError::Line`] names the line that cannot be read, [`DataError::Empty`] a file without a
/// row, [`DataError::Io`] a file that cannot be opened, [`DataError::Decode`] one with another
/// ending.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Row>, DataError> {
    let path = path.as_ref();
    match Table::open(path)? {
        Table::Lines(lines) => Ok(lines),
        Table::Records { columns, records } => {
            let row = |(line, record): (u64, StringRecord)| {
                let fields = columns.iter().zip(&record);
                let value: Map<String, Value> =
                    fields.map(|(name, field)| (name.to_owned(), field.into())).collect();
                Row { line, value: value.into() }
            };
            Ok(records.into_iter().map(row).collect())
        }
    }
}

/// Every row of a table as an `R`. A field of a CSV or TSV file is read as the number, truth value
/// or text that `R` wants.
///
/// ```no_run
/// #[derive(serde::Deserialize)]
/// struct Rated {
///     text: String,
///     rating: f64,
/// }
///
/// let rows: Vec<Rated> = andiron_core::data::table::read_as("tweets.csv")?;
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// As [`read`], and [`DataError::MissingColumn`] if a CSV or TSV file lacks a column that `R` needs.
pub fn read_as<R: DeserializeOwned>(path: impl AsRef<Path>) -> Result<Vec<R>, DataError> {
    let path = path.as_ref();
    match Table::open(path)? {
        Table::Lines(lines) => lines
            .into_iter()
            .map(|Row { line, value }| {
                serde_json::from_value(value).map_err(|error| refused(path, line, error))
            })
            .collect(),
        Table::Records { columns, records } => records
            .iter()
            .map(|(line, record)| {
                record
                    .deserialize(Some(&columns))
                    .map_err(|error| typed(path, *line, &columns, &error))
            })
            .collect(),
    }
}

/// A table in memory.
enum Table {
    Lines(Vec<Row>),
    Records { columns: StringRecord, records: Vec<(u64, StringRecord)> },
}

impl Table {
    fn open(path: &Path) -> Result<Self, DataError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let read = match ending.to_ascii_lowercase().as_str() {
            "csv" => |path: &Path, bytes| records(path, bytes, b','),
            "tsv" => |path: &Path, bytes| records(path, bytes, b'\t'),
            "jsonl" | "ndjson" => |path: &Path, bytes: Vec<u8>| lines(path, &bytes),
            _ => {
                return Err(DataError::Decode {
                    what: format!("the table {}", path.display()),
                    reason: "its name must end in .csv, .tsv, .jsonl or .ndjson".to_owned(),
                });
            }
        };
        let mut bytes = std::fs::read(path).map_err(|error| DataError::io(path, error))?;
        if bytes.starts_with("\u{feff}".as_bytes()) {
            bytes.drain(.."\u{feff}".len());
        }
        read(path, bytes)
    }
}

fn refused(path: &Path, line: u64, reason: impl ToString) -> DataError {
    DataError::Line { path: path.to_owned(), line, reason: reason.to_string() }
}

fn empty(path: &Path) -> DataError {
    DataError::Empty { what: path.display().to_string() }
}

fn lines(path: &Path, bytes: &[u8]) -> Result<Table, DataError> {
    let mut rows = Vec::new();
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let text = std::str::from_utf8(bytes).map_err(|error| refused(path, line, error))?;
        let value: Value = serde_json::from_str(text).map_err(|error| {
            // The parser saw one line, and its number would contradict ours.
            refused(path, line, error.to_string().replace("at line 1 column", "at column"))
        })?;
        if !value.is_object() {
            let reason = format!("an object was wanted, but this is {}", shortened(&value));
            return Err(refused(path, line, reason));
        }
        rows.push(Row { line, value });
    }
    if rows.is_empty() {
        return Err(empty(path));
    }
    Ok(Table::Lines(rows))
}

fn records(path: &Path, mut bytes: Vec<u8>, delimiter: u8) -> Result<Table, DataError> {
    let length = bytes.len();
    bytes.extend_from_slice(END);
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(delimiter == b',')
        .has_headers(false)
        // The number of fields is checked here, where the end mark is known.
        .flexible(true)
        .from_reader(bytes.as_slice());
    let mut found: Vec<(u64, StringRecord)> = Vec::new();
    let mut record = ByteRecord::new();
    let mut line = 1;
    let mut closed = false;
    while reader.read_byte_record(&mut record).map_err(|error| refused(path, line, error))? {
        let start = record.position().map_or(0, csv::Position::byte) as usize;
        let skipped = bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        // The position is where the parser stood, in front of empty lines and half a line end.
        line = record.position().map_or(line, csv::Position::line)
            + skipped.clone().filter(|byte| **byte == b'\n').count() as u64;
        if start + skipped.count() > length {
            closed = true;
            break;
        }
        let text = StringRecord::from_byte_record(record.clone())
            .map_err(|error| refused(path, line, error.utf8_error()))?;
        if let Some((_, columns)) = found.first()
            && columns.len() != text.len()
            && !text.iter().next_back().is_some_and(|last| last.as_bytes().ends_with(END))
        {
            let reason =
                format!("{} fields were wanted, but there are {}", columns.len(), text.len());
            return Err(refused(path, line, reason));
        }
        found.push((line, text));
    }
    if !closed {
        let line = found.last().map_or(1, |(line, _)| *line);
        return Err(refused(path, line, "a quotation mark is opened and never closed"));
    }
    if found.len() < 2 {
        return Err(empty(path));
    }
    let (line, columns) = found.remove(0);
    for (at, name) in columns.iter().enumerate() {
        if columns.iter().take(at).any(|other| other == name) {
            return Err(refused(path, line, format!("there are two columns {name:?}")));
        }
    }
    Ok(Table::Records { columns, records: found })
}

/// What went wrong with a record, in our words where the cause is a column that is not there.
fn typed(path: &Path, line: u64, columns: &StringRecord, error: &csv::Error) -> DataError {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else {
        return refused(path, line, error);
    };
    let reason = err.kind().to_string();
    match reason.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        Some(column) => DataError::MissingColumn {
            path: path.to_owned(),
            column: column.to_owned(),
            found: columns.iter().map(str::to_owned).collect(),
        },
        None => {
            let column = err.field().and_then(|at| columns.get(at as usize));
            let place = column.map(|name| format!("column {name:?}: ")).unwrap_or_default();
            refused(path, line, place + &reason)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;
    use std::fs;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Rated {
        text: String,
        rating: f64,
        #[serde(default)]
        seen: Option<bool>,
    }

    fn with<X>(name: &str, bytes: impl AsRef<[u8]>, then: impl FnOnce(&Path) -> X) -> X {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        then(&path)
    }

    fn rows(name: &str, bytes: impl AsRef<[u8]>) -> Vec<(u64, Value)> {
        let rows = with(name, bytes, |path| read(path)).unwrap();
        rows.into_iter().map(|row| (row.line, row.value)).collect()
    }

    /// The error without the folder.
    fn refusal(name: &str, bytes: impl AsRef<[u8]>) -> String {
        with(name, bytes, |path| {
            let text = read(path).unwrap_err().to_string();
            text.replace(&path.display().to_string(), name)
        })
    }

    #[test]
    fn csv_rows_have_their_lines() {
        for end in ["\n", "\r\n"] {
            let table = ["\u{feff}text,label", "a,b", "", "", "\"c, \"\"d\"\"", "e\",", "f,g", ""];
            let wanted = vec![
                (2, json!({"text": "a", "label": "b"})),
                (5, json!({"text": format!("c, \"d\"{end}e"), "label": ""})),
                (7, json!({"text": "f", "label": "g"})),
            ];
            assert_eq!(rows("t.CSV", table.join(end)), wanted);
            assert_eq!(rows("t.csv", table[..7].join(end)), wanted, "no end on the last line");
        }
    }

    #[test]
    fn tsv_takes_quotation_marks_as_they_are() {
        let wanted = vec![(2, json!({"text": "say \"no", "label": "\"x"}))];
        assert_eq!(rows("t.tsv", "text\tlabel\r\nsay \"no\t\"x\r\n"), wanted);
    }

    #[test]
    fn json_lines_have_their_lines() {
        let wanted = vec![(2, json!({"text": "é"})), (4, json!({"text": [1, {"a": null}]}))];
        let text = "\n{\"text\":\"é\"}\r\n  \r\n{\"text\":[1,{\"a\":null}]}";
        assert_eq!(rows("t.jsonl", text), wanted);
        assert_eq!(rows("t.ndjson", "\u{feff}{\"text\":\"é\"}\n"), vec![(1, json!({"text": "é"}))]);
    }

    #[test]
    fn typed_rows() {
        let wanted = vec![
            Rated { text: "a".to_owned(), rating: 2.5, seen: None },
            Rated { text: "7".to_owned(), rating: -1.0, seen: Some(true) },
        ];
        for (name, text) in [
            ("t.csv", "seen,rating,text,more\n,2.5,a,x\ntrue,-1,7,x\n"),
            ("t.tsv", "seen\trating\ttext\n\t2.5\ta\ntrue\t-1\t7\n"),
            (
                "t.jsonl",
                "{\"text\":\"a\",\"rating\":2.5}\n{\"text\":\"7\",\"rating\":-1,\"seen\":true}",
            ),
        ] {
            assert_eq!(with(name, text, |path| read_as::<Rated>(path)).unwrap(), wanted, "{name}");
        }
    }

    #[test]
    fn lines_that_cannot_be_read_are_named() {
        for (name, bytes, wanted) in [
            (
                "t.csv",
                &b"a,b\n1,2\n\n3\n"[..],
                "t.csv, line 4: 2 fields were wanted, but there are 1",
            ),
            ("t.csv", b"a,b\n1,2,3\n", "t.csv, line 2: 2 fields were wanted, but there are 3"),
            ("t.csv", b"a,a\n1,2\n", "t.csv, line 1: there are two columns \"a\""),
            (
                "t.csv",
                b"a,b\n1,\"2\n3,4\n5,6\n",
                "t.csv, line 2: a quotation mark is opened and never closed",
            ),
            (
                "t.csv",
                b"a,b\n1,2\n\"3",
                "t.csv, line 3: a quotation mark is opened and never closed",
            ),
            (
                "t.csv",
                b"a,b\n1,2\nx,\xff\n",
                "t.csv, line 3: invalid utf-8: invalid UTF-8 in field 1 near byte index 0",
            ),
            ("t.csv", b"", "t.csv is empty"),
            ("t.csv", b"a,b\n\n", "t.csv is empty"),
            ("t.tsv", b"a\tb\n1 2\n", "t.tsv, line 2: 2 fields were wanted, but there are 1"),
            ("t.jsonl", b"\n \n", "t.jsonl is empty"),
            ("t.jsonl", b"{}\n[1]\n", "t.jsonl, line 2: an object was wanted, but this is [1]"),
            ("t.jsonl", b"{}\n\n{\"a\":}\n", "t.jsonl, line 3: expected value at column 6"),
            (
                "t.jsonl",
                b"{\"a\":\"\xff\"}",
                "t.jsonl, line 1: invalid utf-8 sequence of 1 bytes from index 6",
            ),
            (
                "t.txt",
                b"a",
                "the table t.txt cannot be decoded: its name must end in .csv, .tsv, .jsonl or .ndjson",
            ),
        ] {
            assert_eq!(refusal(name, bytes), wanted);
        }
        assert!(matches!(read("no such folder/t.csv"), Err(DataError::Io { .. })));
    }

    #[test]
    fn what_the_type_lacks_is_named() {
        let refusal = |name: &str, text: &str| {
            with(name, text, |path| {
                let error = read_as::<Rated>(path).unwrap_err();
                error.to_string().replace(&path.display().to_string(), name)
            })
        };
        assert_eq!(
            refusal("t.csv", "text,score\na,1\n"),
            "t.csv: there is no column \"rating\"; there are [\"text\", \"score\"]"
        );
        assert_eq!(
            refusal("t.csv", "text,rating\na,1\n\nb,two\n"),
            "t.csv, line 4: column \"rating\": invalid float literal"
        );
        assert_eq!(
            refusal("t.jsonl", "\n{\"text\":\"a\"}"),
            "t.jsonl, line 2: missing field `rating`"
        );
    }

    fn written(rows: &[(String, String)]) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["text", "label"]).unwrap();
        for (text, label) in rows {
            writer.write_record([text, label]).unwrap();
        }
        writer.into_inner().unwrap()
    }

    fn values(rows: &[(String, String)]) -> Vec<Value> {
        rows.iter().map(|(text, label)| json!({"text": text, "label": label})).collect()
    }

    fn read_values(name: &str, bytes: &[u8]) -> Vec<Value> {
        rows(name, bytes).into_iter().map(|(_, value)| value).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in proptest::collection::vec(("[a\",\r\n\t é\u{feff}]{0,9}", "\\PC{0,9}"), 1..5)
        ) {
            prop_assert_eq!(read_values("t.csv", &written(&rows)), values(&rows));
            let lines: Vec<String> = values(&rows).iter().map(Value::to_string).collect();
            prop_assert_eq!(read_values("t.jsonl", lines.join("\n").as_bytes()), values(&rows));
        }

        #[test]
        fn what_is_written_with_tabs_is_read(
            rows in proptest::collection::vec(("[a\", é]{1,9}", "[^\\p{Cc}]{0,9}"), 1..5)
        ) {
            let lines: Vec<String> =
                rows.iter().map(|(text, label)| format!("{text}\t{label}\n")).collect();
            let table = format!("text\tlabel\n{}", lines.concat());
            prop_assert_eq!(read_values("t.tsv", table.as_bytes()), values(&rows));
        }

        #[test]
        fn anything_is_read_or_refused(bytes: Vec<u8>, text in "[a\",{}:\r\n\t]{0,30}") {
            for name in ["t.csv", "t.tsv", "t.jsonl"] {
                for bytes in [&bytes[..], text.as_bytes()] {
                    with(name, bytes, |path| {
                        if let Ok(rows) = read(path) {
                            assert!(!rows.is_empty());
                            assert!(rows.windows(2).all(|pair| pair[0].line <= pair[1].line));
                        }
                        let _ = read_as::<Rated>(path);
                    });
                }
            }
        }
    }
}
