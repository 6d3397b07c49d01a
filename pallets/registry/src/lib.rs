//! # Registry: who serves which layers of which model, and what it stands to lose
//!
//! ## Overview
//! A payer who wants an answer needs a **path**: workers whose layer ranges join to the whole
//! model. This pallet is the list from which paths are made. It knows *models* by the hash of their
//! manifest and *workers* by their account, keeps a **stake** on hold for each worker, and counts
//! on every layer how many active workers serve it.
//!
//! ## Roles
//! * A **model owner** registers a manifest and leaves a deposit. It has no power over the workers.
//! * A **worker operator** registers one range of one model per account, moves, leaves.
//! * A **worker's peer key** proves at the registration that the worker holds it, and signs the
//!   heartbeats.
//! * **Other pallets** ask through the traits of `mica_primitives::hooks`: channels for peer keys,
//!   agreements for workers and slashes.
//! * **Payers and light workers** read through [`runtime_api`], or follow the child trie of one
//!   shard.
//!
//! ## State of a worker
//! ```text
//!                register                silent ≥ JailAfter, or slashed below the minimum
//!   (nobody) ─────────────────▶ Active ──────────────────────────────────────────────────▶ Jailed
//!       ▲                         │ ▲ ────── unjail, or top_up_stake after a beat: stake suffices ─┘ │
//!       │ withdraw,               │                                                                │
//!       │ now ≥ until             └───────────────── unregister ──▶ Unbonding{until} ◀─────────────┘
//!       └─────────────────────────────────────────────────────────────────┘
//! ```
//! *Offline* is not a state: a worker is online while it is `Active` and `now < last_heartbeat +
//! OfflineAfter`. A worker whose silence reaches `JailAfter` is jailed by a sweep in `on_idle`,
//! which looks at no more than [`MAX_SWEEP`] workers per block and so comes round `n` workers in `n
//! / MAX_SWEEP` blocks; reads report it as jailed at once, only the coverage counts wait for the
//! sweep.
//!
//! ## Heartbeats
//! A heartbeat is a transaction without an account's signature: the worker's peer key signs "I
//! lived in block `at`", and anybody may hand it in. So it costs no fee, needs no nonce, and no
//! other transaction of the worker's account can hold it up. What keeps it cheap for the chain:
//! * It reads and writes one record, and a strip of sixteen numbers, and no shard: only
//!   [`Call::unjail`], which is paid for, changes the coverage index.
//! * One per worker and interval. It is valid once, names a block `HeartbeatInterval` or more after
//!   the last heartbeat and less than that ago, and names the last in its tag, so that a pool holds
//!   at most one of each worker; an account that is no active worker with its stake on hold has
//!   none at all.
//! * It is *operational*: a quarter of each block is closed to ordinary transactions, half of it to
//!   heartbeats, so that redeems pass whatever workers do. Of what waits it comes first
//!   ([`HEARTBEAT_PRIORITY`]), and among heartbeats those of the workers that were silent for
//!   longest. Whoever fills blocks pays without end and takes nobody offline;
//!   `docs/attack-costs.md` has the numbers.
//!
//! `at` becomes the last heartbeat, not the block that holds it: one that is held back proves no
//! more than it says.
//!
//! ## Rules
//! * Stake: `stake ≥ MinStakePerLayer · layers` to register, to widen a range, to leave jail.
//! * Price: a list price may change every `PriceInterval` blocks: quotes move off chain, the
//!   ceiling does not flicker.
//! * Moving: [`Call::set_range`] is refused if a layer would lose its last active worker, or while
//!   the worker is bound by an agreement.
//! * Leaving: [`Call::unregister`] **may** uncover a layer. An operator must always be able to
//!   leave, or nobody sensible would join; only agreements that it accepted bind it, and those end
//!   by themselves. The stake stays on hold, and can be slashed, for `Unbonding` blocks: longer
//!   than the longest window of a channel with all its extensions and the longest dispute after it.
//!   It stays longer while a channel pays the worker, because a voucher may still fix receipts
//!   there (nobody opens another; the worker may close it at any time), and for `LongestDispute`
//!   blocks after each root that was fixed meanwhile. So stake outlasts every voucher.
//! * A jailed worker covers nothing, so it may take any range. Whoever wants to leave its layers
//!   that way pays with the silence.
//! * Slash: never more than the stake, once per offence; `SlashReward ≤ ½` of it to the reporter,
//!   the rest burned. An offence is remembered until its worker has withdrawn: until then a newer
//!   root may cover the same receipt again, and afterwards no root can be held against it. Then it
//!   is forgotten as other offences come, and stays known if the worker is back before that. A
//!   receipt names its session and no channel, so who comes back later takes a new peer key:
//!   receipts under the old one could be held against it anew.
//!
//! ## Example
//! With 10 MICA per layer, a worker of 8 layers holds 80. A breach takes 32 of them and
//! `SlashReward` is a quarter: the reporter gets 8, 24 are burned, 48 are left. That is less than
//! 80, so the worker is jailed. It may top up 32, or take 4 layers and ask ([`Call::unjail`]), to
//! serve again.
//!
//! ## Shards
//! The coverage index lives in one child trie per (model, bucket of 16 layers);
//! `mica_primitives::shard` fixes names and bytes. A worker proves and follows the tries of its own
//! layers only.
//!
//! ## Invariants (`Pallet::do_try_state` checks them after every test block)
//! 1. Stake on hold of each account = its record's stake; no worker, no hold. Deposit on hold of
//!    each account = Σ its models' deposits; no model, no hold.
//! 2. Peer keys and workers are one to one.
//! 3. The shelves of a model, which exists, hold exactly its workers that have not left, each with
//!    its record and its last heartbeat in the place that `Places` says; its layers their ranges
//!    fit.
//! 4. An active worker's stake is at least the minimum for its range.
//! 5. Every shard equals the one recomputed from the active workers; no shard has other bytes in
//!    it, and there is none of a model that was removed.
//! 6. Each offence that is remembered stands in the queue once, and its end is not before that of
//!    the one before it.
//!
//! ## Limits
//! The first to register a manifest fixes its market units; a manifest that differs by a letter of
//! its name is another model.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod coverage;
mod heartbeat;
mod models;
mod reads;
mod shelves;
mod stake;
mod workers;

pub mod runtime_api;
pub mod weights;

// Benchmarks run once each as tests.
#[cfg(any(feature = "runtime-benchmarks", test))]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;

pub use pallet::*;
pub use shelves::SHELF;
pub use weights::WeightInfo;

/// Most workers that one block's sweep looks at.
pub const MAX_SWEEP: u32 = 16;
/// Most workers or models that one read returns.
pub const MAX_PAGE: u32 = 10_000;
/// Most workers that one read looks at, including those that its filter drops.
pub const MAX_SCAN: u32 = 4 * MAX_PAGE;
/// Most offences of which one slash asks whether they must still be known: more than it adds, so
/// that those of workers that are gone do not pile up.
pub const MAX_FORGOTTEN: u32 = 2;
/// Least priority of a heartbeat in a pool: before everything that is paid for, whatever the tip,
/// and after a proof of equivocation. The longer a worker was silent, the higher it is: where
/// heartbeats crowd each other, those come first whose workers would be offline next.
pub const HEARTBEAT_PRIORITY: u64 = u64::MAX - (1 << 33);

// Heartbeats are unsigned transactions, as the reports of the SDK's own consensus pallets.
#[allow(
    deprecated,
    clippy::let_unit_value,
    reason = "the way that replaces them, general transactions, cannot be made by the libraries \
              that clients of ours use"
)]
#[allow(clippy::too_many_arguments, reason = "a call has its fields as arguments")]
#[frame_support::pallet]
pub mod pallet {
    use frame_support::{dispatch::DispatchClass, pallet_prelude::*, traits::fungible};
    use frame_system::pallet_prelude::*;
    use mica_primitives::{
        Balance, BlockNumber, Hash32, Heartbeat, LayerRange, MarketUnits, ModelId, ModelManifest,
        ModelRecord, PublicKey, Signature, WorkerAddresses, WorkerRecord,
        hooks::{OpenAgreements, OpenChannels},
        shard::MAX_SHARDS,
    };
    use sp_core::H256;
    use sp_runtime::{Perbill, traits::BlockNumberProvider};

    use crate::{
        WeightInfo,
        coverage::shards_of,
        shelves::{Shelf, Strip},
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>, Hash = H256> {
        /// Holds stakes and deposits.
        type Currency: fungible::Mutate<Self::AccountId, Balance = Balance>
            + fungible::hold::Mutate<
                Self::AccountId,
                Reason = Self::RuntimeHoldReason,
                Balance = Balance,
            >;
        /// The runtime's reasons for a hold.
        type RuntimeHoldReason: From<HoldReason>;
        /// The clock of all windows. A clock that stands still while the chain is paused keeps
        /// workers from being jailed by the pause.
        type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumber>;
        /// Who knows whether a worker is bound.
        type OpenAgreements: OpenAgreements<Self::AccountId>;
        /// Who knows whether a worker can still be paid, and fix receipts with it.
        type OpenChannels: OpenChannels<Self::AccountId>;
        /// Held from a model's owner.
        #[pallet::constant]
        type ModelDeposit: Get<Balance>;
        /// Least stake per layer served.
        #[pallet::constant]
        type MinStakePerLayer: Get<Balance>;
        /// Blocks from one heartbeat until the next is due.
        #[pallet::constant]
        type HeartbeatInterval: Get<BlockNumber>;
        /// Blocks of silence after which a worker is offline.
        #[pallet::constant]
        type OfflineAfter: Get<BlockNumber>;
        /// Blocks of silence after which a worker is jailed.
        #[pallet::constant]
        type JailAfter: Get<BlockNumber>;
        /// Blocks from `unregister` to `withdraw`.
        #[pallet::constant]
        type Unbonding: Get<BlockNumber>;
        /// The longest that a claim against a worker can stay open after its receipts were fixed,
        /// over all pallets that slash. Shorter than `Unbonding`.
        #[pallet::constant]
        type LongestDispute: Get<BlockNumber>;
        /// The longest that a payee has to redeem after a payer asked to close, all extensions
        /// included. With `LongestDispute` after it still shorter than `Unbonding`: a payer that
        /// closes when its worker leaves loses nothing by the worker's leaving.
        #[pallet::constant]
        type LongestClose: Get<BlockNumber>;
        /// Least blocks between two changes of a list price.
        #[pallet::constant]
        type PriceInterval: Get<BlockNumber>;
        /// A reporter's part of a slash, at most one half.
        #[pallet::constant]
        type SlashReward: Get<Perbill>;
        /// Measured weights.
        type WeightInfo: WeightInfo;
    }

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// A model occupies storage.
        ModelDeposit,
        /// A worker vouches for its computations.
        Stake,
    }

    /// The models, by the hash of their manifest.
    #[pallet::storage]
    pub type Models<T: Config> =
        StorageMap<_, Blake2_128Concat, ModelId, ModelRecord<T::AccountId>>;

    /// The workers, those that are leaving included.
    #[pallet::storage]
    pub type Workers<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, WorkerRecord<T::AccountId>>;

    /// The workers of each model that have not left, packed for those who read them all.
    #[pallet::storage]
    pub type Shelves<T: Config> = StorageDoubleMap<
        _,
        Blake2_128Concat,
        ModelId,
        Twox64Concat,
        u32,
        Shelf<T::AccountId>,
        ValueQuery,
    >;

    /// The last heartbeats of the workers on each shelf.
    #[pallet::storage]
    pub type Beats<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, ModelId, Twox64Concat, u32, Strip, ValueQuery>;

    /// How many workers of each model have not left.
    #[pallet::storage]
    pub type Counts<T: Config> = StorageMap<_, Blake2_128Concat, ModelId, u32, ValueQuery>;

    /// The place of each worker that has not left among those of its model.
    #[pallet::storage]
    pub type Places<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u32>;

    /// Whose a peer key is.
    #[pallet::storage]
    pub type PeerOwner<T: Config> = StorageMap<_, Blake2_128Concat, PublicKey, T::AccountId>;

    /// The offences for which somebody was punished.
    #[pallet::storage]
    pub type Offences<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Blake2_128Concat, Hash32, ()>;

    /// The same by number, in the order in which they were looked at last.
    #[pallet::storage]
    pub type OffenceQueue<T: Config> = StorageMap<_, Twox64Concat, u64, (T::AccountId, Hash32)>;

    /// Numbers of the queue's first entry and of its next.
    #[pallet::storage]
    pub type OffenceEnds<T: Config> = StorageValue<_, (u64, u64), ValueQuery>;

    /// The worker at which the last sweep stopped; nothing after it reached the end.
    #[pallet::storage]
    pub type SweepCursor<T: Config> = StorageValue<_, T::AccountId>;

    #[pallet::event]
    #[allow(missing_docs, reason = "the sentence of a variant speaks of its fields")]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A model can be served.
        ModelRegistered { model: ModelId, owner: T::AccountId },
        /// A model is gone and its deposit released.
        ModelRemoved { model: ModelId },
        /// A worker serves a range.
        WorkerRegistered { worker: T::AccountId, model: ModelId, range: LayerRange },
        /// A worker's list price, base units per layer-token.
        PriceChanged { worker: T::AccountId, price: Balance },
        /// A worker's cost, microseconds per layer-token.
        CostChanged { worker: T::AccountId, cost_us: u32 },
        /// A worker moved.
        RangeChanged { worker: T::AccountId, from: LayerRange, to: LayerRange },
        /// A worker can be reached elsewhere.
        AddressesChanged { worker: T::AccountId },
        /// A worker lives.
        Heartbeat { worker: T::AccountId },
        /// A worker's whole stake after adding to it.
        StakeToppedUp { worker: T::AccountId, stake: Balance },
        /// A worker serves no more; its stake is held until block `until`.
        Unregistered { worker: T::AccountId, until: BlockNumber },
        /// A worker has its stake back and its record is gone.
        Withdrawn { worker: T::AccountId, amount: Balance },
        /// A worker lost stake: `amount = burned + reward`.
        Slashed {
            worker: T::AccountId,
            amount: Balance,
            burned: Balance,
            reward: Balance,
            reporter: Option<T::AccountId>,
        },
        /// A worker was silent for too long or has too little stake; it serves no more.
        Jailed { worker: T::AccountId },
        /// A worker serves again.
        Unjailed { worker: T::AccountId },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// No model has this id: register it first.
        UnknownModel,
        /// This manifest is registered already.
        ModelExists,
        /// A name is empty or not UTF-8, the layers are not within `1..=512`, or a size is 0.
        BadManifest,
        /// A market unit is 0.
        BadUnits,
        /// Only the model's owner may remove it.
        NotOwner,
        /// Workers still serve this model.
        ModelInUse,
        /// This account is a worker already, or has not withdrawn yet: one range per account.
        AlreadyRegistered,
        /// This account is no worker.
        NotRegistered,
        /// The range is empty, reversed or exceeds the model's layers.
        BadRange,
        /// A cost is at least 1 µs per layer-token.
        ZeroCost,
        /// An address is no multiaddress: it must be UTF-8 and start with `/`.
        BadAddress,
        /// Another worker has this peer key: make a new one.
        PeerKeyTaken,
        /// The peer key has not signed this account's claim to it: sign it with the key's secret.
        BadPeerProof,
        /// The stake is below the minimum for this many layers: top it up or serve fewer.
        StakeTooLow,
        /// The list price changed too recently: wait for `PriceInterval` blocks.
        PriceTooSoon,
        /// The worker serves this very range.
        RangeUnchanged,
        /// A layer would lose its last active worker: wait for another to come.
        WouldUncover,
        /// An accepted agreement is not settled: finish it or wait for its deadline.
        BoundByAgreement,
        /// The worker has unregistered: withdraw, then register again.
        Leaving,
        /// The worker has not unregistered.
        NotLeaving,
        /// The stake is held until the unbonding period ends.
        StillBonded,
        /// A channel still pays this account, and a voucher may fix receipts there: close it first.
        PaidByChannel,
        /// The amount is 0.
        ZeroAmount,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Jails silent workers: looks at no more than [`crate::MAX_SWEEP`], and at none that the
        /// block has no weight left for.
        fn on_idle(_: BlockNumberFor<T>, remaining: Weight) -> Weight {
            Self::sweep(remaining)
        }

        fn integrity_test() {
            assert!(
                T::HeartbeatInterval::get() > 0,
                "a heartbeat that is always due is always free"
            );
            assert!(
                T::HeartbeatInterval::get() < T::OfflineAfter::get(),
                "a worker must be able to beat before it counts as offline"
            );
            assert!(
                T::OfflineAfter::get() < T::JailAfter::get(),
                "a worker is offline before it is jailed"
            );
            assert!(
                T::LongestClose::get().saturating_add(T::LongestDispute::get())
                    < T::Unbonding::get(),
                "stake must outlast every voucher and every claim that follows from it"
            );
            assert!(
                T::SlashReward::get() <= Perbill::from_percent(50),
                "at least half of a slash is burned"
            );
            assert!(T::MinStakePerLayer::get() > 0, "a worker without stake has nothing to lose");
            assert!(T::ModelDeposit::get() > 0, "storage costs a deposit");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Registers a model under the hash of its manifest.
        ///
        /// Origin: signed; the owner. Deposit: `ModelDeposit`, until [`Call::remove_model`].
        /// Weight: constant. Errors: `BadManifest`, `BadUnits`, `ModelExists`, no funds. Event:
        /// `ModelRegistered`.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::register_model())]
        pub fn register_model(
            origin: OriginFor<T>,
            manifest: ModelManifest,
            units: MarketUnits,
        ) -> DispatchResult {
            Self::do_register_model(ensure_signed(origin)?, manifest, units)
        }

        /// Removes a model that nobody serves any more and releases its deposit.
        ///
        /// Origin: signed by the owner. Weight: constant. Errors: `UnknownModel`, `NotOwner`,
        /// `ModelInUse`. Event: `ModelRemoved`.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::remove_model())]
        pub fn remove_model(origin: OriginFor<T>, model: ModelId) -> DispatchResult {
            Self::do_remove_model(&ensure_signed(origin)?, model)
        }

        /// Begins to serve `range` of `model` at `cost_us` microseconds and at most `list_price`
        /// base units per layer-token.
        ///
        /// Origin: signed; the worker. `proof`: the peer key's signature over
        /// [`PeerClaim`](mica_primitives::PeerClaim) of this account. Hold: `stake`, at least
        /// `MinStakePerLayer` per layer. Weight: by buckets of the range. Errors: `BadPeerProof`,
        /// `AlreadyRegistered`, `UnknownModel`, `BadRange`, `ZeroCost`, `BadAddress`,
        /// `PeerKeyTaken`, `StakeTooLow`, no funds. Event: `WorkerRegistered`.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::register(shards_of(*range)))]
        pub fn register(
            origin: OriginFor<T>,
            model: ModelId,
            range: LayerRange,
            cost_us: u32,
            list_price: Balance,
            peer: PublicKey,
            proof: Signature,
            addresses: WorkerAddresses,
            stake: Balance,
        ) -> DispatchResult {
            let account = ensure_signed(origin)?;
            Self::check_claim(&account, peer, &proof)?;
            Self::do_register(account, model, range, cost_us, list_price, peer, addresses, stake)
        }

        /// Sets the list price, the ceiling of the worker's quotes.
        ///
        /// Origin: signed by the worker. Weight: constant. Errors: `NotRegistered`, `Leaving`,
        /// `PriceTooSoon`. Event: `PriceChanged`.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::set_price())]
        pub fn set_price(origin: OriginFor<T>, price: Balance) -> DispatchResult {
            Self::do_set_price(&ensure_signed(origin)?, price)
        }

        /// Sets the measured cost.
        ///
        /// Origin: signed by the worker. Weight: constant. Errors: `NotRegistered`, `Leaving`,
        /// `ZeroCost`. Event: `CostChanged`.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::set_cost())]
        pub fn set_cost(origin: OriginFor<T>, cost_us: u32) -> DispatchResult {
            Self::do_set_cost(&ensure_signed(origin)?, cost_us)
        }

        /// Moves to another range of the same model.
        ///
        /// Origin: signed by the worker. Weight: by buckets of both ranges; what was charged too
        /// much is refunded. Errors: `NotRegistered`, `Leaving`, `RangeUnchanged`, `UnknownModel`,
        /// `BadRange`, `StakeTooLow`, `BoundByAgreement`, `WouldUncover`. Event: `RangeChanged`.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::set_range(shards_of(*range).saturating_add(u32::from(MAX_SHARDS))))]
        pub fn set_range(origin: OriginFor<T>, range: LayerRange) -> DispatchResultWithPostInfo {
            let shards = Self::do_set_range(&ensure_signed(origin)?, range)?;
            Ok(Some(T::WeightInfo::set_range(shards)).into())
        }

        /// Says where the worker can be dialled.
        ///
        /// Origin: signed by the worker. Weight: constant. Errors: `NotRegistered`, `Leaving`,
        /// `BadAddress`. Event: `AddressesChanged`.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::set_addresses())]
        pub fn set_addresses(origin: OriginFor<T>, addresses: WorkerAddresses) -> DispatchResult {
            Self::do_set_addresses(&ensure_signed(origin)?, addresses)
        }

        /// Says that an active worker lives.
        ///
        /// Origin: none; `signature` is by the worker's peer key over `beat`, and is checked before
        /// the transaction enters a pool or a block. No fee. Weight: constant, operational. Errors:
        /// `NotRegistered`. Event: `Heartbeat`.
        #[pallet::call_index(7)]
        #[pallet::weight((T::WeightInfo::heartbeat(), DispatchClass::Operational))]
        pub fn heartbeat(
            origin: OriginFor<T>,
            beat: Heartbeat<T::AccountId>,
            _signature: Signature,
        ) -> DispatchResult {
            ensure_none(origin)?;
            Self::do_heartbeat(&beat)
        }

        /// Adds to the stake; brings the worker out of jail if that suffices and it has beaten
        /// lately.
        ///
        /// Origin: signed by the worker. Hold: `amount` more. Weight: by buckets of the range when
        /// it leaves jail; what was charged too much is refunded.
        /// Errors: `ZeroAmount`, `NotRegistered`, `Leaving`, no funds. Events: `StakeToppedUp`,
        /// `Unjailed`.
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::top_up_stake(u32::from(MAX_SHARDS)))]
        pub fn top_up_stake(origin: OriginFor<T>, amount: Balance) -> DispatchResultWithPostInfo {
            let shards = Self::do_top_up_stake(&ensure_signed(origin)?, amount)?;
            Ok(Some(T::WeightInfo::top_up_stake(shards)).into())
        }

        /// Stops serving. The stake stays on hold for `Unbonding` blocks, the peer key stays known
        /// for as long.
        ///
        /// Origin: signed by the worker. Weight: by buckets of the range. Errors: `NotRegistered`,
        /// `Leaving`, `BoundByAgreement`. Event: `Unregistered`.
        #[pallet::call_index(9)]
        #[pallet::weight(T::WeightInfo::unregister(u32::from(MAX_SHARDS)))]
        pub fn unregister(origin: OriginFor<T>) -> DispatchResultWithPostInfo {
            let shards = Self::do_unregister(&ensure_signed(origin)?)?;
            Ok(Some(T::WeightInfo::unregister(shards)).into())
        }

        /// Releases what is left of the stake and removes everything that is known of the worker.
        ///
        /// Origin: signed by the worker. Weight: constant. Errors: `NotRegistered`, `NotLeaving`,
        /// `StillBonded`, `BoundByAgreement`, `PaidByChannel`. Event: `Withdrawn`.
        #[pallet::call_index(10)]
        // One read more than measured: the first channel to the worker, if there is one.
        #[pallet::weight(T::WeightInfo::withdraw().saturating_add(T::DbWeight::get().reads(1)))]
        pub fn withdraw(origin: OriginFor<T>) -> DispatchResult {
            Self::do_withdraw(&ensure_signed(origin)?)
        }

        /// Says that the worker lives, and brings it out of jail.
        ///
        /// Origin: signed by the worker. Weight: by buckets of the range; what was charged too much
        /// is refunded. Errors: `NotRegistered`, `Leaving`, `StakeTooLow`. Events: `Heartbeat`,
        /// `Unjailed`.
        #[pallet::call_index(11)]
        #[pallet::weight(T::WeightInfo::unjail(u32::from(MAX_SHARDS)))]
        pub fn unjail(origin: OriginFor<T>) -> DispatchResultWithPostInfo {
            let shards = Self::do_unjail(&ensure_signed(origin)?)?;
            Ok(Some(T::WeightInfo::unjail(shards)).into())
        }
    }

    #[pallet::validate_unsigned]
    impl<T: Config> ValidateUnsigned for Pallet<T> {
        type Call = Call<T>;

        fn validate_unsigned(_: TransactionSource, call: &Self::Call) -> TransactionValidity {
            match call {
                Call::heartbeat { beat, signature } => Self::validate_heartbeat(beat, signature),
                _ => InvalidTransaction::Call.into(),
            }
        }
    }
}

use mica_primitives::{BlockNumber, WorkerRecord, WorkerStatus};
use sp_runtime::traits::BlockNumberProvider;

impl<T: Config> Pallet<T> {
    /// This block, on the clock of all windows.
    fn now() -> BlockNumber {
        T::BlockNumberProvider::current_block_number()
    }

    /// The record of a worker that has not left.
    fn staying(account: &T::AccountId) -> Result<WorkerRecord<T::AccountId>, Error<T>> {
        let record = Workers::<T>::get(account).ok_or(Error::<T>::NotRegistered)?;
        match record.status {
            WorkerStatus::Active | WorkerStatus::Jailed => Ok(record),
            WorkerStatus::Unbonding { .. } => Err(Error::<T>::Leaving),
        }
    }
}
