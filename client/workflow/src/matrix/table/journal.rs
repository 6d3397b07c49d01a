//! Appending rows: each is on disk before the next is measured, one program writes at a time, and a
//! row that a power cut left unfinished is cut off and measured again.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{MAX_TABLE_BYTES, Row, Table, TableError, cells, csv, header};
use mica_wallet::files;

/// Why rows cannot be appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The table that is there already.
    #[error(transparent)]
    Table(#[from] TableError),
    /// It has other columns than ours.
    #[error("{} has other columns than `mica matrix` writes: choose another file", .0.display())]
    Foreign(PathBuf),
    /// Another program writes into it.
    #[error("another `mica matrix` writes into {}: wait for it or choose another file", .0.display())]
    Busy(PathBuf),
    /// The system refuses.
    #[error("cannot {action} {}: {source}; the rows written before are kept, so run it again when that is mended", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A table that grows.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens the table at `path`, or makes it; returns the rows that are there.
    ///
    /// # Errors
    /// [`JournalError`]; a table that is not ours is left as it is.
    pub fn open(path: &Path) -> Result<(Self, Vec<Row>), JournalError> {
        let failed = |action| move |source| JournalError::Io { action, path: path.into(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy(path.into())),
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        let bytes = files::read_bounded(path, MAX_TABLE_BYTES).map_err(TableError::from)?;
        let (rows, end) = whole_rows(path, &bytes)?;
        file.set_len(end).map_err(failed("cut the unfinished last row of"))?;
        file.seek(SeekFrom::End(0)).map_err(failed("go to the end of"))?;
        let mut journal = Self { file, path: path.into() };
        if end == 0 {
            journal.write(&header())?;
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(failed("flush the folder of"))?;
        }
        Ok((journal, rows))
    }

    /// Appends `row`; it is on disk when this returns.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn append(&mut self, row: &Row) -> Result<(), JournalError> {
        self.write(&cells(row))
    }

    fn write(&mut self, cells: &[String]) -> Result<(), JournalError> {
        let failed = |source| JournalError::Io { action: "write", path: self.path.clone(), source };
        self.file
            .write_all(csv::line(cells).as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(failed)
    }
}

/// The rows of our table, and the byte after the last whole one. Only the very last record may be
/// unfinished.
fn whole_rows(path: &Path, bytes: &[u8]) -> Result<(Vec<Row>, u64), JournalError> {
    let first = csv::line(&header());
    if first.len() > bytes.len() && first.as_bytes().starts_with(bytes) {
        return Ok((Vec::new(), 0));
    }
    if !bytes.starts_with(first.as_bytes()) {
        return Err(JournalError::Foreign(path.into()));
    }
    // A text that is cut within a letter has no line's end after it.
    let letters = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).unwrap_or(bytes)
        }
        _ => bytes,
    };
    let unfinished = csv::records(letters).filter_map(Result::ok).find(|record| !record.is_whole);
    let end = unfinished.map_or(letters.len(), |record| record.begin);
    let whole = bytes.get(..end).unwrap_or(bytes);
    let rows = if end > first.len() {
        Table::parse(&path.display().to_string(), whole)?.rows
    } else {
        Vec::new()
    };
    Ok((rows, end as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::table::StepRow;

    fn row(repeat: u32) -> Row {
        let step = StepRow {
            model: "tiny".into(),
            values: [1.0; 8],
            response: "a\n\"b\", grüß".into(),
            cost: Some(1),
        };
        let (first, second) = (step.clone(), step);
        let text = String::from;
        Row {
            timestamp: text("t"),
            prompt: text("p"),
            first,
            second,
            front_end: text("d"),
            prompt_type: text("x"),
            repeat,
        }
    }

    fn written(path: &Path, repeats: std::ops::Range<u32>) -> Vec<Row> {
        let (mut journal, before) = Journal::open(path).expect("opens");
        repeats.for_each(|repeat| journal.append(&row(repeat)).expect("written"));
        before
    }

    #[test]
    fn rows_stay_and_more_are_added() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("t.csv");
        assert_eq!(written(&path, 1..3), []);
        assert_eq!(written(&path, 3..4), [row(1), row(2)]);
        assert_eq!(Table::read(&path).expect("reads").rows, [row(1), row(2), row(3)]);
    }

    #[test]
    fn a_row_cut_short_anywhere_is_measured_again() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "timestamp,prom").expect("written");
        assert_eq!(written(&path, 1..2), [], "a header that was cut short is no table yet");
        let one = std::fs::read(&path).expect("read").len();
        let (mut journal, _) = Journal::open(&path).expect("opens");
        journal.append(&row(2)).expect("written");
        drop(journal);
        let both = std::fs::read(&path).expect("read");
        for cut in one + 1..both.len() {
            std::fs::write(&path, &both[..cut]).expect("written");
            assert_eq!(written(&path, 2..3), [row(1)], "cut at {cut}");
            assert_eq!(std::fs::read(&path).expect("read"), both, "cut at {cut}");
        }
    }

    #[test]
    fn foreign_damaged_and_busy_tables_are_left_alone() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("t.csv");
        for foreign in ["name,age\nx,1\n", "no table", "timestamp,prompt\n"] {
            std::fs::write(&path, foreign).expect("written");
            assert!(matches!(Journal::open(&path), Err(JournalError::Foreign(_))), "{foreign}");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), foreign);
        }
        std::fs::remove_file(&path).expect("removed");
        written(&path, 1..3);
        let damaged =
            std::fs::read_to_string(&path).expect("read").replacen(",tiny,1,", ",tiny,one,", 1);
        std::fs::write(&path, &damaged).expect("written");
        let error = Journal::open(&path).expect_err("no number").to_string();
        assert!(error.contains("line 2") && error.contains("'one'"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), damaged);
        std::fs::remove_file(&path).expect("removed");
        let (_held, _) = Journal::open(&path).expect("opens");
        assert!(matches!(Journal::open(&path), Err(JournalError::Busy(_))));
        assert!(matches!(
            Journal::open(&folder.path().join("no/such/t.csv")),
            Err(JournalError::Io { .. })
        ));
    }
}
