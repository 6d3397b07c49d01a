//! What authors know of finality, and what the clock makes of it.

use alloc::vec::Vec;

use frame_support::{
    ensure,
    traits::{FindAuthor, Get, ValidatorSet},
};
use mica_primitives::BlockNumber;
use sp_runtime::DispatchResult;

use crate::{
    Config, Error, Event, Final, Hints, HintsSession, Now, Pallet, RecoverFinality, Stands,
};

impl<T: Config> Pallet<T> {
    /// Lets the clock run for one block, or stand.
    pub(crate) fn advance(block: BlockNumber) {
        let stands = T::Halted::get() || Self::is_stalled(block);
        if !stands {
            Now::<T>::mutate(|now| *now = now.saturating_add(1));
        }
        if stands == Stands::<T>::get() {
            return;
        }
        Stands::<T>::put(stands);
        let now = Now::<T>::get();
        Self::deposit_event(if stands {
            Event::Stopped { now, last_final: Final::<T>::get().map(|(number, _)| number) }
        } else {
            Event::Resumed { now }
        });
    }

    /// Whether finality is too far behind in block `block`, by what authors said before it.
    pub(crate) fn is_stalled(block: BlockNumber) -> bool {
        let Some((number, hints)) = Final::<T>::get() else { return false };
        let parent = block.saturating_sub(1);
        parent.saturating_sub(number) > T::StallBound::get().saturating_add(hints)
    }

    /// Schedules the recovery of finality from block `last_final`.
    pub(crate) fn recover(delay: BlockNumber, last_final: BlockNumber) -> DispatchResult {
        let best = Self::block();
        ensure!(Self::is_stalled(best), Error::<T>::NotStalled);
        ensure!(last_final < best, Error::<T>::NotYet);
        let known = Final::<T>::get().map_or(0, |(known, _)| known);
        ensure!(last_final >= known, Error::<T>::BelowFinal);
        let hints = Hints::<T>::get();
        let witnesses = hints.values().filter(|hint| **hint >= last_final).count();
        ensure!(3 * witnesses > hints.len(), Error::<T>::NotKnownFinal);
        ensure!(delay > 0, Error::<T>::NoDelay);
        let (voters, working) = T::RecoverFinality::next_voters();
        let lost = voters.saturating_sub(working);
        ensure!(lost == 0 || lost.saturating_mul(3) < voters, Error::<T>::VotersLost);
        T::RecoverFinality::recover(delay, last_final)?;
        Self::deposit_event(Event::RecoveryScheduled { delay, last_final });
        Ok(())
    }

    /// This block's author.
    pub(crate) fn author() -> Option<T::AccountId> {
        let digest = frame_system::Pallet::<T>::digest();
        T::FindAuthor::find_author(digest.logs.iter().filter_map(|log| log.as_pre_runtime()))
    }

    /// Takes `number` as the last hint of `author`.
    pub(crate) fn record(author: T::AccountId, number: BlockNumber) {
        let mut hints = Hints::<T>::get();
        let session = T::Authors::session_index();
        if HintsSession::<T>::get() != session {
            let validators = T::Authors::validators();
            hints.retain(|author, _| validators.contains(author));
            HintsSession::<T>::put(session);
        }
        // Full only if there are more validators than the bound, which the election keeps.
        let _full = hints.try_insert(author, number);
        match lower_median(hints.values().copied().collect()) {
            Some(number) => Final::<T>::put((number, hints.len() as u32)),
            None => Final::<T>::kill(),
        }
        Hints::<T>::put(hints);
    }
}

/// The element at index `(k − 1) / 2` of `k` in rising order; nothing if there is none.
pub(crate) fn lower_median(mut numbers: Vec<BlockNumber>) -> Option<BlockNumber> {
    numbers.sort_unstable();
    numbers.get(numbers.len().checked_sub(1)? / 2).copied()
}
