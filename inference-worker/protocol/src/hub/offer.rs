//! What a hub offers, and whom it pays.

use mica_primitives::{Balance, BlockNumber, PublicKey};

use crate::messages::{Account, HubFee};

/// What the hub takes relays for. Those that run keep their terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HubOffer {
    /// The hub's account: what channels to it are opened to.
    pub account: Account,
    /// What it takes.
    pub fee: HubFee,
    /// Positions that it promises ahead of the ticks that it was shown, at least 1: its own risk,
    /// for each account.
    pub credit_positions: u16,
    /// Base units that it promises ahead of them at most: a payer names the price of a position,
    /// and may be in league with whom it pays.
    pub credit_money: Balance,
    /// Least window of a channel to it, blocks: what it promises lives no longer than that, less a
    /// margin. [`crate::limits::HUB_WINDOW_BLOCKS`] is little.
    pub min_window: BlockNumber,
    /// Base units that a channel must still be able to bring when the hub first hears of it.
    pub least_promise: Balance,
    /// Relays at once, at most [`crate::limits::MAX_RELAYS`].
    pub max_relays: usize,
}

impl HubOffer {
    /// Positions that it promises ahead where it gets `unit` base units for each; none if one alone
    /// is worth more than it lends.
    pub(super) fn credit(&self, unit: Balance) -> u16 {
        let affordable = self.credit_money / unit.max(1);
        self.credit_positions.max(1).min(u16::try_from(affordable).unwrap_or(u16::MAX))
    }
}

/// Who is paid from a channel of the hub's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payee {
    /// Its account.
    pub account: Account,
    /// The key with which a worker signs receipts; nothing for another hub.
    pub peer: Option<PublicKey>,
}
