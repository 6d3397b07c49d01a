//! Payments within a session.

use codec::{Decode, Encode};
use mica_primitives::{Redeem, TickProof};

use crate::SessionId;

/// Money for one stage.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Pay {
    /// The session.
    pub session: SessionId,
    /// The money.
    pub payment: Payment,
}

/// One of two ways to pay.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Payment {
    /// The next preimage of the last voucher's chain: one hash, no signature.
    #[codec(index = 0)]
    Tick(TickProof),
    /// A new voucher: when the chain is used up, when the old one ages, and at the end, when it
    /// fixes the receipts.
    #[codec(index = 1)]
    Voucher(Box<Redeem>),
}
