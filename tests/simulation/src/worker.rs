//! A worker: a program with a table of sessions, an engine, a database, and its redeeming.

use ed25519_dalek::SigningKey;
use mica_primitives::{Balance, BlockNumber, ChannelId, Hash32, LayerRange, ModelId};
use mica_protocol::{
    SessionId,
    channel::ChannelFacts,
    limits,
    stage::{ScoreRecord, StageDeadlines, StageOffer, StageTable},
};
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    chain::Account,
    disk::{Disk, LaneKey},
    engine::{FakeEngine, HIDDEN, VOCABULARY},
    liars::{Memory, WorkerLie},
    network::Peer,
    process::Process,
};

/// The model that everybody speaks of.
pub const MODEL: ModelId = ModelId([7; 32]);
/// Its profile.
pub const PROFILE: Hash32 = [8; 32];
/// What every worker asks per layer-token.
pub const PRICE: Balance = 5;

/// What is known from outside of a session at a worker.
#[derive(Clone, Debug)]
pub struct Served {
    /// The lane that pays for it.
    pub lane: LaneKey,
    /// Base units per position.
    pub unit: Balance,
    /// What the lane promised before the session's first voucher.
    pub base: Balance,
    /// Positions given to the engine.
    pub positions: u32,
}

/// A worker.
pub struct Worker {
    /// Its program.
    pub process: Process,
    /// Its account, which is paid.
    pub account: Account,
    /// Its registered peer key.
    pub key: SigningKey,
    /// What it is known by.
    pub peer: Peer,
    /// Its layers.
    pub range: LayerRange,
    /// Positions of credit that it gives.
    pub credit_positions: u16,
    /// What it is after, if it lies.
    pub lie: Option<WorkerLie>,
    /// What it remembers as a liar.
    pub memory: Memory,
    /// Its state machine.
    pub table: StageTable,
    /// Its caches.
    pub engine: FakeEngine,
    /// Its database.
    pub disk: Disk,
    /// What it remembers of accounts, on disk as well.
    pub scores: BTreeMap<[u8; 32], ScoreRecord>,
    /// Channels that it follows.
    pub followed: BTreeSet<ChannelId>,
    /// What it was told last of each, since it started.
    pub told: BTreeMap<ChannelId, Option<ChannelFacts>>,
    /// Lanes in hand: what was submitted, and the block in which it may be submitted again.
    pub submitted: BTreeMap<LaneKey, (Balance, BlockNumber)>,
    /// Lanes whose last extrinsic was lost.
    pub lost: BTreeSet<LaneKey>,
    /// Sessions that run.
    pub served: BTreeMap<SessionId, Served>,
    /// What each lane promises by what the worker has accepted and not lost to a power cut.
    pub accepted: BTreeMap<LaneKey, Balance>,
    /// World time at which it saw a block last, ms.
    pub saw_block_ms: u64,
    /// The longest that it saw none, ms: who is away for a whole window loses what it had not
    /// redeemed.
    pub longest_away_ms: u64,
    /// Whether it redeems whatever brings something.
    pub redeems_all: bool,
}

/// The shortest window that a worker takes.
const MIN_WINDOW_BLOCKS: BlockNumber = 20;

/// What a worker offers.
pub fn offer(range: LayerRange, model_layers: u16, credit_positions: u16) -> StageOffer {
    StageOffer {
        model: MODEL,
        profile: PROFILE,
        model_layers,
        range,
        hidden: HIDDEN,
        vocabulary: VOCABULARY,
        context: 4_096,
        price_per_layer_token: PRICE,
        holding_price: None,
        cost_us_per_layer_token: 10,
        min_window: MIN_WINDOW_BLOCKS,
        credit_positions,
        cache_positions: 4_096,
        max_sessions: limits::MAX_SESSIONS,
        max_sessions_per_peer: limits::MAX_SESSIONS_PER_PEER,
        max_sessions_per_account: limits::MAX_SESSIONS_PER_ACCOUNT,
        least_promise: 0,
        deadlines: StageDeadlines::default(),
    }
}
