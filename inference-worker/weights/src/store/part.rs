//! A tensor that is not whole yet.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::StoreError;
use crate::{bits::Bits, index::Blob, tree};

/// Bytes of an entry of the list of pieces: its number and a check.
const ENTRY_BYTES: usize = 8;
/// What the check of a number is made of: an entry of zeros, which a file system may leave, is
/// none.
const CHECK: u32 = 0x6d69_6361;
/// Bytes that are hashed at once.
const HASHED_AT_ONCE: usize = 1 << 20;

/// Where a tensor lies, in whatever state.
pub(super) struct Place {
    pub(super) whole: PathBuf,
    part: PathBuf,
    have: PathBuf,
    raw: PathBuf,
}

impl Place {
    pub(super) fn new(folder: &Path, tensor: usize) -> Self {
        let path = |ending: &str| folder.join(format!("{tensor:05}{ending}"));
        Self { whole: path(""), part: path(".part"), have: path(".have"), raw: path(".raw") }
    }

    /// Whether it is whole.
    pub(super) fn is_whole(&self, blob: &Blob) -> bool {
        fs::metadata(&self.whole).is_ok_and(|data| data.is_file() && data.len() == blob.bytes)
    }

    /// The pieces that are there, of one that is not whole.
    pub(super) fn pieces(&self, blob: &Blob) -> Bits {
        let count = tree::pieces(blob.bytes) as usize;
        let mut found = Bits::none(count);
        let is_there = fs::metadata(&self.part).is_ok_and(|data| data.len() == blob.bytes);
        if is_there && let Ok(list) = fs::read(&self.have) {
            entries(&list).for_each(|piece| found.insert(piece as usize));
        }
        found
    }

    /// Writes a verified piece, then that it is there.
    pub(super) fn put(&self, blob: &Blob, piece: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let mut part = open(&self.part)?;
        let (start, _) = tree::span(blob.bytes, piece);
        let written = || {
            if part.metadata()?.len() != blob.bytes {
                part.set_len(blob.bytes)?;
            }
            part.seek(SeekFrom::Start(start))?;
            part.write_all(bytes)
        };
        ({ written }()).map_err(StoreError::io("write", &self.part))?;
        self.note(piece).map_err(StoreError::io("write", &self.have))
    }

    fn note(&self, piece: u32) -> io::Result<()> {
        let mut list = OpenOptions::new().create(true).append(true).open(&self.have)?;
        // What a killed process wrote of an entry would shift those that follow.
        let length = list.metadata()?.len();
        let whole = length - length % ENTRY_BYTES as u64;
        if whole != length {
            list.set_len(whole)?;
        }
        let mut entry = [0; ENTRY_BYTES];
        entry[..4].copy_from_slice(&piece.to_le_bytes());
        entry[4..].copy_from_slice(&(piece ^ CHECK).to_le_bytes());
        list.write_all(&entry)
    }

    /// Hashes all of it and gives it its name; false if it is not what it should be, and then
    /// nothing of it is left.
    pub(super) fn finish(&self, blob: &Blob) -> Result<bool, StoreError> {
        let file = File::open(&self.part).map_err(StoreError::io("read", &self.part))?;
        let hash = hash_of(&file).map_err(StoreError::io("read", &self.part))?;
        if hash.finalize().as_bytes() != &blob.hash {
            self.forget()?;
            return Ok(false);
        }
        self.name(&file, &self.part)?;
        Ok(true)
    }

    fn name(&self, file: &File, from: &Path) -> Result<(), StoreError> {
        file.sync_all().map_err(StoreError::io("write", from))?;
        fs::rename(from, &self.whole).map_err(StoreError::io("name", &self.whole))?;
        self.forget()
    }

    /// Removes what is there of one that is not whole.
    pub(super) fn forget(&self) -> Result<(), StoreError> {
        // The list first: without it there are no pieces.
        for path in [&self.have, &self.part, &self.raw] {
            remove(path)?;
        }
        Ok(())
    }

    /// Removes it, whole or not.
    pub(super) fn remove(&self) -> Result<(), StoreError> {
        self.forget()?;
        remove(&self.whole)
    }

    /// The hash of a whole one as it is on disk now.
    pub(super) fn hash(&self) -> Result<blake3::Hash, StoreError> {
        let hashed = File::open(&self.whole).and_then(|file| hash_of(&file));
        Ok(hashed.map_err(StoreError::io("read", &self.whole))?.finalize())
    }

    /// What came of it without being verified: hashed again, to be continued.
    pub(super) fn prefix(self, blob: Blob) -> Result<Prefix, StoreError> {
        let file = open(&self.raw)?;
        let found = file.metadata().map_err(StoreError::io("read", &self.raw))?.len();
        if found > blob.bytes {
            file.set_len(0).map_err(StoreError::io("write", &self.raw))?;
        }
        let hasher = hash_of(&file).map_err(StoreError::io("read", &self.raw))?;
        let written = hasher.count();
        Ok(Prefix { place: self, file, hasher, written, blob })
    }
}

/// The beginning of a tensor from a source that knows no trees.
pub(crate) struct Prefix {
    place: Place,
    file: File,
    hasher: blake3::Hasher,
    written: u64,
    blob: Blob,
}

impl Prefix {
    /// Bytes that are there.
    pub(crate) fn len(&self) -> u64 {
        self.written
    }

    /// Bytes that are missing.
    pub(crate) fn missing(&self) -> u64 {
        self.blob.bytes - self.written
    }

    /// Puts more at its end; at most what is missing.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let failed = StoreError::io("write", &self.place.raw);
        self.file.write_all(bytes).map_err(failed)?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives it its name; false if it is not what it should be, and then nothing of it is left.
    pub(crate) fn finish(self) -> Result<bool, StoreError> {
        if self.missing() > 0 || self.hasher.finalize().as_bytes() != &self.blob.hash {
            self.place.forget()?;
            return Ok(false);
        }
        self.place.name(&self.file, &self.place.raw)?;
        Ok(true)
    }
}

/// Numbers of the pieces in a list; what follows an entry that is none is not read.
fn entries(list: &[u8]) -> impl Iterator<Item = u32> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, &byte| n << 8 | u32::from(byte));
    list.chunks_exact(ENTRY_BYTES)
        .map(move |entry| (number(&entry[..4]), number(&entry[4..])))
        .take_while(|(piece, check)| piece ^ CHECK == *check)
        .map(|(piece, _)| piece)
}

/// To be read and written, made if it is not there.
fn open(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(StoreError::io("write", path))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(StoreError::io("remove", path)),
    }
}

/// Hashes from a file's beginning to its end, and leaves it there.
fn hash_of(mut file: &File) -> io::Result<blake3::Hasher> {
    file.seek(SeekFrom::Start(0))?;
    let (mut hasher, mut piece) = (blake3::Hasher::new(), vec![0; HASHED_AT_ONCE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hasher),
            Ok(read) => hasher.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
    }
}
