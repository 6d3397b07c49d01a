//! Wallets: one secret, two keys, one encrypted file.
//!
//! * The secret is the entropy of a BIP-39 phrase.
//! * The **account** is the sr25519 key that standard Substrate wallets derive from that phrase (no password, no path).
//! * The **channel signer** is an ed25519 key that signs vouchers: its seed is
//!   `blake3.derive_key("mica/channel-signer/v1", entropy)`. It can spend no more than the deposits of open channels.
//!
//! Limits: hardware keys, several accounts of one phrase and phrases in other languages than English are not supported.

mod keys;
mod keystore;
mod password;

pub use keys::{PhraseError, Secret, WordCount};
pub use keystore::{KdfCost, Keystore, KeystoreError, NamedWallet, WalletFile};
pub use password::{MIN_PASSWORD_CHARS, Password, PasswordError, PasswordSource};
