//! The key of the account that pays, opened only when something must be signed with it.
//!
//! A prompt over open channels needs the hot key alone. Only what changes the chain (a channel
//! opened, topped up or closed, money sent) needs the account's key; only then is the user
//! asked for the wallet's password and told what it is for.

use std::sync::{Arc, OnceLock};

use mica_chain::{AccountId, Signer};

use super::{KeystoreError, PasswordError};

/// Why the key stays locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// No password; it says what the key is for.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The wallet does not open.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
}

/// Opens the key, told what it is for.
type Unlock = dyn Fn(&str) -> Result<Signer, UnlockError> + Send + Sync;

/// An account, and its key once it is opened. Copies share the opened key.
#[derive(Clone)]
pub struct AccountKey {
    account: AccountId,
    opened: Arc<OnceLock<Signer>>,
    unlock: Option<Arc<Unlock>>,
}

impl AccountKey {
    /// The account whose key `unlock` opens; it is called at most until it succeeds once.
    pub fn locked(
        account: AccountId,
        unlock: impl Fn(&str) -> Result<Signer, UnlockError> + Send + Sync + 'static,
    ) -> Self {
        Self { account, opened: Arc::default(), unlock: Some(Arc::new(unlock)) }
    }

    /// The account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Whether the key is still locked.
    pub fn is_locked(&self) -> bool {
        self.opened.get().is_none()
    }

    /// The key, opened for `purpose` ("opening a channel") if it is locked.
    ///
    /// # Errors
    /// [`UnlockError`]; nothing was signed then.
    pub fn signer(&self, purpose: &str) -> Result<Signer, UnlockError> {
        match (self.opened.get(), &self.unlock) {
            (Some(signer), _) => Ok(signer.clone()),
            (None, Some(unlock)) => {
                let signer = unlock(purpose)?;
                Ok(self.opened.get_or_init(|| signer).clone())
            }
            // `From<Signer>` and `locked` leave no third kind.
            (None, None) => Err(KeystoreError::NoWallet(self.account.to_string()).into()),
        }
    }
}

impl From<Signer> for AccountKey {
    fn from(signer: Signer) -> Self {
        Self { account: signer.account(), opened: Arc::new(OnceLock::from(signer)), unlock: None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_key_is_opened_once_for_all_copies_and_not_before_it_is_needed() {
        let alice = Signer::from_suri("//Alice").expect("a development key");
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let key = AccountKey::locked(alice.account(), move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Signer::from_suri("//Alice").map_err(|_| KeystoreError::NoWallet("alice".into()).into())
        });
        let copy = key.clone();
        assert!(key.is_locked() && asked.load(Ordering::Relaxed) == 0);
        assert_eq!(copy.signer("sending").expect("opened").account(), alice.account());
        assert!(!key.is_locked());
        key.signer("sending").expect("open already");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_failed_opening_is_tried_again() {
        let alice = Signer::from_suri("//Alice").expect("a development key");
        let key = AccountKey::locked(alice.account(), |_| {
            Err(KeystoreError::WrongPassword("alice".into()).into())
        });
        for _ in 0..2 {
            assert!(matches!(
                key.signer("sending"),
                Err(UnlockError::Keystore(KeystoreError::WrongPassword(_)))
            ));
        }
        assert!(key.is_locked());
    }
}
