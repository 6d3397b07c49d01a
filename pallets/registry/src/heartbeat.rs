//! Heartbeats: who is alive, who is jailed for its silence, and how it comes back.
//!
//! Being offline is computed from the last heartbeat whenever somebody asks. Jailing changes the
//! coverage index, so it has to be written; a sweep goes round all workers, a few per block, with
//! weight that nothing else uses.

use alloc::vec::Vec;
use frame_support::{
    pallet_prelude::{DispatchError, Weight},
    traits::Get,
    weights::WeightMeter,
};
use mica_primitives::{WorkerRecord, WorkerStatus};

use crate::{
    Config, Event, MAX_SWEEP, Pallet, SweepCursor, WeightInfo, Workers, coverage::shards_of,
};

impl<T: Config> Pallet<T> {
    /// Whether `account`'s next heartbeat costs nothing: it is due, and would keep or bring the
    /// worker in service.
    pub fn heartbeat_is_free(account: &T::AccountId) -> bool {
        Self::staying(account).is_ok_and(|record| {
            Self::silence(&record) >= T::HeartbeatInterval::get()
                && record.stake >= Self::min_stake(record.range)
        })
    }

    /// Returns the number of shards that were written.
    pub(crate) fn do_heartbeat(who: &T::AccountId) -> Result<u32, DispatchError> {
        let mut record = Self::staying(who)?;
        record.last_heartbeat = Self::now();
        Self::deposit_event(Event::Heartbeat { worker: who.clone() });
        let shards = Self::try_unjail(&mut record);
        Workers::<T>::insert(who, record);
        Ok(shards)
    }

    /// Blocks since the last heartbeat.
    fn silence(record: &WorkerRecord<T::AccountId>) -> mica_primitives::BlockNumber {
        Self::now().saturating_sub(record.last_heartbeat)
    }

    /// Whether the worker serves and has beaten lately.
    pub(crate) fn is_online(record: &WorkerRecord<T::AccountId>) -> bool {
        record.status == WorkerStatus::Active && Self::silence(record) < T::OfflineAfter::get()
    }

    /// Whether the sweep would jail the worker.
    pub(crate) fn is_overdue(record: &WorkerRecord<T::AccountId>) -> bool {
        record.status == WorkerStatus::Active && Self::silence(record) >= T::JailAfter::get()
    }

    /// Takes an active worker out of service; the caller stores the record. Returns the number of
    /// shards that were written.
    pub(crate) fn jail(record: &mut WorkerRecord<T::AccountId>) -> u32 {
        record.status = WorkerStatus::Jailed;
        Self::deposit_event(Event::Jailed { worker: record.account.clone() });
        Self::shift_coverage(record, Some(record.range), None)
    }

    /// Puts a jailed worker back in service if it has beaten lately and its stake suffices; the
    /// caller stores the record. Returns the number of shards that were written.
    pub(crate) fn try_unjail(record: &mut WorkerRecord<T::AccountId>) -> u32 {
        let may_serve = Self::silence(record) < T::OfflineAfter::get()
            && record.stake >= Self::min_stake(record.range);
        if record.status != WorkerStatus::Jailed || !may_serve {
            return 0;
        }
        record.status = WorkerStatus::Active;
        Self::deposit_event(Event::Unjailed { worker: record.account.clone() });
        Self::shift_coverage(record, None, Some(record.range))
    }

    /// Jails the silent among the next few workers, as far as `remaining` reaches. Returns the
    /// weight used.
    pub(crate) fn sweep(remaining: Weight) -> Weight {
        let mut meter = WeightMeter::with_limit(remaining);
        if meter.try_consume(T::WeightInfo::sweep_base()).is_err() {
            return Weight::zero();
        }
        let mut looks = 0;
        while looks < MAX_SWEEP as usize && meter.try_consume(T::WeightInfo::sweep_look()).is_ok() {
            looks += 1;
        }
        let cursor = SweepCursor::<T>::get();
        let workers = match &cursor {
            Some(account) => Workers::<T>::iter_from(Workers::<T>::hashed_key_for(account)),
            None => Workers::<T>::iter(),
        };
        // Collected first: what is being iterated must not change.
        let batch: Vec<_> = workers.take(looks).collect();
        let mut next = match batch.last() {
            // Round: the next block begins again.
            _ if batch.len() < looks => None,
            Some((account, _)) => Some(account.clone()),
            None => cursor.clone(),
        };
        let mut last_done = cursor;
        for (account, mut record) in batch {
            if Self::is_overdue(&record) {
                if meter.try_consume(T::WeightInfo::jail(shards_of(record.range))).is_err() {
                    next = last_done;
                    break;
                }
                Self::jail(&mut record);
                Workers::<T>::insert(&account, record);
            }
            last_done = Some(account);
        }
        SweepCursor::<T>::set(next);
        meter.consumed()
    }
}
