//! What the runtime after this one has and this one has not, so that a test can upgrade a chain to
//! it and see that it did: a pallet with a call, and a migration that reads what the old runtime
//! left. Only the Wasm that tests/build.rs builds has the feature `next-runtime`; nothing that is
//! shipped has. The pallet itself is compiled always, because the macro that composes the runtime
//! looks at it even where it is left out.

/// The pallet.
#[frame_support::pallet]
pub mod pallet_next {
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {}

    /// The last block that the old runtime made.
    #[pallet::storage]
    pub type LastBlockBefore<T: Config> = StorageValue<_, BlockNumberFor<T>>;

    /// Channels that were not closed at the upgrade.
    #[pallet::storage]
    pub type OpenChannels<T: Config> = StorageValue<_, u32>;

    #[pallet::event]
    #[pallet::generate_deposit(fn deposit_event)]
    pub enum Event<T: Config> {
        /// Somebody made the new call.
        Noted {
            /// Who.
            who: T::AccountId,
            /// The number that came with it.
            number: u32,
        },
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Says `number` in an event.
        ///
        /// Origin: signed.
        #[pallet::call_index(0)]
        #[pallet::weight(T::DbWeight::get().writes(1))]
        pub fn note(origin: OriginFor<T>, number: u32) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::deposit_event(Event::Noted { who, number });
            Ok(())
        }
    }
}

#[cfg(feature = "next-runtime")]
pub use upgrade::CountChannels;

#[cfg(feature = "next-runtime")]
mod upgrade {
    use frame_support::{traits::OnRuntimeUpgrade, weights::Weight};
    use pallet_mica_channels::Channels;

    use super::pallet_next::{Config, LastBlockBefore, OpenChannels};
    use crate::{Runtime, System};

    impl Config for Runtime {}

    /// Counts the channels in the first block of the new runtime, once.
    pub struct CountChannels;

    impl OnRuntimeUpgrade for CountChannels {
        fn on_runtime_upgrade() -> Weight {
            let weight = <Runtime as frame_system::Config>::DbWeight::get();
            if LastBlockBefore::<Runtime>::exists() {
                return weight.reads(1);
            }
            let mut open = 0u32;
            for _ in Channels::<Runtime>::iter_keys() {
                open = open.saturating_add(1);
            }
            // The block's own number is not set yet.
            LastBlockBefore::<Runtime>::put(System::block_number());
            OpenChannels::<Runtime>::put(open);
            weight.reads_writes(u64::from(open).saturating_add(2), 2)
        }
    }
}
