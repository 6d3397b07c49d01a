//! The key of the account that pays, opened only when something must be signed with it.
//!
//! A prompt over open channels needs the hot key alone. Only what changes the chain (a channel
//! opened, topped up or closed, money sent) needs the account's key; only then is the user
//! asked for the wallet's password and told what it is for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// The time is over for which an opened key may be kept.
    #[error(
        "the account's key was forgotten, as it is some time after the password was typed, and {0} \
         needs it: start the gateway again, or start it with --password-file"
    )]
    Forgotten(String),
}

/// Opens the key, told what it is for.
type Unlock = dyn Fn(&str) -> Result<Signer, UnlockError> + Send + Sync;

/// An account, and the way to its key. Copies share what is opened.
#[derive(Clone)]
pub struct AccountKey {
    account: AccountId,
    /// The key while it is open.
    opened: Arc<Mutex<Option<Signer>>>,
    way: Way,
}

/// How the key is opened.
#[derive(Clone)]
enum Way {
    /// Once, by asking a person; it stays open.
    Once(Arc<Unlock>),
    /// For every use, by nobody's hand; it is forgotten after each.
    EachTime(Arc<Unlock>),
    /// It was open from the beginning.
    Never,
}

impl AccountKey {
    /// The account whose key `unlock` opens; it is called at most until it succeeds once.
    pub fn locked(
        account: AccountId,
        unlock: impl Fn(&str) -> Result<Signer, UnlockError> + Send + Sync + 'static,
    ) -> Self {
        Self { account, opened: Arc::default(), way: Way::Once(Arc::new(unlock)) }
    }

    /// The account whose key `unlock` opens for each use, without anybody's help: between two uses
    /// it is in no memory of this program.
    pub fn on_demand(
        account: AccountId,
        unlock: impl Fn(&str) -> Result<Signer, UnlockError> + Send + Sync + 'static,
    ) -> Self {
        Self { account, opened: Arc::default(), way: Way::EachTime(Arc::new(unlock)) }
    }

    /// The account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Whether somebody would have to be asked before anything can be signed.
    pub fn is_locked(&self) -> bool {
        !matches!(self.way, Way::EachTime(_)) && self.opened().is_none()
    }

    /// The key, opened for `purpose` ("opening a channel") if it is locked. May take a good part of
    /// a second.
    ///
    /// # Errors
    /// [`UnlockError`]; nothing was signed then.
    pub fn signer(&self, purpose: &str) -> Result<Signer, UnlockError> {
        if let Way::EachTime(unlock) = &self.way {
            return unlock(purpose);
        }
        // Held while somebody is asked: whoever comes meanwhile waits for the same answer.
        let mut opened = self.opened();
        match (&*opened, &self.way) {
            (Some(signer), _) => Ok(signer.clone()),
            (None, Way::Once(unlock)) => Ok(opened.insert(unlock(purpose)?).clone()),
            (None, _) => Err(UnlockError::Forgotten(purpose.to_owned())),
        }
    }

    /// Wipes the opened key. One that was open from the beginning is never opened again.
    pub fn forget(&self) {
        *self.opened() = None;
    }

    fn opened(&self) -> MutexGuard<'_, Option<Signer>> {
        // It is replaced whole.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Signer> for AccountKey {
    fn from(signer: Signer) -> Self {
        let account = signer.account();
        Self { account, opened: Arc::new(Mutex::new(Some(signer))), way: Way::Never }
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

    #[test]
    fn a_key_that_opens_on_demand_is_kept_by_nobody() {
        let alice = Signer::from_suri("//Alice").expect("a development key");
        let opened = Arc::new(AtomicUsize::new(0));
        let counter = opened.clone();
        let key = AccountKey::on_demand(alice.account(), move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Signer::from_suri("//Alice").map_err(|_| KeystoreError::NoWallet("alice".into()).into())
        });
        assert!(!key.is_locked(), "nobody has to be asked");
        for _ in 0..2 {
            assert_eq!(key.signer("sending").expect("opened").account(), alice.account());
            assert!(key.opened().is_none());
        }
        assert_eq!(opened.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_key_that_is_forgotten_is_locked_for_all_copies_and_says_why() {
        let key = AccountKey::from(Signer::from_suri("//Alice").expect("a development key"));
        let copy = key.clone();
        assert!(copy.signer("sending").is_ok());
        key.forget();
        assert!(copy.is_locked());
        let refused = copy.signer("opening channels").map(drop).expect_err("forgotten").to_string();
        assert!(refused.contains("opening channels") && refused.contains("--password-file"));
    }
}
