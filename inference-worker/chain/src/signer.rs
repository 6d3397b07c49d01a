//! The sr25519 key that signs extrinsics.

use std::str::FromStr;

use subxt_signer::{SecretUri, bip39::Mnemonic, sr25519::Keypair};
use thiserror::Error;

use crate::AccountId;

/// Why a secret gives no key. Never repeats the secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignerError {
    /// Not a secret URI.
    #[error("this is no secret URI: give 12 to 24 words, a 0x-prefixed seed of 32 bytes, or a development key such as //Bob")]
    Uri,
    /// Words that are no mnemonic, or a seed of the wrong length.
    #[error("the words or the seed give no key: check their spelling, order and number")]
    Secret,
}

/// Signs extrinsics for one account. Its `Debug` shows the account only.
#[derive(Clone)]
pub struct Signer {
    keypair: Keypair,
    account: AccountId,
}

impl Signer {
    /// From a secret URI: a mnemonic or a 0x-prefixed seed, with derivations (`//hard/soft`) and `///password`; a development key
    /// such as `//Bob` derives from the well-known phrase.
    ///
    /// # Errors
    /// [`SignerError`] if the text is no secret URI or its words are no mnemonic.
    pub fn from_suri(suri: &str) -> Result<Self, SignerError> {
        let uri = SecretUri::from_str(suri.trim()).map_err(|_| SignerError::Uri)?;
        Keypair::from_uri(&uri).map(Self::new).map_err(|_| SignerError::Secret)
    }

    /// From the words of a mnemonic, without a password.
    ///
    /// # Errors
    /// [`SignerError::Secret`] if the words are no mnemonic.
    pub fn from_mnemonic(words: &str) -> Result<Self, SignerError> {
        let mnemonic = Mnemonic::parse(words.trim()).map_err(|_| SignerError::Secret)?;
        Keypair::from_phrase(&mnemonic, None).map(Self::new).map_err(|_| SignerError::Secret)
    }

    /// From the 32-byte mini secret key.
    ///
    /// # Errors
    /// [`SignerError::Secret`] if the bytes are no key.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, SignerError> {
        Keypair::from_secret_key(seed).map(Self::new).map_err(|_| SignerError::Secret)
    }

    /// The mnemonic of 12 words for 16 bytes of entropy, which must come from the system's random source.
    ///
    /// # Errors
    /// [`SignerError::Secret`] never happens for 16 bytes; it is passed on instead of a panic.
    pub fn mnemonic(entropy: [u8; 16]) -> Result<String, SignerError> {
        Mnemonic::from_entropy(&entropy).map(|mnemonic| mnemonic.to_string()).map_err(|_| SignerError::Secret)
    }

    /// The account that it signs for.
    pub fn account(&self) -> AccountId {
        self.account
    }

    pub(crate) fn keypair(&self) -> &Keypair {
        &self.keypair
    }

    fn new(keypair: Keypair) -> Self {
        let account = keypair.public_key().to_account_id();
        Self { keypair, account }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_keys_have_their_known_accounts() {
        let alice = Signer::from_suri("//Alice").expect("a development key");
        assert_eq!(alice.account().to_string(), "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY");
        let bob = Signer::from_suri(" //Bob\n").expect("a development key");
        assert_eq!(bob.account().to_string(), "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty");
        assert_eq!(format!("{bob:?}"), "Signer(5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty)");
    }

    #[test]
    fn a_new_mnemonic_gives_the_same_account_both_ways() {
        let words = Signer::mnemonic([7; 16]).expect("16 bytes");
        assert_eq!(words.split(' ').count(), 12);
        let by_words = Signer::from_mnemonic(&words).expect("just made").account();
        assert_eq!(by_words, Signer::from_suri(&words).expect("just made").account());
    }

    #[test]
    fn a_wrong_word_is_refused_without_repeating_it() {
        let error = Signer::from_suri("horse horse horse horse horse horse horse horse horse horse horse horse").unwrap_err();
        assert!(!error.to_string().contains("horse"));
        assert!(Signer::from_suri("0x1234").is_err());
        assert!(Signer::from_mnemonic("").is_err());
    }
}
