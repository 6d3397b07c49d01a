//! What goes into a payer's session and what comes out of it.

use mica_primitives::{
    Balance, BlockNumber, ChannelId, Hash32, LaneId, LayerRange, ModelId, PublicKey, Receipt,
    Redeem, WorkerAddresses,
};

use crate::{
    FaultCode, SessionId,
    channel::{Durability, PayerLane, PayerLaneRecord},
    limits,
    messages::{Account, Message, SignedQuote},
    path::StageNumber,
    probability::LogProbabilities,
    receipts::Culprits,
    session::{EndIds, Sampling, StopReason},
};

/// One stage as the payer has chosen it.
#[derive(Clone, Debug)]
pub struct PlannedStage {
    /// The worker's registered peer key.
    pub peer: PublicKey,
    /// Where to dial it.
    pub addresses: WorkerAddresses,
    /// The layers that it shall compute.
    pub range: LayerRange,
    /// Base units per layer-token that the payer gives.
    pub price_per_layer_token: Balance,
    /// What the worker asks for room that is held, as in [`crate::messages::Quote`];
    /// [`crate::holding::UNKNOWN_PRICE`] if that is not known.
    pub holding_price: Balance,
    /// Positions of credit that the worker gives.
    pub credit_positions: u16,
    /// The quote that the price relies on, if there is one.
    pub quote: Option<SignedQuote>,
    /// A leased lane of the channel to this worker, or to the first hub.
    pub lane: PayerLane,
    /// The hubs through which the worker is paid, in the order in which money passes them, at most
    /// [`limits::MAX_HUBS`]; none if the lane pays the worker itself.
    pub hubs: Vec<PlannedHub>,
}

/// One hub between the payer and a stage.
#[derive(Clone, Debug)]
pub struct PlannedHub {
    /// Its peer key.
    pub peer: PublicKey,
    /// Where to dial it.
    pub addresses: WorkerAddresses,
    /// Base units that it is paid for each position: what it passes on, and its fee.
    pub unit: Balance,
    /// The account that it pays: the worker's, or the next hub's.
    pub payee: Account,
}

/// A session as the payer wants it.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    /// 32 random bytes.
    pub session: SessionId,
    /// Genesis hash of the chain.
    pub genesis: Hash32,
    /// The model.
    pub model: ModelId,
    /// Its profile.
    pub profile: Hash32,
    /// Its layers.
    pub model_layers: u16,
    /// The stages, in order.
    pub stages: Vec<PlannedStage>,
    /// Token ids of the prompt.
    pub prompt: Vec<u32>,
    /// Most tokens to generate.
    pub max_new_tokens: u32,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Ids that end the answer.
    pub end_ids: EndIds,
    /// Whether to be told how likely each token was, and this many most likely ones, as in
    /// [`crate::SessionSpec::logprobs`].
    pub logprobs: Option<u8>,
    /// Positions to pay for before receipts cover them, per stage.
    pub exposure_positions: u16,
    /// Most base units for the whole session, over all stages.
    pub spending_limit: Balance,
    /// Blocks for which vouchers are good.
    pub voucher_blocks: BlockNumber,
    /// How long to wait for what.
    pub deadlines: PayerDeadlines,
}

/// How long a payer waits, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayerDeadlines {
    /// For all stages to accept.
    pub opening_ms: u64,
    /// For the next token or receipt.
    pub progress_ms: u64,
    /// For accounts and confirmations at the end.
    pub settle_ms: u64,
}

impl Default for PayerDeadlines {
    fn default() -> Self {
        Self {
            opening_ms: 2 * limits::OPENING_DEADLINE_MS,
            progress_ms: limits::STEP_DEADLINE_MS,
            settle_ms: limits::SETTLE_DEADLINE_MS,
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a message is moved once; a box for each costs more than the copy"
)]
pub enum PayerInput {
    /// A peer said something. `from` is authenticated by the transport.
    Message {
        /// Who.
        from: PublicKey,
        /// What.
        message: Message,
    },
    /// No connection to the peer any more, or none could be made.
    Disconnected {
        /// Whom.
        peer: PublicKey,
    },
    /// The user wants to stop: the next token is the last.
    Cancel,
    /// Time has passed: see [`super::PayerSession::next_deadline_ms`].
    Wake,
}

/// Something to do. Outputs are to be done in order.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a message is moved once; a box for each costs more than the copy"
)]
pub enum PayerOutput {
    /// Write this before the outputs that follow are carried out. It replaces the lane's earlier
    /// record.
    Persist {
        /// What.
        record: Box<PayerLaneRecord>,
        /// How surely.
        durability: Durability,
    },
    /// Tell a worker.
    Send {
        /// Whom.
        to: PublicKey,
        /// Where it may be dialled.
        addresses: WorkerAddresses,
        /// What.
        message: Message,
    },
    /// A stage is paid on this lane of a hub's channel: its receipts speak of that one.
    Relayed {
        /// The stage, from 0.
        stage: usize,
        /// The hub's channel.
        channel: ChannelId,
        /// The lane.
        lane: LaneId,
        /// Place of the session's first receipt in the lane's tree, from 0.
        first_receipt: u64,
    },
    /// All stages have accepted; the prompt goes out.
    Ready,
    /// The next token of the answer.
    Token {
        /// Its position.
        position: u32,
        /// Its id.
        id: u32,
        /// Set on the last one.
        stop: Option<StopReason>,
        /// How likely it was, if and only if the plan asked: the worker's word.
        log_probabilities: Option<LogProbabilities>,
    },
    /// A verified receipt, to be kept: it is the `index`-th of its lane.
    Receipt {
        /// The stage, from 0.
        stage: usize,
        /// The channel that pays for it: a hub's, if it is paid through one.
        channel: ChannelId,
        /// The lane.
        lane: LaneId,
        /// Its place in the lane's tree, from 0.
        index: u64,
        /// The receipt.
        receipt: Box<Receipt>,
    },
    /// The worker, or the first hub, shows a promise that may be newer than the payer's records:
    /// give it to [`crate::channel::PayerLedger::adopt`] and persist.
    Adopt {
        /// The stage, from 0.
        stage: usize,
        /// The promise.
        held: Box<Redeem>,
    },
    /// The session is over. Nothing comes after it; lanes are to be given back.
    Finished(Box<SessionReport>),
}

/// Why a session failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}{text}; {}", stage_prefix(.stage), .code.remedy())]
pub struct SessionFailure {
    /// The stage that failed or reported it, from 0.
    pub stage: Option<usize>,
    /// Who can have caused it, when receipts tell.
    pub culprits: Option<Culprits>,
    /// Why.
    pub code: FaultCode,
    /// What happened.
    pub text: String,
}

fn stage_prefix(stage: &Option<usize>) -> String {
    stage.map_or_else(String::new, |stage| format!("stage {}: ", StageNumber(stage)))
}

/// One stage's account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageReport {
    /// The worker.
    pub peer: PublicKey,
    /// Its layers.
    pub range: LayerRange,
    /// The payer's channel that paid it, or its hub.
    pub channel: ChannelId,
    /// The lane.
    pub lane: LaneId,
    /// Base units per layer-token.
    pub price_per_layer_token: Balance,
    /// Base units per position, with the fees of hubs.
    pub unit: Balance,
    /// Positions that verified receipts cover.
    pub positions: u32,
    /// Base units promised in this session. A stage that accepted has at least what was prepaid for
    /// its room; one that refused has nothing.
    pub paid: Balance,
    /// Verified receipts of this session.
    pub receipts: u64,
    /// Whether the worker confirmed the final voucher.
    pub settled: bool,
    /// Why the worker did not take the session, if it said so.
    pub refused: Option<FaultCode>,
    /// The lane as it was persisted last.
    pub record: PayerLaneRecord,
}

/// How a session went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionReport {
    /// The session.
    pub session: SessionId,
    /// Tokens generated.
    pub tokens: Vec<u32>,
    /// Why generation stopped, if it did.
    pub stop: Option<StopReason>,
    /// The stages' accounts, in order.
    pub stages: Vec<StageReport>,
    /// Why the session ended before its time, if it did.
    pub failure: Option<SessionFailure>,
}

impl SessionReport {
    /// Base units over all stages; saturates.
    pub fn paid(&self) -> Balance {
        self.stages.iter().fold(0, |sum: Balance, stage| sum.saturating_add(stage.paid))
    }
}
