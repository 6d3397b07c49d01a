//! The folder that holds everything of one worker: configuration, keys, store, status.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use eyre::{Context, Result, eyre};
use tempfile::NamedTempFile;

use crate::exit::{ExitKind, Failure};

/// Longest wait for a folder that is only looked at: `status` has it for a moment.
const GLANCE: Duration = Duration::from_secs(3);
/// Pause between two attempts.
const AGAIN: Duration = Duration::from_millis(100);

/// The folder of one worker.
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// The folder at `path`, or the default one: `~/.mica/worker`.
    ///
    /// # Errors
    /// If no path is given and there is no home folder.
    pub fn new(path: Option<PathBuf>) -> Result<Self> {
        if let Some(path) = path {
            return Ok(Self(path));
        }
        let home = std::env::home_dir()
            .ok_or_else(|| eyre!("there is no home folder: name a folder with --data-dir"))?;
        Ok(Self(home.join(".mica").join("worker")))
    }

    /// The folder at `path`.
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Makes the folder, readable by its owner only.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(&self) -> Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).wrap_err_with(|| {
            format!("cannot make {}: choose another --data-dir", self.0.display())
        })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// Vouchers and receipts.
    pub fn store(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    /// The newest records, before they reach the store.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.bin")
    }

    /// Records of chains that have started anew.
    pub fn aside(&self) -> PathBuf {
        self.0.join("aside")
    }

    /// Takes the folder for this process; nothing if another one has it. The system lets go of it
    /// when the process ends, however.
    ///
    /// # Errors
    /// If the lock file cannot be written.
    pub fn try_lock(&self) -> Result<Option<FolderLock>> {
        let path = self.0.join("worker.lock");
        let cannot = || {
            format!(
                "cannot write {}: check that the folder exists, its permissions and the free space",
                path.display()
            )
        };
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.wrap_err_with(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).wrap_err_with(cannot),
        }
        Ok(Some(FolderLock(file)))
    }

    /// Takes the folder for as long as this process runs.
    ///
    /// # Errors
    /// [`ExitKind::Storage`] if another process has it, or the lock file cannot be written.
    pub fn lock(&self) -> Result<FolderLock> {
        let deadline = Instant::now() + GLANCE;
        loop {
            if let Some(lock) = self.try_lock()? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                let text = format!(
                    "{} is in use: another mica-worker runs with this folder (see `mica-worker \
                     status`); stop it, or give this one a folder and an account of its own with \
                     `mica-worker init --data-dir`",
                    self.0.display()
                );
                return Err(Failure::new(ExitKind::Storage, text).into());
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// What a running worker last said of itself.
    pub fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }
}

/// The folder is this process's until this is dropped.
#[derive(Debug)]
pub struct FolderLock(
    #[allow(dead_code, reason = "the system unlocks the file when it is closed")] File,
);

/// A file for `path` with its bytes on the disk, private to its owner, but without its name:
/// `persist_noclobber` gives it that.
///
/// Dropped before that it leaves nothing behind, so a full disk cannot leave half a worker.
///
/// # Errors
/// If the folder is not there or the disk takes no more.
pub fn staged(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

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
        assert_eq!(crate::exit::code_of(&error), 11, "{error}");
        drop(lock);
        folder.lock().expect("free again");
    }
}
