//! What every node's program has: a clock that starts with it, what it has seen of the chain, and
//! the moment at which it dies.

use mica_primitives::BlockNumber;
use mica_protocol::Now;

use crate::chance::Chance;

/// A node of the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Node {
    /// The payer with this number.
    Payer(usize),
    /// The worker with this number.
    Worker(usize),
}

/// How a program dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// Killed: everything that was written is there.
    Killed,
    /// The power failed: what was not flushed may be lost.
    PowerCut,
}

/// A death that waits for its moment.
#[derive(Clone, Copy, Debug)]
pub struct Doom {
    /// Records that are written before.
    pub writes: u64,
    /// Whether the last of them is still written.
    pub after_write: bool,
    /// How.
    pub death: Death,
}

/// A node's program.
#[derive(Debug)]
pub struct Process {
    /// How often it has started.
    pub starts: u32,
    /// Whether it runs.
    pub is_up: bool,
    /// Whether it reaches its node of the chain.
    pub sees_chain: bool,
    /// Newest block seen.
    pub block: BlockNumber,
    /// World time at which it started, ms.
    began_ms: u64,
    /// How far its clock has jumped ahead, ms.
    jumped_ms: u64,
    /// World time of the wake-up that is on its way.
    pub wake_at_ms: Option<u64>,
    /// When it dies, if that is decided.
    pub doom: Option<Doom>,
}

impl Process {
    /// One that does not run yet.
    #[expect(clippy::new_without_default, reason = "it is made in one place, with its name")]
    pub const fn new() -> Self {
        Self {
            starts: 0,
            is_up: false,
            sees_chain: true,
            block: 0,
            began_ms: 0,
            jumped_ms: 0,
            wake_at_ms: None,
            doom: None,
        }
    }

    /// Starts, with a clock that begins anew.
    pub const fn start(&mut self, now_ms: u64, block: BlockNumber) {
        self.starts += 1;
        (self.is_up, self.block) = (true, block);
        (self.began_ms, self.jumped_ms) = (now_ms, 0);
        (self.wake_at_ms, self.doom) = (None, None);
    }

    /// The moment as this program knows it.
    pub const fn now(&self, now_ms: u64) -> Now {
        Now::new(now_ms - self.began_ms + self.jumped_ms, self.block)
    }

    /// World time at which the program's clock shows `own_ms`.
    pub const fn world_ms(&self, own_ms: u64) -> u64 {
        (own_ms + self.began_ms).saturating_sub(self.jumped_ms)
    }

    /// The clock jumps ahead, as when a machine was asleep.
    pub const fn jump(&mut self, ms: u64) {
        self.jumped_ms += ms;
    }

    /// Counts a write; returns the death that it meets, and whether the write still happens.
    pub fn write(&mut self) -> (bool, Option<Death>) {
        let Some(doom) = &mut self.doom else { return (true, None) };
        doom.writes = doom.writes.saturating_sub(1);
        if doom.writes > 0 { (true, None) } else { (doom.after_write, Some(doom.death)) }
    }

    /// Decides that it dies at one of its next writes.
    pub fn doom(&mut self, chance: &mut Chance) {
        self.doom = Some(Doom {
            writes: chance.between(1, 60),
            after_write: chance.once_in(2),
            death: if chance.once_in(2) { Death::Killed } else { Death::PowerCut },
        });
    }
}
