//! Checking receipts on the payer's side: each stage's chain of leaves, the ends against the
//! tokens, neighbours against each other.
//!
//! A receipt about tokens that have not arrived waits for them; receipts of neighbours are compared
//! when both are there. A contradiction is attributed: to one stage where the payer itself saw the
//! truth (its own prompt, the tokens that the last stage sent it), to two neighbours where they
//! disagree about the same bytes — steps between stages are not signed, so the payer cannot tell
//! which of the two lies, and an audit can.

use mica_primitives::{Hash32, LaneId, LayerRange, Leaf, PublicKey, Receipt};
use std::collections::{BTreeMap, VecDeque};

use super::is_signed;
use crate::{
    SessionId,
    limits::{LEAF_POSITIONS, MAX_WAITING_RECEIPTS},
    path::StageNumber,
};

/// What a stage's leaves must say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StageFacts {
    /// The key that signs.
    pub peer: PublicKey,
    /// The lane that pays the stage.
    pub lane: LaneId,
    /// Its layers.
    pub layers: LayerRange,
}

/// Whether a stage may give a receipt for a part of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// No: the session runs.
    Running,
    /// Yes, as its last: the session was closed.
    Flushing,
}

/// Who can have caused a contradiction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Culprits {
    /// This stage.
    Stage(usize),
    /// One of two: the stage that sent the bytes, or the one that received them.
    Pair {
        /// Says that it sent one thing.
        sender: usize,
        /// Says that it received another.
        receiver: usize,
    },
    /// A hub through which this stage is paid: its worker has no part in it.
    Hub(usize),
}

/// Why a receipt is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No such stage.
    #[error("the path has no stage {}: ignore the receipt", StageNumber(*.0))]
    NoSuchStage(usize),
    /// Session, lane, layers, profile or trace differ from what was agreed.
    #[error("stage {} gave a receipt for other work than was agreed: use another worker", StageNumber(*.0))]
    Foreign(usize),
    /// Not the stage's next window.
    #[error(
        "stage {} gave a receipt for {found} positions from {first} on and {expected} is next: use another worker",
        StageNumber(*.stage)
    )]
    NotNext {
        /// The stage.
        stage: usize,
        /// The receipt's first position.
        first: u32,
        /// Its number of positions.
        found: u32,
        /// The first position that has no receipt.
        expected: u32,
    },
    /// Not signed by the stage.
    #[error("stage {} has not signed its receipt: use another worker", StageNumber(*.0))]
    BadSignature(usize),
    /// The cache chain is broken.
    #[error("stage {} gave a receipt that does not continue its cache: use another worker", StageNumber(*.0))]
    BrokenCache(usize),
    /// More receipts than positions that can have been computed.
    #[error("stage {} gave receipts far ahead of the tokens: use another worker", StageNumber(*.0))]
    FarAhead(usize),
    /// Two accounts of the same bytes differ.
    #[error("receipts of position {first} and after contradict each other ({culprits}): keep them and use other workers", culprits = Named(*culprits))]
    Mismatch {
        /// First position of the window.
        first: u32,
        /// Who can have caused it.
        culprits: Culprits,
    },
}

struct Named(Culprits);

impl core::fmt::Display for Named {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Culprits::Stage(stage) => write!(f, "stage {} is wrong", StageNumber(stage)),
            Culprits::Hub(stage) => write!(f, "the hub of stage {}", StageNumber(stage)),
            Culprits::Pair { sender, receiver } => {
                write!(
                    f,
                    "stage {} or stage {} is wrong",
                    StageNumber(sender),
                    StageNumber(receiver)
                )
            }
        }
    }
}

impl VerifyError {
    /// Whom the error speaks against.
    pub const fn culprits(&self) -> Culprits {
        match self {
            Self::NoSuchStage(stage)
            | Self::Foreign(stage)
            | Self::BadSignature(stage)
            | Self::BrokenCache(stage)
            | Self::FarAhead(stage)
            | Self::NotNext { stage, .. } => Culprits::Stage(*stage),
            Self::Mismatch { culprits, .. } => *culprits,
        }
    }
}

/// A receipt that holds against everything known about its stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// The stage, from 0.
    pub stage: usize,
    /// The receipt.
    pub receipt: Receipt,
}

#[derive(Clone, Debug)]
struct StageState {
    facts: StageFacts,
    /// Positions with a well-formed receipt, verified or waiting.
    received: u32,
    verified: u32,
    kv_root: Hash32,
    waiting: VecDeque<Receipt>,
}

/// One side's word on a window that crosses a boundary between stages.
#[derive(Clone, Copy, Debug)]
enum Word {
    Sent(u32, Hash32),
    Received(u32, Hash32),
}

/// Checks the receipts of one session.
#[derive(Clone, Debug)]
pub struct PathVerifier {
    session: SessionId,
    profile: Hash32,
    genesis: Hash32,
    stages: Vec<StageState>,
    /// Per boundary between stage k and k+1: the word that waits for the other's, by first
    /// position.
    boundaries: Vec<BTreeMap<u32, Word>>,
    /// Prompt and generated tokens.
    tokens: Vec<u32>,
    /// Positions of the prompt, once it is complete.
    prompt: Option<u32>,
}

impl PathVerifier {
    /// A verifier for a session over `stages`.
    pub fn new(
        session: SessionId,
        profile: Hash32,
        genesis: Hash32,
        stages: &[StageFacts],
    ) -> Self {
        let state = |facts: &StageFacts| StageState {
            facts: *facts,
            received: 0,
            verified: 0,
            kv_root: [0; 32],
            waiting: VecDeque::new(),
        };
        Self {
            session,
            profile,
            genesis,
            stages: stages.iter().map(state).collect(),
            boundaries: vec![BTreeMap::new(); stages.len().saturating_sub(1)],
            tokens: Vec::new(),
            prompt: None,
        }
    }

    /// Names the lane that pays a stage, where a hub chooses it: before the stage gives receipts.
    pub fn set_lane(&mut self, stage: usize, lane: LaneId) {
        if let Some(state) = self.stages.get_mut(stage) {
            state.facts.lane = lane;
        }
    }

    /// Positions of the stage that verified receipts cover.
    pub fn verified(&self, stage: usize) -> u32 {
        self.stages.get(stage).map_or(0, |state| state.verified)
    }

    /// The least of them over all stages.
    pub fn verified_by_all(&self) -> u32 {
        self.stages.iter().map(|state| state.verified).min().unwrap_or(0)
    }

    /// Notes prompt tokens that were sent.
    ///
    /// # Errors
    /// A waiting receipt contradicts them.
    pub fn prompt(&mut self, ids: &[u32]) -> Result<Vec<Verified>, VerifyError> {
        self.tokens.extend_from_slice(ids);
        self.settle_waiting()
    }

    /// The prompt is complete: its last position is the first that a token was drawn from.
    ///
    /// # Errors
    /// A waiting receipt contradicts it.
    pub fn prompt_complete(&mut self) -> Result<Vec<Verified>, VerifyError> {
        self.prompt = Some(self.tokens.len() as u32);
        self.settle_waiting()
    }

    /// Notes a token that the last stage drew.
    ///
    /// # Errors
    /// A waiting receipt contradicts it.
    pub fn token(&mut self, id: u32) -> Result<Vec<Verified>, VerifyError> {
        self.tokens.push(id);
        self.settle_waiting()
    }

    /// Takes a receipt of `stage`; returns what is verified by it, which may be nothing yet.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub fn accept(
        &mut self,
        stage: usize,
        receipt: &Receipt,
        ending: Ending,
    ) -> Result<Vec<Verified>, VerifyError> {
        let state = self.stages.get(stage).ok_or(VerifyError::NoSuchStage(stage))?;
        let leaf = &receipt.leaf;
        self.check_shape(stage, state, leaf, ending)?;
        if !is_signed(receipt, &state.facts.peer, &self.genesis) {
            return Err(VerifyError::BadSignature(stage));
        }
        if state.waiting.len() >= MAX_WAITING_RECEIPTS {
            return Err(VerifyError::FarAhead(stage));
        }
        if let Some(state) = self.stages.get_mut(stage) {
            state.received = leaf.first_position + leaf.positions;
            state.kv_root = leaf.kv_root;
            state.waiting.push_back(*receipt);
        }
        self.compare_neighbours(stage, leaf)?;
        self.settle_waiting()
    }

    fn check_shape(
        &self,
        stage: usize,
        state: &StageState,
        leaf: &Leaf,
        ending: Ending,
    ) -> Result<(), VerifyError> {
        let agreed = leaf.session == self.session.0
            && leaf.lane == state.facts.lane
            && leaf.layers == state.facts.layers
            && leaf.profile == self.profile
            && leaf.trace_root == [0; 32];
        if !agreed {
            return Err(VerifyError::Foreign(stage));
        }
        let (first, found, expected) = (leaf.first_position, leaf.positions, state.received);
        let whole = LEAF_POSITIONS - expected % LEAF_POSITIONS;
        let fits = found == whole || (ending == Ending::Flushing && found < whole && found > 0);
        // After a partial receipt nothing may follow, so windows always begin at a multiple.
        if first != expected || whole != LEAF_POSITIONS || !fits {
            return Err(VerifyError::NotNext { stage, first, found, expected });
        }
        if leaf.kv_root == Leaf::next_kv_root(&state.kv_root, &leaf.h_in) {
            Ok(())
        } else {
            Err(VerifyError::BrokenCache(stage))
        }
    }

    fn compare_neighbours(&mut self, stage: usize, leaf: &Leaf) -> Result<(), VerifyError> {
        if let Some(before) = stage.checked_sub(1) {
            self.compare(before, leaf.first_position, Word::Received(leaf.positions, leaf.h_in))?;
        }
        if stage + 1 < self.stages.len() {
            self.compare(stage, leaf.first_position, Word::Sent(leaf.positions, leaf.h_out))?;
        }
        Ok(())
    }

    fn compare(&mut self, boundary: usize, first: u32, word: Word) -> Result<(), VerifyError> {
        let Some(open) = self.boundaries.get_mut(boundary) else { return Ok(()) };
        let Some(other) = open.remove(&first) else {
            // Bounded by the session's positions: each stage's windows come in order and once.
            open.insert(first, word);
            return Ok(());
        };
        let ((Word::Sent(sent, h_out), Word::Received(received, h_in))
        | (Word::Received(received, h_in), Word::Sent(sent, h_out))) = (word, other)
        else {
            return Ok(());
        };
        // Sessions cut short may end at different positions: then the last window has no witness
        // and nothing is compared.
        if sent == received && h_out != h_in {
            let culprits = Culprits::Pair { sender: boundary, receiver: boundary + 1 };
            return Err(VerifyError::Mismatch { first, culprits });
        }
        Ok(())
    }

    fn settle_waiting(&mut self) -> Result<Vec<Verified>, VerifyError> {
        let mut verified = Vec::new();
        for stage in 0..self.stages.len() {
            while let Some(receipt) = self.stages[stage].waiting.front().copied() {
                if !self.check_ends(stage, &receipt.leaf)? {
                    break;
                }
                let state = &mut self.stages[stage];
                state.waiting.pop_front();
                state.verified = receipt.leaf.first_position + receipt.leaf.positions;
                verified.push(Verified { stage, receipt });
            }
        }
        Ok(verified)
    }

    /// Whether the ends of the path agree with the tokens; false if the tokens are not known yet.
    fn check_ends(&self, stage: usize, leaf: &Leaf) -> Result<bool, VerifyError> {
        let (first, end) = (leaf.first_position, leaf.first_position + leaf.positions);
        let last = self.stages.len() - 1;
        if stage == 0 {
            let Some(ids) = self.tokens.get(first as usize..end as usize) else { return Ok(false) };
            if hash_ids(ids) != leaf.h_in {
                let prompt = self.prompt.unwrap_or(u32::MAX);
                // The prompt came from the payer itself; generated tokens came to stage 0 from the
                // last one, which may have told it another token than the payer.
                let culprits = if end <= prompt || last == 0 {
                    Culprits::Stage(0)
                } else {
                    Culprits::Pair { sender: last, receiver: 0 }
                };
                return Err(VerifyError::Mismatch { first, culprits });
            }
        }
        if stage == last {
            let Some(prompt) = self.prompt else {
                return Ok(end as usize <= self.tokens.len() && self.no_draw(leaf)?);
            };
            let from = (first + 1).max(prompt) as usize;
            let to = (end + 1).max(prompt) as usize;
            let Some(drawn) = self.tokens.get(from.min(to)..to) else { return Ok(false) };
            if hash_ids(drawn) != leaf.h_out {
                return Err(VerifyError::Mismatch { first, culprits: Culprits::Stage(last) });
            }
        }
        Ok(true)
    }

    /// Before the prompt is complete nothing can have been drawn.
    fn no_draw(&self, leaf: &Leaf) -> Result<bool, VerifyError> {
        if leaf.h_out == hash_ids(&[]) {
            return Ok(true);
        }
        let culprits = Culprits::Stage(self.stages.len() - 1);
        Err(VerifyError::Mismatch { first: leaf.first_position, culprits })
    }
}

fn hash_ids(ids: &[u32]) -> Hash32 {
    let mut hasher = blake3::Hasher::new();
    ids.iter().for_each(|id| {
        hasher.update(&id.to_le_bytes());
    });
    *hasher.finalize().as_bytes()
}
