//! Reading a table: ours, or one of P2PLLMEdge's application, with every fault named by its line
//! and column.

use std::path::Path;

use super::{
    MAX_ROWS, MAX_TABLE_BYTES, Metric, Peer, Row, StepRow,
    csv::{self, CsvError, Record},
};
use crate::matrix::prompt_kind::kind_of;
use mica_wallet::files::{self, FileError};

/// Largest number that a table may hold: nanoseconds of thirty years. Its square still fits the
/// statistics.
pub(in crate::matrix) const MAX_NUMBER: f64 = 1e18;
/// What stands for a front-end where the table has none: then there was only one.
const ONLY_FRONT_END: &str = "app";

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Columns that must be there.
    #[error("{table}: the column{} {} {} missing: a table of `mica matrix` or of P2PLLMEdge's application has a header with all of them", if .columns.len() == 1 { "" } else { "s" }, .columns.join(", "), if .columns.len() == 1 { "is" } else { "are" })]
    Columns {
        /// The file.
        table: String,
        /// Their names.
        columns: Vec<String>,
    },
    /// A cell that does not say what its column holds.
    #[error("{table}, line {line}, column {column}: '{found}' is not {wanted}")]
    Cell {
        /// The file.
        table: String,
        /// Line, from 1.
        line: usize,
        /// Column.
        column: String,
        /// What is there, shortened.
        found: String,
        /// What should be.
        wanted: &'static str,
    },
    /// A line that is not a record.
    #[error("{table}, {source}")]
    Csv {
        /// The file.
        table: String,
        /// Why, with its line.
        source: CsvError,
    },
    /// A line with more or fewer cells than the header.
    #[error("{table}, line {line}: it has {found} cells, and the header has {wanted}")]
    Cells {
        /// The file.
        table: String,
        /// Line, from 1.
        line: usize,
        /// Cells that are there.
        found: usize,
        /// Cells that should be.
        wanted: usize,
    },
    /// A header and no rows.
    #[error("{0} has no rows: run `mica matrix` first")]
    Empty(String),
    /// More rows than are read.
    #[error("{0} has more than {MAX_ROWS} rows: split it")]
    TooLong(String),
}

/// All rows of a file.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Rows that hold measurements.
    pub rows: Vec<Row>,
    /// How many rows were left out because they hold a failure instead.
    pub failures: usize,
}

impl Table {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`TableError`] names the file, the line and the column.
    pub fn read(path: &Path) -> Result<Self, TableError> {
        let bytes = files::read_bounded(path, MAX_TABLE_BYTES)?;
        Self::parse(&path.display().to_string(), &bytes)
    }

    /// Reads a table that is called `name` in errors.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, TableError> {
        let broken = |source| TableError::Csv { table: name.into(), source };
        let mut records = csv::records(bytes);
        let columns =
            Columns::find(name, &records.next().transpose().map_err(broken)?.unwrap_or_default())?;
        let mut table = Self::default();
        for record in records {
            let record = record.map_err(broken)?;
            let (found, wanted) = (record.cells.len(), columns.names.len());
            if found != wanted {
                return Err(TableError::Cells {
                    table: name.into(),
                    line: record.line,
                    found,
                    wanted,
                });
            }
            if table.rows.len() + table.failures == MAX_ROWS {
                return Err(TableError::TooLong(name.into()));
            }
            let row = columns.row(name, &record)?;
            if row.is_failure() { table.failures += 1 } else { table.rows.push(row) }
        }
        if table.rows.is_empty() { Err(TableError::Empty(name.into())) } else { Ok(table) }
    }
}

/// Where each column stands.
struct Columns {
    names: Vec<String>,
    timestamp: Option<usize>,
    prompt: usize,
    steps: [StepColumns; 2],
    front_end: Option<usize>,
    prompt_type: Option<usize>,
    repeat: Option<usize>,
}

struct StepColumns {
    model: usize,
    values: [usize; 8],
    response: usize,
    cost: Option<usize>,
}

impl Columns {
    fn find(table: &str, header: &Record) -> Result<Self, TableError> {
        // Spreadsheets put a byte order mark before the first name.
        let names: Vec<String> = header
            .cells
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        let at = |name: &str| names.iter().position(|found| found == name);
        let mut missing = Vec::new();
        let mut needed = |name: String| {
            at(&name).unwrap_or_else(|| {
                missing.push(name);
                0
            })
        };
        let prompt = needed("prompt".into());
        let steps = Peer::ALL.map(|peer| {
            let prefix = peer.prefix();
            StepColumns {
                model: needed(format!("{prefix}_llm")),
                values: Metric::ALL.map(|metric| needed(format!("{prefix}_{}", metric.column()))),
                response: needed(format!("{prefix}_response_ollama")),
                cost: at(&format!("{prefix}_cost")),
            }
        });
        if !missing.is_empty() {
            return Err(TableError::Columns { table: table.into(), columns: missing });
        }
        let (front_end, timestamp) = (at("front_end").or(at("web_server")), at("timestamp"));
        let (prompt_type, repeat) = (at("prompt_type"), at("repeat"));
        Ok(Self { timestamp, prompt, steps, front_end, prompt_type, repeat, names })
    }

    fn row(&self, table: &str, record: &Record) -> Result<Row, TableError> {
        let cell = |index: usize| record.cells.get(index).map(String::as_str).unwrap_or_default();
        let refuse = |index: usize, wanted: &'static str| TableError::Cell {
            table: table.into(),
            line: record.line,
            column: self.names.get(index).cloned().unwrap_or_default(),
            found: cell(index).chars().take(40).collect(),
            wanted,
        };
        let text = |index: usize| cell(index).to_owned();
        let named = |index: usize| match cell(index).trim() {
            "" => Err(refuse(index, "a name")),
            name => Ok(name.to_owned()),
        };
        let number = |index: usize| {
            let number = cell(index)
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|number| (0.0..=MAX_NUMBER).contains(number));
            number.ok_or_else(|| refuse(index, "a number from 0 to 1e18"))
        };
        let money = |index: usize| match cell(index).trim() {
            "" => Ok(None),
            digits => digits
                .parse::<u128>()
                .map(Some)
                .map_err(|_| refuse(index, "a whole number of base units")),
        };
        let step = |columns: &StepColumns| {
            let mut values = [0.0; 8];
            for (value, index) in values.iter_mut().zip(columns.values) {
                *value = number(index)?;
            }
            let cost = columns.cost.map_or(Ok(None), money)?;
            Ok::<_, TableError>(StepRow {
                model: named(columns.model)?,
                values,
                response: text(columns.response),
                cost,
            })
        };
        let prompt = text(self.prompt);
        let kind = self.prompt_type.map_or_else(|| Ok(kind_of(&prompt)), named)?;
        let repeat = self.repeat.map(|index| {
            cell(index).trim().parse::<u32>().map_err(|_| refuse(index, "a number of repetitions"))
        });
        let [first, second] = &self.steps;
        Ok(Row {
            timestamp: self.timestamp.map(text).unwrap_or_default(),
            first: step(first)?,
            second: step(second)?,
            front_end: self.front_end.map_or_else(|| Ok(ONLY_FRONT_END.into()), named)?,
            prompt_type: kind,
            repeat: repeat.transpose()?.unwrap_or(1),
            prompt,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::table::{cells, header};

    fn sample() -> Row {
        let step = |model: &str| StepRow {
            model: model.into(),
            values: [1e9, 0.0, 34.0, 5e8, 12.0, 4e8, 30.0, 1.1e9],
            response: "He said \"so, be it\",\nand left.".into(),
            cost: Some(12_345_678_901_234_567_890),
        };
        Row {
            timestamp: "2025-07-08T09:10:11Z".into(),
            prompt: "Why, \"tell\" me?".into(),
            first: step("one:1b"),
            second: step("two"),
            front_end: "direct".into(),
            prompt_type: "Logical".into(),
            repeat: 2,
        }
    }

    fn csv(records: &[Vec<String>]) -> Vec<u8> {
        records.iter().map(|cells| csv::line(cells)).collect::<String>().into_bytes()
    }

    /// A table of one row in which one cell says something else.
    fn with(column: &str, cell: &str) -> Result<Table, TableError> {
        let (header, mut cells) = (header(), cells(&sample()));
        let index = header.iter().position(|name| name == column).expect("a column");
        cells[index] = cell.into();
        Table::parse("t.csv", &csv(&[header, cells]))
    }

    #[test]
    fn what_was_written_is_read() {
        let table = Table::parse("t.csv", &csv(&[header(), cells(&sample())])).expect("reads");
        assert_eq!(table.rows, [sample()]);
    }

    #[test]
    fn a_table_of_the_application_alone_is_read() {
        let row = csv(&[header()[..22].to_vec(), cells(&sample())[..22].to_vec()]);
        let table = Table::parse("t.csv", &row).expect("reads");
        assert_eq!((table.rows[0].front_end.as_str(), table.rows[0].cost()), ("app", None));
        assert_eq!(
            table.rows[0].prompt_type, "Why, \"tell\" me?",
            "an unknown prompt is its own kind"
        );
        let renamed: Vec<String> =
            header().into_iter().map(|name| name.replace("front_end", "web_server")).collect();
        let table = Table::parse("t.csv", &csv(&[renamed, cells(&sample())])).expect("reads");
        assert_eq!(table.rows[0].front_end, "direct");
    }

    #[test]
    fn every_broken_cell_is_named_with_line_and_column() {
        for cell in ["abc", "", "-1", "NaN", "inf", "1e300"] {
            let error = with("peer1_eval_count", cell).expect_err("no number").to_string();
            assert!(
                error.contains("t.csv, line 2, column peer1_eval_count") && error.contains(cell),
                "{error}"
            );
        }
        for (column, cell) in [
            ("peer2_llm", " "),
            ("peer1_cost", "1.5"),
            ("peer1_cost", "-3"),
            ("repeat", "x"),
            ("front_end", ""),
        ] {
            let error = with(column, cell).expect_err("broken").to_string();
            assert!(error.contains("line 2") && error.contains(column), "{error}");
        }
        assert_eq!(with("peer1_cost", "").expect("unknown costs are allowed").rows[0].cost(), None);
    }

    #[test]
    fn missing_columns_short_lines_and_empty_tables_are_told() {
        let (header, cells) = (header(), cells(&sample()));
        let error = Table::parse("t.csv", &csv(&[header[..11].to_vec()]))
            .expect_err("half a header")
            .to_string();
        assert!(
            error.contains("peer1_response_ollama")
                && error.contains("peer2_llm")
                && !error.contains("peer1_llm"),
            "{error}"
        );
        assert!(matches!(Table::parse("t.csv", b""), Err(TableError::Columns { .. })));
        assert!(matches!(
            Table::parse("t.csv", &csv(std::slice::from_ref(&header))),
            Err(TableError::Empty(_))
        ));
        let error = Table::parse("t.csv", &csv(&[header.clone(), cells[..9].to_vec()]))
            .expect_err("short")
            .to_string();
        assert!(error.contains("line 2: it has 9 cells"), "{error}");
        let mut bytes = csv(&[header, cells]);
        bytes.push(0xff);
        assert!(matches!(Table::parse("t.csv", &bytes), Err(TableError::Csv { .. })));
        assert!(matches!(
            Table::read(Path::new("/no/such/table.csv")),
            Err(TableError::File(FileError::Missing(_)))
        ));
    }

    #[test]
    fn failures_that_the_application_logged_are_counted_and_left_out() {
        let mut failed = sample();
        failed.second = StepRow {
            model: "two".into(),
            response: "Error: 402 Payment Required".into(),
            ..StepRow::default()
        };
        let table = Table::parse("t.csv", &csv(&[header(), cells(&failed), cells(&sample())]))
            .expect("reads");
        assert_eq!((table.rows.len(), table.failures), (1, 1));
        assert!(matches!(
            Table::parse("t.csv", &csv(&[header(), cells(&failed)])),
            Err(TableError::Empty(_))
        ));
    }
}
