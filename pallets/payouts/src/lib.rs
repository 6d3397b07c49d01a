//! Rewards that are paid out without being asked for.
//!
//! `pallet_staking` pays the rewards of an era when somebody asks, a page of nominators at a time,
//! and forgets them after `HistoryDepth` eras. This pallet asks, in the time that a block has left:
//! it goes through the eras that are over, the oldest first, and through the validators of each,
//! and pays at most [`Config::PagesPerBlock`] pages in one block. Whoever does not want to wait may
//! still ask; a page is never paid twice.
//!
//! It costs nobody a fee, and a full block nothing: `on_idle` runs after the transactions, and only
//! if a whole page still fits.
//!
//! **Invariants:** the cursor never runs ahead of the active era; a validator that cannot be paid
//! (its bond is gone) is passed over, never retried.
#![cfg_attr(not(feature = "std"), no_std)]

pub use pallet::*;

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
    use frame_support::{pallet_prelude::*, weights::WeightMeter};
    use frame_system::{RawOrigin, pallet_prelude::BlockNumberFor};
    use pallet_staking::{
        ActiveEra, ClaimedRewards, ErasStakersOverview, weights::WeightInfo as StakingWeights,
    };
    use sp_staking::EraIndex;

    /// Version of what is stored.
    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    /// The pallet's storage.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What it works with.
    #[pallet::config]
    pub trait Config: frame_system::Config + pallet_staking::Config {
        /// Most pages that are paid in one block.
        #[pallet::constant]
        type PagesPerBlock: Get<u32>;
    }

    /// How far the payments have come.
    #[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode, MaxEncodedLen, TypeInfo)]
    pub struct Position<AccountId> {
        /// The era whose rewards are being paid.
        pub era: EraIndex,
        /// The last of its validators that has been dealt with.
        pub after: Option<AccountId>,
    }

    /// How far the payments have come.
    #[pallet::storage]
    pub type Cursor<T: Config> = StorageValue<_, Position<T::AccountId>, OptionQuery>;

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_idle(_: BlockNumberFor<T>, left: Weight) -> Weight {
            let mut meter = WeightMeter::with_limit(left);
            Self::pay(&mut meter);
            meter.consumed()
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(
            _: BlockNumberFor<T>,
        ) -> Result<(), frame_support::sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    impl<T: Config> Pallet<T> {
        /// Checks that nothing is paid before its era is over.
        ///
        /// # Errors
        /// If it is.
        #[cfg(any(feature = "std", feature = "try-runtime"))]
        pub fn do_try_state() -> Result<(), frame_support::sp_runtime::TryRuntimeError> {
            let active = ActiveEra::<T>::get().map_or(0, |era| era.index);
            let era = Cursor::<T>::get().map_or(0, |position| position.era);
            ensure!(era <= active, "payments run ahead of the active era");
            Ok(())
        }

        /// Pays pages while `meter` has room for one more.
        fn pay(meter: &mut WeightMeter) {
            let reads = T::DbWeight::get().reads(2);
            if meter.try_consume(reads).is_err() {
                return;
            }
            let Some(active) = ActiveEra::<T>::get() else { return };
            let oldest = active.index.saturating_sub(T::HistoryDepth::get());
            let found = Cursor::<T>::get();
            let mut position = match &found {
                Some(position) if position.era >= oldest => position.clone(),
                _ => Position { era: oldest, after: None },
            };
            for _ in 0..T::PagesPerBlock::get() {
                if position.era >= active.index || meter.try_consume(Self::step()).is_err() {
                    break;
                }
                position = Self::advance(position);
            }
            if found.as_ref() != Some(&position) && meter.try_consume(Self::write()).is_ok() {
                Cursor::<T>::put(position);
            }
        }

        /// Weight of one step: finding a validator, looking up what it has been paid, and a page.
        fn step() -> Weight {
            <T as pallet_staking::Config>::WeightInfo::payout_stakers_alive_staked(
                T::MaxExposurePageSize::get(),
            )
            .saturating_add(T::DbWeight::get().reads(3))
        }

        /// Weight of remembering the position.
        fn write() -> Weight {
            T::DbWeight::get().writes(1)
        }

        /// Pays the next page of the era at `position`, or goes on to the next validator or era.
        fn advance(position: Position<T::AccountId>) -> Position<T::AccountId> {
            let Position { era, after } = position;
            let next = match &after {
                Some(last) => {
                    let key = ErasStakersOverview::<T>::hashed_key_for(era, last);
                    ErasStakersOverview::<T>::iter_prefix_from(era, key).next()
                }
                None => ErasStakersOverview::<T>::iter_prefix(era).next(),
            };
            let Some((validator, overview)) = next else {
                return Position { era: era.saturating_add(1), after: None };
            };
            // A validator without nominators has no pages, and is paid as if it had one.
            let pages = overview.page_count.max(1);
            if Self::pages_paid(era, &validator) < pages {
                let origin = RawOrigin::Signed(validator.clone()).into();
                let paid =
                    pallet_staking::Pallet::<T>::payout_stakers(origin, validator.clone(), era);
                if paid.is_ok() && Self::pages_paid(era, &validator) < pages {
                    return Position { era, after };
                }
            }
            Position { era, after: Some(validator) }
        }

        fn pages_paid(era: EraIndex, validator: &T::AccountId) -> u32 {
            u32::try_from(ClaimedRewards::<T>::get(era, validator).len()).unwrap_or(u32::MAX)
        }
    }
}
