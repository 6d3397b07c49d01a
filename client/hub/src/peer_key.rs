//! The key by which payers know a hub: 32 bytes in hex, in a private file that is made at the first
//! start.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use mica_host::files::{self, FileError};
use rand::{RngCore, rngs::OsRng};
use zeroize::Zeroizing;

/// Most bytes of the file: the digits and the end of a line.
const MAX_BYTES: u64 = 128;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerKeyError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It holds something else.
    #[error(
        "{} is no key of a hub: restore it from a backup, or move it away and tell payers the new \
         address",
        .0.display()
    )]
    Damaged(PathBuf),
}

/// Reads the key, or makes one. Nobody's key is replaced.
///
/// # Errors
/// [`PeerKeyError`] if the file cannot be read or written, or is no key.
pub fn peer_key(path: &Path) -> Result<SigningKey, PeerKeyError> {
    let bytes = match files::read_bounded(path, MAX_BYTES) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(FileError::Missing(_)) => return make(path),
        Err(error) => return Err(error.into()),
    };
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(bytes.trim_ascii(), secret.as_mut_slice())
        .map_err(|_| PeerKeyError::Damaged(path.into()))?;
    Ok(SigningKey::from_bytes(&secret))
}

fn make(path: &Path) -> Result<SigningKey, PeerKeyError> {
    let mut secret = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(secret.as_mut_slice());
    let digits = Zeroizing::new(format!("{}\n", hex::encode(secret.as_slice())));
    files::write_new_private(path, digits.as_bytes())?;
    Ok(SigningKey::from_bytes(&secret))
}

#[cfg(test)]
mod tests {
    use super::peer_key;

    #[test]
    fn a_key_is_made_once_and_read_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("hub.key");
        let key = peer_key(&path).expect("made");
        assert_eq!(peer_key(&path).expect("read").to_bytes(), key.to_bytes());
        std::fs::write(&path, "no key").expect("written");
        assert!(peer_key(&path).is_err(), "nobody's key is replaced");
    }
}
