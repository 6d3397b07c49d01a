//! What must hold after every block beyond what each pallet checks of itself: the state before it,
//! what was signed, and what happened are compared with the state after it.

mod agreements;
mod bounds;
mod channels;
mod clock;
mod facts;
mod holds;
mod money;
mod workers;

use std::collections::BTreeSet;

use mica_primitives::ChannelId;
use mica_runtime::AccountId;

use super::calls::promises::Promises;
use agreements::Agreements;
use channels::Channels;
use clock::Clock;
use facts::Facts;
use money::Money;
use workers::Workers;

/// The state before a block, as far as it is compared with the state after it.
pub(super) struct Watch {
    clock: Clock,
    money: Money,
    channels: Channels,
    agreements: Agreements,
    workers: Workers,
}

impl Watch {
    /// Begins with the state as it is.
    pub(super) fn begin() -> Self {
        Self {
            clock: Clock::now(),
            money: Money::now(),
            channels: Channels::now(),
            agreements: Agreements::now(),
            workers: Workers::now(),
        }
    }

    /// Some channels that are over.
    pub(super) fn finished_channels(&self) -> impl Iterator<Item = ChannelId> + '_ {
        self.channels.finished()
    }

    /// Checks a block. `promises` is everything that was signed off chain until now, `principals`
    /// are those in whose name something was sent in this block.
    ///
    /// # Panics
    /// If something does not hold.
    pub(super) fn after(&mut self, promises: &Promises, principals: &BTreeSet<AccountId>) {
        let facts = Facts::of_block();
        self.clock.check();
        bounds::check();
        holds::check();
        let mut lost = facts.lost.clone();
        self.channels.check(&facts, promises, principals, &mut lost);
        self.agreements.check(&facts, promises, &mut lost);
        self.workers.check(&facts);
        self.money.check(&facts, principals, &lost);
        self.clock = Clock::now();
    }
}
