//! A world in one thread: payers, workers and a chain, with everything that can go wrong between
//! them, made of one seed and therefore replayable.
//!
//! The state machines are the real ones ([`mica_protocol::payer::PayerSession`],
//! [`mica_protocol::stage::StageTable`], both ledgers), with real signatures and frames. Around
//! them: a [`chain`] under the pallet's rules, a [`network`] whose links delay, break and cut nodes
//! off, [`disk`]s that lose at a power cut what was not flushed, clocks that jump, programs that
//! die at any write, payers that close channels at any moment, and [`liars`] on both sides.
//!
//! # What must hold, whatever happens
//! * **Worker.** It never computes more than its credit beyond what a lane promises it; what it has
//!   accepted and not lost to a power cut is on the chain in the end, to the unit: nothing is
//!   missing and nothing is paid twice.
//! * **Payer.** The chain never pays more on a lane than the payer has signed and revealed; a
//!   session never promises more than its exposure beyond verified receipts.
//! * **Both.** Every session ends. When the faults have ceased, every honest payer gets an answer
//!   over every path of honest workers, and it is the right one.
//!
//! # What is left out
//! Forks: the chain has one head. Net's own defences (limits per link and peer), which have no
//! state machine without I/O. The daemons' loops: a worker here follows the chain block by block
//! and redeems in the next one, as `mica-worker` does when nothing holds it up.
#![forbid(unsafe_code)]

pub mod chain;
pub mod chance;
pub mod disk;
#[path = "../../../inference-worker/protocol/tests/common/engine.rs"]
mod engine;
pub mod liars;
pub mod network;
pub mod payer;
pub mod process;
pub mod worker;
pub mod world;

use core::fmt;

/// Something that must not happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The world in which it happened.
    pub seed: u64,
    /// When, in milliseconds of the world's time.
    pub at_ms: u64,
    /// What.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, at_ms, text } = self;
        write!(f, "seed {seed} at {at_ms} ms: {text}")
    }
}

impl std::error::Error for Finding {}

/// What happened in a world: shows that the faults fire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Worlds.
    pub worlds: u64,
    /// Sessions that payers began.
    pub sessions: u64,
    /// Sessions that went well.
    pub answered: u64,
    /// Programs that died.
    pub deaths: u64,
    /// Events.
    pub events: u64,
    /// Base units claimed on chain.
    pub claimed: u128,
}

impl Summary {
    /// Adds another world's.
    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.sessions += other.sessions;
        self.answered += other.answered;
        self.deaths += other.deaths;
        self.events += other.events;
        self.claimed = self.claimed.saturating_add(other.claimed);
    }
}

/// Runs the world of a seed to its end.
///
/// # Errors
/// The first [`Finding`].
pub fn run(seed: u64) -> Result<Summary, Finding> {
    world::World::new(seed).run()
}

/// The same as [`run`], told step by step on standard error.
///
/// # Errors
/// The first [`Finding`].
pub fn run_loudly(seed: u64) -> Result<Summary, Finding> {
    let mut world = world::World::new(seed);
    world.is_loud = true;
    world.run()
}
