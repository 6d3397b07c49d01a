//! The folder that holds everything of one worker: configuration, keys, store, status.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use thiserror::Error;

/// Longest wait for a folder that is only looked at: `status` has it for a moment.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// Pause between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Why a folder cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderError {
    /// No folder was named, and there is none to take instead.
    #[error("there is no home folder: name a folder with --data-dir")]
    NoHome,
    /// It cannot be made.
    #[error("cannot make {}: choose another --data-dir", path.display())]
    Make {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its lock file cannot be written.
    #[error(
        "cannot write {}: check that the folder exists, its permissions and the free space",
        path.display()
    )]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "{} is in use: another mica-worker runs with this folder (see `mica-worker status`); stop \
         it, or give this one a folder and an account of its own with `mica-worker init \
         --data-dir`",
        .0.display()
    )]
    InUse(PathBuf),
}

/// The folder of one worker.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// The folder at `path`, or the default one: `~/.mica/worker`.
    ///
    /// # Errors
    /// If no path is given and there is no home folder.
    pub(crate) fn new(path: Option<PathBuf>) -> Result<Self, FolderError> {
        if let Some(path) = path {
            return Ok(Self(path));
        }
        let home = std::env::home_dir().ok_or(FolderError::NoHome)?;
        Ok(Self(home.join(".mica").join("worker")))
    }

    /// The folder at `path`.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Makes the folder, readable by its owner only.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn create(&self) -> Result<(), FolderError> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).map_err(|source| FolderError::Make { path: self.0.clone(), source })
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// Models that were fetched, unless the configuration names another folder.
    pub(crate) fn models(&self) -> PathBuf {
        self.0.join("models")
    }

    /// Vouchers and receipts.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    /// The newest records, before they reach the store.
    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal.bin")
    }

    /// Records that are on their way from the journal to the store.
    pub(crate) fn old_journal(&self) -> PathBuf {
        self.0.join("journal.old.bin")
    }

    /// Records of chains that have started anew.
    pub(crate) fn aside(&self) -> PathBuf {
        self.0.join("aside")
    }

    /// Takes the folder for this process; nothing if another one has it. The system lets go of it
    /// when the process ends, however.
    ///
    /// # Errors
    /// If the lock file cannot be written.
    pub(crate) fn try_lock(&self) -> Result<Option<FolderLock>, FolderError> {
        let path = self.0.join("worker.lock");
        let refused = |source| FolderError::Lock { path: path.clone(), source };
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        Ok(Some(FolderLock(file)))
    }

    /// Takes the folder for as long as this process runs.
    ///
    /// # Errors
    /// [`FolderError::InUse`] if another process has it, [`FolderError::Lock`] if the lock file
    /// cannot be written.
    pub(crate) fn lock(&self) -> Result<FolderLock, FolderError> {
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            if let Some(lock) = self.try_lock()? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(FolderError::InUse(self.0.clone()));
            }
            std::thread::sleep(RETRY_PAUSE);
        }
    }

    /// The newest events of a worker that runs or ran.
    pub(crate) fn events(&self) -> PathBuf {
        self.0.join("events.log")
    }

    /// Those before them.
    pub(crate) fn old_events(&self) -> PathBuf {
        self.0.join("events.old.log")
    }

    /// What a running worker last said of itself.
    pub(crate) fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }
}

/// The folder is this process's until this is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock(
    #[allow(dead_code, reason = "the system unlocks the file when it is closed")] File,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = DataDir::new(Some(folder.path().to_owned())).expect("a path");
        folder.create().expect("made");
        let lock = folder.lock().expect("free");
        assert!(folder.try_lock().expect("writable").is_none());
        let error = folder.lock().expect_err("taken");
        assert!(matches!(error, FolderError::InUse(_)), "{error}");
        drop(lock);
        folder.lock().expect("free again");
    }
}
