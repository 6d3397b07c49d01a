//! Wallets: one secret, two keys, two files.
//!
//! * The **secret** is the entropy of a BIP-39 phrase, a seed, or an expanded key from a
//!   polkadot-js file.
//! * The **account** is the sr25519 key that standard Substrate wallets derive from it, over a
//!   derivation path if there is one.
//! * The **hot key** (channel signer) is an ed25519 key that signs vouchers. It follows from the
//!   secret, lies unencrypted beside the wallet's file, and can spend no more than the deposits of
//!   open channels; the account's key stays locked meanwhile. A new one follows from the same
//!   secret and the next number; the wallet's file says which is the present one.
//!
//! Limits: hardware keys and phrases in languages other than English are not supported. A phrase
//! without a path and the same account as a key from a file have different hot keys, so channels
//! follow the phrase.
#![forbid(unsafe_code)]

pub use mica_host::files;

mod channel_signers;
mod keys;
mod keystore;
mod password;
pub mod polkadot_js;

mod account_key;
pub mod message;

pub use account_key::{AccountKey, UnlockError};
pub use channel_signers::ChannelSigners;
pub use keys::{MAX_HOT_KEYS, PathReader, PhraseError, Secret, SecretKind, WordCount};
pub use keystore::{KdfCost, Keystore, KeystoreError, NamedWallet, WalletFile};
pub use password::{
    MIN_PASSWORD_CHARS, Password, PasswordError, PasswordPrompt, PasswordRole, PasswordSource,
};
