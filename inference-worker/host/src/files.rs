//! Files that are either there in full or not at all.
//!
//! A secret must survive a power cut and a full disk: it is written beside its place, flushed, and
//! only then named.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Somebody else's file, or ours from before.
    #[error("{} exists already and is left as it is: choose another name or move it away", .0.display())]
    Exists(PathBuf),
    /// Nothing there.
    #[error("{} is not there", .0.display())]
    Missing(PathBuf),
    /// More bytes than such a file can have.
    #[error("{} is larger than {limit} bytes, so it is not what it should be: check the path", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        limit: u64,
    },
    /// The disk is full, or a limit of the account or of the shell is reached.
    #[error("the disk that holds {} is full or a limit on it is reached; nothing was changed: free some space and try again", .0.display())]
    DiskFull(PathBuf),
    /// Anything else that the system refuses.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl FileError {
    fn of(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::DiskFull(path.into())
            }
            ErrorKind::AlreadyExists => Self::Exists(path.into()),
            ErrorKind::NotFound => Self::Missing(path.into()),
            _ => Self::Io { action, path: path.into(), source },
        }
    }
}

/// Creates `folder` and its parents, readable by the owner alone where the system knows owners.
///
/// # Errors
/// [`FileError`] if that is refused.
pub fn create_private_folder(folder: &Path) -> Result<(), FileError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|source| FileError::of("create the folder", folder, source))
}

/// Writes a new file, private to its owner, atomically and durably. Never replaces one.
///
/// # Errors
/// [`FileError::Exists`] if `path` is taken; other variants if the system refuses. In either case
/// nothing has changed.
pub fn write_new_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, Replace::Never)
}

/// Writes or replaces a file atomically and durably, private to its owner.
///
/// # Errors
/// [`FileError`] if the system refuses; an older file is then still whole.
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, Replace::Allowed)
}

/// Writes or replaces a file atomically that everybody may read.
///
/// # Errors
/// [`FileError`] if the system refuses; an older file is then still whole.
pub fn replace_public(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, Replace::Allowed)?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .map_err(|source| FileError::of("set the mode of", path, source))?;
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Replace {
    Never,
    Allowed,
}

fn write(path: &Path, bytes: &[u8], replace: Replace) -> Result<(), FileError> {
    if replace == Replace::Never && path.symlink_metadata().is_ok() {
        return Err(FileError::Exists(path.into()));
    }
    let failed = |(action, source)| FileError::of(action, path, source);
    Staged::write(path, bytes).and_then(|staged| staged.name(replace)).map_err(failed)
}

/// What was tried, and the system's reason against it.
type Failed = (&'static str, io::Error);

/// A new file for a path, with its bytes on the disk and private to its owner, but still without its
/// name. Dropped like that it leaves nothing behind: of several files that belong together either
/// all get their names or none.
#[derive(Debug)]
pub struct Staged {
    file: NamedTempFile,
    path: PathBuf,
}

impl Staged {
    /// Writes the bytes beside `path`.
    ///
    /// # Errors
    /// If the folder is not there or the disk takes no more.
    pub fn new(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        Self::write(path, bytes).map_err(|(_, error)| error)
    }

    /// Gives it its name, durably. Never replaces a file.
    ///
    /// # Errors
    /// If there is a file of that name, or what the system says.
    pub fn name_new(self) -> io::Result<()> {
        self.name(Replace::Never).map_err(|(_, error)| error)
    }

    fn write(path: &Path, bytes: &[u8]) -> Result<Self, Failed> {
        // `tempfile` creates with mode 0600 and removes the file again if we return early.
        let mut file = NamedTempFile::new_in(folder_of(path))
            .map_err(|error| ("create a file beside", error))?;
        file.write_all(bytes).map_err(|error| ("write", error))?;
        file.as_file().sync_all().map_err(|error| ("flush", error))?;
        Ok(Self { file, path: path.into() })
    }

    fn name(self, replace: Replace) -> Result<(), Failed> {
        let Self { file, path } = self;
        match replace {
            Replace::Never => file.persist_noclobber(&path),
            Replace::Allowed => file.persist(&path),
        }
        .map_err(|refused| ("name", refused.error))?;
        // The name itself must reach the disk too.
        sync_folder_of(&path).map_err(|error| ("flush the folder of", error))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Deletes a file, durably.
///
/// # Errors
/// [`FileError::Missing`] if there is none, or what the system says.
pub fn remove(path: &Path) -> Result<(), FileError> {
    fs::remove_file(path).map_err(|source| FileError::of("delete", path, source))?;
    sync_folder_of(path).map_err(|source| FileError::of("flush the folder of", path, source))
}

/// Whether nobody but its owner may read or write a file or folder. Where the system knows no
/// owners, everything is private.
///
/// # Errors
/// [`FileError::Missing`] if there is none, or what the system says.
pub fn is_private(path: &Path) -> Result<bool, FileError> {
    let permissions =
        fs::metadata(path).map_err(|source| FileError::of("look at", path, source))?.permissions();
    Ok(is_private_mode(&permissions))
}

#[cfg(unix)]
fn is_private_mode(permissions: &fs::Permissions) -> bool {
    std::os::unix::fs::PermissionsExt::mode(permissions) & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private_mode(_: &fs::Permissions) -> bool {
    true
}

/// Reads at most `limit` bytes.
///
/// # Errors
/// [`FileError::Missing`], [`FileError::TooLarge`], or what the system says.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::of("read", path, source);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.into(), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_private_and_never_replaced() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("secret");
        write_new_private(&path, b"first").expect("written");
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("there").permissions())
                & 0o777,
            0o600
        );
        assert!(matches!(write_new_private(&path, b"second"), Err(FileError::Exists(_))));
        assert_eq!(read_bounded(&path, 100).expect("read"), b"first");
        replace_private(&path, b"third").expect("replaced");
        assert_eq!(read_bounded(&path, 100).expect("read"), b"third");
        assert_eq!(
            fs::read_dir(folder.path()).expect("listed").count(),
            1,
            "no temporary file stays behind"
        );
    }

    #[test]
    fn missing_large_and_misplaced_files_are_told_apart() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("large");
        assert!(matches!(read_bounded(&path, 4), Err(FileError::Missing(_))));
        write_new_private(&path, b"12345").expect("written");
        assert!(matches!(read_bounded(&path, 4), Err(FileError::TooLarge { limit: 4, .. })));
        assert!(matches!(
            write_new_private(&folder.path().join("no/such/folder"), b""),
            Err(FileError::Missing(_))
        ));
    }

    #[test]
    fn what_gets_no_name_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("key");
        drop(Staged::new(&path, b"first").expect("staged"));
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 0);
        Staged::new(&path, b"second").expect("staged").name_new().expect("named");
        let third = Staged::new(&path, b"third").expect("staged");
        assert_eq!(third.name_new().expect_err("taken").kind(), ErrorKind::AlreadyExists);
        assert_eq!(read_bounded(&path, 100).expect("read"), b"second");
    }

    /// `/dev/full` refuses every byte; a file on it cannot be made, so the full disk is met by its
    /// error kind.
    #[test]
    fn a_full_disk_has_its_own_message() {
        let error = FileError::of("write", Path::new("wallet.json"), ErrorKind::StorageFull.into());
        assert!(error.to_string().contains("free some space"), "{error}");
    }
}
