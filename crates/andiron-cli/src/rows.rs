//! Rows of a table, one by one as they are read: `andiron predict` answers each before the next.
//!
//! Whole tables, for training and measuring, are read by `andiron::data::table`, which refuses the
//! table for one bad row.

use csv::{ByteRecord, Position, Reader, ReaderBuilder, StringRecord};
use std::io::{self, Chain, Read};

/// Stands behind the last row. If it comes back as the end of another field, then a quotation mark
/// was never closed, which the parser itself does not tell.
const END: &[u8] = b"\nandiron: end of table\n";

/// A row that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    /// The line that it begins in, or the one to look at, counted from 1.
    pub(crate) line: u64,
    /// What is wrong.
    pub(crate) reason: String,
}

/// The rows of a table, its head first. A bad row costs only its own place, but none comes behind
/// one that cannot be read to its end.
pub(crate) struct Rows<R> {
    reader: Reader<Chain<Counted<R>, &'static [u8]>>,
    record: ByteRecord,
    /// How many fields the head has.
    width: Option<usize>,
    over: bool,
}

/// Input that counts its bytes.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

impl<R: Read> Rows<R> {
    /// The rows of `input`. In TSV a quotation mark is a character like any other.
    pub(crate) fn new(input: R, delimiter: u8) -> Self {
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(delimiter == b',')
            .has_headers(false)
            // The number of fields is checked here, where the end mark is known.
            .flexible(true)
            .from_reader(Counted { inner: input, bytes: 0 }.chain(END));
        Self { reader, record: ByteRecord::new(), width: None, over: false }
    }

    /// Whether the record just read took the end mark with it.
    fn is_last(&self) -> bool {
        let input = self.reader.get_ref().get_ref().0;
        self.reader.position().byte() == input.bytes + END.len() as u64
    }

    /// The row just read, which is not the last.
    fn row(&mut self) -> Result<StringRecord, String> {
        let row = StringRecord::from_byte_record(self.record.clone())
            .map_err(|error| error.utf8_error().to_string())?;
        let width = *self.width.get_or_insert(row.len());
        if row.len() != width {
            return Err(format!("{width} fields were wanted, but there are {}", row.len()));
        }
        Ok(row)
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<StringRecord, BadRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let read = self.reader.read_byte_record(&mut self.record);
        let line = self.record.position().map_or(1, Position::line);
        match read {
            Ok(true) if self.is_last() => {
                self.over = true;
                let last = self.record.iter().next_back().filter(|last| last.ends_with(END))?;
                // All lines from the mark on lie in this field.
                let inside = last.iter().filter(|byte| **byte == b'\n').count() as u64;
                let line = self.reader.position().line() - inside;
                let reason = "a quotation mark is opened and never closed".to_owned();
                Some(Err(BadRow { line, reason }))
            }
            Ok(true) => Some(self.row().map_err(|reason| BadRow { line, reason })),
            Ok(false) => {
                self.over = true;
                None
            }
            Err(error) => {
                self.over = true;
                Some(Err(BadRow { line, reason: error.to_string() }))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    type Got = Vec<Result<String, (u64, String)>>;

    /// The rows with their fields joined by `|`, and the errors with their lines.
    fn read(bytes: &[u8], delimiter: u8) -> Got {
        Rows::new(bytes, delimiter)
            .map(|row| {
                row.map(|row| row.iter().collect::<Vec<_>>().join("|"))
                    .map_err(|BadRow { line, reason }| (line, reason))
            })
            .collect()
    }

    fn csv(text: &str) -> Got {
        read(text.as_bytes(), b',')
    }

    fn good(rows: &[&str]) -> Got {
        rows.iter().map(|row| Ok((*row).to_owned())).collect()
    }

    #[test]
    fn rows_come_as_they_are() {
        for end in ["\n", "\r\n"] {
            for last in ["", end] {
                let text = format!("a,b{end}1,\"x{end}y\"{end}{end}\"\"\"\",3{last}");
                let wanted = good(&["a|b", &format!("1|x{end}y"), "\"|3"]);
                assert_eq!(csv(&text), wanted, "{text:?}");
                assert_eq!(csv(&format!("\u{feff}{text}")).len(), 3);
            }
        }
        for none in ["", "\n", "\r\n\n"] {
            assert!(csv(none).is_empty(), "{none:?}");
        }
        // A mark inside a field of CSV, and anywhere in TSV, is a character.
        assert_eq!(csv("a\n5\" wide\n"), good(&["a", "5\" wide"]));
        assert_eq!(read(b"a\tb\n\"x\ty", b'\t'), good(&["a|b", "\"x|y"]));
        // Nor does what looks like the end end it.
        let text = "a\nandiron: end of table\n\"\nandiron: end of table\n\"\nb\n";
        assert_eq!(csv(text).len(), 4);
        assert!(csv(text).iter().all(Result::is_ok));
        assert_eq!(csv("a\nandiron: end of table").len(), 2);
    }

    #[test]
    fn a_mark_that_is_never_closed_is_named_by_its_line() {
        for (text, rows, line) in [
            ("\"a,b\n1,2\n", 0, 1),
            ("a,b\n1,\"2\n3,4\n5,6\n", 1, 2),
            ("a,b\n1,2\n\n\n\"3", 2, 5),
            ("a,b\n1,2\n\"x\ny\",\"z\n\n3,4\n", 2, 4),
            ("a,b\r\n1,2\r\n3,\"4\r\n5,6", 2, 3),
            ("a,b\n1,\"2\"\"", 1, 2),
        ] {
            let read = csv(text);
            assert_eq!(read.len(), rows + 1, "{text:?}");
            assert!(read[..rows].iter().all(Result::is_ok), "{text:?}");
            let reason = "a quotation mark is opened and never closed".to_owned();
            assert_eq!(read[rows], Err((line, reason)), "{text:?}");
        }
    }

    #[test]
    fn a_bad_row_costs_only_its_own_place() {
        let rows = read(b"a,b\n1\n2,\xff\n3,4\n", b',');
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[1], Err((2, "2 fields were wanted, but there are 1".to_owned())));
        assert!(matches!(&rows[2], Err((3, reason)) if reason.contains("invalid utf-8")));
        assert_eq!(rows[3], Ok("3|4".to_owned()));
    }

    #[test]
    fn a_failing_input_is_the_end() {
        struct Broken(bool);
        impl io::Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::Error::other("unplugged"));
                }
                buffer[..8].copy_from_slice(b"a,b\n1,2\n");
                Ok(8)
            }
        }
        let rows: Vec<_> = Rows::new(Broken(false), b',').collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[2].as_ref().unwrap_err().reason.contains("unplugged"));
    }
}
