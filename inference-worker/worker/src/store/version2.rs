//! A lane's record as it was written before vouchers had locks and bounties.
//!
//! What is signed has changed with them, so that a chain of today pays for no voucher of that form:
//! the promise is dropped, the receipts and what the chain said stay.

use std::collections::BTreeMap;

use codec::{Decode, Encode};
use mica_primitives::{
    Balance, BlockNumber, ChannelId, Hash32, Lane, LaneId, PublicKey, Signature, Tick, TickProof,
};
use mica_protocol::channel::{ChannelFacts, LaneReceipts, PayeeLaneRecord};

/// What had been claimed on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub(super) struct OldLane {
    pub seq: u64,
    pub cumulative: Balance,
    pub claimed: Balance,
    pub receipts_root: Hash32,
    pub receipts: u64,
}

impl From<OldLane> for Lane {
    fn from(lane: OldLane) -> Self {
        let OldLane { seq, cumulative, claimed, receipts_root, receipts } = lane;
        Self { seq, cumulative, claimed, receipts_root, receipts, shown: seq }
    }
}

/// A promise.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct OldVoucher {
    pub channel: ChannelId,
    pub lane: LaneId,
    pub seq: u64,
    pub cumulative: Balance,
    pub receipts_root: Hash32,
    pub receipts: u64,
    pub expires: BlockNumber,
    pub tick: Option<Tick>,
}

/// A promise with its signature and the furthest tick.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct OldRedeem {
    pub voucher: OldVoucher,
    pub signature: Signature,
    pub tick: Option<TickProof>,
}

/// What the chain said of a channel.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct Facts {
    pub channel: ChannelId,
    pub payer: [u8; 32],
    pub signer: PublicKey,
    pub deposit: Balance,
    pub lanes: BTreeMap<LaneId, OldLane>,
    pub window: BlockNumber,
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
        let Facts { channel, payer, signer, deposit, lanes, window, ends } = record.facts;
        let lanes = lanes.into_iter().map(|(lane, claimed)| (lane, claimed.into())).collect();
        let facts = ChannelFacts { channel, payer, signer, deposit, lanes, window, ends };
        Self { facts, lane: record.lane, best: None, receipts: record.receipts }
    }
}
