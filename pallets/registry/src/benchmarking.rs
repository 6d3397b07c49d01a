//! Benchmarks of every call, and of the parts of the sweep, each at its worst: longest names, most
//! addresses, ranges that begin and end on the edge of a shard.

use frame_benchmarking::v2::*;
use frame_support::{
    traits::{Get, fungible::Mutate},
    weights::Weight,
};
use frame_system::RawOrigin;
use mica_primitives::{
    Balance, Heartbeat, LayerRange, MarketUnits, ModelId, ModelManifest, PeerClaim, PublicKey,
    Signature, WorkerAddresses, WorkerStatus,
    hooks::BenchmarkWorkers,
    layers::MAX_LAYERS,
    shard::{MAX_SHARDS, SHARD_LAYERS},
};
use sp_core::{crypto::KeyTypeId, ed25519};
use sp_runtime::traits::BlockNumberProvider;

use crate::{Call, Config, Models, Pallet, SweepCursor, WeightInfo, Workers};

/// More stake than any range needs.
fn plenty<T: Config>() -> Balance {
    let all = LayerRange { first: 0, end: MAX_LAYERS };
    Pallet::<T>::min_stake(all).saturating_add(T::ModelDeposit::get()).saturating_mul(4)
}

fn funded<T: Config>(account: &T::AccountId) {
    let amount = plenty::<T>().saturating_mul(1_000);
    T::Currency::set_balance(account, amount);
}

fn manifest() -> ModelManifest {
    ModelManifest {
        name: [b'n'; 64].to_vec().try_into().expect("64 bytes fit"),
        architecture: [b'a'; 32].to_vec().try_into().expect("32 bytes fit"),
        quantisation: [b'q'; 16].to_vec().try_into().expect("16 bytes fit"),
        layers: MAX_LAYERS,
        hidden: 8192,
        vocabulary: 256_000,
        context: 131_072,
        weights_root: [1; 32],
        tokenizer_hash: [2; 32],
        profile: [3; 32],
    }
}

const UNITS: MarketUnits = MarketUnits { price_unit: 1, cost_unit_us: 1 };

fn addresses() -> WorkerAddresses {
    let address = || [b'/'; 128].to_vec().try_into().expect("128 bytes fit");
    (0..4).map(|_| address()).collect::<alloc::vec::Vec<_>>().try_into().expect("4 addresses fit")
}

/// Registers the largest model.
fn model<T: Config>() -> ModelId {
    let id = manifest().id();
    if !Models::<T>::contains_key(id) {
        let owner: T::AccountId = account("owner", 0, 0);
        funded::<T>(&owner);
        Pallet::<T>::do_register_model(owner, manifest(), UNITS).expect("the owner is funded");
    }
    id
}

/// The range of `shards` shards.
fn range(shards: u32) -> LayerRange {
    LayerRange { first: 0, end: (shards as u16).saturating_mul(SHARD_LAYERS).max(1) }
}

/// Registers a worker for `range` with as much stake as all layers need.
fn worker<T: Config>(number: u32, range: LayerRange) -> T::AccountId {
    let account: T::AccountId = account("worker", number, 0);
    funded::<T>(&account);
    let peer = sp_io::hashing::blake2_256(&number.to_le_bytes());
    let stake = plenty::<T>();
    Pallet::<T>::do_register(account.clone(), model::<T>(), range, 1, 1, peer, addresses(), stake)
        .expect("the worker is funded");
    account
}

/// Where benchmark keys lie in the host's keystore.
const KEYS: KeyTypeId = KeyTypeId(*b"mica");

fn peer_key() -> ed25519::Public {
    sp_io::crypto::ed25519_generate(KEYS, None)
}

fn sign(key: &ed25519::Public, bytes: &[u8]) -> Signature {
    sp_io::crypto::ed25519_sign(KEYS, key, bytes).expect("the key was generated above").0
}

/// Lets `blocks` pass on the pallet's clock.
fn pass<T: Config>(blocks: u32) {
    T::BlockNumberProvider::set_block_number(
        T::BlockNumberProvider::current_block_number().saturating_add(blocks),
    );
}

/// Jails `account` whatever its stake.
fn put_in_jail<T: Config>(account: &T::AccountId) {
    let mut record = Workers::<T>::get(account).expect("the worker is registered");
    Pallet::<T>::jail(&mut record);
    Pallet::<T>::put(record);
}

fn status<T: Config>(account: &T::AccountId) -> Option<WorkerStatus> {
    Workers::<T>::get(account).map(|record| record.status)
}

impl<T: Config> BenchmarkWorkers<T::AccountId> for Pallet<T> {
    fn register_worker(worker: &T::AccountId, peer: PublicKey) -> ModelId {
        funded::<T>(worker);
        let model = model::<T>();
        let all = LayerRange { first: 0, end: MAX_LAYERS };
        let least = Self::min_stake(all);
        Self::do_register(worker.clone(), model, all, 1, 1, peer, addresses(), least)
            .expect("the worker is funded");
        model
    }
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn register_model() {
        let owner: T::AccountId = account("owner", 0, 0);
        funded::<T>(&owner);
        #[extrinsic_call]
        _(RawOrigin::Signed(owner), manifest(), UNITS);
        assert!(Models::<T>::contains_key(manifest().id()));
    }

    #[benchmark]
    fn remove_model() {
        let model = model::<T>();
        #[extrinsic_call]
        _(RawOrigin::Signed(account("owner", 0, 0)), model);
        assert!(!Models::<T>::contains_key(model));
    }

    #[benchmark]
    fn register(b: Linear<1, 32>) {
        let model = model::<T>();
        worker::<T>(1, range(u32::from(MAX_SHARDS)));
        let account: T::AccountId = account("worker", 2, 0);
        funded::<T>(&account);
        let key = peer_key();
        let claim = PeerClaim { account: account.clone() };
        let proof = sign(&key, &claim.signing_bytes(&Pallet::<T>::genesis()));
        #[extrinsic_call]
        _(
            RawOrigin::Signed(account.clone()),
            model,
            range(b),
            1,
            1,
            key.0,
            proof,
            addresses(),
            plenty::<T>(),
        );
        assert_eq!(status::<T>(&account), Some(WorkerStatus::Active));
    }

    #[benchmark]
    fn set_price() {
        let account = worker::<T>(1, range(1));
        pass::<T>(T::PriceInterval::get());
        #[extrinsic_call]
        _(RawOrigin::Signed(account.clone()), 77);
        assert_eq!(
            Workers::<T>::get(account).map(|record| record.list_price_per_layer_token),
            Some(77)
        );
    }

    #[benchmark]
    fn set_cost() {
        let account = worker::<T>(1, range(1));
        #[extrinsic_call]
        _(RawOrigin::Signed(account.clone()), 77);
        assert_eq!(
            Workers::<T>::get(account).map(|record| record.cost_us_per_layer_token),
            Some(77)
        );
    }

    #[benchmark]
    fn set_range(b: Linear<2, 32>) {
        worker::<T>(1, range(u32::from(MAX_SHARDS)));
        // From the first half of `b` shards to the second.
        let half = b as u16 / 2 * SHARD_LAYERS;
        let account = worker::<T>(2, LayerRange { first: 0, end: half });
        let to = LayerRange { first: half, end: b as u16 * SHARD_LAYERS };
        #[extrinsic_call]
        _(RawOrigin::Signed(account.clone()), to);
        assert_eq!(Workers::<T>::get(account).map(|record| record.range), Some(to));
    }

    #[benchmark]
    fn set_addresses() {
        let account = worker::<T>(1, range(1));
        #[extrinsic_call]
        _(RawOrigin::Signed(account.clone()), addresses());
        assert_eq!(Workers::<T>::get(account).map(|record| record.addresses), Some(addresses()));
    }

    #[benchmark]
    fn heartbeat() {
        let (account, key): (T::AccountId, _) = (account("worker", 1, 0), peer_key());
        Pallet::<T>::register_worker(&account, key.0);
        pass::<T>(T::HeartbeatInterval::get());
        let at = T::BlockNumberProvider::current_block_number();
        let beat = Heartbeat { worker: account.clone(), at };
        let signature = sign(&key, &beat.signing_bytes(&Pallet::<T>::genesis()));
        #[block]
        {
            // A block's maker checks the signature too.
            Pallet::<T>::validate_heartbeat(&beat, &signature).expect("the heartbeat is due");
            Pallet::<T>::do_heartbeat(&beat).expect("the worker is registered");
        }
        assert_eq!(Workers::<T>::get(account).map(|record| record.last_heartbeat), Some(at));
    }

    #[benchmark]
    fn unjail(b: Linear<1, 32>) {
        let account = worker::<T>(1, range(b));
        put_in_jail::<T>(&account);
        #[extrinsic_call]
        _(RawOrigin::Signed(account.clone()));
        assert_eq!(status::<T>(&account), Some(WorkerStatus::Active));
    }

    #[benchmark]
    fn top_up_stake(b: Linear<1, 32>) {
        let account = worker::<T>(1, range(b));
        put_in_jail::<T>(&account);
        #[extrinsic_call]
        _(RawOrigin::Signed(account.clone()), 1);
        assert_eq!(status::<T>(&account), Some(WorkerStatus::Active));
    }

    #[benchmark]
    fn unregister(b: Linear<1, 32>) {
        let account = worker::<T>(1, range(b));
        #[extrinsic_call]
        _(RawOrigin::Signed(account.clone()));
        assert!(matches!(status::<T>(&account), Some(WorkerStatus::Unbonding { .. })));
    }

    #[benchmark]
    fn withdraw() {
        let account = worker::<T>(1, range(1));
        Pallet::<T>::do_unregister(&account).expect("nothing binds the worker");
        pass::<T>(T::Unbonding::get());
        #[extrinsic_call]
        _(RawOrigin::Signed(account.clone()));
        assert!(!Workers::<T>::contains_key(account));
    }

    #[benchmark]
    fn sweep_base() {
        let account = worker::<T>(1, range(1));
        SweepCursor::<T>::put(&account);
        #[block]
        {
            Pallet::<T>::sweep(T::WeightInfo::sweep_base());
        }
        assert_eq!(SweepCursor::<T>::get(), Some(account));
    }

    #[benchmark]
    fn sweep_look() {
        worker::<T>(1, range(1));
        #[block]
        {
            Pallet::<T>::sweep(Weight::MAX);
        }
        assert_eq!(SweepCursor::<T>::get(), None);
    }

    #[benchmark]
    fn jail(b: Linear<1, 32>) {
        let account = worker::<T>(1, range(b));
        pass::<T>(T::JailAfter::get());
        #[block]
        {
            Pallet::<T>::sweep(Weight::MAX);
        }
        assert_eq!(status::<T>(&account), Some(WorkerStatus::Jailed));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
