//! The end of a channel by agreement: at once, in one extrinsic, instead of after the window.

use codec::{Decode, Encode};
use ed25519_dalek::SigningKey;
use mica_primitives::{CooperativeClose, Hash32, PublicKey, Signature};

use crate::signing;

/// Payer → payee: I agree to this end; so the payee may submit it. Payee → payer: so do I; now the
/// payer may.
///
/// The payer signs with the channel's signer and the payee with its registered peer key, because
/// these are the keys that the chain asks the one of whom does not submit.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct CloseConsent {
    /// What is agreed on.
    pub close: CooperativeClose,
    /// Over [`CooperativeClose::signing_bytes`].
    pub signature: Signature,
}

impl CloseConsent {
    /// Agrees to `close` with `key`.
    pub fn sign(close: CooperativeClose, key: &SigningKey, genesis: &Hash32) -> Self {
        let signature = signing::sign(key, &close.signing_bytes(genesis));
        Self { close, signature }
    }

    /// Whether `key` has agreed.
    pub fn verify(&self, key: &PublicKey, genesis: &Hash32) -> bool {
        signing::verify(key, &self.close.signing_bytes(genesis), &self.signature)
    }
}
