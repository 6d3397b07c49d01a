//! Validators that author by BABE's schedule: slot after slot, each by its secondary author, unless
//! that one is away.

use mica_runtime::{
    AccountId, Babe, BlockNumber, Runtime, Session, System, configs::seats::secondary_author,
};
use sp_runtime::ApplyExtrinsicResult;

use super::{FIRST_SLOT, block_in_slot, block_with};

/// Slots of an epoch.
pub fn epoch_slots() -> u64 {
    <Runtime as pallet_babe::Config>::EpochDuration::get()
}

/// A chain that is driven by slots.
pub struct Schedule {
    slot: u64,
    /// Who makes no blocks.
    pub away: Vec<AccountId>,
    /// What the authors' nodes know to be final; nothing if they do not say.
    pub last_final: LastFinal,
}

/// What authors say of finality.
#[derive(Clone, Copy)]
pub enum LastFinal {
    /// Nothing.
    Unsaid,
    /// All but the last two blocks.
    Follows,
    /// This block, whatever is built.
    Stalled(BlockNumber),
}

impl Schedule {
    /// Begins with the first block, on a fresh genesis.
    pub fn begin() -> Self {
        let schedule = Self { slot: FIRST_SLOT, away: vec![], last_final: LastFinal::Unsaid };
        block_in_slot(1, 0, FIRST_SLOT, None, vec![]);
        schedule
    }

    /// Validators of the epoch in which `slot` lies, and the secondary author's index.
    pub fn author(slot: u64) -> (Vec<AccountId>, u32) {
        let next = Babe::next_epoch();
        let (validators, randomness) = if slot < *next.start_slot {
            (Session::validators(), Babe::randomness())
        } else {
            let queued = Session::queued_keys().into_iter().map(|(account, _)| account);
            (queued.collect(), next.randomness)
        };
        let index = secondary_author(randomness, slot, validators.len()).expect("a set");
        (validators, index)
    }

    /// Lets one slot pass; returns what became of its block, unless its author is away.
    pub fn pass_slot(&mut self) -> Option<Vec<ApplyExtrinsicResult>> {
        self.pass_slot_with(Vec::new)
    }

    /// The same with whatever `fill` applies to the block.
    pub fn pass_slot_with<T>(&mut self, fill: impl FnOnce() -> T) -> Option<T> {
        self.slot += 1;
        let (validators, author) = Self::author(self.slot);
        if self.away.contains(&validators[author as usize]) {
            return None;
        }
        let number = System::block_number() + 1;
        let last_final = match self.last_final {
            LastFinal::Unsaid => None,
            LastFinal::Follows => Some(number.saturating_sub(3)),
            LastFinal::Stalled(last) => Some(last),
        };
        Some(block_with(number, author, self.slot, last_final, fill))
    }

    /// Lets `count` slots pass.
    pub fn pass_slots(&mut self, count: u64) {
        for _ in 0..count {
            self.pass_slot();
        }
    }

    /// Makes `count` blocks, in however many slots.
    pub fn make_blocks(&mut self, count: u32) {
        let last = System::block_number() + count;
        while System::block_number() < last {
            self.pass_slot();
        }
    }

    /// Lets the slots of `count` eras pass.
    pub fn pass_eras(&mut self, count: u64) {
        let sessions: u32 = <Runtime as pallet_staking::Config>::SessionsPerEra::get();
        self.pass_slots(count * epoch_slots() * u64::from(sessions));
    }
}
