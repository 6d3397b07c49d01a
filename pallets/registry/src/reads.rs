//! Reads: what the runtime API answers, and what other pallets ask.
//!
//! Every answer is bounded by [`MAX_PAGE`] and [`MAX_SCAN`]; a caller goes on after the last entry
//! that it got.

use alloc::vec::Vec;
use frame_support::{storage::child, traits::Get};
use mica_primitives::{
    BlockNumber, Hash32, LayerRange, ModelId, ModelRecord, PublicKey, RegistryParameters, Shard,
    WorkerRecord, WorkerStatus,
    hooks::{PeerKeys, Workers as WorkersLookup},
};

use crate::{Config, MAX_PAGE, MAX_SCAN, Models, Pallet, Places, SHELF, Workers, coverage};

/// A worker and whether it is online.
type Listed<AccountId> = (WorkerRecord<AccountId>, bool);

impl<T: Config> Pallet<T> {
    /// The model of that id.
    pub fn model(model: ModelId) -> Option<ModelRecord<T::AccountId>> {
        Models::<T>::get(model)
    }

    /// At most `limit` models after `from`, in storage order.
    pub fn models(from: Option<ModelId>, limit: u32) -> Vec<(ModelId, ModelRecord<T::AccountId>)> {
        let models = match from {
            Some(model) => Models::<T>::iter_from(Models::<T>::hashed_key_for(model)),
            None => Models::<T>::iter(),
        };
        models.take(limit.min(MAX_PAGE) as usize).collect()
    }

    /// At most `limit` workers of `model` after `from`, or from the first on if that one is not
    /// listed: those that have not left, jailed ones included, and of them only those that serve a
    /// layer of `range` if one is given.
    pub fn workers(
        model: ModelId,
        range: Option<LayerRange>,
        from: Option<T::AccountId>,
        limit: u32,
    ) -> Vec<Listed<T::AccountId>> {
        let now = Self::now();
        let first = from.and_then(Places::<T>::get).map_or(0, |place| place.saturating_add(1));
        Self::listed_from(model, first, MAX_SCAN / SHELF)
            .filter(|record| range.is_none_or(|range| record.range.overlaps(range)))
            .take(limit.min(MAX_PAGE) as usize)
            .map(|record| Self::listed(record, now))
            .collect()
    }

    /// The worker of that account, one that is leaving included.
    pub fn worker(account: &T::AccountId) -> Option<Listed<T::AccountId>> {
        Workers::<T>::get(account).map(|record| Self::listed(record, Self::now()))
    }

    /// Active workers on each layer of `model`; empty for an unknown one. A worker that fell silent
    /// counts until the sweep jails it.
    pub fn coverage(model: ModelId) -> Vec<u32> {
        Self::coverage_of(model)
    }

    /// Root of a shard's child trie; nothing for a shard that holds nothing.
    pub fn shard_root(shard: Shard) -> Option<Hash32> {
        let trie = coverage::trie(shard);
        if !child::exists(&trie, mica_primitives::shard::COVERAGE_KEY) {
            return None;
        }
        child::root(&trie, T::Version::get().state_version()).try_into().ok()
    }

    /// The rules, as this runtime sets them.
    pub fn parameters() -> RegistryParameters {
        RegistryParameters {
            min_stake_per_layer: T::MinStakePerLayer::get(),
            heartbeat_interval: T::HeartbeatInterval::get(),
            offline_after: T::OfflineAfter::get(),
            jail_after: T::JailAfter::get(),
            unbonding: T::Unbonding::get(),
            price_interval: T::PriceInterval::get(),
            model_deposit: T::ModelDeposit::get(),
        }
    }

    fn listed(record: WorkerRecord<T::AccountId>, now: BlockNumber) -> Listed<T::AccountId> {
        let record = Self::as_of(record, now);
        let online = Self::is_online(&record, now);
        (record, online)
    }

    /// The record as it will be once the sweep has come round in block `now`.
    fn as_of(
        mut record: WorkerRecord<T::AccountId>,
        now: BlockNumber,
    ) -> WorkerRecord<T::AccountId> {
        if Self::is_overdue(&record, now) {
            record.status = WorkerStatus::Jailed;
        }
        record
    }
}

impl<T: Config> PeerKeys<T::AccountId> for Pallet<T> {
    fn peer_key(account: &T::AccountId) -> Option<PublicKey> {
        Workers::<T>::get(account).map(|record| record.peer)
    }
}

impl<T: Config> WorkersLookup<T::AccountId> for Pallet<T> {
    fn worker(account: &T::AccountId) -> Option<WorkerRecord<T::AccountId>> {
        Workers::<T>::get(account).map(|record| Self::as_of(record, Self::now()))
    }
}
