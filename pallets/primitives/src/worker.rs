//! Workers: who serves which layers, at what price and cost, and where to reach them.

use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use crate::{Balance, BlockNumber, Hash32, LayerRange, ModelId, PublicKey, domain::signing_bytes};

/// Most addresses that a worker may publish.
pub const MAX_ADDRESSES: u32 = 4;
/// Most bytes of one address.
pub const MAX_ADDRESS_BYTES: u32 = 128;

/// Multiaddresses in their text form, UTF-8.
pub type WorkerAddresses =
    BoundedVec<BoundedVec<u8, ConstU32<MAX_ADDRESS_BYTES>>, ConstU32<MAX_ADDRESSES>>;

/// Where a worker stands. Being offline is not stored: it follows from the last heartbeat.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub enum WorkerStatus {
    /// Serves its range.
    Active,
    /// Missed its heartbeats for long, or its stake fell below the minimum; must ask to serve
    /// again.
    Jailed,
    /// Left; its stake can be withdrawn from block `until` on.
    Unbonding {
        /// First block in which `withdraw` succeeds.
        until: BlockNumber,
    },
}

/// "This account's worker holds the peer key that signed this": without it somebody who has seen a
/// key could register it first.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct PeerClaim<AccountId> {
    /// Who registers the key.
    pub account: AccountId,
}

impl<AccountId: Encode> PeerClaim<AccountId> {
    /// `domain("peer") ‖ SCALE(self)`, signed by the peer key.
    pub fn signing_bytes(&self, genesis: &Hash32) -> Vec<u8> {
        signing_bytes("peer", genesis, self)
    }
}

/// "This worker lived in this block": signed by its peer key, submitted by anybody, without a fee
/// and without a nonce, so that no other transaction of the worker's account can hold it up.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Heartbeat<AccountId> {
    /// Who lives.
    pub worker: AccountId,
    /// Block, on the registry's clock, in which it was signed. Later it proves nothing more.
    pub at: BlockNumber,
}

impl<AccountId: Encode> Heartbeat<AccountId> {
    /// `domain("heartbeat") ‖ SCALE(self)`, signed by the worker's peer key.
    pub fn signing_bytes(&self, genesis: &Hash32) -> Vec<u8> {
        signing_bytes("heartbeat", genesis, self)
    }
}

/// A worker as the chain knows it.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct WorkerRecord<AccountId> {
    /// The account that holds the stake and is paid.
    pub account: AccountId,
    /// The model that it serves.
    pub model: ModelId,
    /// The layers that it serves.
    pub range: LayerRange,
    /// Its measured cost, µs per layer-token.
    pub cost_us_per_layer_token: u32,
    /// Its list price, base units per layer-token: the ceiling of its quotes.
    pub list_price_per_layer_token: Balance,
    /// ed25519 key of its peer identity; it signs receipts and quotes, and only who shows it on a
    /// connection is this worker.
    pub peer: PublicKey,
    /// Where to dial it.
    pub addresses: WorkerAddresses,
    /// Stake on hold.
    pub stake: Balance,
    /// Where it stands.
    pub status: WorkerStatus,
    /// Block of its registration or last change of range.
    pub since: BlockNumber,
    /// Block of its last heartbeat.
    pub last_heartbeat: BlockNumber,
    /// Block of its last change of price.
    pub last_price_change: BlockNumber,
}
