//! The hot key of a wallet: `wallets/<name>.hot`, readable by its owner alone and not encrypted.
//!
//! It signs vouchers while the account's key stays locked, so that a prompt over open channels asks
//! for no password. Who steals it can promise what is left in the channels that are open, to the
//! workers that they pay and to nobody else; it moves no other money. It follows from the wallet's
//! secret, so a lost file is made again when the wallet is unlocked next.
//!
//! After the wallet was given another hot key, the file holds those before it too, which sign for
//! the channels that were opened with them.

use std::path::Path;

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{Keystore, KeystoreError, MAX_FILE_BYTES, MAX_HOT_KEYS, Secret, WalletFile};
use crate::ChannelSigners;
use crate::files::{self, FileError};

const FORMAT: &str = "mica-hot-key";
/// Of a file with one key.
const VERSION: u32 = 1;
/// Of a file with earlier ones.
const VERSION_WITH_EARLIER: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HotFile {
    format: String,
    version: u32,
    address: String,
    channel_signer: String,
    seed: String,
    /// Seeds of the keys before it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<String>,
}

impl Drop for HotFile {
    fn drop(&mut self) {
        self.seed.zeroize();
        self.earlier.zeroize();
    }
}

impl Keystore {
    /// The hot keys of a wallet whose file says `wallet`; nothing if they were never written, are
    /// lost, or are those from before the present one.
    ///
    /// # Errors
    /// [`KeystoreError::Exposed`] if others may read the file, [`KeystoreError::HotKey`] if it is
    /// broken or another wallet's, [`KeystoreError::OlderWallet`] if it has a later key than
    /// `wallet`.
    pub fn hot_key(
        &self,
        name: &str,
        wallet: &WalletFile,
    ) -> Result<Option<ChannelSigners>, KeystoreError> {
        let path = self.hot_path(name)?;
        let bytes = match files::read_bounded(&path, MAX_FILE_BYTES) {
            Err(FileError::Missing(_)) => return Ok(None),
            other => Zeroizing::new(other?),
        };
        if !files::is_private(&path)? {
            return Err(KeystoreError::Exposed(path));
        }
        read(&bytes, name, &path, wallet)
    }

    /// Number of the newest key in the file of hot keys; nothing if there is none, or if they are
    /// not those of `secret`.
    pub(super) fn newest_hot_key(&self, name: &str, secret: &Secret) -> Option<u32> {
        let path = self.hot_path(name).ok()?;
        let bytes = Zeroizing::new(files::read_bounded(&path, MAX_FILE_BYTES).ok()?);
        let file: HotFile = serde_json::from_slice(&bytes).ok()?;
        let number = u32::try_from(file.earlier.len()).ok()?;
        // Nothing seals this file, but nobody else knows the public keys of later numbers.
        let is_ours = number < MAX_HOT_KEYS
            && hex::encode(secret.channel_signer_at(number).verifying_key().as_bytes())
                == file.channel_signer;
        is_ours.then_some(number)
    }

    /// Writes the hot keys, in place of an older file.
    ///
    /// # Errors
    /// [`KeystoreError::File`] if the system refuses.
    pub fn write_hot_key(
        &self,
        name: &str,
        wallet: &WalletFile,
        keys: &ChannelSigners,
    ) -> Result<(), KeystoreError> {
        let seed = |key: &SigningKey| hex::encode(Zeroizing::new(key.to_bytes()).as_slice());
        let has_earlier = !keys.earlier().is_empty();
        let file = HotFile {
            format: FORMAT.into(),
            version: if has_earlier { VERSION_WITH_EARLIER } else { VERSION },
            address: wallet.address.clone(),
            channel_signer: wallet.channel_signer.clone(),
            seed: seed(keys.current()),
            earlier: keys.earlier().iter().map(seed).collect(),
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

fn read(
    bytes: &[u8],
    name: &str,
    path: &Path,
    wallet: &WalletFile,
) -> Result<Option<ChannelSigners>, KeystoreError> {
    let broken = |reason: &str| KeystoreError::HotKey { path: path.into(), reason: reason.into() };
    // The decoder's own message could repeat a part of the seed.
    let file: HotFile = serde_json::from_slice(bytes)
        .map_err(|error| broken(&format!("it is cut or changed in line {}", error.line())))?;
    let has_earlier = !file.earlier.is_empty();
    let version = if has_earlier { VERSION_WITH_EARLIER } else { VERSION };
    if file.format != FORMAT || file.version != version {
        return Err(broken("it is of another format"));
    }
    // A crash between the two files of a wallet leaves the older one of these.
    let (newest, present) = (file.earlier.len(), wallet.hot_key as usize);
    if file.address == wallet.address && newest < present {
        return Ok(None);
    }
    // The wallet's file is written first, so this one is ahead only of a copy that was put back.
    // Without it the copy's key would sign again, which may have been replaced as it was stolen.
    if file.address == wallet.address && newest > present {
        return Err(KeystoreError::OlderWallet(name.into()));
    }
    if file.address != wallet.address || file.channel_signer != wallet.channel_signer {
        return Err(broken("it belongs to another wallet"));
    }
    let key = |text: &str| {
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, seed.as_mut_slice())
            .map_err(|_| broken("its seed is no 32 bytes"))?;
        Ok::<_, KeystoreError>(SigningKey::from_bytes(&seed))
    };
    let current = key(&file.seed)?;
    if hex::encode(current.verifying_key().as_bytes()) != wallet.channel_signer {
        return Err(broken("its seed is another key's"));
    }
    let earlier = file.earlier.iter().map(|text| key(text)).collect::<Result<_, _>>()?;
    Ok(Some(ChannelSigners::new(current, earlier)))
}
