//! What a hub sends to the chain: redeems, closes, channels of its own and top-ups of them.
//!
//! A voucher is redeemed when no relay runs on its lane and it brings more than it costs by some
//! margin, and whenever waiting would lose it: while its channel is closing, and before it expires.
//! A channel that its payer wants closed, and that owes nothing any more, is closed at once; one of
//! which its payer has signed the end is closed with that, and the hub paid.
//!
//! Limits: one extrinsic at a time, with at most [`MAX_REDEEMS`] redeems, [`MAX_CLOSES`] closes and
//! as many openings as the chain takes in one call.

mod channels;

use mica_chain::Account;
use mica_primitives::{Balance, BlockNumber, ChannelId, ChannelParameters, PublicKey, Redeem};
use mica_protocol::{
    Now,
    channel::Redeemable,
    hub::HubTable,
    limits::{EXPIRY_MARGIN_BLOCKS, HUB_MARGIN_BLOCKS},
    messages::CloseConsent,
};

use crate::config::HubConfig;

pub(crate) use channels::channels;

/// Most redeems of one extrinsic.
const MAX_REDEEMS: usize = 64;
/// Most closes of one extrinsic.
const MAX_CLOSES: usize = 16;
/// A voucher that brings less than this many times the fee waits for more.
const FEES: Balance = 2;

/// What decisions depend on, besides the table.
pub(crate) struct Figures<'a> {
    pub(crate) config: &'a HubConfig,
    pub(crate) parameters: &'a ChannelParameters,
    pub(crate) now: Now,
    /// What a redeem costs, base units.
    pub(crate) fee: Balance,
    pub(crate) money: Account,
    /// Blocks of the hub's own channels between a request to close and their end.
    pub(crate) window: BlockNumber,
    /// The key that signs for them.
    pub(crate) signer: PublicKey,
}

/// Vouchers that are to be redeemed now, those that would be lost first and of them the dearest;
/// at the `end` of the program all that bring more than they cost.
pub(crate) fn redeems(table: &HubTable, figures: &Figures<'_>, end: bool) -> Vec<Redeem> {
    let least = figures.config.redeem_minimum.unwrap_or(figures.fee.saturating_mul(FEES)).max(1);
    let mut due: Vec<(bool, Redeemable)> = Vec::new();
    for (lane, is_busy) in table.redeemable(figures.now) {
        let is_lost = would_be_lost(table, &lane, figures.now.block);
        let pays = lane.gain > figures.fee;
        let is_due = (pays && (is_lost || end)) || (!is_busy && lane.gain >= least);
        if is_due {
            due.push((is_lost, lane));
        }
    }
    due.sort_by_key(|(is_lost, lane)| (!*is_lost, std::cmp::Reverse(lane.gain)));
    due.into_iter().take(MAX_REDEEMS).map(|(_, lane)| lane.redeem).collect()
}

/// Whether waiting loses a voucher.
fn would_be_lost(table: &HubTable, lane: &Redeemable, block: BlockNumber) -> bool {
    let voucher = &lane.redeem.voucher;
    let is_closing =
        table.ledger(&voucher.channel).is_some_and(|ledger| ledger.facts().ends.is_some());
    let margin = EXPIRY_MARGIN_BLOCKS.min(HUB_MARGIN_BLOCKS);
    is_closing || voucher.expires < block.saturating_add(margin)
}

/// Ends of channels that their payers have signed, and that bring more than their fee.
pub(crate) fn agreed(table: &mut HubTable, figures: &Figures<'_>) -> Vec<CloseConsent> {
    let ready = table.consents(figures.now.block).into_iter();
    let pays = ready.filter(|(_, gain)| *gain > figures.fee);
    pays.take(MAX_CLOSES).map(|(consent, _)| consent).collect()
}

/// Channels to the hub that their payers want closed and that owe nothing any more that is worth
/// its fee: the payer has its deposit back at once, instead of after the window. Not while a worker
/// may still show ticks that its payer has kept from the hub: they could not be claimed any more.
pub(crate) fn closes(table: &HubTable, figures: &Figures<'_>) -> Vec<ChannelId> {
    let owes = |id: &ChannelId| {
        let ledger = table.ledger(id);
        ledger.is_some_and(|ledger| {
            ledger.redeemable(figures.now.block).iter().any(|lane| lane.gain > figures.fee)
        })
    };
    let is_closing = |id: &ChannelId| {
        table.ledger(id).is_some_and(|ledger| !ledger.is_gone() && ledger.facts().ends.is_some())
    };
    let done = table.incoming_channels().filter(|id| {
        is_closing(id) && !table.is_busy(id) && !table.may_be_shown_more(id) && !owes(id)
    });
    done.take(MAX_CLOSES).collect()
}
