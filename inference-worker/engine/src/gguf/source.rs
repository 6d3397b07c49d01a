//! Where the bytes of a model file come from.
//!
//! A file is read with positioned reads into memory that we own and is never mapped. A mapped file
//! can be changed or truncated by another process at any time: the first breaks Rust's promise that
//! a shared slice does not change, the second ends the process with SIGBUS, and Linux has no lock
//! that stops either. With reads, a file that shrinks gives an error and one that changes gives
//! other bytes, which are checked like all bytes. To avoid serving such a mixture by mistake, every
//! read compares the size and modification time with those at opening. That misses a change of the
//! same length within one tick of the file system's clock; receipts and hashes catch it later.
//!
//! A read from the page cache costs one copy, 5 to 10 GB/s, and leaves no second copy of the
//! weights in memory.

use std::{
    borrow::Cow,
    fs::{File, Metadata},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::GgufError;

/// What a file looked like when it was opened. Not the time of its last change of any kind, which a
/// new file renamed over it would move too.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// An open file, bytes in memory, or a file that is opened for each read.
pub(super) enum Source {
    File {
        path: PathBuf,
        file: File,
        stamp: Stamp,
    },
    Memory(Cow<'static, [u8]>),
    /// One tensor's own file, which gets its name when it is whole and is not written after that.
    /// It may not be there yet, and there are too many of them to hold them open.
    Apart {
        path: PathBuf,
        size: u64,
    },
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, GgufError> {
        let io = |source| GgufError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(io(io::Error::other("not a regular file")));
        }
        Ok(Self::File { path: path.to_owned(), file, stamp: Stamp::of(&metadata) })
    }

    /// Size in bytes, as it was at opening.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::File { stamp, .. } => stamp.size,
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Apart { size, .. } => *size,
        }
    }

    /// Fills `out` with the bytes from `offset` on.
    pub(super) fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), GgufError> {
        match self {
            Self::File { path, file, .. } => {
                let read = read_exact_at(file, offset, out);
                self.unchanged()?;
                read.map_err(|source| GgufError::Io { path: path.clone(), source })
            }
            Self::Apart { path, size } => {
                let io = |source| GgufError::Io { path: path.clone(), source };
                let file = File::open(path).map_err(io)?;
                if file.metadata().map_err(io)?.len() != *size {
                    return Err(GgufError::Changed { path: path.clone() });
                }
                read_exact_at(&file, offset, out).map_err(io)
            }
            Self::Memory(bytes) => {
                let from = usize::try_from(offset)
                    .ok()
                    .and_then(|offset| bytes.get(offset..)?.get(..out.len()));
                let from = from.ok_or_else(|| GgufError::Truncated {
                    size: self.size(),
                    part: "a read".into(),
                })?;
                out.copy_from_slice(from);
                Ok(())
            }
        }
    }

    /// Whether the file is still the one that was opened.
    pub(super) fn unchanged(&self) -> Result<(), GgufError> {
        let Self::File { path, file, stamp } = self else { return Ok(()) };
        let metadata =
            file.metadata().map_err(|source| GgufError::Io { path: path.clone(), source })?;
        if Stamp::of(&metadata) == *stamp {
            Ok(())
        } else {
            Err(GgufError::Changed { path: path.clone() })
        }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, out: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                offset += read as u64;
                out = &mut out[read..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
