//! Counting: who authored, who missed its slot, and who is idle or silent at the end of a session.

use alloc::vec::Vec;
use core::ops::Range;

use frame_support::{
    dispatch::DispatchClass,
    traits::{Get, ValidatorSet, ValidatorSetWithIdentification},
    weights::Weight,
};
use sp_runtime::traits::Convert;
use sp_staking::{SessionIndex, offence::ReportOffence};

use crate::{
    Ballots, Config, Event, Idle, LastSlot, OffenderOf, Pallet, Record, Records, WeightInfo,
};

/// What the pallet must know of the schedule of blocks.
pub trait Slots<AccountId> {
    /// This block's slot; nothing in a block that has none.
    fn current() -> Option<u64>;
    /// The slots of the epoch whose randomness and validators are in force.
    fn epoch() -> Range<u64>;
    /// Index of the validator that must fill `slot` of that epoch if nobody else does.
    fn secondary_author(slot: u64) -> Option<u32>;
    /// Indices of the validators in force that may not author until the set changes.
    fn disabled() -> Vec<u32>;
    /// Index of this block's author among the validators in force.
    fn author() -> Option<u32>;
    /// This block's author, while the block begins a session and the validators before it are still
    /// in force.
    fn first_author() -> Option<AccountId>;
}

/// Who can take a validator out of the next elections.
pub trait Chill<AccountId> {
    /// Withdraws `stash` as a candidate, if it is one.
    fn chill(stash: &AccountId);
}

type IdentificationOf<T> = <<T as Config>::ValidatorSet as ValidatorSetWithIdentification<
    <T as frame_system::Config>::AccountId,
>>::IdentificationOf;

impl<T: Config> Pallet<T> {
    /// Counts this block and the slots before it that belong to the epoch in force.
    pub(crate) fn count_block() -> Weight {
        let Some(slot) = T::Slots::current() else { return T::WeightInfo::count_block(0) };
        let validators = T::ValidatorSet::validators();
        let epoch = T::Slots::epoch();
        let missed = Self::skipped(slot).map_or(0, |skipped| {
            let first = skipped.start.max(epoch.start);
            Self::count_missed(first..skipped.end, &validators)
        });
        if let Some(author) = T::Slots::author().and_then(|index| validators.get(index as usize)) {
            let record = Records::<T>::get(author);
            let working = Record { proven: true, missed: 0 };
            if record != working {
                Records::<T>::insert(author, working);
            }
            Self::note_author(author);
        }
        LastSlot::<T>::put(slot);
        T::WeightInfo::count_block(missed)
    }

    /// Ends session `session`, in the block that begins the next one, while its validators and its
    /// randomness are still in force: counts its last slots, reports and chills who is idle. The
    /// block's own author is left out: it would be disabled, and BABE refuses its block.
    ///
    /// Registers its own weight.
    pub fn end_session(session: SessionIndex) {
        let validators = T::ValidatorSet::validators();
        let missed = T::Slots::current().and_then(Self::skipped).map_or(0, |skipped| {
            let end = skipped.end.min(T::Slots::epoch().end);
            Self::count_missed(skipped.start..end, &validators)
        });
        let silent = Self::end_window(&validators);
        let author = T::Slots::first_author();
        let idle: Vec<T::AccountId> = validators
            .iter()
            .filter(|validator| {
                let is_idle = || Records::<T>::get(validator).missed >= T::IdleAfter::get();
                author.as_ref() != Some(*validator) && (silent.contains(validator) || is_idle())
            })
            .cloned()
            .collect();
        let reported = idle.len().min(T::MaxReports::get() as usize);
        frame_system::Pallet::<T>::register_extra_weight_unchecked(
            T::WeightInfo::count_block(missed)
                .saturating_add(T::WeightInfo::end_session(idle.len() as u32))
                // The voters, and the owner of each one's key.
                .saturating_add(T::DbWeight::get().reads(u64::from(T::MaxValidators::get()) + 4))
                .saturating_add(T::ReportWeight::get().saturating_mul(reported as u64)),
            DispatchClass::Mandatory,
        );
        if !idle.is_empty() {
            Self::report(session, validators.len() as u32, &idle);
        }
    }

    /// The slots between the last block and one in `slot`, unless there are so many that nobody is
    /// to blame.
    fn skipped(slot: u64) -> Option<Range<u64>> {
        let first = LastSlot::<T>::get()?.saturating_add(1);
        let count = slot.checked_sub(first)?;
        (count <= u64::from(T::MaxGap::get())).then_some(first..slot)
    }

    /// Counts `slots` of the epoch in force as missed by their secondary authors, unless those are
    /// disabled; returns how many.
    fn count_missed(slots: Range<u64>, validators: &[T::AccountId]) -> u32 {
        let mut missed = 0;
        if slots.is_empty() {
            return missed;
        }
        let disabled = T::Slots::disabled();
        for slot in slots {
            let author = T::Slots::secondary_author(slot);
            let author = author.filter(|index| !disabled.contains(index));
            let Some(author) = author.and_then(|index| validators.get(index as usize)) else {
                continue;
            };
            Records::<T>::mutate(author, |record| record.missed = record.missed.saturating_add(1));
            missed += 1;
        }
        missed
    }

    /// Chills `idle` validators of `session` and reports as many as one session may. The others
    /// keep their counts, but not their proof, and are reported at the end of the next session if
    /// they are still idle and in the set.
    pub(crate) fn report(session: SessionIndex, validator_count: u32, idle: &[T::AccountId]) {
        let (now, later) = idle.split_at(idle.len().min(T::MaxReports::get() as usize));
        let silent = Self::find_silent(now, later);
        for validator in now {
            let Record { missed, .. } = Records::<T>::take(validator);
            T::Chill::chill(validator);
            if missed >= T::IdleAfter::get() {
                Self::deposit_event(Event::Idle { validator: validator.clone(), missed, session });
            }
        }
        for (validator, windows) in silent {
            Self::deposit_event(Event::Silent { validator, windows, session });
        }
        for validator in later {
            // Of one that was silent and missed nothing, nothing is left to say.
            Records::<T>::mutate_exists(validator, |kept| {
                let record = kept.take().map(|record| Record { proven: false, ..record });
                *kept = record.filter(|record| *record != Record::default());
            });
            T::Chill::chill(validator);
        }
        let identify = |validator: &T::AccountId| {
            let identification = IdentificationOf::<T>::convert(validator.clone())?;
            Some((validator.clone(), identification))
        };
        let offenders: Vec<OffenderOf<T>> = now.iter().filter_map(identify).collect();
        let together = idle.len() as u32;
        // A session ends once, so the report is never a duplicate.
        let _reported = T::ReportIdle::report_offence(
            Vec::new(),
            Idle { session, validator_count, together, offenders },
        );
    }

    /// Takes the proof of those that are silent until they vote. Those of `now` are counted from
    /// zero again and returned, with the windows for which they were silent.
    fn find_silent(now: &[T::AccountId], later: &[T::AccountId]) -> Vec<(T::AccountId, u32)> {
        let mut found = Vec::new();
        Ballots::<T>::mutate(|ballots| {
            for validator in now.iter().chain(later) {
                let Some(ballot) = ballots.get_mut(validator) else { continue };
                if ballot.silent < T::SilentAfter::get() {
                    continue;
                }
                ballot.found_silent = true;
                if now.contains(validator) {
                    found.push((validator.clone(), core::mem::take(&mut ballot.silent)));
                }
            }
        });
        found
    }
}
