//! Heartbeats: who is alive, who is jailed for its silence, and how it comes back.
//!
//! A heartbeat is checked in full before it enters a pool or a block, and again by whoever imports
//! the block; see the crate's documentation for why it is not signed by an account.
//!
//! Being offline is computed from the last heartbeat whenever somebody asks. Jailing changes the
//! coverage index, so it has to be written; a sweep goes round all workers, a few per block, with
//! weight that nothing else uses.

use alloc::vec::Vec;
use frame_support::{
    ensure,
    pallet_prelude::{
        DispatchError, DispatchResult, InvalidTransaction, TransactionValidity, ValidTransaction,
        Weight,
    },
    traits::Get,
    weights::WeightMeter,
};
use mica_primitives::{
    BlockNumber, Hash32, Heartbeat, PeerClaim, PublicKey, Signature, WorkerRecord, WorkerStatus,
};
use sp_core::ed25519;
use sp_runtime::traits::Zero;

use crate::{
    Config, Error, Event, HEARTBEAT_PRIORITY, MAX_SWEEP, Pallet, SweepCursor, WeightInfo, Workers,
    coverage::shards_of,
};

impl<T: Config> Pallet<T> {
    /// Whether a heartbeat may enter a pool or a block now, and before what else.
    ///
    /// One of a worker that is not in service proves nothing that anybody asks. One that names a
    /// block less than an interval after the last, or one that the chain has not reached, may be
    /// due later: [`InvalidTransaction::Future`]. One that names a block an interval ago comes too
    /// late: [`InvalidTransaction::Stale`]. Otherwise a worker that was silent for longer could
    /// send several in a row, and so few would be enough to crowd others out.
    pub(crate) fn validate_heartbeat(
        beat: &Heartbeat<T::AccountId>,
        signature: &Signature,
    ) -> TransactionValidity {
        let record = Workers::<T>::get(&beat.worker)
            .filter(|record| record.status == WorkerStatus::Active)
            .ok_or(InvalidTransaction::BadSigner)?;
        let due = record.last_heartbeat.saturating_add(T::HeartbeatInterval::get());
        let now = Self::now();
        if beat.at < due || beat.at > now {
            return InvalidTransaction::Future.into();
        }
        if now.saturating_sub(beat.at) >= T::HeartbeatInterval::get() {
            return InvalidTransaction::Stale.into();
        }
        let bytes = beat.signing_bytes(&Self::genesis());
        if !is_signed(&bytes, signature, &record.peer) {
            return InvalidTransaction::BadProof.into();
        }
        ValidTransaction::with_tag_prefix("mica/heartbeat")
            .priority(HEARTBEAT_PRIORITY.saturating_add(silence(&record, now).into()))
            .and_provides((&beat.worker, record.last_heartbeat))
            .longevity(T::HeartbeatInterval::get().into())
            .propagate(true)
            .build()
    }

    /// Writes a heartbeat down that was checked before.
    pub(crate) fn do_heartbeat(beat: &Heartbeat<T::AccountId>) -> DispatchResult {
        let mut record = Workers::<T>::get(&beat.worker).ok_or(Error::<T>::NotRegistered)?;
        record.last_heartbeat = beat.at.max(record.last_heartbeat);
        Self::put_beat(&record);
        Workers::<T>::insert(&beat.worker, record);
        Self::deposit_event(Event::Heartbeat { worker: beat.worker.clone() });
        Ok(())
    }

    /// Returns the number of shards that were written.
    pub(crate) fn do_unjail(who: &T::AccountId) -> Result<u32, DispatchError> {
        let mut record = Self::staying(who)?;
        ensure!(record.stake >= Self::min_stake(record.range), Error::<T>::StakeTooLow);
        record.last_heartbeat = Self::now();
        Self::deposit_event(Event::Heartbeat { worker: who.clone() });
        let shards = Self::try_unjail(&mut record);
        Self::put(record);
        Ok(shards)
    }

    /// Whether the worker serves and has beaten lately, seen from block `now`: who asks about many
    /// reads the clock once.
    pub(crate) fn is_online(record: &WorkerRecord<T::AccountId>, now: BlockNumber) -> bool {
        record.status == WorkerStatus::Active && silence(record, now) < T::OfflineAfter::get()
    }

    /// Whether a sweep in block `now` would jail the worker.
    pub(crate) fn is_overdue(record: &WorkerRecord<T::AccountId>, now: BlockNumber) -> bool {
        record.status == WorkerStatus::Active && silence(record, now) >= T::JailAfter::get()
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
        let may_serve = silence(record, Self::now()) < T::OfflineAfter::get()
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
        let now = Self::now();
        let mut last_done = cursor;
        for (account, mut record) in batch {
            if Self::is_overdue(&record, now) {
                if meter.try_consume(T::WeightInfo::jail(shards_of(record.range))).is_err() {
                    next = last_done;
                    break;
                }
                Self::jail(&mut record);
                Self::put(record);
            }
            last_done = Some(account);
        }
        SweepCursor::<T>::set(next);
        meter.consumed()
    }

    /// Whether `account`'s worker holds the secret of `peer`.
    pub(crate) fn check_claim(
        account: &T::AccountId,
        peer: PublicKey,
        proof: &Signature,
    ) -> DispatchResult {
        let bytes = PeerClaim { account: account.clone() }.signing_bytes(&Self::genesis());
        ensure!(is_signed(&bytes, proof, &peer), Error::<T>::BadPeerProof);
        Ok(())
    }

    /// The genesis hash: binds signatures to this chain. The system never prunes it.
    pub(crate) fn genesis() -> Hash32 {
        frame_system::Pallet::<T>::block_hash(
            frame_system::pallet_prelude::BlockNumberFor::<T>::zero(),
        )
        .0
    }
}

/// Whether `key` signed `bytes`.
fn is_signed(bytes: &[u8], signature: &Signature, key: &PublicKey) -> bool {
    let (signature, key) =
        (ed25519::Signature::from_raw(*signature), ed25519::Public::from_raw(*key));
    sp_io::crypto::ed25519_verify(&signature, bytes, &key)
}

/// Blocks from the worker's last heartbeat to block `now`.
fn silence<AccountId>(record: &WorkerRecord<AccountId>, now: BlockNumber) -> BlockNumber {
    now.saturating_sub(record.last_heartbeat)
}
