//! Keys of the gateway that `mica gateway keys` makes: `gateway-keys.json` in the payer's folder,
//! readable by its owner alone.
//!
//! A key is 32 random bytes, shown once. The file has its blake3 hash: what takes a slow hash in
//! the case of passwords, that somebody tries all likely ones, cannot be done with 2^256 keys that
//! are all equally likely, and a fast one is right for what is computed at every request. The
//! gateway looks whether the file has changed whenever somebody asks, so that a key that was
//! removed lets nobody in any more.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use mica_chain::amount;
use mica_host::{files, files::FileError};
use mica_primitives::Balance;
use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};

use crate::config::{Config, ConfigError, MAX_KEYS};
use crate::core::{Budget, SpendingCaps};

/// Name of the file in the payer's folder.
pub const FILE_NAME: &str = "gateway-keys.json";
/// Most bytes of the file.
const MAX_FILE_BYTES: u64 = 1 << 20;
const FORMAT: &str = "mica-gateway-keys";
const VERSION: u32 = 1;
/// How a key begins, so that people and scanners of leaked secrets know it.
const PREFIX: &str = "mica_";
/// Most bytes of a key's name.
const MAX_NAME_BYTES: usize = 64;

/// Why the keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not what `mica gateway keys` writes.
    #[error("{} is no file of gateway keys ({reason}): restore it from a backup, or remove it and make new keys with `mica gateway keys add`", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others may read the file.
    #[error("others on this machine may read {}: run `chmod 600 {}`", .0.display(), .0.display())]
    Exposed(PathBuf),
    /// The name is taken.
    #[error("there is a key '{0}' already: choose another name, or remove it first")]
    Exists(String),
    /// No such key.
    #[error("there is no key '{0}': `mica gateway keys list` shows those that there are")]
    Unknown(String),
    /// A name that cannot be one.
    #[error(
        "'{0}' cannot be a key's name: use 1 to {MAX_NAME_BYTES} letters, digits, '-', '_' or '.'"
    )]
    Name(String),
    /// Too many.
    #[error("there are {MAX_KEYS} keys already: remove one first")]
    TooMany,
    /// The system gives no randomness.
    #[error("the system gives no random bytes ({0}); no key was made")]
    NoRandomness(String),
}

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// For people, and for the record of what was spent.
    pub name: String,
    /// blake3 of the key, hexadecimal.
    hash: String,
    /// Most money for one request.
    #[serde(default, with = "amount::setting", skip_serializing_if = "Option::is_none")]
    pub request: Option<Balance>,
    /// Most money for one day.
    #[serde(default, with = "amount::setting", skip_serializing_if = "Option::is_none")]
    pub day: Option<Balance>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u32,
    keys: Vec<StoredKey>,
}

/// The file of keys.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The file in the payer's folder `home`.
    pub fn of(home: &Path) -> Self {
        Self { path: home.join(FILE_NAME) }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys; none if there is no file.
    ///
    /// # Errors
    /// [`KeyError::Exposed`] if others may read it, [`KeyError::Malformed`].
    pub fn read(&self) -> Result<Vec<StoredKey>, KeyError> {
        let bytes = match files::read_bounded(&self.path, MAX_FILE_BYTES) {
            Err(FileError::Missing(_)) => return Ok(Vec::new()),
            other => other?,
        };
        if !files::is_private(&self.path)? {
            return Err(KeyError::Exposed(self.path.clone()));
        }
        let malformed =
            |reason: &str| KeyError::Malformed { path: self.path.clone(), reason: reason.into() };
        let document: Document = serde_json::from_slice(&bytes)
            .map_err(|error| malformed(&format!("line {}", error.line())))?;
        if document.format != FORMAT || document.version != VERSION {
            return Err(malformed("it is of another format"));
        }
        if document.keys.len() > MAX_KEYS {
            return Err(malformed("it has more keys than there may be"));
        }
        if document.keys.iter().any(|key| blake3::Hash::from_hex(&key.hash).is_err()) {
            return Err(malformed("a hash is none"));
        }
        Ok(document.keys)
    }

    /// Makes a key, which is returned and kept nowhere.
    ///
    /// # Errors
    /// [`KeyError`]; nothing has changed then.
    pub fn add(&self, name: &str, caps: SpendingCaps) -> Result<String, KeyError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_plain) {
            return Err(KeyError::Name(name.into()));
        }
        let _lock = self.lock()?;
        let mut keys = self.read()?;
        if keys.iter().any(|key| key.name == name) {
            return Err(KeyError::Exists(name.into()));
        }
        if keys.len() >= MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        let mut bytes = [0; 32];
        OsRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| KeyError::NoRandomness(error.to_string()))?;
        let key = format!("{PREFIX}{}", hex::encode(bytes));
        let hash = blake3::hash(key.as_bytes()).to_hex().to_string();
        keys.push(StoredKey { name: name.into(), hash, request: caps.request, day: caps.day });
        self.write(keys)?;
        Ok(key)
    }

    /// Forgets a key.
    ///
    /// # Errors
    /// [`KeyError::Unknown`] if there is none of this name.
    pub fn remove(&self, name: &str) -> Result<(), KeyError> {
        // Where nobody made a key, there may be no folder for the lock either.
        if matches!(self.path.try_exists(), Ok(false)) {
            return Err(KeyError::Unknown(name.into()));
        }
        let _lock = self.lock()?;
        let mut keys = self.read()?;
        let count = keys.len();
        keys.retain(|key| key.name != name);
        if keys.len() == count {
            return Err(KeyError::Unknown(name.into()));
        }
        self.write(keys)
    }

    /// Makes other changes wait, from the reading to the writing: else the later of two would write
    /// back what the earlier took away, and a removed key would let its bearer in again. The lock
    /// is a file of its own, since that of the keys is replaced whole. The system lets go of it
    /// when what is returned is dropped, or the process ends.
    fn lock(&self) -> Result<File, KeyError> {
        let path = self.path.with_extension("lock");
        let refused = |source| FileError::Io { action: "lock", path: path.clone(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(refused)?;
        file.lock().map_err(refused)?;
        Ok(file)
    }

    fn write(&self, keys: Vec<StoredKey>) -> Result<(), KeyError> {
        let document = Document { format: FORMAT.into(), version: VERSION, keys };
        let mut bytes = serde_json::to_vec_pretty(&document).map_err(|error| {
            KeyError::Malformed { path: self.path.clone(), reason: error.to_string() }
        })?;
        bytes.push(b'\n');
        Ok(files::replace_private(&self.path, &bytes)?)
    }

    /// What tells one state of the file from another; nothing if there is none.
    fn state(&self) -> Option<FileState> {
        std::fs::metadata(&self.path).ok().map(|metadata| FileState::of(&metadata))
    }
}

/// A file is replaced whole, by another with another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    inode: u64,
    changed: (i64, i64),
    bytes: u64,
    mode: u32,
}

impl FileState {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            bytes: metadata.len(),
            mode: metadata.mode(),
        }
    }
}

/// Somebody who may ask.
#[derive(Clone, Debug)]
struct Bearer {
    hash: blake3::Hash,
    budget: Budget,
}

/// What became of a key that somebody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is one of ours.
    Known(Budget),
    /// It is none.
    Wrong,
}

/// All keys: those of the settings, and those of the file as it is now.
pub struct KeyRing {
    file: KeyFile,
    /// As they are written in the settings.
    written: Vec<Bearer>,
    kept: Mutex<Kept>,
}

/// The file's keys as they were read last.
struct Kept {
    state: Option<FileState>,
    bearers: Result<Vec<Bearer>, String>,
    /// Whether there was a key since the program began: a door that was closed stays so.
    is_needed: bool,
}

impl KeyRing {
    /// The keys of `config` and of `file`.
    ///
    /// # Errors
    /// [`KeyError`] if the file cannot be used, or a name is there twice.
    pub fn open(config: &Config, file: KeyFile) -> Result<Self, KeyError> {
        let state = file.state();
        let kept = file.read()?;
        if let Some(key) =
            kept.iter().find(|key| config.keys.iter().any(|other| other.name == key.name))
        {
            return Err(KeyError::Exists(key.name.clone()));
        }
        let written = config.keys.iter().map(|key| Bearer {
            hash: blake3::hash(key.key.as_bytes()),
            budget: budget(&key.name, key.request, key.day),
        });
        let written: Vec<Bearer> = written.collect();
        let is_needed = !written.is_empty() || !kept.is_empty();
        let kept = Mutex::new(Kept { state, bearers: Ok(bearers(&kept)), is_needed });
        Ok(Self { file, written, kept })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.written.len() + self.kept().bearers.as_ref().map_or(0, Vec::len)
    }

    /// Whether requests need a key.
    pub(crate) fn is_needed(&self) -> bool {
        self.kept().is_needed
    }

    /// Checks a key against those that this program made, which nobody can guess.
    ///
    /// # Errors
    /// What is wrong with the file, if it cannot be used any more.
    pub(crate) fn check_kept(&self, hash: &blake3::Hash) -> Result<Checked, String> {
        let kept = self.kept();
        kept.bearers.as_ref().map(|bearers| find(bearers, hash)).map_err(Clone::clone)
    }

    /// What the file says now. A file that is gone takes its keys along.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        let mut kept = mica_host::lock(&self.kept);
        let state = self.file.state();
        if state != kept.state {
            kept.bearers = self.file.read().map(|keys| bearers(&keys)).map_err(|e| e.to_string());
            // Once for each state of the file, however often somebody asks meanwhile.
            if let Err(error) = &kept.bearers {
                tracing::error!(%error, "the gateway's keys cannot be read");
            }
            kept.state = state;
            kept.is_needed |= kept.bearers.as_ref().map_or(true, |bearers| !bearers.is_empty());
        }
        kept
    }

    /// Checks a key against those of the settings, which people thought of.
    pub(crate) fn check_written(&self, hash: &blake3::Hash) -> Checked {
        find(&self.written, hash)
    }
}

fn budget(name: &str, request: Option<Balance>, day: Option<Balance>) -> Budget {
    Budget { name: Some(name.into()), caps: SpendingCaps { request, day } }
}

fn bearers(keys: &[StoredKey]) -> Vec<Bearer> {
    let bearer = |key: &StoredKey| {
        let hash = blake3::Hash::from_hex(&key.hash).ok()?;
        Some(Bearer { hash, budget: budget(&key.name, key.request, key.day) })
    };
    keys.iter().filter_map(bearer).collect()
}

/// Compares with every key, each in the same time whatever it holds: how long it takes tells
/// nothing of any.
fn find(bearers: &[Bearer], hash: &blake3::Hash) -> Checked {
    bearers.iter().fold(Checked::Wrong, |found, bearer| {
        if bearer.hash == *hash { Checked::Known(bearer.budget.clone()) } else { found }
    })
}

impl Config {
    /// What a person should know of keys that are written in the settings at `path`.
    ///
    /// # Errors
    /// [`ConfigError::File`] if the file cannot be looked at.
    pub fn key_warning(&self, path: &Path) -> Result<Option<String>, ConfigError> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let shown = path.display();
        let open = if files::is_private(path)? {
            String::new()
        } else {
            format!(", and others on this machine may read them (`chmod 600 {shown}`)")
        };
        Ok(Some(format!(
            "warning: the keys in {shown} are written out{open}: make new ones with `mica gateway \
             keys add NAME`, of which only hashes are kept, and take the [[keys]] out"
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn check(ring: &KeyRing, key: &str) -> Checked {
        ring.check_kept(&blake3::hash(key.as_bytes())).expect("the file is fine")
    }

    fn name(checked: &Checked) -> Option<&str> {
        match checked {
            Checked::Known(budget) => budget.name.as_deref(),
            Checked::Wrong => None,
        }
    }

    #[test]
    fn a_key_is_kept_as_a_hash_and_one_that_is_removed_lets_nobody_in() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = KeyFile::of(folder.path());
        let caps = SpendingCaps { request: None, day: Some(7) };
        let first = file.add("phone", caps).expect("added");
        let ring = KeyRing::open(&Config::default(), file.clone()).expect("opened");
        let second = file.add("notebook", SpendingCaps::default()).expect("added while it runs");
        assert!(first.len() == 69 && first.starts_with(PREFIX) && first != second);
        let text = std::fs::read_to_string(file.path()).expect("written");
        assert!(!text.contains(&first[5..]) && text.contains("phone"), "{text}");
        assert_eq!(check(&ring, &first), Checked::Known(budget("phone", None, Some(7))));
        assert_eq!(name(&check(&ring, &second)), Some("notebook"));
        assert_eq!(check(&ring, &first[..68]), Checked::Wrong);
        file.remove("phone").expect("removed");
        assert_eq!(check(&ring, &first), Checked::Wrong);
        assert_eq!(name(&check(&ring, &second)), Some("notebook"));
        assert!(matches!(file.remove("phone"), Err(KeyError::Unknown(_))));
        assert!(matches!(file.add("notebook", caps), Err(KeyError::Exists(_))));
        assert!(matches!(file.add("a b", caps), Err(KeyError::Name(_))));
        std::fs::remove_file(file.path()).expect("removed");
        assert_eq!(check(&ring, &second), Checked::Wrong);
        assert!(ring.is_needed(), "a file that is gone opens no door");
    }

    #[test]
    fn of_changes_at_the_same_time_none_is_lost() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = &KeyFile::of(folder.path());
        assert!(matches!(file.remove("old-0"), Err(KeyError::Unknown(_))), "there is no file");
        for number in 0..8 {
            file.add(&format!("old-{number}"), SpendingCaps::default()).expect("added");
        }
        std::thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || file.remove(&format!("old-{number}")).expect("removed"));
                scope.spawn(move || {
                    file.add(&format!("new-{number}"), SpendingCaps::default()).expect("added")
                });
            }
        });
        let mut names: Vec<String> =
            file.read().expect("readable").into_iter().map(|key| key.name).collect();
        names.sort();
        let expected: Vec<String> = (0..8).map(|number| format!("new-{number}")).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = KeyFile::of(folder.path());
        let key = file.add("phone", SpendingCaps::default()).expect("added");
        let ring = KeyRing::open(&Config::default(), file.clone()).expect("opened");
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(file.path(), mode(0o644)).expect("set");
        assert!(matches!(file.read(), Err(KeyError::Exposed(_))));
        let refused = ring.check_kept(&blake3::hash(key.as_bytes())).expect_err("refused");
        assert!(refused.contains("chmod 600"), "{refused}");
        std::fs::set_permissions(file.path(), mode(0o600)).expect("set");
        assert_eq!(name(&check(&ring, &key)), Some("phone"));
        std::fs::write(file.path(), "{}").expect("written");
        assert!(matches!(file.read(), Err(KeyError::Malformed { .. })));
    }
}
