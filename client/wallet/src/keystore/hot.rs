//! The hot key of a wallet: `wallets/<name>.hot`, readable by its owner alone and not encrypted.
//!
//! It signs vouchers while the account's key stays locked, so that a prompt over open channels asks
//! for no password. Who steals it can promise what is left in the channels that are open, to the
//! workers that they pay and to nobody else; it moves no other money. It follows from the wallet's
//! secret, so a lost file is made again when the wallet is unlocked next.

use std::path::Path;

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{Keystore, KeystoreError, MAX_FILE_BYTES, WalletFile};
use crate::files::{self, FileError};

const FORMAT: &str = "mica-hot-key";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HotFile {
    format: String,
    version: u32,
    address: String,
    channel_signer: String,
    seed: String,
}

impl Drop for HotFile {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl Keystore {
    /// The hot key of a wallet whose file says `wallet`; nothing if it was never written or is
    /// lost.
    ///
    /// # Errors
    /// [`KeystoreError::Exposed`] if others may read the file, [`KeystoreError::HotKey`] if it is
    /// broken or another wallet's.
    pub fn hot_key(
        &self,
        name: &str,
        wallet: &WalletFile,
    ) -> Result<Option<SigningKey>, KeystoreError> {
        let path = self.hot_path(name)?;
        let bytes = match files::read_bounded(&path, MAX_FILE_BYTES) {
            Err(FileError::Missing(_)) => return Ok(None),
            other => Zeroizing::new(other?),
        };
        if !files::is_private(&path)? {
            return Err(KeystoreError::Exposed(path));
        }
        read(&bytes, &path, wallet).map(Some)
    }

    /// Writes the hot key, in place of an older file.
    ///
    /// # Errors
    /// [`KeystoreError::File`] if the system refuses.
    pub fn write_hot_key(
        &self,
        name: &str,
        wallet: &WalletFile,
        key: &SigningKey,
    ) -> Result<(), KeystoreError> {
        let file = HotFile {
            format: FORMAT.into(),
            version: VERSION,
            address: wallet.address.clone(),
            channel_signer: wallet.channel_signer.clone(),
            seed: hex::encode(Zeroizing::new(key.to_bytes()).as_slice()),
        };
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|error| KeystoreError::Cipher(error.to_string()))?;
        Ok(files::replace_private(&self.hot_path(name)?, &Zeroizing::new(text))?)
    }

    /// Where the hot key lies.
    ///
    /// # Errors
    /// [`KeystoreError::Name`].
    pub fn hot_path(&self, name: &str) -> Result<std::path::PathBuf, KeystoreError> {
        Ok(self.path(name)?.with_extension("hot"))
    }
}

fn read(bytes: &[u8], path: &Path, wallet: &WalletFile) -> Result<SigningKey, KeystoreError> {
    let broken = |reason: &str| KeystoreError::HotKey { path: path.into(), reason: reason.into() };
    // The decoder's own message could repeat a part of the seed.
    let file: HotFile = serde_json::from_slice(bytes)
        .map_err(|error| broken(&format!("it is cut or changed in line {}", error.line())))?;
    if file.format != FORMAT || file.version != VERSION {
        return Err(broken("it is of another format"));
    }
    if file.address != wallet.address || file.channel_signer != wallet.channel_signer {
        return Err(broken("it belongs to another wallet"));
    }
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(&file.seed, seed.as_mut_slice())
        .map_err(|_| broken("its seed is no 32 bytes"))?;
    let key = SigningKey::from_bytes(&seed);
    if hex::encode(key.verifying_key().as_bytes()) != wallet.channel_signer {
        return Err(broken("its seed is another key's"));
    }
    Ok(key)
}
