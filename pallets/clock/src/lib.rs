//! # Clock: the time that windows are measured in
//!
//! ## Overview
//! A payee has a window to redeem in, a worker a time after which it counts as offline, a root of
//! receipts a time in which it can be audited. Off chain, everybody acts on *final* blocks only. If
//! such windows ran by block numbers, they would go on running while nothing becomes final, and
//! whoever waits for finality would lose what it could not know of. So they are measured in this
//! pallet's [`Now`], which advances by one per block and **stands still while finality stalls and
//! while calls are halted**.
//!
//! Nothing but windows uses it. The life of a mortal transaction, epochs and eras count blocks and
//! slots, as the SDK does.
//!
//! ## Roles
//! * **authors** say in each block, by the inherent [`Call::note_final`], up to which block their
//!   node has seen finality.
//! * **other pallets** take [`Pallet`] as their `BlockNumberProvider`.
//! * **clients** read [`Now`] beside each head, in the same block, and compare windows with it.
//! * [`Config::RecoverOrigin`] may tell GRANDPA that its voters are gone.
//!
//! ## When the clock stands
//! ```text
//! final   = lower median of the last hint of each author of the current set
//! behind  = number of the parent block − final
//! stalled = behind > StallBound + number of hints
//! block n:  Now := Now + 1, unless stalled or Halted::get()
//! ```
//! * **The lower median** of `k` hints is the one at index `(k − 1) / 2` in rising order. To claim
//!   finality that is not there takes more than half of the authors; to deny finality that is there
//!   takes half of them. A third of the authors can stop finality itself, so the clock adds no
//!   power.
//! * **The number of hints** is added because a hint is as old as its author's last block: with `k`
//!   authors, about `0.7 · k` blocks at the median. A set of 4 is stalled at more than 44 blocks
//!   without finality, a set of 100 at more than 140.
//! * An author that stops leaves an old hint behind. Half of the authors must stop for that to
//!   matter, and then finality stalls in truth.
//! * The hints of a validator that leaves the set are dropped when the next hint of a later session
//!   arrives.
//! * Without any hint (before block 2, or right after the whole set changed) the clock runs.
//!
//! While the clock stands, calls are accepted as ever; windows do not move. The two changes are
//! events, [`Event::Stopped`] and [`Event::Resumed`].
//!
//! ## Recovery
//! [`Call::recover_finality`] schedules a forced change of GRANDPA's voters at the next session:
//! all nodes then follow the validators of that session, from a block that they agree on. It is
//! never automatic: in a partition both sides see a stall, and the smaller one would go on to
//! finalize alone. The call is refused
//! * while the clock sees finality advance;
//! * for a block below the median of the hints, and for one that no more than a third of the
//!   authors know to be final. Nodes import nothing behind a forced change that names a block after
//!   a change of voters that never became final, so a mistake, or a lie, would stop the chain;
//! * while a third of the next session's voters do not author: the change would name the lost ones
//!   again. An election replaces them first.
//!
//! ## Bounds
//! At most [`Config::MaxAuthors`] hints, one per validator; one hint per block; a hint is below the
//! block that carries it, or the block is invalid.
//!
//! ## Invariants (`Pallet::do_try_state`)
//! 1. `Now` is not above the system's block number.
//! 2. There are at most `MaxAuthors` hints and none is above the block number.
//! 3. `Final` is the lower median of the hints, and there is none without hints.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod finality;
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
pub use weights::WeightInfo;

use mica_primitives::BlockNumber;
use sp_inherents::InherentIdentifier;
use sp_runtime::DispatchResult;

/// Names the inherent's data: the number of the best final block that the author's node knows, as a
/// SCALE `u32`.
pub const INHERENT_IDENTIFIER: InherentIdentifier = *b"micafina";

/// How finality is set going again.
pub trait RecoverFinality {
    /// How many voters the next session has, and how many of them author blocks.
    fn next_voters() -> (u32, u32);

    /// Schedules a forced change of the voters: `delay` blocks after the next session begins, the
    /// validators of that session vote on from block `last_final`.
    ///
    /// # Errors
    /// Whatever the finality gadget answers.
    fn recover(delay: BlockNumber, last_final: BlockNumber) -> DispatchResult;
}

#[frame_support::pallet]
pub mod pallet {
    use frame_support::{
        BoundedBTreeMap,
        pallet_prelude::*,
        traits::{FindAuthor, ValidatorSet},
    };
    use frame_system::pallet_prelude::*;
    use mica_primitives::BlockNumber;
    use sp_inherents::MakeFatalError;
    use sp_staking::SessionIndex;

    use crate::{INHERENT_IDENTIFIER, RecoverFinality, WeightInfo};

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The validators that may author, and their session.
        type Authors: ValidatorSet<Self::AccountId, ValidatorId = Self::AccountId>;

        /// Reads a block's author from its header.
        type FindAuthor: FindAuthor<Self::AccountId>;

        /// Whether calls are halted, for example by safe mode.
        type Halted: Get<bool>;

        /// How finality is set going again.
        type RecoverFinality: RecoverFinality;

        /// Who may do that.
        type RecoverOrigin: EnsureOrigin<Self::RuntimeOrigin>;

        /// Blocks that the best block may be ahead of the final one, beside one per hint, before
        /// the clock stands.
        #[pallet::constant]
        type StallBound: Get<BlockNumber>;

        /// Most validators of a session.
        #[pallet::constant]
        type MaxAuthors: Get<u32>;

        /// Measured weights.
        type WeightInfo: WeightInfo;
    }

    /// The market's time: blocks since genesis in which the clock ran.
    #[pallet::storage]
    pub type Now<T: Config> = StorageValue<_, BlockNumber, ValueQuery>;

    /// The last hint of each author of the current set: what its node knew to be final.
    #[pallet::storage]
    pub type Hints<T: Config> =
        StorageValue<_, BoundedBTreeMap<T::AccountId, BlockNumber, T::MaxAuthors>, ValueQuery>;

    /// Session in which the hints of former validators were dropped last.
    #[pallet::storage]
    pub type HintsSession<T: Config> = StorageValue<_, SessionIndex, ValueQuery>;

    /// The lower median of the hints and their number; nothing without hints.
    #[pallet::storage]
    pub type Final<T: Config> = StorageValue<_, (BlockNumber, u32)>;

    /// Whether the clock stood in the last block.
    #[pallet::storage]
    pub type Stands<T: Config> = StorageValue<_, bool, ValueQuery>;

    /// Whether this block has its hint already. Gone at the block's end.
    #[pallet::storage]
    #[pallet::whitelist_storage]
    pub type Noted<T: Config> = StorageValue<_, bool, ValueQuery>;

    #[pallet::event]
    #[allow(missing_docs, reason = "the sentence of a variant speaks of its fields")]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// The clock stands at `now`. `last_final` is what half of the authors know to be final;
        /// nothing if none has said yet, which happens only where calls are halted.
        Stopped { now: BlockNumber, last_final: Option<BlockNumber> },
        /// The clock runs again.
        Resumed { now: BlockNumber },
        /// At the next session GRANDPA's voters change by force, `delay` blocks later, and vote on
        /// from block `last_final`.
        RecoveryScheduled { delay: BlockNumber, last_final: BlockNumber },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// This block has a hint already.
        AlreadyNoted,
        /// A block that is not built yet cannot be final.
        NotYet,
        /// Finality advances: there is nothing to recover from.
        NotStalled,
        /// Half of the authors know a later block to be final: name that one, or a later one.
        BelowFinal,
        /// A forced change needs a delay, so that the block that signals it is on every fork.
        NoDelay,
        /// No more than a third of the authors know that block to be final: name a lower one, or
        /// connect the node that has finalized it to the others.
        NotKnownFinal,
        /// A third or more of the next session's voters make no blocks: wait until an election has
        /// replaced them.
        VotersLost,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            Self::advance(Self::block());
            T::WeightInfo::advance()
        }

        fn on_finalize(_: BlockNumberFor<T>) {
            Noted::<T>::kill();
        }

        fn integrity_test() {
            assert!(T::StallBound::get() > 0, "the best block is always ahead of the final one");
            assert!(T::MaxAuthors::get() > 0, "somebody must author");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Says that the author's node knows block `number` to be final.
        ///
        /// Origin: none; an inherent, at most one per block. Weight: by the bound of hints, charged
        /// to the block. Errors, which make the block invalid: `AlreadyNoted`, `NotYet`.
        #[pallet::call_index(0)]
        #[pallet::weight((T::WeightInfo::note_final(T::MaxAuthors::get()), DispatchClass::Mandatory))]
        pub fn note_final(origin: OriginFor<T>, number: BlockNumber) -> DispatchResult {
            ensure_none(origin)?;
            ensure!(!Noted::<T>::get(), Error::<T>::AlreadyNoted);
            ensure!(number < Self::block(), Error::<T>::NotYet);
            Noted::<T>::put(true);
            if let Some(author) = Self::author() {
                Self::record(author, number);
            }
            Ok(())
        }

        /// Sets finality going again after its voters were lost: at the next session the voters
        /// change to that session's validators by force, `delay` blocks later, and vote on from
        /// block `last_final`.
        ///
        /// `delay` must be long enough that the block that signals the change is on every fork;
        /// `last_final` is the highest block that any of the new voters' nodes has finalized.
        ///
        /// Origin: `RecoverOrigin`. Weight: by the bound of voters. Errors: `NotStalled`,
        /// `BelowFinal`, `NotKnownFinal`, `NotYet`, `NoDelay`, `VotersLost`. Event:
        /// `RecoveryScheduled`.
        #[pallet::call_index(1)]
        #[pallet::weight((
            T::WeightInfo::recover_finality().saturating_add(
                T::DbWeight::get().reads(2 * u64::from(T::MaxAuthors::get()) + 2)
            ),
            DispatchClass::Operational,
        ))]
        pub fn recover_finality(
            origin: OriginFor<T>,
            delay: BlockNumber,
            last_final: BlockNumber,
        ) -> DispatchResult {
            T::RecoverOrigin::ensure_origin(origin)?;
            Self::recover(delay, last_final)
        }
    }

    #[pallet::inherent]
    impl<T: Config> ProvideInherent for Pallet<T> {
        type Call = Call<T>;
        type Error = MakeFatalError<()>;
        const INHERENT_IDENTIFIER: InherentIdentifier = INHERENT_IDENTIFIER;

        fn create_inherent(data: &InherentData) -> Option<Self::Call> {
            let number = data.get_data::<BlockNumber>(&INHERENT_IDENTIFIER).ok().flatten()?;
            // A node may build on a block below one that became final meanwhile.
            let parent = Self::block().saturating_sub(1);
            Some(Call::note_final { number: number.min(parent) })
        }

        fn is_inherent(call: &Self::Call) -> bool {
            matches!(call, Call::note_final { .. })
        }
    }
}

use mica_primitives::ClockState;
use sp_runtime::traits::{BlockNumberProvider, UniqueSaturatedInto};

impl<T: Config> Pallet<T> {
    /// Number of this block.
    pub(crate) fn block() -> BlockNumber {
        frame_system::Pallet::<T>::block_number().unique_saturated_into()
    }

    /// The clock as of this block.
    pub fn clock() -> ClockState {
        let now = Now::<T>::get();
        ClockState {
            now,
            stands: Stands::<T>::get(),
            last_final: Final::<T>::get().map(|last| last.0),
        }
    }
}

impl<T: Config> BlockNumberProvider for Pallet<T> {
    type BlockNumber = BlockNumber;

    fn current_block_number() -> BlockNumber {
        Now::<T>::get()
    }

    #[cfg(any(feature = "std", feature = "runtime-benchmarks"))]
    fn set_block_number(now: BlockNumber) {
        Now::<T>::put(now);
    }
}
