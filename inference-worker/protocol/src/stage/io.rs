//! What goes into a worker's state machine and what comes out of it.

use mica_primitives::{
    Balance, ChannelId, LaneId, LayerRange, PublicKey, Receipt, WorkerAddresses,
};

use super::ScoreRecord;
use crate::{
    FaultCode, SessionId,
    channel::{ChannelFacts, Durability, PayeeLaneRecord},
    messages::{Message, Payload},
    probability::LogProbabilities,
    session::Sampling,
};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum StageInput {
    /// A peer said something. `from` is authenticated by the transport.
    Message {
        /// Who.
        from: PublicKey,
        /// What.
        message: Message,
    },
    /// The engine finished a [`StageOutput::Compute`].
    Computed(Computed),
    /// The chain's answer to a [`StageOutput::ReadChannel`], or news about a channel at any time
    /// (top-up, close request, redeem).
    Channel {
        /// The channel.
        channel: ChannelId,
        /// What the chain knows; nothing if there is no such channel, or not any more, or it is not
        /// to this worker. A chain that cannot be asked is no reason to say so.
        facts: Option<ChannelFacts>,
    },
    /// In place of [`StageInput::Channel`]: the worker cannot follow one more channel, so it would
    /// not see the payer close it.
    NotFollowed {
        /// The channel.
        channel: ChannelId,
    },
    /// The chain has a new final block: its word on channels is not older than this.
    BlockFinal,
    /// No connection to the peer any more.
    Disconnected {
        /// Whom.
        peer: PublicKey,
    },
    /// Time has passed: see [`super::StageTable::next_deadline_ms`].
    Wake,
}

/// The engine's answer to a [`ComputeJob`].
#[derive(Clone, Debug)]
pub struct Computed {
    /// The session.
    pub session: SessionId,
    /// The job's first position: an answer that comes after its session ended is recognised by it.
    pub first_position: u32,
    /// What came out.
    pub result: ComputeResult,
}

/// What came out of the engine.
#[derive(Clone, Debug)]
pub enum ComputeResult {
    /// Hidden states `[rows, hidden]`, f32 little-endian: from every stage but the last.
    Hidden(Vec<u8>),
    /// From the last stage: the token drawn from the last row, if the job asked for one.
    Sampled(Option<Drawn>),
    /// The engine failed; the text goes to the payer.
    Failed(String),
}

/// A token that the engine drew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drawn {
    /// Its id.
    pub id: u32,
    /// How likely it was, if and only if the job asked.
    pub log_probabilities: Option<LogProbabilities>,
}

/// Work for the engine: pass `payload` through the layers, appending `rows` positions to the
/// session's cache.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComputeJob {
    /// The session, and the name of its cache.
    pub session: SessionId,
    /// Positions already in the cache.
    pub first_position: u32,
    /// Positions to compute.
    pub rows: u16,
    /// Token ids or hidden states.
    pub payload: Payload,
    /// What is wanted.
    pub want: JobOutput,
}

/// What a job must answer with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobOutput {
    /// [`ComputeResult::Hidden`] of all rows.
    Hidden,
    /// [`ComputeResult::Sampled`] with nothing: prefill at the last stage.
    Nothing,
    /// [`ComputeResult::Sampled`] with a token drawn from the last row's logits.
    Sample {
        /// How to draw.
        sampling: Sampling,
        /// The position that the token will take: the draw's counter.
        position: u32,
        /// Whether to say how likely the token was, and this many most likely ones, as in
        /// [`crate::SessionSpec::logprobs`].
        logprobs: Option<u8>,
    },
}

/// Something to do. Outputs are to be done in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StageOutput {
    /// Tell a peer. For peers other than the payer, `addresses` say where to dial.
    Send {
        /// Whom.
        to: PublicKey,
        /// Where it may be dialled; empty for the payer, which is connected.
        addresses: WorkerAddresses,
        /// What.
        message: Message,
    },
    /// Read a channel from the chain and answer with [`StageInput::Channel`].
    ReadChannel(ChannelId),
    /// Write this before the outputs that follow are carried out. It replaces the lane's earlier
    /// record.
    Persist {
        /// What.
        record: Box<PayeeLaneRecord>,
        /// How surely.
        durability: Durability,
    },
    /// Make a cache for the session.
    OpenCache {
        /// The session.
        session: SessionId,
        /// The layers that it is for: all that the worker serves, or a part of them.
        layers: LayerRange,
        /// Its room.
        max_positions: u32,
    },
    /// Compute. A session has at most one job at a time.
    Compute(ComputeJob),
    /// Drop the session's cache; a running job's answer is not waited for.
    DropCache {
        /// The session.
        session: SessionId,
    },
    /// Keep this receipt for audits: it is the lane's `index`-th.
    Receipt {
        /// The channel that pays for it.
        channel: ChannelId,
        /// The lane.
        lane: LaneId,
        /// Its place in the lane's tree, from 0.
        index: u64,
        /// The receipt.
        receipt: Receipt,
    },
    /// Keep what is known of an account that left something unpaid; it replaces the account's
    /// earlier score, and one without mishaps drops it. It need not be flushed.
    PersistScore(ScoreRecord),
    /// A session is over.
    Ended(SessionEnd),
}

/// How a session ended for the worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionEnd {
    /// The session.
    pub session: SessionId,
    /// Who paid.
    pub payer: PublicKey,
    /// The channel.
    pub channel: ChannelId,
    /// The lane.
    pub lane: LaneId,
    /// Positions computed.
    pub positions: u32,
    /// Base units earned in the session, redeemable now: with the prepayment.
    pub earned: Balance,
    /// Base units that were prepaid for the session's room.
    pub prepaid: Balance,
    /// Base units that were not paid.
    pub unpaid: Balance,
    /// Whether the final voucher, which fixes the receipts, came.
    pub settled: bool,
    /// Why it ended before its time, if it did.
    pub fault: Option<FaultCode>,
    /// Whether it waited for its payer, as far as that can be told, and not for another stage. Says
    /// nothing if more than the prepayment was paid.
    pub kept_waiting: bool,
}
