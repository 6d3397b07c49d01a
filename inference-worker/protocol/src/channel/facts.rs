//! What the chain says about a channel, to the extent that a voucher's value depends on it.

use codec::{Decode, Encode};
use mica_primitives::{
    Balance, BlockNumber, Channel, ChannelId, ChannelState, Lane, LaneId, PublicKey,
};
use std::collections::BTreeMap;

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
            ends: match channel.state {
                ChannelState::Open => None,
                ChannelState::Closing(closing) => Some(closing.ends),
            },
        }
    }

    /// What the chain knows of `lane`; zeros for a lane that was never redeemed.
    pub fn lane(&self, lane: LaneId) -> Lane {
        self.lanes.get(&lane).copied().unwrap_or_default()
    }
}
