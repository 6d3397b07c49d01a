//! The append-only file in front of the database.
//!
//! An entry is `u32 little-endian length ‖ first 8 bytes of blake3 ‖ SCALE`. An entry truncated by
//! a crash fails its check and ends the replay; whatever a failed write left behind is truncated
//! before the next write.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use codec::{DecodeAll, Encode};

use super::{Entry, StoreError};

const HEADER_BYTES: usize = 12;
/// A journal is moved to the database long before it is so long; more is no journal of ours.
const MAX_BYTES: u64 = 256 << 20;

pub(super) struct Journal {
    path: PathBuf,
    /// Shared with the thread that waits for the disk.
    file: Arc<File>,
    /// End of the last whole entry.
    bytes: u64,
    /// Whether the next write goes there.
    is_at_end: bool,
}

impl Journal {
    /// Opens the journal and returns what is in it.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Entry>), StoreError> {
        let refused = |error: std::io::Error| StoreError::Open {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(refused)?;
        if file.metadata().map_err(refused)?.len() > MAX_BYTES {
            return Err(StoreError::Damaged {
                path: path.display().to_string(),
                reason: "it is too long for a journal".to_owned(),
            });
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(refused)?;
        let (entries, bytes) = replay(&content);
        if (bytes as usize) < content.len() {
            tracing::warn!(
                cut = content.len() - bytes as usize,
                "the journal ends in an entry that was never finished"
            );
        }
        let file = Arc::new(file);
        Ok((Self { path: path.to_owned(), file, bytes, is_at_end: false }, entries))
    }

    /// A journal over a file that is open already.
    #[cfg(test)]
    pub(super) fn over(path: PathBuf, file: File) -> Self {
        Self { path, file: Arc::new(file), bytes: 0, is_at_end: false }
    }

    /// Bytes of whole entries.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends an entry.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let scale = entry.encode();
        let mut frame = Vec::with_capacity(HEADER_BYTES + scale.len());
        frame.extend_from_slice(&(scale.len() as u32).to_le_bytes());
        frame.extend_from_slice(&blake3::hash(&scale).as_bytes()[..8]);
        frame.extend_from_slice(&scale);
        let was_at_end = std::mem::replace(&mut self.is_at_end, false);
        let mut file = &*self.file;
        let ready =
            if was_at_end { Ok(self.bytes) } else { file.seek(SeekFrom::Start(self.bytes)) };
        match ready.and_then(|_| file.write_all(&frame)) {
            Ok(()) => {
                self.is_at_end = true;
                self.bytes += frame.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Cutting fails where writing fails; the check of the torn entry guards it then.
                let _ = self.file.set_len(self.bytes);
                Err(self.refused(&error))
            }
        }
    }

    /// The file, to wait for the disk elsewhere.
    pub(super) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// Renames the file to `old` and begins a new one; returns the old one.
    pub(super) fn rotate(&mut self, old: &Path) -> Result<Arc<File>, StoreError> {
        std::fs::rename(&self.path, old).map_err(|error| self.refused(&error))?;
        let fresh =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&self.path);
        let fresh = fresh.map_err(|error| {
            // Without this the next start would find the entries under the old name, which is as
            // good.
            let _ = std::fs::rename(old, &self.path);
            self.refused(&error)
        })?;
        (self.bytes, self.is_at_end) = (0, true);
        Ok(std::mem::replace(&mut self.file, Arc::new(fresh)))
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) -> Result<(), StoreError> {
        if self.bytes > 0 {
            self.file.set_len(0).map_err(|error| self.refused(&error))?;
            self.bytes = 0;
            self.is_at_end = false;
        }
        Ok(())
    }

    fn refused(&self, error: &std::io::Error) -> StoreError {
        StoreError::Write { path: self.path.display().to_string(), reason: error.to_string() }
    }
}

/// The whole entries at the start of `content`, and where they end.
fn replay(content: &[u8]) -> (Vec<Entry>, u64) {
    let (mut entries, mut at) = (Vec::new(), 0);
    while let Some(header) = content.get(at..at + HEADER_BYTES) {
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let start = at + HEADER_BYTES;
        let Some(mut scale) = start.checked_add(length).and_then(|end| content.get(start..end))
        else {
            break;
        };
        if blake3::hash(scale).as_bytes()[..8] != header[4..] {
            break;
        }
        let Ok(entry) = Entry::decode_all(&mut scale) else { break };
        entries.push(entry);
        at = start + length;
    }
    (entries, at as u64)
}
