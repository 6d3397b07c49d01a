//! Weights of `pallet_mica_seats`. Not measured yet: estimates above what comparable calls
//! measured; `make weights` replaces this file.

#![allow(unused_parens, unused_imports, missing_docs, clippy::unnecessary_cast)]

use core::marker::PhantomData;
use frame_support::{
    traits::Get,
    weights::{Weight, constants::RocksDbWeight},
};

/// What each hook costs.
pub trait WeightInfo {
    fn count_block(m: u32) -> Weight;
    fn end_session(i: u32) -> Weight;
    fn candidates(v: u32) -> Weight;
    fn seated(w: u32) -> Weight;
}

/// The weights, with the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn count_block(m: u32) -> Weight {
        Weight::from_parts(20_000_000, 4000)
            .saturating_add(Weight::from_parts(12_000_000, 2500).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads(6_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(m.into())))
            .saturating_add(T::DbWeight::get().writes(2_u64))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(m.into())))
    }
    fn end_session(i: u32) -> Weight {
        Weight::from_parts(600_000_000, 260_000)
            .saturating_add(Weight::from_parts(80_000_000, 4000).saturating_mul(i.into()))
            .saturating_add(T::DbWeight::get().reads(110_u64))
            .saturating_add(T::DbWeight::get().reads((12_u64).saturating_mul(i.into())))
            .saturating_add(T::DbWeight::get().writes(2_u64))
            .saturating_add(T::DbWeight::get().writes((12_u64).saturating_mul(i.into())))
    }
    fn candidates(v: u32) -> Weight {
        Weight::from_parts(1_500_000_000, 0)
            .saturating_add(Weight::from_parts(20_000_000, 0).saturating_mul(v.into()))
            .saturating_add(T::DbWeight::get().reads(2_000_u64))
    }
    fn seated(w: u32) -> Weight {
        Weight::from_parts(300_000_000, 0)
            .saturating_add(Weight::from_parts(10_000_000, 0).saturating_mul(w.into()))
            .saturating_add(T::DbWeight::get().reads(300_u64))
            .saturating_add(T::DbWeight::get().writes(100_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn count_block(m: u32) -> Weight {
        Weight::from_parts(20_000_000, 4000)
            .saturating_add(Weight::from_parts(12_000_000, 2500).saturating_mul(m.into()))
            .saturating_add(RocksDbWeight::get().reads(6_u64))
            .saturating_add(RocksDbWeight::get().writes(2_u64))
    }
    fn end_session(i: u32) -> Weight {
        Weight::from_parts(600_000_000, 260_000)
            .saturating_add(Weight::from_parts(80_000_000, 4000).saturating_mul(i.into()))
            .saturating_add(RocksDbWeight::get().reads(110_u64))
    }
    fn candidates(v: u32) -> Weight {
        Weight::from_parts(1_500_000_000, 0)
            .saturating_add(Weight::from_parts(20_000_000, 0).saturating_mul(v.into()))
    }
    fn seated(w: u32) -> Weight {
        Weight::from_parts(300_000_000, 0)
            .saturating_add(Weight::from_parts(10_000_000, 0).saturating_mul(w.into()))
    }
}
