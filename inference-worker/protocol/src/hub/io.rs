//! What goes into a hub's state machine and what comes out of it.

use mica_primitives::{Balance, ChannelId, Hash32, LaneId, PublicKey, Redeem};

use super::EarlierChain;
use crate::{
    SessionId,
    channel::{ChannelFacts, Durability, PayeeLaneRecord, PayerLaneRecord},
    messages::{Account, Message},
};

/// A relay's name: the session, and the stage that it pays.
pub type RelayId = (SessionId, u8);

/// Something that happened.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a message is moved once; a box for each costs more than the copy"
)]
pub enum HubInput {
    /// A peer said something. `from` is authenticated by the transport.
    Message {
        /// Who.
        from: PublicKey,
        /// What.
        message: Message,
    },
    /// The chain's answer to a [`HubOutput::ReadChannel`], or news about a channel to the hub at
    /// any time.
    Incoming {
        /// The channel.
        channel: ChannelId,
        /// What the chain knows; nothing if there is no such channel, or not any more, or it is not
        /// to this hub. A chain that cannot be asked is no reason to say so.
        facts: Option<ChannelFacts>,
    },
    /// News about one of the hub's own channels, which was given to
    /// [`super::HubTable::pay_from`] before.
    Outgoing {
        /// The channel.
        channel: ChannelId,
        /// What the chain knows; nothing if it is gone.
        facts: Option<ChannelFacts>,
    },
    /// A block shows a promise of the hub's own, as its payee or somebody else redeemed it: more of
    /// a chain than the hub was shown may be in it.
    Shown(Box<Redeem>),
    /// The chain has a new final block: its word on channels is not older than this.
    BlockFinal,
    /// Time has passed: see [`super::HubTable::next_deadline_ms`].
    Wake,
}

/// Something to do. Outputs are to be done in order.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a message is moved once; a box for each costs more than the copy"
)]
pub enum HubOutput {
    /// Tell a payer, which is connected.
    Send {
        /// Whom.
        to: PublicKey,
        /// What.
        message: Message,
    },
    /// Read a channel from the chain and answer with [`HubInput::Incoming`].
    ReadChannel(ChannelId),
    /// Write what the hub was promised before the outputs that follow are carried out. It replaces
    /// the lane's earlier record.
    PersistIncoming {
        /// What.
        record: Box<PayeeLaneRecord>,
        /// How surely.
        durability: Durability,
    },
    /// Write what the hub has promised before the outputs that follow are carried out. It replaces
    /// the lane's earlier record.
    PersistOutgoing {
        /// What.
        record: Box<PayerLaneRecord>,
        /// How surely.
        durability: Durability,
    },
    /// Write down a chain of a payer's over which somebody may show more than the hub knows, before
    /// the outputs that follow are carried out. It replaces the record of the same lane and anchor,
    /// and is given to [`super::HubTable::restore_chain`] after a restart.
    PersistChain(Box<EarlierChain>),
    /// Forget what was written down of this chain.
    ForgetChain {
        /// The payer's channel.
        channel: ChannelId,
        /// Its lane.
        lane: LaneId,
        /// The chain.
        anchor: Hash32,
    },
    /// Write down that this account has cost the hub money, with the last block in which it is
    /// promised nothing. It is given to [`super::HubTable::restore_ban`] after a restart.
    Ban(Account, u64),
    /// Forget what was written down of this account.
    ForgetBan(Account),
    /// Never use this lane of the hub's own again: its payee knows other receipts on it.
    Retire(ChannelId, LaneId),
    /// The payee of this channel was paid with ticks that payers kept from the hub, on as many
    /// lanes as that may happen. Nothing more is promised there.
    GivenUp {
        /// The channel.
        channel: ChannelId,
        /// Whom it pays.
        payee: Account,
    },
    /// A relay has begun: the hub depends on this peer until it has ended.
    Began {
        /// The payer.
        peer: PublicKey,
    },
    /// A relay is over.
    Ended(RelayEnd),
}

/// How a relay ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelayEnd {
    /// Which.
    pub relay: RelayId,
    /// The payer.
    pub payer: PublicKey,
    /// The payer's account.
    pub account: Account,
    /// Who was paid.
    pub payee: Account,
    /// Positions that the hub was paid for.
    pub positions: u32,
    /// Base units that it was promised.
    pub earned: Balance,
    /// Base units of it that it promised.
    pub passed_on: Balance,
    /// Whether the exact sum was agreed on.
    pub settled: bool,
}
