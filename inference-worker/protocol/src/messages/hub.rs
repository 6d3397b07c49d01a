//! Payments through a hub: its quote, and the relays by which it promises others what it is
//! promised. `docs/decisions/021` is the protocol.
//!
//! A **relay** pays one stage of one session through one hub: money comes in on a lane of the
//! payer's channel and goes out on a lane of the hub's own channel to the **payee**, which is the
//! stage's worker or the next hub. Both sides of it go over one tick chain, so whoever is shown a
//! tick of it is paid by it. A hub speaks with payers only; what it promises a payee, its payer
//! brings there.

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, Encode};
use ed25519_dalek::SigningKey;
use mica_primitives::{
    Balance, BlockNumber, Hash32, PublicKey, Redeem, Signature, domain::signing_bytes,
};

use super::{Fault, Payment};
use crate::{SessionId, limits::MAX_HUB_PAYEES, signing};

/// An account on chain.
pub type Account = [u8; 32];

/// Accounts that somebody wants to pay.
pub type Payees = BoundedVec<Account, ConstU32<MAX_HUB_PAYEES>>;

/// One in fixed point for [`HubFee::ppm`].
const MILLION: Balance = 1_000_000;

/// What a hub takes for each position, beyond what it passes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct HubFee {
    /// Millionths of what is passed on, rounded up.
    pub ppm: u32,
    /// Least fee for a position, base units.
    pub least: Balance,
}

impl HubFee {
    /// What a hub must be promised for each position of which it passes `unit` on, base units;
    /// nothing on overflow.
    pub fn with(&self, unit: Balance) -> Option<Balance> {
        let share = unit.checked_mul(self.ppm.into())?.div_ceil(MILLION);
        unit.checked_add(share.max(self.least))
    }
}

/// Asks a hub what it takes and whom it can pay.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct HubQuoteRequest {
    /// Returned in the quote, so that an old one is not taken for the answer.
    pub nonce: u64,
    /// Whom the asker wants to pay.
    pub payees: Payees,
}

/// A hub's offer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct HubQuote {
    /// The hub's peer key.
    pub peer: PublicKey,
    /// The account to which a channel is to be opened.
    pub account: Account,
    /// The asker's number.
    pub nonce: u64,
    /// What it takes.
    pub fee: HubFee,
    /// Positions that it promises ahead of what it was shown: its own risk.
    pub credit_positions: u16,
    /// Least window of a channel to it, blocks.
    pub min_window: BlockNumber,
    /// For each payee of the request, in its order: base units that the hub can still promise it
    /// in one session; 0 without a channel.
    pub free: BoundedVec<Balance, ConstU32<MAX_HUB_PAYEES>>,
    /// Last block in which the hub keeps to this fee.
    pub valid_until: BlockNumber,
}

/// A hub's quote, signed over `domain("hub-quote") ‖ SCALE(quote)`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SignedHubQuote {
    /// The offer.
    pub quote: HubQuote,
    /// ed25519 by `quote.peer`.
    pub signature: Signature,
}

impl SignedHubQuote {
    /// Signs `quote` with the hub's peer key.
    pub fn sign(quote: HubQuote, key: &SigningKey, genesis: &Hash32) -> Self {
        let signature = signing::sign(key, &signing_bytes("hub-quote", genesis, &quote));
        Self { quote, signature }
    }

    /// Whether the hub named in it has signed it.
    pub fn verify(&self, genesis: &Hash32) -> bool {
        let bytes = signing_bytes("hub-quote", genesis, &self.quote);
        signing::verify(&self.quote.peer, &bytes, &self.signature)
    }
}

/// Payer → hub: promise this payee what I promise you. The sender is the relay's payer: only it may
/// pay and close.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct RelayOpen {
    /// The session that is to be paid.
    pub session: SessionId,
    /// Its stage, from 0: with the session, the relay's name.
    pub stage: u8,
    /// Whom the hub shall promise to: a worker, or the next hub.
    pub payee: Account,
    /// Base units that the payee gets for each position.
    pub unit: Balance,
    /// Most positions of the session.
    pub positions: u32,
    /// The hub's own promise: a chain whose ticks pay the unit and the hub's fee, on a lane that is
    /// this relay's own. What it promises without ticks is for what came before.
    pub voucher: Redeem,
}

/// Payer → hub: money for a relay.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct RelayPay {
    /// The session.
    pub session: SessionId,
    /// The stage.
    pub stage: u8,
    /// A tick that the payee was shown too; the next chain, or more ticks of the present one; or
    /// the exact sum at the end.
    pub payment: Payment,
}

/// Hub → payer: what the hub promises the payee now. The payer brings it there, with a tick if it
/// has a chain.
///
/// It comes as an answer to an opening and to a voucher, and by itself when the ticks of the last
/// one run out.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Relayed {
    /// The session.
    pub session: SessionId,
    /// The stage.
    pub stage: u8,
    /// On a lane of the hub's channel to the payee.
    pub promise: Box<Redeem>,
}

/// Hub → payer: this relay was refused, or is given up.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct RelayRefused {
    /// The stage.
    pub stage: u8,
    /// The session, and why.
    pub fault: Fault,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_is_rounded_up_and_never_below_the_least() {
        let fee = HubFee { ppm: 2_500, least: 3 };
        assert_eq!(fee.with(0), Some(3));
        assert_eq!(fee.with(1_000), Some(1_003));
        assert_eq!(fee.with(2_000), Some(2_005));
        assert_eq!(fee.with(2_001), Some(2_007), "5.0025 are 6");
        assert_eq!(HubFee::default().with(7), Some(7), "a hub may work for nothing");
        assert_eq!(fee.with(Balance::MAX), None);
        assert_eq!(HubFee { ppm: 0, least: 1 }.with(Balance::MAX), None);
    }
}
