//! Weights of `pallet_mica_clock`. Not measured yet: estimates above what comparable calls
//! measured; `make weights` replaces this file.

#![allow(unused_parens, unused_imports, missing_docs, clippy::unnecessary_cast)]

use core::marker::PhantomData;
use frame_support::{
    traits::Get,
    weights::{Weight, constants::RocksDbWeight},
};

/// What each call costs.
pub trait WeightInfo {
    fn advance() -> Weight;
    fn note_final(a: u32) -> Weight;
    fn recover_finality() -> Weight;
}

/// The weights, with the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn advance() -> Weight {
        Weight::from_parts(12_000_000, 1493)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(2_u64))
    }
    fn note_final(a: u32) -> Weight {
        Weight::from_parts(25_000_000, 8000)
            .saturating_add(Weight::from_parts(400_000, 0).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(4_u64))
    }
    fn recover_finality() -> Weight {
        Weight::from_parts(15_000_000, 1493)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn advance() -> Weight {
        Weight::from_parts(12_000_000, 1493)
            .saturating_add(RocksDbWeight::get().reads(3_u64))
            .saturating_add(RocksDbWeight::get().writes(2_u64))
    }
    fn note_final(a: u32) -> Weight {
        Weight::from_parts(25_000_000, 8000)
            .saturating_add(Weight::from_parts(400_000, 0).saturating_mul(a.into()))
            .saturating_add(RocksDbWeight::get().reads(5_u64))
            .saturating_add(RocksDbWeight::get().writes(4_u64))
    }
    fn recover_finality() -> Weight {
        Weight::from_parts(15_000_000, 1493)
            .saturating_add(RocksDbWeight::get().reads(2_u64))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
    }
}
