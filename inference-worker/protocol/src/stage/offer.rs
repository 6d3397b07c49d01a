//! What a worker offers: the terms that every opening is checked against.

use ed25519_dalek::SigningKey;
use mica_primitives::{Balance, BlockNumber, Hash32, LayerRange, ModelId, PublicKey};

use crate::{holding, signing};

/// Who the worker is on the wire.
pub struct StageIdentity {
    key: SigningKey,
    peer: PublicKey,
    genesis: Hash32,
}

impl StageIdentity {
    /// The worker with the peer key `key` on the chain with the genesis hash `genesis`.
    pub fn new(key: SigningKey, genesis: Hash32) -> Self {
        Self { peer: signing::public_key(&key), key, genesis }
    }

    /// The peer key's public half, as registered on chain.
    pub const fn peer(&self) -> PublicKey {
        self.peer
    }

    /// Genesis hash of the chain: part of everything that is signed.
    pub const fn genesis(&self) -> &Hash32 {
        &self.genesis
    }

    /// The secret half.
    pub(crate) const fn key(&self) -> &SigningKey {
        &self.key
    }
}

impl core::fmt::Debug for StageIdentity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StageIdentity").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// What the worker serves now and for how much. Running sessions keep the terms under which they
/// were opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageOffer {
    /// The model.
    pub model: ModelId,
    /// Profile of the exact computation.
    pub profile: Hash32,
    /// Layers of the whole model.
    pub model_layers: u16,
    /// The layers served.
    pub range: LayerRange,
    /// Values per position between layers.
    pub hidden: u32,
    /// Number of token ids.
    pub vocabulary: u32,
    /// Most positions of one session.
    pub context: u32,
    /// Base units per layer-token.
    pub price_per_layer_token: Balance,
    /// Base units for 1,000 positions held for one second; nothing for the share of its earnings that
    /// [`crate::holding::default_price`] says, which follows the price.
    pub holding_price: Option<Balance>,
    /// Measured cost, µs per layer-token.
    pub cost_us_per_layer_token: u32,
    /// Least window of a channel, blocks: what the worker has to redeem after a request to close.
    pub min_window: BlockNumber,
    /// Positions computed before they are paid.
    pub credit_positions: u16,
    /// Positions of all sessions together for which there is cache.
    pub cache_positions: u32,
    /// Sessions at once, at most [`crate::limits::MAX_SESSIONS`].
    pub max_sessions: usize,
    /// Sessions of one payer at once, at most [`crate::limits::MAX_SESSIONS_PER_PEER`].
    pub max_sessions_per_peer: usize,
    /// Sessions of one account at once, at most [`crate::limits::MAX_SESSIONS_PER_ACCOUNT`].
    pub max_sessions_per_account: usize,
    /// Base units that a channel must still be able to bring when the worker first hears of it: what
    /// a redeem costs.
    pub least_promise: Balance,
    /// How long the worker waits for what.
    pub deadlines: StageDeadlines,
}

impl StageOffer {
    /// Base units for 1,000 positions held for one second.
    pub fn holding_price(&self) -> Balance {
        self.holding_price.unwrap_or_else(|| {
            holding::default_price(
                self.price_per_layer_token,
                self.cost_us_per_layer_token,
                self.cache_positions,
            )
        })
    }
}

/// How long a stage waits, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageDeadlines {
    /// For the chain's word on a channel.
    pub opening_ms: u64,
    /// For the next step or token, at most: [`crate::holding::idle_deadline_ms`] says how long.
    pub step_ms: u64,
    /// For the payment of a held step.
    pub credit_ms: u64,
    /// For its own engine.
    pub compute_ms: u64,
    /// For the final voucher.
    pub settle_ms: u64,
}

impl Default for StageDeadlines {
    fn default() -> Self {
        use crate::limits;
        Self {
            opening_ms: limits::OPENING_DEADLINE_MS,
            step_ms: limits::STEP_DEADLINE_MS,
            credit_ms: limits::CREDIT_DEADLINE_MS,
            compute_ms: limits::COMPUTE_DEADLINE_MS,
            settle_ms: limits::SETTLE_DEADLINE_MS,
        }
    }
}
