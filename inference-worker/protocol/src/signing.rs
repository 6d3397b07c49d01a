//! Signing and checking with ed25519 keys.
//!
//! Checks are strict (no small-order keys, one encoding): what passes here passes the chain's more
//! liberal check as well, so a worker never holds a voucher that the chain refuses.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use mica_primitives::{PublicKey, Signature};

/// Signs `bytes`.
pub fn sign(key: &SigningKey, bytes: &[u8]) -> Signature {
    key.sign(bytes).to_bytes()
}

/// The public half of `key`.
pub fn public_key(key: &SigningKey) -> PublicKey {
    key.verifying_key().to_bytes()
}

/// Whether `signature` over `bytes` is `signer`'s. A key that is no curve point has signed nothing.
pub fn verify(signer: &PublicKey, bytes: &[u8], signature: &Signature) -> bool {
    VerifyingKey::from_bytes(signer).is_ok_and(|key| verify_with(&key, bytes, signature))
}

/// The same as [`verify`] with a key that is already decompressed.
pub fn verify_with(key: &VerifyingKey, bytes: &[u8], signature: &Signature) -> bool {
    key.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_signer_and_the_signed_bytes_verify() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let signature = sign(&key, b"bytes");
        assert!(verify(&public_key(&key), b"bytes", &signature));
        assert!(!verify(&public_key(&key), b"other", &signature));
        assert!(!verify(&public_key(&SigningKey::from_bytes(&[4; 32])), b"bytes", &signature));
        assert!(!verify(&[2; 32], b"bytes", &signature));
    }

    #[test]
    fn the_neutral_element_is_no_signer() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!verify(&neutral, b"anything", &signature));
    }
}
