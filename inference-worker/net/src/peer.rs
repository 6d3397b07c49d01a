//! A peer's two names: its ed25519 public key and libp2p's peer id, which holds that very key.

use libp2p::{
    PeerId,
    identity::{Keypair, PublicKey, ed25519},
};
use thiserror::Error;

use crate::event::Key;

/// Not an ed25519 key.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("these 32 bytes are no ed25519 {0} key")]
pub struct KeyError(pub(crate) &'static str);

/// The peer id of an ed25519 public key.
///
/// # Errors
/// [`KeyError`] if the bytes are no point of the curve.
pub fn peer_id(key: &Key) -> Result<PeerId, KeyError> {
    let key = ed25519::PublicKey::try_from_bytes(key).map_err(|_| KeyError("public"))?;
    Ok(PublicKey::from(key).to_peer_id())
}

/// The ed25519 public key that a peer id holds; nothing for ids of other keys.
pub fn public_key(peer: &PeerId) -> Option<Key> {
    /// Identity multihash of 36 bytes: the protobuf of key type 1 (ed25519) with 32 bytes of data.
    const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    peer.to_bytes().strip_prefix(&PREFIX)?.try_into().ok()
}

/// The public key of an ed25519 secret.
///
/// # Errors
/// [`KeyError`] if the bytes are no secret key.
pub fn public_key_of(secret: &[u8; 32]) -> Result<Key, KeyError> {
    let secret = ed25519::SecretKey::try_from_bytes(*secret).map_err(|_| KeyError("secret"))?;
    Ok(ed25519::Keypair::from(secret).public().to_bytes())
}

pub(crate) fn keypair(secret: &[u8; 32]) -> Result<Keypair, KeyError> {
    let secret = ed25519::SecretKey::try_from_bytes(*secret).map_err(|_| KeyError("secret"))?;
    Ok(ed25519::Keypair::from(secret).into())
}

/// The peer's id for people; the key in hex if it is none.
pub(crate) fn display(key: &Key) -> String {
    peer_id(key).map_or_else(
        |_| key.iter().map(|byte| format!("{byte:02x}")).collect(),
        |peer| peer.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_peer_id_name_each_other() {
        for seed in 0..32 {
            let key = public_key_of(&[seed; 32]).expect("any 32 bytes are a secret");
            assert_eq!(public_key(&peer_id(&key).expect("a public key")), Some(key));
        }
    }

    #[test]
    fn other_keys_and_other_bytes_are_refused() {
        assert_eq!(public_key(&PeerId::random()), None);
        let no_point =
            (0..=255u8).map(|byte| [byte; 32]).filter(|bytes| peer_id(bytes).is_err()).count();
        assert!(no_point > 0, "about half of all byte strings are no point");
    }
}
