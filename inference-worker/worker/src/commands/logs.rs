//! `mica-worker logs`: the newest events of a worker that runs or ran with the folder.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use chrono::{DateTime, Local};
use mica_host::files::{FileError, read_bounded};
use serde_json::Value;

use crate::{data_dir::DataDir, report::kept::MAX_BYTES};

/// Pause between two looks at a file that is followed.
const PAUSE: Duration = Duration::from_millis(500);
/// Most bytes that are read of one file: it may be over its limit by a line.
const MAX_READ: u64 = MAX_BYTES + (1 << 20);

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// How many events to show.
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N")]
    lines: usize,
    /// Show new ones as they come, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    /// As they are kept: JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// Why no events are shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogsError {
    /// There are none.
    #[error(
        "no worker has run with this folder yet, or it was one of an earlier version: start one \
         with `mica-worker run`, or name another folder with --data-dir"
    )]
    None,
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Standard output takes no more, or the file can no longer be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Shows the events.
///
/// # Errors
/// [`LogsError::None`] if there are none; others if they cannot be read or shown.
pub(crate) fn run(args: &Args, folder: &DataDir) -> Result<(), LogsError> {
    let path = folder.events();
    let (newest, old) = (read(&path)?, read(&folder.old_events())?);
    if newest.is_none() && old.is_none() {
        return Err(LogsError::None);
    }
    let newest = newest.unwrap_or_default();
    let mut seen = newest.len() as u64;
    let mut last: VecDeque<&str> = VecDeque::new();
    let old = old.unwrap_or_default();
    for line in old.lines().chain(newest.lines()) {
        last.push_back(line);
        if last.len() > args.lines {
            last.pop_front();
        }
    }
    let mut out = io::stdout().lock();
    for line in last {
        show(&mut out, line, args.json)?;
    }
    if !args.follow {
        return Ok(());
    }
    let mut rest = String::new();
    loop {
        out.flush()?;
        std::thread::sleep(PAUSE);
        rest.push_str(&read_on(&path, &mut seen)?);
        // The last line may still be written.
        let Some(end) = rest.rfind('\n') else { continue };
        for line in rest[..end].lines() {
            show(&mut out, line, args.json)?;
        }
        rest.drain(..=end);
    }
}

fn read(path: &Path) -> Result<Option<String>, FileError> {
    match read_bounded(path, MAX_READ) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(FileError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What was written since; from the beginning if the file was put behind and begun anew.
fn read_on(path: &Path, seen: &mut u64) -> io::Result<String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() < *seen {
        *seen = 0;
    }
    file.seek(SeekFrom::Start(*seen))?;
    let mut bytes = Vec::new();
    *seen += file.take(MAX_READ).read_to_end(&mut bytes)? as u64;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn show(out: &mut impl Write, line: &str, as_json: bool) -> io::Result<()> {
    if as_json {
        return writeln!(out, "{line}");
    }
    // A line that a power cut has torn says nothing.
    let Ok(kept) = serde_json::from_str::<Value>(line) else { return Ok(()) };
    let time = kept["time_unix_ms"].as_i64().and_then(DateTime::from_timestamp_millis);
    let time = time.map(|time| time.with_timezone(&Local).format("%F %T").to_string());
    let text = mica_text::lines(kept["text"].as_str().unwrap_or_default());
    writeln!(out, "{}  {text}", time.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_with_its_time_and_without_controls() {
        let shown = |line: &str, as_json| {
            let mut out = Vec::new();
            show(&mut out, line, as_json).expect("shown");
            String::from_utf8(out).expect("text")
        };
        let line = r#"{"time_unix_ms":86400000,"text":"a\u001b[2Jb","event":{}}"#;
        let text = shown(line, false);
        assert!(text.starts_with("1970-01-0") && !text.contains('\u{1b}'), "{text:?}");
        assert_eq!(shown(line, true), format!("{line}\n"));
        assert_eq!(shown("{\"time_unix", false), "", "a torn line");
    }

    #[test]
    fn what_is_added_is_read_on_and_a_new_file_from_its_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.log");
        let mut seen = 0;
        assert_eq!(read_on(&path, &mut seen).expect("nothing"), "");
        std::fs::write(&path, "one\n").expect("written");
        assert_eq!(read_on(&path, &mut seen).expect("read"), "one\n");
        assert_eq!(read_on(&path, &mut seen).expect("read"), "");
        std::fs::write(&path, "one\ntwo\n").expect("written");
        assert_eq!(read_on(&path, &mut seen).expect("read"), "two\n");
        std::fs::write(&path, "x\n").expect("written");
        assert_eq!(read_on(&path, &mut seen).expect("read"), "x\n");
    }
}
