//! One wallet file: what is in it, how it is sealed and opened.
//!
//! argon2id turns the password into a key, XChaCha20-Poly1305 seals the secret. Everything else in
//! the file (address, channel signer, kind, path, cost of the derivation) is authenticated with it:
//! a changed byte anywhere is an error, never another wallet.
//!
//! Format 1 knew only phrases without a path; it is still read, but no longer written. Format 3 says
//! which hot key is the present one; a wallet that still has its first one is written in format 2,
//! which older programs read.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use mica_chain::DerivationPath;
use rand::RngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::KeystoreError;
use crate::{MAX_HOT_KEYS, Password, Secret, SecretKind};

const FORMAT: &str = "mica-wallet";
/// The newest format.
pub(super) const VERSION: u32 = 3;
/// The format without the number of the hot key.
const VERSION_OF_FIRST_HOT_KEY: u32 = 2;

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
    /// What new wallets use: 64 MiB, three passes (RFC 9106, second recommended option, on one
    /// lane).
    pub const STANDARD: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    /// The most that a file may ask for, so that a foreign file cannot eat the machine.
    const MOST: Self = Self { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };

    const fn is_bearable(self) -> bool {
        self.memory_kib <= Self::MOST.memory_kib
            && self.passes <= Self::MOST.passes
            && self.lanes <= Self::MOST.lanes
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
    /// What the wallet was made from.
    #[serde(default)]
    pub kind: SecretKind,
    /// Derivation path from the secret to the account; empty if there is none.
    #[serde(default)]
    pub path: String,
    /// Number of the present hot key, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub hot_key: u32,
    kdf: KdfCost,
    salt: String,
    nonce: String,
    sealed: String,
}

impl WalletFile {
    /// Seals `secret`, whose hot key of number `hot_key` is the present one, for `password`.
    pub(super) fn seal(
        secret: &Secret,
        hot_key: u32,
        password: &Password,
        cost: KdfCost,
    ) -> Result<Self, KeystoreError> {
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        OsRng
            .try_fill_bytes(&mut salt)
            .map_err(|error| KeystoreError::Cipher(error.to_string()))?;
        OsRng
            .try_fill_bytes(&mut nonce)
            .map_err(|error| KeystoreError::Cipher(error.to_string()))?;
        let mut file = Self {
            format: FORMAT.into(),
            version: if hot_key == 0 { VERSION_OF_FIRST_HOT_KEY } else { VERSION },
            address: secret.account().account().to_string(),
            channel_signer: hex::encode(
                secret.channel_signer_at(hot_key).verifying_key().as_bytes(),
            ),
            kind: secret.kind(),
            path: secret.path().to_string(),
            hot_key,
            kdf: cost,
            salt: hex::encode(salt),
            nonce: hex::encode(nonce),
            sealed: String::new(),
        };
        let payload = Payload { msg: secret.bytes(), aad: &file.authenticated() };
        let sealed = cipher(password, &salt, cost)?
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| KeystoreError::Cipher("the cipher refuses the secret".into()))?;
        file.sealed = hex::encode(sealed);
        Ok(file)
    }

    /// Reads the bytes of a file; `path` is for the errors.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, KeystoreError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let malformed = |reason: String| KeystoreError::Malformed { path: path.into(), reason };
        let head: Head =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if head.format != FORMAT {
            return Err(malformed("it does not say that it is a wallet".into()));
        }
        if !(1..=VERSION).contains(&head.version) {
            return Err(KeystoreError::Version { path: path.into(), found: head.version });
        }
        let file: Self =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if file.version == 1 && (file.kind != SecretKind::Phrase || !file.path.is_empty()) {
            return Err(malformed("its first format knows neither kinds nor paths".into()));
        }
        if (file.version < VERSION && file.hot_key != 0) || file.hot_key >= MAX_HOT_KEYS {
            return Err(malformed("it has a hot key that there cannot be".into()));
        }
        Ok(file)
    }

    /// Everything but the sealed bytes, in a fixed order.
    fn authenticated(&self) -> Vec<u8> {
        let KdfCost { memory_kib, passes, lanes } = self.kdf;
        let Self { format, version, address, channel_signer, kind, path, salt, nonce, .. } = self;
        let mut text = format!(
            "{format}\n{version}\n{address}\n{channel_signer}\n{memory_kib}\n{passes}\n{lanes}\n\
             {salt}\n{nonce}"
        );
        if *version > 1 {
            text.push_str(&format!("\n{kind}\n{path}"));
        }
        if *version > VERSION_OF_FIRST_HOT_KEY {
            text.push_str(&format!("\n{}", self.hot_key));
        }
        text.into_bytes()
    }

    /// Opens it; `name` and `path` are for the errors.
    pub(super) fn open(
        &self,
        name: &str,
        path: &Path,
        password: &Password,
    ) -> Result<Secret, KeystoreError> {
        let malformed =
            |reason: &str| KeystoreError::Malformed { path: path.into(), reason: reason.into() };
        if !self.kdf.is_bearable() {
            return Err(malformed("it asks for more memory or time than any wallet needs"));
        }
        let bytes = |text: &str, reason| hex::decode(text).map_err(|_| malformed(reason));
        let salt: [u8; 16] = bytes(&self.salt, "its salt is no hexadecimal")?
            .try_into()
            .map_err(|_| malformed("its salt is too short"))?;
        let nonce: [u8; 24] = bytes(&self.nonce, "its nonce is no hexadecimal")?
            .try_into()
            .map_err(|_| malformed("its nonce is too short"))?;
        let sealed = bytes(&self.sealed, "its secret is no hexadecimal")?;
        let payload = Payload { msg: &sealed, aad: &self.authenticated() };
        let opened = cipher(password, &salt, self.kdf)?
            .decrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| KeystoreError::WrongPassword(name.into()))?;
        // A wallet that was made is opened, whatever wallets make of its path.
        let way = DerivationPath::as_subkey(&self.path)
            .map_err(|_| malformed("its derivation path is none"))?;
        Ok(Secret::from_bytes(self.kind, Zeroizing::new(opened), way)?)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_first(number: &u32) -> bool {
    *number == 0
}

fn cipher(
    password: &Password,
    salt: &[u8],
    cost: KdfCost,
) -> Result<XChaCha20Poly1305, KeystoreError> {
    let refused = |error: argon2::Error| KeystoreError::Cipher(error.to_string());
    let params =
        Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(refused)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, key.as_mut_slice())
        .map_err(refused)?;
    Ok(XChaCha20Poly1305::new(key.as_slice().into()))
}
