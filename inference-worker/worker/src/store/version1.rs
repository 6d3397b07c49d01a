//! A lane's record as it was written before it named the payer's account and the window.
//!
//! What is missing is zero, which stands for unknown; the watcher reads every channel from the
//! chain when the worker starts.

use std::collections::BTreeMap;

use codec::{Decode, Encode};
use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, PublicKey};
use mica_protocol::channel::{LaneReceipts, PayeeLaneRecord};

use super::version2::{self, OldLane, OldRedeem};

/// What the chain said of a channel.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct Facts {
    pub channel: ChannelId,
    pub signer: PublicKey,
    pub deposit: Balance,
    pub lanes: BTreeMap<LaneId, OldLane>,
    pub ends: Option<BlockNumber>,
}

/// A lane as it was written to disk.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct LaneRecord {
    pub facts: Facts,
    pub lane: LaneId,
    pub best: Option<OldRedeem>,
    pub receipts: LaneReceipts,
}

impl From<LaneRecord> for PayeeLaneRecord {
    fn from(record: LaneRecord) -> Self {
        let Facts { channel, signer, deposit, lanes, ends } = record.facts;
        let (payer, window) = ([0; 32], 0);
        let facts = version2::Facts { channel, payer, signer, deposit, lanes, window, ends };
        let LaneRecord { lane, best, receipts, .. } = record;
        version2::LaneRecord { facts, lane, best, receipts }.into()
    }
}
