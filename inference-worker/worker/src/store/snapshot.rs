//! A look at the records of a folder in which a worker may be running.
//!
//! The worker holds its database locked, and moves its journal into it from time to time. So all
//! files are copied, and copied again if one was moved into the other meanwhile; the copy is read.
//! Nothing in the folder is changed.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use mica_protocol::channel::PayeeLaneRecord;

use super::{ChainMark, Store, StoreError};
use crate::data_dir::DataDir;

/// How often the files are copied before somebody is told that they change too fast.
const ATTEMPTS: usize = 5;

/// The records as they were at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    /// The newest record of every lane.
    pub lanes: Vec<PayeeLaneRecord>,
    /// The chain that they are of, if it is known.
    pub mark: Option<ChainMark>,
}

/// Length and time of the last change of each file: equal as long as nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stamp {
    database: Option<(u64, SystemTime)>,
    old_journal: Option<(u64, SystemTime)>,
    journal: Option<(u64, SystemTime)>,
}

impl Stamp {
    /// The folder as it is now.
    ///
    /// # Errors
    /// [`StoreError::Open`] if it cannot be looked at.
    pub(crate) fn of(folder: &DataDir) -> Result<Self, StoreError> {
        Ok(Self {
            database: stamp(&folder.store())?,
            old_journal: stamp(&folder.old_journal())?,
            journal: stamp(&folder.journal())?,
        })
    }

    /// Whether what was copied between the two belongs together: the journal may have grown, and
    /// was neither put aside nor moved into the database.
    fn holds_until(&self, after: &Self) -> bool {
        let length = |file: Option<(u64, SystemTime)>| file.map_or(0, |(bytes, _)| bytes);
        self.database == after.database
            && self.old_journal == after.old_journal
            && length(self.journal) <= length(after.journal)
    }
}

/// Reads the records of `folder`; none if it has none yet.
///
/// # Errors
/// [`StoreError`] if the files cannot be copied, or hold something else than records.
pub(crate) fn snapshot(folder: &DataDir) -> Result<Snapshot, StoreError> {
    let copy = Copied::new()?;
    let place = DataDir::at(copy.0.clone());
    copy_records(folder, &place)?;
    let store = Store::open(&place)?;
    Ok(Snapshot { lanes: store.lanes()?, mark: store.mark()? })
}

/// Copies the records of `folder`, in which a worker may be running, to `place`, as they were at
/// one moment. What lies in `place` of an earlier copy is replaced.
///
/// # Errors
/// [`StoreError`] if the files cannot be copied.
pub(crate) fn copy_records(folder: &DataDir, place: &DataDir) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        let before = Stamp::of(folder)?;
        copy_over(&folder.store(), &place.store())?;
        copy_over(&folder.old_journal(), &place.old_journal())?;
        copy_over(&folder.journal(), &place.journal())?;
        if before.holds_until(&Stamp::of(folder)?) {
            return Ok(());
        }
    }
    Err(refused(&folder.store(), &io::Error::other("it changes too fast to be copied")))
}

/// A folder for the copies, gone when this is dropped.
struct Copied(PathBuf);

impl Copied {
    fn new() -> Result<Self, StoreError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mica-worker-watch-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| refused(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a copy of records stays");
        }
    }
}

fn copy_over(from: &Path, to: &Path) -> Result<(), StoreError> {
    match std::fs::copy(from, to) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match std::fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(to, &error)),
            _ => Ok(()),
        },
        Err(error) => Err(refused(from, &error)),
    }
}

fn stamp(path: &Path) -> Result<Option<(u64, SystemTime)>, StoreError> {
    let looked = std::fs::metadata(path).and_then(|found| Ok((found.len(), found.modified()?)));
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused(path, &error)),
    }
}

fn refused(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Open { path: path.display().to_string(), reason: error.to_string() }
}
