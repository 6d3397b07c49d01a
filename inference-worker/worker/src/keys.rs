//! The worker's two keys, each in a file of its own that only its owner may read.
//!
//! The **account key** (sr25519) holds the stake and is paid. The **peer key** (ed25519) is the
//! worker's name on the network and signs its receipts; the registry ties it to the account.
//! Neither is ever printed, except the account's words once, by `init`.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use mica_chain::{Signer, SignerError};
use mica_host::files::Staged;
use rand::{RngCore, rngs::OsRng};
use thiserror::Error;
use zeroize::Zeroizing;

const ACCOUNT: &str = "account.key";
const PEER: &str = "peer.key";

/// Why a key is missing or refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error(
        "cannot read {path} ({reason}): run `mica-worker init` first, or name the folder with \
         --data-dir"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write {path} ({reason}): check the folder's permissions and the free space")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A key is there already.
    #[error(
        "{path} exists: this folder has a worker already; choose another --data-dir, or move the \
         file away if you mean it"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no key.
    #[error("{path} holds no key: restore it from your backup")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The secret is no key.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// Both keys.
pub(crate) struct Keys {
    /// Holds the stake and is paid.
    pub account: Signer,
    /// Name on the network; signs receipts and quotes.
    pub peer: SigningKey,
}

/// How a secret URI is read: [`Signer::from_suri`] or [`Signer::from_suri_as_subkey`].
pub(crate) type SecretReader = fn(&str) -> Result<Signer, SignerError>;

/// What `init` made.
pub(crate) struct Created {
    /// Both keys.
    pub keys: Keys,
    /// The words of a new account, to be shown once; nothing if the account came from a secret URI.
    pub words: Option<Zeroizing<String>>,
}

impl Keys {
    /// Makes both keys in `folder`; the account as `read` makes it of `suri` if one is given.
    ///
    /// # Errors
    /// [`KeyError`] if a key is there already, the secret is no key, or the files cannot be
    /// written.
    pub(crate) fn create(
        folder: &Path,
        suri: Option<&str>,
        read: SecretReader,
    ) -> Result<Created, KeyError> {
        for name in [ACCOUNT, PEER] {
            let path = folder.join(name);
            if path.exists() {
                return Err(KeyError::Exists { path });
            }
        }
        let words = match suri {
            Some(_) => None,
            None => {
                let mut entropy = Zeroizing::new([0; 16]);
                OsRng.fill_bytes(&mut *entropy);
                Some(Zeroizing::new(Signer::mnemonic(*entropy)?))
            }
        };
        let secret = suri.unwrap_or_else(|| words.as_ref().map_or("", |words| words.as_str()));
        let account = read(secret)?;
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(&mut *seed);
        write_secrets([
            (folder.join(ACCOUNT), secret),
            (folder.join(PEER), &Zeroizing::new(hex::encode(*seed))),
        ])?;
        Ok(Created { keys: Self { account, peer: SigningKey::from_bytes(&seed) }, words })
    }

    /// Reads an account's key from a file like the one in a worker's folder.
    ///
    /// # Errors
    /// [`KeyError`] names the file and what is wrong with it.
    pub(crate) fn read_account(path: &Path) -> Result<Signer, KeyError> {
        // A key that is in use is read, whatever other wallets make of its path.
        Ok(Signer::from_suri_as_subkey(read_secret(path)?.trim())?)
    }

    /// Reads the account's key from `folder`.
    ///
    /// # Errors
    /// [`KeyError`] names the file and what is wrong with it.
    pub(crate) fn read_account_of(folder: &Path) -> Result<Signer, KeyError> {
        Self::read_account(&folder.join(ACCOUNT))
    }

    /// Reads both keys from `folder`.
    ///
    /// # Errors
    /// [`KeyError`] names the file and what is wrong with it.
    pub(crate) fn read(folder: &Path) -> Result<Self, KeyError> {
        let account = Self::read_account_of(folder)?;
        let path = folder.join(PEER);
        let text = read_secret(&path)?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *seed).map_err(|_| KeyError::Damaged { path })?;
        Ok(Self { account, peer: SigningKey::from_bytes(&seed) })
    }
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let text = std::fs::read_to_string(path);
    text.map(Zeroizing::new)
        .map_err(|error| KeyError::Read { path: path.to_owned(), reason: error.to_string() })
}

/// Writes new files, which only their owner may read: all of them, or none if the disk takes no
/// more.
fn write_secrets<const N: usize>(secrets: [(PathBuf, &str); N]) -> Result<(), KeyError> {
    let refused = |path: &Path, error: std::io::Error| KeyError::Write {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let mut files = Vec::with_capacity(N);
    for (path, secret) in secrets {
        let file = Staged::new(&path, secret.as_bytes()).map_err(|error| refused(&path, error))?;
        files.push((path, file));
    }
    for (path, file) in files {
        file.name_new().map_err(|error| refused(&path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let created = Keys::create(folder.path(), None, Signer::from_suri).expect("created");
        let keys = Keys::read(folder.path()).expect("read");
        assert_eq!(keys.account.account(), created.keys.account.account());
        assert_eq!(keys.peer.to_bytes(), created.keys.peer.to_bytes());
        assert_eq!(created.words.expect("a new account").split(' ').count(), 12);
    }

    #[test]
    fn an_existing_key_is_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        Keys::create(folder.path(), Some("//Bob"), Signer::from_suri).expect("created");
        assert!(matches!(
            Keys::create(folder.path(), Some("//Eve"), Signer::from_suri),
            Err(KeyError::Exists { .. })
        ));
        let keys = Keys::read(folder.path()).expect("read");
        assert_eq!(
            keys.account.account(),
            Signer::from_suri("//Bob").expect("a development key").account()
        );
    }

    #[test]
    fn a_path_that_wallets_read_differently_is_taken_as_subkey_reads_it_if_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(
            Keys::create(folder.path(), Some("//Bob//+5"), Signer::from_suri),
            Err(KeyError::Signer(_))
        ));
        let made = Keys::create(folder.path(), Some("//Bob//+5"), Signer::from_suri_as_subkey)
            .expect("created");
        // To subkey a plus sign is none.
        let plain = Signer::from_suri("//Bob//5").expect("a development key").account();
        assert_eq!(made.keys.account.account(), plain);
        assert_eq!(Keys::read(folder.path()).expect("read").account.account(), plain);
    }

    #[test]
    fn missing_and_damaged_keys_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(Keys::read(folder.path()), Err(KeyError::Read { .. })));
        Keys::create(folder.path(), Some("//Bob"), Signer::from_suri).expect("created");
        std::fs::write(folder.path().join(PEER), "no key").expect("written");
        assert!(matches!(Keys::read(folder.path()), Err(KeyError::Damaged { .. })));
        assert!(matches!(
            Keys::create(&folder.path().join("absent"), Some("//Bob"), Signer::from_suri),
            Err(KeyError::Write { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_a_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        Keys::create(folder.path(), None, Signer::from_suri).expect("created");
        for name in [ACCOUNT, PEER] {
            let mode =
                std::fs::metadata(folder.path().join(name)).expect("there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name}");
        }
    }
}
