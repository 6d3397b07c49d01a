//! The records of the payer's database, SCALE-encoded.

use codec::{Decode, Encode};
use mica_primitives::{Balance, ChannelId, Hash32, LaneId, LayerRange, ModelId, PublicKey};

/// A channel that this payer has used. What the chain forgets when it closes stays here for the
/// receipts' sake.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChannelRecord {
    /// The chain.
    pub genesis: Hash32,
    /// Who pays.
    pub payer: [u8; 32],
    /// Who is paid.
    pub payee: [u8; 32],
    /// The payee's peer key, which signs its receipts.
    pub peer: PublicKey,
    /// The key that signs vouchers.
    pub signer: PublicKey,
}

/// One stage of a session.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StageRecord {
    /// The worker's account.
    pub worker: [u8; 32],
    /// Its peer key.
    pub peer: PublicKey,
    /// What it computed.
    pub layers: LayerRange,
    /// Where it was paid.
    pub channel: ChannelId,
    /// On which lane.
    pub lane: LaneId,
    /// Base units per layer-token.
    pub price_per_layer_token: Balance,
    /// Base units promised in this session.
    pub paid: Balance,
    /// Index, on the lane, of the session's first receipt.
    pub first_receipt: u64,
    /// Receipts of this session.
    pub receipts: u64,
}

/// One prompt and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SessionRecord {
    /// The session.
    pub session: Hash32,
    /// The chain.
    pub genesis: Hash32,
    /// When it began, milliseconds since 1970.
    pub started_unix_ms: u64,
    /// The model.
    pub model: ModelId,
    /// Profile of the exact computation that was asked for.
    pub profile: Hash32,
    /// Token ids of the prompt.
    pub prompt: Vec<u32>,
    /// Token ids of the answer so far.
    pub tokens: Vec<u32>,
    /// The path.
    pub stages: Vec<StageRecord>,
    /// Whether it came to its end and every stage has its final voucher.
    pub is_closed: bool,
}
