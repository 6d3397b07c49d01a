//! Opening a session at one stage, and the stage's signed acceptance.

use codec::{Decode, Encode};
use ed25519_dalek::SigningKey;
use mica_primitives::{
    Balance, ChannelId, Hash32, LaneId, LayerRange, ModelId, PublicKey, Redeem, Signature,
    domain::signing_bytes,
};

use super::SignedQuote;
use crate::{Path, PaymentTerms, SessionId, SessionSpec, signing};

/// What a payer asks of one stage. The sender of the message is the session's payer: only it may
/// pay and close.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Open {
    /// The session's random name.
    pub session: SessionId,
    /// The model.
    pub model: ModelId,
    /// Profile of the exact computation that all stages must share.
    pub profile: Hash32,
    /// The whole path: whom to take steps from and to pass them to.
    pub path: Path,
    /// The receiver's stage in the path, from 0.
    pub stage: u8,
    /// The channel that pays this stage.
    pub channel: ChannelId,
    /// The lane of the channel that is this session's own.
    pub lane: LaneId,
    /// Price and limits of trust.
    pub terms: PaymentTerms,
    /// Lengths and sampling.
    pub spec: SessionSpec,
    /// First voucher of the session: the lane's total so far, the prepayment for the session's room,
    /// and the tick chain with which the rest is paid.
    pub voucher: Redeem,
    /// Positions of the session that are a part of what the voucher promises, at least as many as
    /// [`crate::holding::prepaid_positions`] says: all else was promised before.
    pub prepaid_positions: u16,
    /// A quote of this worker that the price relies on, if the payer has one.
    pub quote: Option<SignedQuote>,
}

impl Open {
    /// blake3 of the message: what an acceptance answers.
    pub fn hash(&self) -> Hash32 {
        *blake3::hash(&self.encode()).as_bytes()
    }
}

/// What a stage binds itself to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Acceptance {
    /// The session.
    pub session: SessionId,
    /// blake3 of the opening that is accepted.
    pub open: Hash32,
    /// The layers that will be computed.
    pub range: LayerRange,
    /// Base units per position.
    pub unit: Balance,
    /// Positions that the stage computes before it is paid for them.
    pub credit_positions: u16,
    /// Positions that are kept free in the cache.
    pub max_positions: u32,
}

/// A stage's acceptance, signed over `domain("opened") ‖ SCALE(acceptance)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Opened {
    /// What is accepted.
    pub acceptance: Acceptance,
    /// ed25519 by the stage's peer key.
    pub signature: Signature,
}

impl Opened {
    /// Signs `acceptance` with the stage's peer key.
    pub fn sign(acceptance: Acceptance, key: &SigningKey, genesis: &Hash32) -> Self {
        Self {
            signature: signing::sign(key, &signing_bytes("opened", genesis, &acceptance)),
            acceptance,
        }
    }

    /// Whether `peer` has signed it.
    pub fn verify(&self, peer: &PublicKey, genesis: &Hash32) -> bool {
        signing::verify(peer, &signing_bytes("opened", genesis, &self.acceptance), &self.signature)
    }
}
