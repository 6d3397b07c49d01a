//! Models on disk: a folder for each, with its index, its head and those of its tensors that were
//! fetched.
//!
//! ```text
//! <root>/<id>/index.bin       hashes and sizes
//! <root>/<id>/head.gguf       what a payer needs
//! <root>/<id>/sources         where it was had from, one to a line
//! <root>/<id>/00017           tensor 17, whole
//! <root>/<id>/00018.part      pieces of tensor 18, each verified before it was written
//! <root>/<id>/00018.have      which
//! <root>/<id>/00019.raw       the beginning of tensor 19, not verified yet
//! ```
//! A tensor gets its name when all of it was hashed. Whoever kills the process at any byte leaves
//! nothing that is believed and wrong; after a power cut, when the disk may have written the list
//! of pieces before the pieces, the last hash finds it out and the tensor is fetched again. At a
//! start nothing is hashed.

mod held;
mod part;

pub use held::Held;
pub(crate) use held::WriteLock;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mica_engine::LoadError;
use mica_host::files::{FileError, create_private_folder, replace_private};
use mica_primitives::ModelId;

use crate::index::{Index, IndexError, MAX_HEAD_BYTES, MAX_INDEX_BYTES};

const INDEX: &str = "index.bin";
const HEAD: &str = "head.gguf";
const SOURCES: &str = "sources";
/// Held by whoever writes in the folder.
const LOCK: &str = "lock";
/// What folders begin with that a reader of whole files had not finished.
const UNFINISHED: &str = "unfinished-";
/// What is left free on a disk.
const RESERVE_BYTES: u64 = 64 << 20;
/// Most bytes of the list of sources.
const MAX_SOURCES_BYTES: u64 = 64 << 10;

/// Why something cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refuses.
    #[error("cannot {action} {}: {source}; check the folder's permissions and the free space", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The same, of a file that is written whole.
    #[error(transparent)]
    File(#[from] FileError),
    /// What is there is not what was written.
    #[error("{} is damaged ({reason}): remove the model (`mica-worker model remove`) and fetch it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: IndexError,
    },
    /// The model is not one that was asked for, or none.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The operator's limit.
    #[error(
        "{} MB more do not fit into the {} MB that the store may take ({} MB are taken): raise \
         `disk_mb` under [weights] in config.toml, serve fewer layers, or remove another model",
        .needed >> 20, .limit >> 20, .taken >> 20
    )]
    Limit {
        /// Bytes that were to come.
        needed: u64,
        /// Bytes that are there.
        taken: u64,
        /// Most bytes.
        limit: u64,
    },
    /// The disk.
    #[error("{} MB more do not fit on the disk of {}, which has {} MB left: free some space, or serve fewer layers", .needed >> 20, path.display(), .free >> 20)]
    Full {
        /// Bytes that were to come.
        needed: u64,
        /// Bytes that are free, without what must stay so.
        free: u64,
        /// The store.
        path: PathBuf,
    },
    /// The disk, or the memory.
    #[error(
        "what is read from {} is again and again not what was written: look after the disk and the \
         memory of this machine", .0.display()
    )]
    Unreliable(PathBuf),
    /// Somebody else writes.
    #[error("another process fetches model {0}: try again when it has ended")]
    Busy(ModelId),
    /// The runtime is shut down.
    #[error("the program is ending")]
    Stopped,
    /// The model has no such layers.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl StoreError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

/// Most bytes of all models together; nothing for as many as the disk has, but 64 MB.
pub type Limit = Option<u64>;

/// A folder of models.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    limit: Limit,
}

impl Store {
    /// The store at `root`, which is made when something is put there.
    pub fn new(root: PathBuf, limit: Limit) -> Self {
        Self { root, limit }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, id: ModelId) -> PathBuf {
        self.root.join(hex::encode(id.0))
    }

    /// Ids of the models that are here, in order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn ids(&self) -> Result<Vec<ModelId>, StoreError> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(StoreError::io("read the folder", &self.root))?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(StoreError::io("read the folder", &self.root))?;
            let id = entry.file_name().to_str().and_then(|name| hex::decode(name).ok());
            if let Some(id) = id.and_then(|id| id.try_into().ok())
                && entry.path().join(HEAD).exists()
            {
                ids.push(ModelId(id));
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// A model, if its head is here.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is not what was written.
    pub fn model(&self, id: ModelId) -> Result<Option<Held>, StoreError> {
        let folder = self.folder(id);
        if !folder.join(HEAD).exists() {
            return Ok(None);
        }
        let damaged = |path: PathBuf| move |reason| StoreError::Damaged { path, reason };
        let index = read(&folder.join(INDEX), MAX_INDEX_BYTES as u64)?;
        let index = Index::from_bytes(&index).map_err(damaged(folder.join(INDEX)))?;
        let head = read(&folder.join(HEAD), MAX_HEAD_BYTES)?;
        Held::open(id, folder.clone(), index, head).map(Some).map_err(|error| match error {
            StoreError::Index(reason) => damaged(folder.join(HEAD))(reason),
            other => other,
        })
    }

    /// Keeps the head of the model `id`, if it and the index are that model's. A model that is here
    /// already stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Index`] if they are not; otherwise as the disk says.
    pub fn keep(&self, id: ModelId, index: &Index, head: &[u8]) -> Result<Held, StoreError> {
        index.open_as(id, head, |_| PathBuf::new())?;
        if let Some(held) = self.model(id)? {
            return Ok(held);
        }
        self.check_room(head.len() as u64)?;
        let folder = self.folder(id);
        create_private_folder(&folder)?;
        replace_private(&folder.join(INDEX), &index.to_bytes())?;
        // Last: the model is there when its head is.
        replace_private(&folder.join(HEAD), head)?;
        Held::open(id, folder, index.clone(), head.to_vec())
    }

    /// Removes a model. Returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove(&self, id: ModelId) -> Result<bool, StoreError> {
        let folder = self.folder(id);
        // First what makes it a model: one that is removed in part is none.
        match fs::remove_file(folder.join(HEAD)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => {
                return Ok(false);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(StoreError::io("remove", &folder))?,
        }
        fs::remove_dir_all(&folder).map_err(StoreError::io("remove", &folder))?;
        Ok(true)
    }

    /// Bytes on disk of everything here.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn bytes(&self) -> Result<u64, StoreError> {
        let mut sum = 0u64;
        for folder in folders(&self.root)? {
            sum = sum.saturating_add(bytes_in(&folder)?);
        }
        Ok(sum)
    }

    /// Whether `needed` more bytes may be kept.
    ///
    /// # Errors
    /// [`StoreError::Limit`], [`StoreError::Full`].
    pub fn check_room(&self, needed: u64) -> Result<(), StoreError> {
        if let Some(limit) = self.limit {
            let taken = self.bytes()?;
            if taken.saturating_add(needed) > limit {
                return Err(StoreError::Limit { needed, taken, limit });
            }
        }
        create_private_folder(&self.root)?;
        match free_bytes(&self.root).map(|free| free.saturating_sub(RESERVE_BYTES)) {
            Some(free) if needed > free => {
                Err(StoreError::Full { needed, free, path: self.root.clone() })
            }
            _ => Ok(()),
        }
    }

    /// A new folder for a model whose id is not known before all of it is read. Removed when it is
    /// dropped; one that a killed process left is removed with this.
    pub(crate) fn unfinished(&self) -> Result<Unfinished, StoreError> {
        create_private_folder(&self.root)?;
        for folder in folders(&self.root)? {
            let is_old = folder
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(UNFINISHED));
            if is_old && is_abandoned(&folder) {
                // Somebody else may have been faster.
                let _ = fs::remove_dir_all(&folder);
            }
        }
        let make = || -> io::Result<Unfinished> {
            let folder = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.root)?;
            // It gets its name when it is taken: what has a lock that is free is abandoned.
            let lock = tempfile::NamedTempFile::new_in(folder.path())?;
            lock.as_file().lock()?;
            let lock = lock.persist(folder.path().join(LOCK))?;
            Ok(Unfinished { _lock: lock, folder })
        };
        make().map_err(StoreError::io("make a folder in", &self.root))
    }
}

/// A folder that is removed when this is dropped.
pub(crate) struct Unfinished {
    /// Tells other processes that somebody works in the folder.
    _lock: fs::File,
    folder: tempfile::TempDir,
}

impl Unfinished {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether the process that made a folder has ended. Of one without a lock, which `pip` fills:
/// whether nothing has happened in it for an hour.
fn is_abandoned(folder: &Path) -> bool {
    if let Ok(lock) = fs::File::open(folder.join(LOCK)) {
        return lock.try_lock().is_ok();
    }
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let newest = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| changed(&entry.path()))
        .chain(changed(folder))
        .max();
    newest.and_then(|time| time.elapsed().ok()).is_some_and(|age| age.as_secs() > 3600)
}

/// The folders in `root`; none if it is not there.
fn folders(root: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => Ok(entries
            .map_err(StoreError::io("read the folder", root))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect()),
    }
}

/// Bytes that the files in a folder take on disk: holes take none.
fn bytes_in(folder: &Path) -> Result<u64, StoreError> {
    let entries = fs::read_dir(folder).map_err(StoreError::io("read the folder", folder))?;
    // A file may go while this looks.
    let sizes = entries.flatten().filter_map(|entry| entry.metadata().ok());
    Ok(sizes.map(|data| taken_by(&data)).fold(0, u64::saturating_add))
}

#[cfg(unix)]
fn taken_by(data: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(data).saturating_mul(512)
}

#[cfg(not(unix))]
fn taken_by(data: &fs::Metadata) -> u64 {
    data.len()
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    use io::Read;
    let file = fs::File::open(path).map_err(StoreError::io("read", path))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(StoreError::io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(StoreError::Damaged { path: path.to_owned(), reason: IndexError::Malformed });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
