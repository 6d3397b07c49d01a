//! Comma-separated values (RFC 4180): records with the lines and bytes at which they stand, so that
//! faults can be named and an unfinished end can be cut off.

/// A record as it stands in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Its cells.
    pub cells: Vec<String>,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// The byte at which it begins.
    pub begin: usize,
    /// The byte after its end.
    pub end: usize,
    /// Whether it has its end: a line's end, outside of quotes.
    pub is_whole: bool,
}

/// A line that is not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct CsvError {
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub reason: &'static str,
}

/// Reads `bytes` record by record; empty lines are passed over.
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = Result<Record, CsvError>> {
    let mut reader = Reader { bytes, at: 0, line: 1 };
    std::iter::from_fn(move || reader.next_record())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

/// Where in a cell the reader is.
#[derive(PartialEq)]
enum Within {
    Plain,
    Quotes,
    AfterQuotes,
}

impl Reader<'_> {
    fn next_record(&mut self) -> Option<Result<Record, CsvError>> {
        while let Some(b'\n' | b'\r') = self.bytes.get(self.at) {
            self.line += usize::from(self.bytes.get(self.at) == Some(&b'\n'));
            self.at += 1;
        }
        self.bytes.get(self.at)?;
        let record = self.record();
        if record.is_err() {
            // Nothing that follows a fault can be trusted.
            self.at = self.bytes.len();
        }
        Some(record)
    }

    fn record(&mut self) -> Result<Record, CsvError> {
        let mut record = Record { line: self.line, begin: self.at, ..Record::default() };
        let (mut cell, mut within) = (Vec::new(), Within::Plain);
        let fault = |line, reason| CsvError { line, reason };
        let text = |cell: Vec<u8>, line| {
            String::from_utf8(cell).map_err(|_| fault(line, "it is not UTF-8 text"))
        };
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match (byte, &within) {
                (b'"', Within::Plain) if cell.is_empty() => within = Within::Quotes,
                (b'"', Within::Quotes) => within = Within::AfterQuotes,
                // Two quotes within quotes are one.
                (b'"', Within::AfterQuotes) => {
                    cell.push(byte);
                    within = Within::Quotes;
                }
                (b',', Within::Plain | Within::AfterQuotes) => {
                    record.cells.push(text(std::mem::take(&mut cell), self.line)?);
                    within = Within::Plain;
                }
                (b'\n', Within::Plain | Within::AfterQuotes) => {
                    record.is_whole = true;
                    break;
                }
                (b'\r', _)
                    if within != Within::Quotes
                        && matches!(self.bytes.get(self.at), None | Some(b'\n')) => {}
                (_, Within::AfterQuotes) => {
                    return Err(fault(self.line, "there is text after a closing quote"));
                }
                _ => {
                    self.line += usize::from(byte == b'\n');
                    cell.push(byte);
                }
            }
        }
        record.cells.push(text(cell, self.line)?);
        self.line += usize::from(record.is_whole);
        record.end = self.at;
        Ok(record)
    }
}

/// One record as a line, with quotes where they are needed.
pub(super) fn line(cells: &[String]) -> String {
    let needs_quotes = |cell: &String| cell.contains([',', '"', '\n', '\r']);
    let quoted = |cell: &String| match needs_quotes(cell) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    let mut line = cells.iter().map(quoted).collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        records(text.as_bytes()).map(|record| record.expect("a record").cells).collect()
    }

    #[test]
    fn quotes_line_ends_and_empty_cells() {
        assert_eq!(
            cells("a,b\r\n\r\n\"c,\"\"d\"\"\",\n,\n"),
            [vec!["a", "b"], vec!["c,\"d\"", ""], vec!["", ""]]
        );
        assert_eq!(cells("\"two\nlines\",x"), [["two\nlines", "x"]]);
        assert_eq!(
            cells("in\"side,y\n"),
            [["in\"side", "y"]],
            "a quote within a plain cell is a letter"
        );
        assert_eq!(cells(""), Vec::<Vec<String>>::new());
        assert_eq!(cells("\n\r\n"), Vec::<Vec<String>>::new());
    }

    #[test]
    fn records_know_where_they_stand_and_whether_they_end() {
        let found: Vec<Record> =
            records(b"a\n\"b\nc\"\nd").map(|record| record.expect("a record")).collect();
        let places: Vec<_> = found
            .iter()
            .map(|record| (record.line, record.begin, record.end, record.is_whole))
            .collect();
        assert_eq!(places, [(1, 0, 2, true), (2, 2, 8, true), (4, 8, 9, false)]);
        assert!(!records(b"\"open\n").next().expect("one").expect("a record").is_whole);
    }

    #[test]
    fn faults_are_named_by_line() {
        let fault = |bytes: &[u8]| records(bytes).find_map(Result::err).expect("a fault");
        assert_eq!(fault(b"a\n\"b\"c\n").line, 2);
        assert_eq!(fault(b"a\n\n\xff\n"), CsvError { line: 3, reason: "it is not UTF-8 text" });
        assert_eq!(records(b"\"b\"c\nd\n").count(), 1, "nothing is read after a fault");
    }

    #[test]
    fn whatever_is_written_is_read_back() {
        let letters = ["a", "\"", ",", "\n", "\r", "é"];
        let longer = |cells: &[String]| {
            cells
                .iter()
                .flat_map(|cell| letters.map(|letter| format!("{cell}{letter}")))
                .collect::<Vec<_>>()
        };
        let (mut all, mut last) = (vec![String::new()], vec![String::new()]);
        for _ in 0..3 {
            last = longer(&last);
            all.extend(last.clone());
        }
        let table: Vec<Vec<String>> =
            all.iter().map(|cell| vec![cell.clone(), "x".into(), cell.clone()]).collect();
        let text: String = table.iter().map(|cells| line(cells)).collect();
        assert_eq!(cells(&text), table);
    }
}
