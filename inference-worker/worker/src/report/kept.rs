//! The newest events of a worker, in its folder, for `mica-worker logs`.
//!
//! One JSON object per line: `time_unix_ms`, `text` as people see it, and `event` as programs do.
//!
//! Limits: two files of [`MAX_BYTES`]; when the first is full it takes the place of the second.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use mica_host::lock;
use serde::Serialize;

use super::Event;
use crate::data_dir::DataDir;

/// Most bytes of one file, but for its last line.
pub(crate) const MAX_BYTES: u64 = 4 << 20;

/// The files.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    old: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    time_unix_ms: u64,
    text: String,
    event: &'a Event,
}

impl Kept {
    /// Opens the files of `folder`, or makes them.
    ///
    /// # Errors
    /// If that is refused.
    pub(crate) fn open(folder: &DataDir) -> io::Result<Self> {
        let (path, old) = (folder.events(), folder.old_events());
        let open = Mutex::new(open(&path)?);
        Ok(Self { path, old, open })
    }

    /// Keeps one event. A disk that takes no more is no reason to stop serving.
    pub(super) fn keep(&self, event: &Event) {
        if let Err(error) = self.write(event) {
            tracing::debug!(%error, "an event is not kept");
        }
    }

    fn write(&self, event: &Event) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time_unix_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let line = Line { time_unix_ms, text: event.to_string(), event };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        let mut held = lock(&self.open);
        if held.bytes >= MAX_BYTES {
            std::fs::rename(&self.path, &self.old)?;
            *held = open(&self.path)?;
        }
        held.bytes += bytes.len() as u64;
        held.file.write_all(&bytes)
    }
}

fn open(path: &std::path::Path) -> io::Result<Open> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let bytes = file.metadata()?.len();
    Ok(Open { file, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_with_their_time_and_the_oldest_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = DataDir::at(folder.path().to_owned());
        let kept = Kept::open(&folder).expect("opened");
        let event = |text: &str| Event::Warning { text: text.to_owned() };
        kept.keep(&event("first\n\u{1b}[2J"));
        let text = std::fs::read_to_string(folder.events()).expect("read");
        let line: serde_json::Value = serde_json::from_str(&text).expect("one line of JSON");
        assert_eq!(line["event"]["text"], "first\n\u{1b}[2J");
        assert!(line["time_unix_ms"].as_u64().is_some_and(|time| time > 0));
        drop(kept);

        // After a restart it goes on; when it is full it is put behind.
        let kept = Kept::open(&folder).expect("opened");
        let long = "x".repeat(100_000);
        for _ in 0..MAX_BYTES / 100_000 + 2 {
            kept.keep(&event(&long));
        }
        kept.keep(&event("last"));
        let length = |path: PathBuf| std::fs::metadata(path).expect("there").len();
        assert!(length(folder.events()) < MAX_BYTES);
        assert!(length(folder.old_events()) < MAX_BYTES + 300_000);
        let text = std::fs::read_to_string(folder.events()).expect("read");
        assert!(text.lines().last().is_some_and(|line| line.contains("\"last\"")), "the newest");
    }
}
