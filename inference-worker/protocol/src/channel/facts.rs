//! What the chain says about a channel, to the extent that a voucher's value depends on it.

use codec::{Decode, Encode};
use mica_primitives::{
    Balance, BlockNumber, Channel, ChannelId, Lane, LaneId, PublicKey, settlement::Figures,
};
use std::collections::BTreeMap;

use crate::limits::CLOSING_MARGIN_BLOCKS;

/// A channel as the chain knew it at one block.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ChannelFacts {
    /// The channel.
    pub channel: ChannelId,
    /// The payer's account on chain; zeros in a record that was written before it was kept, until
    /// the chain is read again.
    pub payer: [u8; 32],
    /// ed25519 key that signs vouchers.
    pub signer: PublicKey,
    /// Everything ever put in.
    pub deposit: Balance,
    /// What was claimed on each lane.
    pub lanes: BTreeMap<LaneId, Lane>,
    /// Blocks that the payee has to redeem after the payer asked to close; 0 in a record that was
    /// written before it was kept, until the chain is read again.
    pub window: BlockNumber,
    /// First block in which the payer can finish the channel, if it asked to close.
    pub ends: Option<BlockNumber>,
}

impl ChannelFacts {
    /// The facts of `channel`. Whether its payee is the worker is the caller's to check.
    pub fn new<AccountId: AsRef<[u8; 32]>>(id: ChannelId, channel: &Channel<AccountId>) -> Self {
        Self {
            channel: id,
            payer: *channel.payer.as_ref(),
            signer: channel.signer,
            deposit: channel.deposit,
            lanes: channel.lanes.iter().map(|(lane, claimed)| (*lane, *claimed)).collect(),
            window: channel.window,
            ends: channel.state.ends(),
        }
    }

    /// What the chain knows of `lane`; zeros for a lane that was never redeemed.
    pub fn lane(&self, lane: LaneId) -> Lane {
        self.lanes.get(&lane).copied().unwrap_or_default()
    }

    /// What a redeem depends on, but for its lane.
    pub fn figures(&self) -> Figures {
        let claimed =
            self.lanes.values().fold(0, |sum: Balance, lane| sum.saturating_add(lane.claimed));
        // A payee keeps all that it redeems, whenever it does.
        Figures { deposit: self.deposit, claimed, ends: self.ends, bounty_from: None }
    }

    /// The block from which on nothing more is lent to a channel that its payer closes: what is
    /// earned until then can still be redeemed in the first half of the window, before anybody
    /// else, the payer included, may keep a bounty of it. The second quarter of the window is kept
    /// for that, and never more than [`CLOSING_MARGIN_BLOCKS`]. With a window that is not known
    /// nothing is lent.
    pub fn lends_until(&self) -> Option<BlockNumber> {
        let margin = (self.window / 4).min(CLOSING_MARGIN_BLOCKS);
        let kept = match self.window {
            0 => BlockNumber::MAX,
            // Bounties begin at the request + window/2, which an end that was moved only makes
            // later here: that happens in the last tenth, when lending is over either way.
            window => window.div_ceil(2).saturating_add(margin),
        };
        self.ends.map(|ends| ends.saturating_sub(kept))
    }

    /// Whether nothing more is lent in `block`, because the channel ends too soon.
    pub fn ends_soon(&self, block: BlockNumber) -> bool {
        self.lends_until().is_some_and(|until| block >= until)
    }
}
