//! Which of the runtime's tables of durations a chain runs by.
//!
//! A network for tests wants eras of minutes, and one with real money eras of days. Both shall run
//! the same code, so the runtime holds a table for each, and the genesis block of a chain decides
//! once which of them it means: [`Timing::Test`] or [`Timing::Public`]. The runtime's durations
//! (`Get<…>`) look here first.
//!
//! A third table, [`Timing::Drill`], has eras of half a minute. No preset of the runtime names it:
//! a chain has it only if a hand wrote its name into the specification.
//!
//! There is no call: an epoch's length must never change on a running chain, and a window that
//! shrinks would take money from whoever counted on it.
//!
//! **Invariant:** what the genesis block stored is never written again.
#![cfg_attr(not(feature = "std"), no_std)]

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

pub use pallet::*;

#[cfg(test)]
mod tests;

/// A table of durations.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    Serialize,
    Deserialize,
)]
pub enum Timing {
    /// Minutes, so that a person or a test can wait for them. For chains without value.
    Test,
    /// Hours to weeks. What a genesis that says nothing gets: the careful one.
    #[default]
    Public,
    /// Seconds, for automatic tests of elections, idle validators and stalls of finality.
    Drill,
}

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
    use core::marker::PhantomData;

    use frame_support::pallet_prelude::*;

    use super::Timing;

    /// Version of what is stored.
    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    /// The pallet's storage.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// Nothing to configure.
    #[pallet::config]
    pub trait Config: frame_system::Config {}

    /// The chain's table.
    #[pallet::storage]
    pub type Chosen<T: Config> = StorageValue<_, Timing, ValueQuery>;

    /// What the genesis block decides.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// The chain's table.
        pub timing: Timing,
        /// Nothing.
        #[serde(skip)]
        pub config: PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            Chosen::<T>::put(self.timing);
        }
    }

    impl<T: Config> Pallet<T> {
        /// The chain's table of durations.
        pub fn timing() -> Timing {
            Chosen::<T>::get()
        }
    }
}
