//! The folder of encrypted wallet files: `wallets/<name>.json`, and beside each its hot key,
//! `wallets/<name>.hot`.
//!
//! A file is there in full or not at all; a new wallet replaces no other, and a changed password
//! replaces its file in one step.

mod file;
mod hot;

pub use file::{KdfCost, WalletFile};

use std::path::PathBuf;

use file::VERSION;

use super::{MAX_HOT_KEYS, Password, PhraseError, Secret};
use crate::files::{self, FileError};

const MAX_FILE_BYTES: u64 = 16 * 1024;
/// Most wallets that are listed.
const MAX_WALLETS: usize = 1024;
const MAX_NAME_BYTES: usize = 64;

/// Why a wallet cannot be made, listed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// A name that cannot be a file's.
    #[error(
        "'{0}' cannot be a wallet's name: use 1 to {MAX_NAME_BYTES} letters, digits, '-' or '_'"
    )]
    Name(String),
    /// No such wallet.
    #[error(
        "there is no wallet '{0}': make one with `mica wallet new`, or pick another with --wallet \
         (see `mica wallet list`)"
    )]
    NoWallet(String),
    /// The name is taken.
    #[error(
        "there is a wallet '{0}' already and it is left as it is: choose another name with \
         --wallet"
    )]
    Exists(String),
    /// Not a wallet file, or cut short.
    #[error("{} is not a whole wallet file ({reason}): restore it from a backup, or import its phrase under another name", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by a later version.
    #[error("{} has wallet format {found}; this program reads formats 1 to {VERSION}: update mica", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The seal does not open.
    #[error("wrong password for wallet '{0}', or its file was changed; nothing was done")]
    WrongPassword(String),
    /// Others may read the hot key.
    #[error("others on this machine may read the hot key {}: run `chmod 600 {}`", .0.display(), .0.display())]
    Exposed(PathBuf),
    /// The hot key's file is of no use.
    #[error("{} is not this wallet's hot key ({reason}): run `rm {}`; it is made again when the wallet is unlocked next", .path.display(), .path.display())]
    HotKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The wallet's file is from before its hot key.
    #[error(
        "the file of wallet '{0}' is an older copy, from before its present hot key: run `mica \
         wallet find-hot-key --wallet {0}`, which takes the later key again"
    )]
    OlderWallet(String),
    /// Every hot key that there can be was used.
    #[error(
        "a wallet has at most {MAX_HOT_KEYS} hot keys, and this one's are used up: make a new \
         wallet with `mica wallet new --wallet NAME` and send it the money"
    )]
    HotKeys,
    /// The key derivation or the cipher refuses to work.
    #[error("cannot derive the wallet's key: {0}")]
    Cipher(String),
    /// The phrase inside is unusable.
    #[error(transparent)]
    Phrase(#[from] PhraseError),
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A wallet's name, and what its file says in clear or why it cannot be read.
pub type NamedWallet = (String, Result<WalletFile, KeystoreError>);

/// The folder of wallet files.
#[derive(Clone, Debug)]
pub struct Keystore {
    folder: PathBuf,
    cost: KdfCost,
}

impl Keystore {
    /// Wallets in `folder`, which must exist before one is made.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, cost: KdfCost::STANDARD }
    }

    /// The same with another cost for new wallets.
    pub fn with_cost(self, cost: KdfCost) -> Self {
        Self { cost, ..self }
    }

    /// Where a wallet of this name lies.
    ///
    /// # Errors
    /// [`KeystoreError::Name`].
    pub fn path(&self, name: &str) -> Result<PathBuf, KeystoreError> {
        let is_fine = !name.is_empty()
            && name.len() <= MAX_NAME_BYTES
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if is_fine {
            Ok(self.folder.join(format!("{name}.json")))
        } else {
            Err(KeystoreError::Name(name.into()))
        }
    }

    /// Whether a new wallet may have this name; asked before a password is.
    ///
    /// # Errors
    /// [`KeystoreError::Name`] and [`KeystoreError::Exists`].
    pub fn check_free(&self, name: &str) -> Result<(), KeystoreError> {
        if self.path(name)?.symlink_metadata().is_ok() {
            Err(KeystoreError::Exists(name.into()))
        } else {
            Ok(())
        }
    }

    /// Seals `secret` into a new file. Never replaces one.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing has changed then.
    pub fn create(
        &self,
        name: &str,
        secret: &Secret,
        password: &Password,
    ) -> Result<WalletFile, KeystoreError> {
        let path = self.path(name)?;
        self.check_free(name)?;
        let file = WalletFile::seal(secret, 0, password, self.cost)?;
        let text = text_of(&file)?;
        // The wallet's own file decides who has the name; only its maker may write the hot key.
        files::write_new_private(&path, &text).map_err(|refused| match refused {
            FileError::Exists(_) => KeystoreError::Exists(name.into()),
            other => other.into(),
        })?;
        // One that cannot be kept now is made again when the wallet is unlocked next.
        let _ = self.write_hot_key(name, &file, &secret.channel_signers(0));
        Ok(file)
    }

    /// Seals a wallet that `old` opens for the password `new`.
    ///
    /// # Errors
    /// [`KeystoreError`]; the old password still opens the wallet then.
    pub fn change_password(
        &self,
        name: &str,
        old: &Password,
        new: &Password,
    ) -> Result<(), KeystoreError> {
        let (present, secret) = (self.read(name)?.hot_key, self.unlock(name, old)?);
        let file = WalletFile::seal(&secret, present, new, self.cost)?;
        Ok(files::replace_private(&self.path(name)?, &text_of(&file)?)?)
    }

    /// Makes the hot key of `number` the present one, or the newest in the file of hot keys if that
    /// is a later one: a wallet's file that is an older copy must not lead back to a key that may
    /// have been replaced because it was stolen. The file returned says which. The wallet's file is
    /// replaced in one step, and then the file of hot keys; one that is not is made again when the
    /// wallet is unlocked next.
    ///
    /// # Errors
    /// [`KeystoreError::HotKeys`] if there can be no such number; [`KeystoreError`] as for
    /// [`Self::unlock`]. Nothing has changed then.
    pub fn set_hot_key(
        &self,
        name: &str,
        password: &Password,
        number: u32,
    ) -> Result<WalletFile, KeystoreError> {
        if number >= MAX_HOT_KEYS {
            return Err(KeystoreError::HotKeys);
        }
        let secret = self.unlock(name, password)?;
        let number = number.max(self.newest_hot_key(name, &secret).unwrap_or_default());
        let file = WalletFile::seal(&secret, number, password, self.cost)?;
        files::replace_private(&self.path(name)?, &text_of(&file)?)?;
        self.write_hot_key(name, &file, &secret.channel_signers(number))?;
        Ok(file)
    }

    /// Deletes a wallet and its hot key.
    ///
    /// # Errors
    /// [`KeystoreError::NoWallet`], or [`KeystoreError::File`] if the system refuses; the wallet's
    /// own file goes last.
    pub fn remove(&self, name: &str) -> Result<(), KeystoreError> {
        match files::remove(&self.hot_path(name)?) {
            Err(FileError::Missing(_)) => {}
            other => other?,
        }
        match files::remove(&self.path(name)?) {
            Err(FileError::Missing(_)) => Err(KeystoreError::NoWallet(name.into())),
            other => Ok(other?),
        }
    }

    /// What a wallet's file says in clear: address, channel signer, kind and path. Not yet
    /// authenticated.
    ///
    /// # Errors
    /// [`KeystoreError`] if there is none, or it is not a whole wallet file of a known version.
    pub fn read(&self, name: &str) -> Result<WalletFile, KeystoreError> {
        let path = self.path(name)?;
        let bytes = match files::read_bounded(&path, MAX_FILE_BYTES) {
            Err(FileError::Missing(_)) => return Err(KeystoreError::NoWallet(name.into())),
            other => other?,
        };
        WalletFile::parse(&bytes, &path)
    }

    /// Opens a wallet.
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassword`] if the password is wrong or any byte of the file was
    /// changed; others as for [`Self::read`].
    pub fn unlock(&self, name: &str, password: &Password) -> Result<Secret, KeystoreError> {
        self.read(name)?.open(name, &self.path(name)?, password)
    }

    /// Names and clear parts of all wallets, by name. A file that cannot be read is given as its
    /// error.
    ///
    /// # Errors
    /// [`KeystoreError::File`] if the folder cannot be read; a missing folder holds no wallets.
    pub fn list(&self) -> Result<Vec<NamedWallet>, KeystoreError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(
                    FileError::Io { action: "list", path: self.folder.clone(), source }.into()
                );
            }
            Ok(entries) => entries,
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                entry.ok()?.file_name().to_str()?.strip_suffix(".json").map(str::to_owned)
            })
            .filter(|name| self.path(name).is_ok())
            .take(MAX_WALLETS)
            .collect();
        names.sort();
        Ok(names.into_iter().map(|name| (name.clone(), self.read(&name))).collect())
    }
}

fn text_of(file: &WalletFile) -> Result<Vec<u8>, KeystoreError> {
    let mut text = serde_json::to_vec_pretty(file)
        .map_err(|error| KeystoreError::Cipher(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
