//! The sr25519 key that signs extrinsics and messages.
//!
//! A key is made from a phrase or a seed and a derivation path, as in every Substrate wallet, or
//! from the 64 bytes that wallets exchange in files (the expanded key in the form of ed25519). It
//! is wiped from memory when the last copy is dropped.

mod path;

pub use path::{DerivationPath, PathError};

use std::{str::FromStr, sync::Arc};

use schnorrkel::{
    ExpansionMode, Keypair, MiniSecretKey, SecretKey,
    derive::{ChainCode, Derivation},
};
use subxt::utils::MultiSignature;
use subxt_signer::{DeriveJunction, ExposeSecret, SecretUri, bip39::Mnemonic};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{AccountId, Call, connection::Config};

/// Context of every sr25519 signature of a Substrate chain.
const SIGNING_CONTEXT: &[u8] = b"substrate";

/// Why a secret gives no key. Never repeats the secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignerError {
    /// Its derivation path is none, or one that wallets read differently.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Not a secret URI.
    #[error(
        "this is no secret URI: give 12 to 24 words, a 0x-prefixed seed of 32 bytes, or a \
         development key such as //Bob"
    )]
    Uri,
    /// Words that are no mnemonic, or a seed of the wrong length.
    #[error("the words or the seed give no key: check their spelling, order and number")]
    Secret,
    /// Bytes that are no expanded key.
    #[error(
        "these 64 bytes are no sr25519 key: the file that they come from is damaged or of another \
         kind"
    )]
    Expanded,
}

/// Signs for one account: its key's own, or one that has named the key as its proxy. Its `Debug`
/// shows the account only.
#[derive(Clone)]
pub struct Signer {
    keypair: Arc<Keypair>,
    /// The key's own account, which pays the fees.
    own: AccountId,
    /// The account for which it signs.
    account: AccountId,
}

impl Signer {
    /// From a secret URI: a mnemonic or a 0x-prefixed seed, with derivations (`//hard/soft`) and
    /// `///password`; a development key such as `//Bob` derives from the well-known phrase.
    ///
    /// # Errors
    /// [`SignerError`] if the text is no secret URI, its words are no mnemonic, or wallets read its
    /// path differently.
    pub fn from_suri(suri: &str) -> Result<Self, SignerError> {
        let suri = suri.trim();
        let path = suri.split_once("///").map_or(suri, |(before, _)| before);
        path.get(path.find('/').unwrap_or(path.len())..)
            .unwrap_or_default()
            .parse::<DerivationPath>()?;
        Self::from_suri_as_subkey(suri)
    }

    /// The same for a secret that is in use already: its path is read as `subkey` reads it,
    /// whatever other wallets make of it.
    ///
    /// # Errors
    /// [`SignerError`] if the text is no secret URI or its words are no mnemonic.
    pub fn from_suri_as_subkey(suri: &str) -> Result<Self, SignerError> {
        let uri = SecretUri::from_str(suri.trim()).map_err(|_| SignerError::Uri)?;
        let root = match uri.phrase.expose_secret().strip_prefix("0x") {
            Some(digits) => {
                let mut seed = Zeroizing::new([0; 32]);
                hex::decode_to_slice(digits, seed.as_mut_slice())
                    .map_err(|_| SignerError::Secret)?;
                Self::from_seed(*seed)?
            }
            None => {
                let password =
                    uri.password.as_ref().map_or("", |password| password.expose_secret());
                Self::from_words(uri.phrase.expose_secret(), password)?
            }
        };
        Ok(root.through(&uri.junctions))
    }

    /// From the words of a mnemonic, without a password.
    ///
    /// # Errors
    /// [`SignerError::Secret`] if the words are no mnemonic.
    pub fn from_mnemonic(words: &str) -> Result<Self, SignerError> {
        Self::from_words(words.trim(), "")
    }

    /// From the 32-byte mini secret key.
    ///
    /// # Errors
    /// [`SignerError::Secret`] if the bytes are no key.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, SignerError> {
        let seed = Zeroizing::new(seed);
        MiniSecretKey::from_bytes(seed.as_slice())
            .map(|seed| Self::of_seed(&seed))
            .map_err(|_| SignerError::Secret)
    }

    /// From the expanded secret key in the form of ed25519, as [`Self::expanded`] gives it and
    /// polkadot-js keeps it.
    ///
    /// # Errors
    /// [`SignerError::Expanded`] if the bytes are no key.
    pub fn from_expanded(bytes: &[u8; 64]) -> Result<Self, SignerError> {
        SecretKey::from_ed25519_bytes(bytes)
            .map(|secret| Self::new(secret.to_keypair()))
            .map_err(|_| SignerError::Expanded)
    }

    /// The key that `path` leads to from this one.
    pub fn derive(&self, path: &DerivationPath) -> Self {
        self.through(&path.junctions)
    }

    /// The mnemonic of 12 words for 16 bytes of entropy, which must come from the system's random
    /// source.
    ///
    /// # Errors
    /// [`SignerError::Secret`] never happens for 16 bytes; it is passed on instead of a panic.
    pub fn mnemonic(entropy: [u8; 16]) -> Result<String, SignerError> {
        Mnemonic::from_entropy(&entropy)
            .map(|mnemonic| mnemonic.to_string())
            .map_err(|_| SignerError::Secret)
    }

    /// The same key as a proxy of `account`: whatever is submitted with it is done for that
    /// account, as far as the chain lets the proxy. The key's own account pays the fees.
    #[must_use]
    pub fn acting_for(mut self, account: AccountId) -> Self {
        self.account = account;
        self
    }

    /// The account that it signs for: holds the stake, is paid, opens channels.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The key's own account: pays the fees, and counts the extrinsics.
    pub fn own_account(&self) -> AccountId {
        self.own
    }

    /// Whether it signs for another account than its key's own.
    pub fn is_proxy(&self) -> bool {
        self.own != self.account
    }

    /// `call` as it has to be sent, so that it is done for [`Self::account`].
    pub(crate) fn wrapped(&self, call: Call) -> Call {
        if self.is_proxy() {
            Call::Proxied { account: self.account, call: Box::new(call) }
        } else {
            call
        }
    }

    /// The expanded secret key in the form of ed25519: scalar times the cofactor, then the seed of
    /// nonces.
    pub fn expanded(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.keypair.secret.to_ed25519_bytes())
    }

    /// Signs `message` as it is. Who signs what others wrote must mark it as no extrinsic first.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.keypair.sign_simple(SIGNING_CONTEXT, message).to_bytes()
    }

    fn from_words(words: &str, password: &str) -> Result<Self, SignerError> {
        let mnemonic = Mnemonic::parse(words).map_err(|_| SignerError::Secret)?;
        let entropy = Zeroizing::new(mnemonic.to_entropy());
        let seed = substrate_bip39::mini_secret_from_entropy(&entropy, password)
            .map_err(|_| SignerError::Secret)?;
        Ok(Self::of_seed(&seed))
    }

    fn of_seed(seed: &MiniSecretKey) -> Self {
        Self::new(seed.expand_to_keypair(ExpansionMode::Ed25519))
    }

    fn through(&self, junctions: &[DeriveJunction]) -> Self {
        let secret =
            junctions.iter().fold(
                self.keypair.secret.clone(),
                |secret, junction| match *junction {
                    DeriveJunction::Soft(code) => secret.derived_key_simple(ChainCode(code), []).0,
                    DeriveJunction::Hard(code) => secret
                        .hard_derive_mini_secret_key(Some(ChainCode(code)), [])
                        .0
                        .expand(ExpansionMode::Ed25519),
                },
            );
        Self::new(secret.to_keypair())
    }

    fn new(keypair: Keypair) -> Self {
        let account = AccountId::from(keypair.public.to_bytes());
        Self { keypair: Arc::new(keypair), own: account, account }
    }
}

impl subxt::tx::Signer<Config> for Signer {
    fn account_id(&self) -> AccountId {
        self.own
    }

    fn sign(&self, payload: &[u8]) -> MultiSignature {
        MultiSignature::Sr25519(self.sign(payload))
    }
}

/// Whether `signature` is `account`'s over exactly `message`.
pub fn verify(account: &AccountId, message: &[u8], signature: &[u8; 64]) -> bool {
    let (Ok(key), Ok(signature)) = (
        schnorrkel::PublicKey::from_bytes(&account.0),
        schnorrkel::Signature::from_bytes(signature),
    ) else {
        return false;
    };
    key.verify_simple(SIGNING_CONTEXT, message, &signature).is_ok()
}

/// Stands in for a key where only the length of an extrinsic counts, as for an estimate of its fee.
pub(crate) struct Unsigned(pub(crate) AccountId);

impl subxt::tx::Signer<Config> for Unsigned {
    fn account_id(&self) -> AccountId {
        self.0
    }

    fn sign(&self, _: &[u8]) -> MultiSignature {
        MultiSignature::Sr25519([1; 64])
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.account)
    }
}

#[cfg(test)]
mod tests;
