//! Encrypted wallet files: `wallets/<name>.json`.
//!
//! argon2id turns the password into a key, XChaCha20-Poly1305 seals the entropy. Everything else in the file (address, channel
//! signer, cost of the derivation) is authenticated with it: a changed byte anywhere is an error, never another wallet.

use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::RngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Password, PhraseError, Secret};
use crate::files::{self, FileError};

const FORMAT: &str = "mica-wallet";
const VERSION: u32 = 1;
const MAX_FILE_BYTES: u64 = 16 * 1024;
/// Most wallets that are listed.
const MAX_WALLETS: usize = 1024;
const MAX_NAME_BYTES: usize = 64;

/// Why a wallet cannot be made, listed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// A name that cannot be a file's.
    #[error("'{0}' cannot be a wallet's name: use 1 to {MAX_NAME_BYTES} letters, digits, '-' or '_'")]
    Name(String),
    /// No such wallet.
    #[error("there is no wallet '{0}': make one with `mica wallet new`, or pick another with --wallet (see `mica wallet list`)")]
    NoWallet(String),
    /// The name is taken.
    #[error("there is a wallet '{0}' already and it is left as it is: choose another name with --wallet")]
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
    #[error("{} has wallet format {found}; this program reads format {VERSION}: update mica", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The seal does not open.
    #[error("wrong password for wallet '{0}', or its file was changed; nothing was done")]
    WrongPassword(String),
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

/// Cost of the argon2id derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KdfCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl KdfCost {
    /// What new wallets use: 64 MiB, three passes (RFC 9106, second recommended option, on one lane).
    pub const STANDARD: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    /// The most that a file may ask for, so that a foreign file cannot eat the machine.
    const MOST: Self = Self { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };

    const fn is_bearable(self) -> bool {
        self.memory_kib <= Self::MOST.memory_kib && self.passes <= Self::MOST.passes && self.lanes <= Self::MOST.lanes
    }
}

/// A wallet file as it lies on disk. Bytes are hexadecimal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalletFile {
    format: String,
    version: u32,
    /// SS58 address of the account.
    pub address: String,
    /// ed25519 public key that signs vouchers.
    pub channel_signer: String,
    kdf: KdfCost,
    salt: String,
    nonce: String,
    sealed: String,
}

impl WalletFile {
    fn seal(secret: &Secret, password: &Password, cost: KdfCost) -> Result<Self, KeystoreError> {
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        OsRng.try_fill_bytes(&mut salt).map_err(|error| KeystoreError::Cipher(error.to_string()))?;
        OsRng.try_fill_bytes(&mut nonce).map_err(|error| KeystoreError::Cipher(error.to_string()))?;
        let mut file = Self {
            format: FORMAT.into(),
            version: VERSION,
            address: secret.account()?.account().to_string(),
            channel_signer: hex::encode(secret.channel_signer().verifying_key().as_bytes()),
            kdf: cost,
            salt: hex::encode(salt),
            nonce: hex::encode(nonce),
            sealed: String::new(),
        };
        let payload = Payload { msg: secret.entropy(), aad: &file.authenticated() };
        let sealed = cipher(password, &salt, cost)?
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| KeystoreError::Cipher("the cipher refuses the secret".into()))?;
        file.sealed = hex::encode(sealed);
        Ok(file)
    }

    /// Everything but the sealed bytes, in a fixed order.
    fn authenticated(&self) -> Vec<u8> {
        let KdfCost { memory_kib, passes, lanes } = self.kdf;
        let Self { format, version, address, channel_signer, salt, nonce, .. } = self;
        format!("{format}\n{version}\n{address}\n{channel_signer}\n{memory_kib}\n{passes}\n{lanes}\n{salt}\n{nonce}").into_bytes()
    }

    fn open(&self, name: &str, path: &Path, password: &Password) -> Result<Secret, KeystoreError> {
        let malformed = |reason: &str| KeystoreError::Malformed { path: path.into(), reason: reason.into() };
        if !self.kdf.is_bearable() {
            return Err(malformed("it asks for more memory or time than any wallet needs"));
        }
        let bytes = |text: &str, reason| hex::decode(text).map_err(|_| malformed(reason));
        let salt: [u8; 16] =
            bytes(&self.salt, "its salt is no hexadecimal")?.try_into().map_err(|_| malformed("its salt is too short"))?;
        let nonce: [u8; 24] =
            bytes(&self.nonce, "its nonce is no hexadecimal")?.try_into().map_err(|_| malformed("its nonce is too short"))?;
        let sealed = bytes(&self.sealed, "its secret is no hexadecimal")?;
        let payload = Payload { msg: &sealed, aad: &self.authenticated() };
        let entropy = cipher(password, &salt, self.kdf)?
            .decrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| KeystoreError::WrongPassword(name.into()))?;
        Ok(Secret::from_entropy(Zeroizing::new(entropy))?)
    }
}

fn cipher(password: &Password, salt: &[u8], cost: KdfCost) -> Result<XChaCha20Poly1305, KeystoreError> {
    let refused = |error: argon2::Error| KeystoreError::Cipher(error.to_string());
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(refused)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, key.as_mut_slice())
        .map_err(refused)?;
    Ok(XChaCha20Poly1305::new(key.as_slice().into()))
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

    fn path(&self, name: &str) -> Result<PathBuf, KeystoreError> {
        let is_fine = !name.is_empty()
            && name.len() <= MAX_NAME_BYTES
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if is_fine { Ok(self.folder.join(format!("{name}.json"))) } else { Err(KeystoreError::Name(name.into())) }
    }

    /// Whether a new wallet may have this name; asked before a password is.
    ///
    /// # Errors
    /// [`KeystoreError::Name`] and [`KeystoreError::Exists`].
    pub fn check_free(&self, name: &str) -> Result<(), KeystoreError> {
        if self.path(name)?.symlink_metadata().is_ok() { Err(KeystoreError::Exists(name.into())) } else { Ok(()) }
    }

    /// Seals `secret` into a new file. Never replaces one.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing has changed then.
    pub fn create(&self, name: &str, secret: &Secret, password: &Password) -> Result<WalletFile, KeystoreError> {
        let path = self.path(name)?;
        self.check_free(name)?;
        let file = WalletFile::seal(secret, password, self.cost)?;
        let mut text = serde_json::to_vec_pretty(&file).map_err(|error| KeystoreError::Cipher(error.to_string()))?;
        text.push(b'\n');
        match files::write_new_private(&path, &text) {
            Err(FileError::Exists(_)) => Err(KeystoreError::Exists(name.into())),
            other => Ok(other.map(|()| file)?),
        }
    }

    /// What a wallet's file says in clear: address and channel signer. Not yet authenticated.
    ///
    /// # Errors
    /// [`KeystoreError`] if there is none, or it is not a whole wallet file of a known version.
    pub fn read(&self, name: &str) -> Result<WalletFile, KeystoreError> {
        let path = self.path(name)?;
        let bytes = match files::read_bounded(&path, MAX_FILE_BYTES) {
            Err(FileError::Missing(_)) => return Err(KeystoreError::NoWallet(name.into())),
            other => other?,
        };
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let malformed = |reason: String| KeystoreError::Malformed { path: path.clone(), reason };
        let head: Head = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        if head.format != FORMAT {
            return Err(malformed("it does not say that it is a wallet".into()));
        }
        if head.version != VERSION {
            return Err(KeystoreError::Version { path, found: head.version });
        }
        serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))
    }

    /// Opens a wallet.
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassword`] if the password is wrong or any byte of the file was changed; others as for [`Self::read`].
    pub fn unlock(&self, name: &str, password: &Password) -> Result<Secret, KeystoreError> {
        self.read(name)?.open(name, &self.path(name)?, password)
    }

    /// Names and clear parts of all wallets, by name. A file that cannot be read is given as its error.
    ///
    /// # Errors
    /// [`KeystoreError::File`] if the folder cannot be read; a missing folder holds no wallets.
    pub fn list(&self) -> Result<Vec<NamedWallet>, KeystoreError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(FileError::Io { action: "list", path: self.folder.clone(), source }.into()),
            Ok(entries) => entries,
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
            .filter(|name| self.path(name).is_ok())
            .take(MAX_WALLETS)
            .collect();
        names.sort();
        Ok(names.into_iter().map(|name| (name.clone(), self.read(&name))).collect())
    }
}

#[cfg(test)]
mod tests;
