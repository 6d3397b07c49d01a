//! The folder that holds everything of one worker: configuration, keys, store, status.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use eyre::{Context, Result, eyre};
use tempfile::NamedTempFile;

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
        let home = std::env::home_dir().ok_or_else(|| eyre!("there is no home folder: name a folder with --data-dir"))?;
        Ok(Self(home.join(".mica").join("worker")))
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
        builder.create(&self.0).wrap_err_with(|| format!("cannot make {}: choose another --data-dir", self.0.display()))
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

    /// What a running worker last said of itself.
    pub fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }
}

/// A file for `path` with its bytes on the disk, private to its owner, but without its name: `persist_noclobber` gives it that.
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
