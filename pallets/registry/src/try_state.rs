//! The invariants of the pallet's storage, recomputed from nothing. Unbounded on purpose: it runs
//! beside a chain, never in a block.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use codec::Encode;
use frame_support::{ensure, storage::child, traits::fungible::InspectHold};
use mica_primitives::{
    Balance, LayerRange, Shard, WorkerStatus,
    shard::{COVERAGE_KEY, ShardCoverage, TRIE_PREFIX, member_key},
};
use sp_core::storage::well_known_keys::DEFAULT_CHILD_STORAGE_KEY_PREFIX;
use sp_runtime::TryRuntimeError;

use crate::{
    Beats, Config, Counts, HoldReason, Models, OffenceEnds, OffenceQueue, Offences, Pallet,
    PeerOwner, Places, Shelves, Workers, coverage,
};

/// What one shard should hold.
#[derive(Default)]
struct Expected {
    counts: ShardCoverage,
    members: BTreeMap<Vec<u8>, LayerRange>,
}

impl<T: Config> Pallet<T> {
    /// Checks every invariant of the crate's documentation.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::check_money()?;
        Self::check_workers()?;
        Self::check_offences()?;
        Self::check_shards()
    }

    fn check_money() -> Result<(), TryRuntimeError> {
        let mut deposits = BTreeMap::<Vec<u8>, (T::AccountId, Balance)>::new();
        for (id, model) in Models::<T>::iter() {
            ensure!(model.manifest.id() == id, "a model is stored under the hash of its manifest");
            let owner = deposits.entry(model.owner.encode()).or_insert((model.owner, 0));
            owner.1 += model.deposit;
        }
        ensure!(
            deposits.values().all(|(owner, _)| frame_system::Account::<T>::contains_key(owner)),
            "an owner has an account"
        );
        ensure!(
            Workers::<T>::iter_keys().all(frame_system::Account::<T>::contains_key),
            "a worker has an account"
        );
        // Every account there is: a hold of nobody would be money that nobody gets back.
        for account in frame_system::Account::<T>::iter_keys() {
            let deposit = deposits.get(&account.encode()).map_or(0, |(_, deposit)| *deposit);
            ensure!(
                T::Currency::balance_on_hold(&HoldReason::ModelDeposit.into(), &account) == deposit,
                "an account's deposit on hold is the sum over its models"
            );
            let stake = Workers::<T>::get(&account).map_or(0, |worker| worker.stake);
            ensure!(
                T::Currency::balance_on_hold(&HoldReason::Stake.into(), &account) == stake,
                "an account's stake on hold is its worker's"
            );
        }
        Ok(())
    }

    fn check_workers() -> Result<(), TryRuntimeError> {
        let mut staying = 0;
        for (account, worker) in Workers::<T>::iter() {
            ensure!(worker.account == account, "a worker's record names its account");
            ensure!(
                PeerOwner::<T>::get(worker.peer).as_ref() == Some(&account),
                "a worker's peer key leads to it"
            );
            ensure!(
                worker.last_heartbeat <= Self::now() && worker.since <= Self::now(),
                "nothing happened in the future"
            );
            let place = Places::<T>::get(&account);
            if let WorkerStatus::Unbonding { .. } = worker.status {
                ensure!(place.is_none(), "who has left is not listed");
                continue;
            }
            staying += 1;
            let place = place.ok_or("a worker has a place")?;
            let copy = Self::listed_from(worker.model, place, 1).next();
            ensure!(copy.as_ref() == Some(&worker), "a worker's shelf has its record");
            let model = Models::<T>::get(worker.model).ok_or("a worker's model exists")?;
            ensure!(
                worker.range.is_valid_for(model.manifest.layers),
                "a worker's range lies within its model"
            );
            ensure!(
                worker.status != WorkerStatus::Active
                    || worker.stake >= Self::min_stake(worker.range),
                "an active worker holds the minimum stake"
            );
        }
        ensure!(Places::<T>::iter_keys().count() == staying, "only workers have a place");
        let listed: u32 = Counts::<T>::iter_values().sum();
        ensure!(listed as usize == staying, "a model's workers are counted");
        let (on_shelves, on_strips): (usize, usize) = (
            Shelves::<T>::iter_values().map(|shelf| shelf.len()).sum(),
            Beats::<T>::iter_values().map(|strip| strip.len()).sum(),
        );
        ensure!(
            on_shelves == staying && on_strips == staying,
            "only workers are on shelves, each once"
        );
        ensure!(
            Shelves::<T>::iter_values().all(|shelf| !shelf.is_empty())
                && Counts::<T>::iter_values().all(|count| count > 0),
            "an empty shelf occupies no storage"
        );
        ensure!(
            PeerOwner::<T>::iter_keys().count() == Workers::<T>::iter_keys().count(),
            "a peer key belongs to a worker"
        );
        Ok(())
    }

    fn check_offences() -> Result<(), TryRuntimeError> {
        let (head, tail) = OffenceEnds::<T>::get();
        let mut queued = BTreeSet::new();
        for number in head..tail {
            let (of, hash) =
                OffenceQueue::<T>::get(number).ok_or("the queue of offences has no gap")?;
            ensure!(Offences::<T>::contains_key(&of, hash), "a queued offence is remembered");
            ensure!(queued.insert((of.encode(), hash)), "an offence is queued once");
        }
        ensure!(
            OffenceQueue::<T>::iter_keys().count() as u64 == tail - head,
            "nothing lies outside the queue's ends"
        );
        ensure!(
            Offences::<T>::iter_keys().count() == queued.len(),
            "each offence that is remembered stands in the queue"
        );
        Ok(())
    }

    fn check_shards() -> Result<(), TryRuntimeError> {
        let mut expected = BTreeMap::<Shard, Expected>::new();
        for (id, model) in Models::<T>::iter() {
            for bucket in Shard::buckets(LayerRange { first: 0, end: model.manifest.layers }) {
                expected.insert(Shard { model: id, bucket }, Expected::default());
            }
        }
        for worker in
            Workers::<T>::iter_values().filter(|worker| worker.status == WorkerStatus::Active)
        {
            for bucket in Shard::buckets(worker.range) {
                let shard = Shard { model: worker.model, bucket };
                let entry = expected.entry(shard).or_default();
                for (layer, count) in (shard.first_layer()..).zip(entry.counts.iter_mut()) {
                    *count += u32::from(worker.range.contains(layer));
                }
                entry.members.insert(member_key(&worker.account), worker.range);
            }
        }
        for id in stored_tries() {
            ensure!(
                expected.keys().any(|shard| shard.trie_id() == id),
                "a shard is one of a model that is registered"
            );
        }
        for (shard, Expected { counts, members }) in expected {
            ensure!(
                coverage::counts(shard) == counts,
                "a shard's counts are those of its active workers"
            );
            let trie = coverage::trie(shard);
            let mut stored = keys(&trie);
            ensure!(
                stored.remove(COVERAGE_KEY) != members.is_empty(),
                "a shard without workers holds nothing"
            );
            ensure!(
                stored.len() == members.len(),
                "a shard lists its active workers and nobody else"
            );
            for (key, range) in members {
                ensure!(
                    child::get::<LayerRange>(&trie, &key) == Some(range),
                    "a shard lists each worker with its range"
                );
            }
        }
        Ok(())
    }
}

/// Identifiers of the shards' tries that the state holds. A trie appears here with the block that
/// wrote to it first, not before.
fn stored_tries() -> BTreeSet<Vec<u8>> {
    let prefix = [DEFAULT_CHILD_STORAGE_KEY_PREFIX, TRIE_PREFIX].concat();
    let mut tries = BTreeSet::new();
    let mut last = prefix.clone();
    while let Some(key) = sp_io::storage::next_key(&last).filter(|key| key.starts_with(&prefix)) {
        tries.insert(key[DEFAULT_CHILD_STORAGE_KEY_PREFIX.len()..].to_vec());
        last = key;
    }
    tries
}

/// Every key of a child trie.
fn keys(trie: &child::ChildInfo) -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::new();
    let mut last = Vec::new();
    while let Some(key) = sp_io::default_child_storage::next_key(trie.storage_key(), &last) {
        keys.insert(key.clone());
        last = key;
    }
    keys
}
