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

/// What a payment says that it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PaymentKind {
    /// The next preimage.
    Tick,
    /// A voucher with the next tick chain: the session goes on.
    Renewal,
    /// A voucher without a tick chain: nothing is paid after it, and its sum is exact.
    Final,
}

impl Payment {
    /// What it says that it is. The payer has signed that: whether a voucher carries a tick chain
    /// is part of it.
    pub const fn kind(&self) -> PaymentKind {
        match self {
            Self::Tick(_) => PaymentKind::Tick,
            Self::Voucher(redeem) if redeem.voucher.tick.is_some() => PaymentKind::Renewal,
            Self::Voucher(_) => PaymentKind::Final,
        }
    }
}
