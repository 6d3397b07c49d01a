//! What the daemon's tasks ask of the session actor, and what they are answered.

use std::collections::BTreeSet;

use mica_chain::Call;
use mica_host::json;
use mica_net::NetCounters;
use mica_primitives::{Balance, BlockNumber, ChannelId, PublicKey, Redeem};
use mica_protocol::{channel::ChannelFacts, messages::CloseConsent, stage::StageOffer};
use serde::Serialize;
use tokio::sync::oneshot;

use super::neighbours::Answer;
use crate::store::ChainMark;

/// A lane that promises more than the chain has paid.
#[derive(Clone, Debug)]
pub(crate) struct DueLane {
    /// What to submit.
    pub redeem: Redeem,
    /// Base units that it brings.
    pub gain: Balance,
    /// Whether a session runs on the lane.
    pub busy: bool,
    /// First block without the channel, if its payer asked to close.
    pub ends: Option<BlockNumber>,
}

/// A channel that its payer wants closed.
#[derive(Clone, Debug)]
pub(crate) enum DoneChannel {
    /// It has paid something, and nothing is left to redeem that brings more than its fee.
    Paid(ChannelId),
    /// Its payer has agreed to an end that brings more than its fee.
    Agreed(Box<CloseConsent>),
}

impl DoneChannel {
    /// The channel.
    pub(crate) fn channel(&self) -> ChannelId {
        match self {
            Self::Paid(channel) => *channel,
            Self::Agreed(consent) => consent.close.channel,
        }
    }

    /// What ends it.
    pub(crate) fn call(self) -> Call {
        match self {
            Self::Paid(channel) => Call::Close(channel),
            Self::Agreed(consent) => {
                let CloseConsent { close, signature } = *consent;
                Call::CloseCooperatively { close, signature }
            }
        }
    }
}

/// What the session actor has seen since it was opened.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Totals {
    /// Sessions open now.
    pub sessions: usize,
    /// Sessions that ended.
    pub sessions_ended: u64,
    /// Tokens computed in them.
    pub positions: u64,
    /// Base units earned in them.
    #[serde(serialize_with = "json::money::serialize")]
    pub earned: Balance,
    /// Base units that were not paid.
    #[serde(serialize_with = "json::money::serialize")]
    pub unpaid: Balance,
    /// Base units that wait to be redeemed.
    #[serde(serialize_with = "json::money::serialize")]
    pub redeemable: Balance,
    /// Why no session is taken, if none is.
    pub refusing: Option<String>,
    /// What the network did about peers.
    pub network: NetCounters,
}

/// What others ask of the session actor.
pub(crate) enum Request {
    /// What the chain says about a channel.
    Channel {
        /// The channel.
        channel: ChannelId,
        /// Nothing if there is none to this worker.
        facts: Option<ChannelFacts>,
    },
    /// What the registry says about a peer.
    Registered {
        /// The peer's key.
        peer: PublicKey,
        /// Where it may be dialled, that it is no worker's, or that the chain did not answer.
        answer: Answer,
    },
    /// Every lane worth redeeming.
    Due(oneshot::Sender<Vec<DueLane>>),
    /// Serve these terms from now on.
    Offer(Box<StageOffer>),
    /// Take no new session; answers with the number of open ones.
    Drain(oneshot::Sender<usize>),
    /// The worker cannot follow this channel, of which it was asked to read.
    NotFollowed(ChannelId),
    /// A block has become final.
    BlockFinal,
    /// The channels of which there are ledgers.
    Ledgers(oneshot::Sender<BTreeSet<ChannelId>>),
    /// Whether there is a ledger of this channel.
    HasLedger(ChannelId, oneshot::Sender<bool>),
    /// Channels whose payers want them closed, and that are done for when a redeem costs this.
    Done(Balance, oneshot::Sender<Vec<DoneChannel>>),
    /// How far the chain was seen.
    Mark(ChainMark),
    /// The channel is closed for good.
    Forget(ChannelId),
    /// What was seen.
    Totals(oneshot::Sender<Totals>),
}
