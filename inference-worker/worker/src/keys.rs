//! The worker's two keys, each in a file of its own that only its owner may read.
//!
//! The **account key** (sr25519) holds the stake and is paid. The **peer key** (ed25519) is the
//! worker's name on the network and signs its receipts; the registry ties it to the account.
//! Neither is ever printed, except the account's words once, by `init`.
//!
//! After `hand-over` the account key is an operator's: it acts as the proxy of the stake account,
//! whose address lies beside it, and cannot touch the stake. The stake account's own key has become
//! `cold.key`, to be carried away.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use mica_chain::{AccountId, Signer, SignerError, address};
use mica_host::files::Staged;
use rand::{RngCore, rngs::OsRng};
use thiserror::Error;
use zeroize::Zeroizing;

const ACCOUNT: &str = "account.key";
const PEER: &str = "peer.key";
/// Address of the account that the account key acts for.
const STAKE: &str = "stake.address";
/// The stake account's key, after it has named an operator.
const COLD: &str = "cold.key";
/// The operator's key, until the chain knows it.
const OPERATOR: &str = "operator.key";

/// The files of this module that a backup has: all but a stake account's own key, which is to be
/// carried away, and an operator's that the chain does not know yet.
pub(crate) const BACKED_UP: [&str; 3] = [ACCOUNT, PEER, STAKE];

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
    /// Signs for the account that holds the stake and is paid.
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
        let signer = Self::read_account(&folder.join(ACCOUNT))?;
        let path = folder.join(STAKE);
        match std::fs::read_to_string(&path) {
            Ok(text) => match address::parse(&text) {
                Ok(account) => Ok(signer.acting_for(account)),
                Err(_) => Err(KeyError::Damaged { path }),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(signer),
            Err(error) => Err(KeyError::Read { path, reason: error.to_string() }),
        }
    }

    /// The stake account's own key, if it still lies in `folder` after a hand-over.
    ///
    /// # Errors
    /// [`KeyError`] if the file is there and holds no key.
    pub(crate) fn read_cold(folder: &Path) -> Result<Option<Signer>, KeyError> {
        let path = folder.join(COLD);
        if path.exists() { Self::read_account(&path).map(Some) } else { Ok(None) }
    }

    /// The key of the operator to be, made if there is none yet.
    ///
    /// # Errors
    /// [`KeyError`] if it cannot be written or read.
    pub(crate) fn next_operator(folder: &Path) -> Result<Signer, KeyError> {
        let path = folder.join(OPERATOR);
        if !path.exists() {
            let mut entropy = Zeroizing::new([0; 16]);
            OsRng.fill_bytes(&mut *entropy);
            let words = Zeroizing::new(Signer::mnemonic(*entropy)?);
            write_secrets([(path.clone(), words.as_str())])?;
        }
        Self::read_account(&path)
    }

    /// Makes the operator's key the one that the worker signs with, for `stake`, whose own key is
    /// kept as the file that is returned. The chain must know the operator by now.
    ///
    /// # Errors
    /// [`KeyError`] names the file. Asked for again it goes on where it stopped.
    pub(crate) fn hand_over(folder: &Path, stake: AccountId) -> Result<PathBuf, KeyError> {
        let [address, account, cold, operator] =
            [STAKE, ACCOUNT, COLD, OPERATOR].map(|name| folder.join(name));
        if !address.exists() {
            write_secrets([(address, &stake.to_string())])?;
        }
        if !cold.exists() {
            rename(&account, &cold)?;
        }
        if operator.exists() {
            rename(&operator, &account)?;
        }
        Ok(cold)
    }

    /// Ends a hand-over that was cut off when the stake account's key had left its place already.
    ///
    /// # Errors
    /// [`KeyError`] names the file.
    pub(crate) fn resume_hand_over(folder: &Path) -> Result<(), KeyError> {
        let [account, cold, operator] = [ACCOUNT, COLD, OPERATOR].map(|name| folder.join(name));
        if cold.exists() && operator.exists() && !account.exists() {
            rename(&operator, &account)?;
        }
        Ok(())
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

fn rename(from: &Path, to: &Path) -> Result<(), KeyError> {
    std::fs::rename(from, to)
        .map_err(|error| KeyError::Write { path: to.to_owned(), reason: error.to_string() })
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
    fn a_key_that_is_handed_over_acts_for_the_stake_account() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        Keys::create(path, Some("//Bob"), Signer::from_suri).expect("created");
        let stake = Keys::read_account_of(path).expect("read").account();
        let operator = Keys::next_operator(path).expect("made");
        // Interrupted before the chain knew it, it is the same key the next time.
        assert_eq!(Keys::next_operator(path).expect("read").account(), operator.account());

        let cold = Keys::hand_over(path, stake).expect("handed over");
        let signer = Keys::read(path).expect("read").account;
        assert_eq!((signer.account(), signer.own_account()), (stake, operator.account()));
        assert!(signer.is_proxy());
        assert_eq!(Keys::read_account(&cold).expect("the old key").account(), stake);
        let found = Keys::read_cold(path).expect("read").expect("it is still there");
        assert_eq!(found.account(), stake);
        // A second time it changes nothing.
        Keys::hand_over(path, stake).expect("nothing to do");
        assert_eq!(Keys::read(path).expect("read").account.own_account(), operator.account());
    }

    #[test]
    fn a_hand_over_that_was_cut_off_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        Keys::create(path, Some("//Bob"), Signer::from_suri).expect("created");
        let stake = Keys::read_account_of(path).expect("read").account();
        let operator = Keys::next_operator(path).expect("made");
        std::fs::write(path.join(STAKE), stake.to_string()).expect("written");
        assert!(!Keys::read_account_of(path).expect("read").is_proxy(), "still its own key");
        std::fs::rename(path.join(ACCOUNT), path.join(COLD)).expect("renamed");
        Keys::resume_hand_over(path).expect("gone on");
        assert_eq!(Keys::read(path).expect("read").account.own_account(), operator.account());
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
