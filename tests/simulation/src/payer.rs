//! A payer: a program with channels, sessions, and questions that it wants answered.

use ed25519_dalek::SigningKey;
use mica_primitives::{Balance, BlockNumber, ChannelId};
use mica_protocol::{
    SessionId, channel::PayerLaneRecord, channel::PayerLedger, payer::PayerSession,
};
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    chain::Account,
    disk::{Disk, LaneKey},
    liars::{Memory, PayerLie},
    network::Peer,
    process::Process,
};

/// A question: a session on some path, tried again on other lanes when a lane is refused.
#[derive(Clone, Debug)]
pub struct Question {
    /// The path, by the workers' numbers.
    pub workers: Vec<usize>,
    /// The prompt.
    pub prompt: Vec<u32>,
    /// Most tokens to generate.
    pub max_new_tokens: u32,
    /// Blocks for which its vouchers are good.
    pub voucher_blocks: BlockNumber,
    /// Whether it must succeed: one of those asked when all faults have ceased.
    pub must_succeed: bool,
    /// Sessions that it has begun.
    pub tries: u32,
    /// Other lanes tried since the last pause.
    pub lane_retries: u32,
    /// Lanes that were refused and that are kept back until it is over.
    pub held: Vec<PayerLaneRecord>,
    /// Where it stands.
    pub state: QuestionState,
}

/// Where a question stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QuestionState {
    /// Waits for its time, or for the chain.
    Waiting,
    /// A session runs.
    Running,
    /// A session went well.
    Answered,
    /// Given up.
    Failed,
}

/// A session of a payer's.
pub struct RunningSession {
    /// The state machine.
    pub session: PayerSession,
    /// The question that it is for.
    pub question: usize,
}

/// A payer.
pub struct Payer {
    /// Its program.
    pub process: Process,
    /// The account that its deposits come from.
    pub account: Account,
    /// The key that signs vouchers.
    pub key: SigningKey,
    /// What its program is known by.
    pub peer: Peer,
    /// What it is after, if it lies.
    pub lie: Option<PayerLie>,
    /// What it remembers as a liar.
    pub memory: Memory,
    /// Its channels, as its program knows them.
    pub ledgers: BTreeMap<ChannelId, PayerLedger>,
    /// Its sessions.
    pub sessions: BTreeMap<SessionId, RunningSession>,
    /// Its database.
    pub disk: Disk,
    /// Lanes that are never leased again: on disk as well.
    pub retired: BTreeSet<LaneKey>,
    /// What it wants answered.
    pub questions: Vec<Question>,
    /// The most that was ever signed or revealed on a lane and left the program.
    pub signed: BTreeMap<LaneKey, Balance>,
    /// What its sessions may have cost it on each channel at most: verified positions, and the
    /// exposure once for each session.
    pub most: BTreeMap<ChannelId, Balance>,
    /// Channels whose sessions were cut off by a death, so that nobody knows their positions.
    pub uncounted: BTreeSet<ChannelId>,
    /// A copy of its database that may be put back after a crash.
    pub backup: Option<(Disk, BTreeSet<LaneKey>)>,
}
