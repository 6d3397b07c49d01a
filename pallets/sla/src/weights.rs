//! Weights of `pallet_mica_sla`, measured by `make weights`. Do not edit.
//!
//! Not measured since the calls changed: taken from the calls that touched the same storage before
//! (2026-11-25), with the jailing of a worker of 32 shards where stake is slashed.

#![allow(unused_parens, unused_imports, missing_docs, clippy::unnecessary_cast)]

use core::marker::PhantomData;
use frame_support::{
    traits::Get,
    weights::{Weight, constants::RocksDbWeight},
};

/// What each call costs.
pub trait WeightInfo {
    fn propose() -> Weight;
    fn accept() -> Weight;
    fn cancel() -> Weight;
    fn request() -> Weight;
    fn acknowledge() -> Weight;
    fn claim() -> Weight;
    fn dispute() -> Weight;
    fn settle() -> Weight;
    fn agenda() -> Weight;
}

/// The measured weights, with the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn propose() -> Weight {
        Weight::from_parts(158_668_000, 4187)
            .saturating_add(T::DbWeight::get().reads(6_u64))
            .saturating_add(T::DbWeight::get().writes(9_u64))
    }
    fn accept() -> Weight {
        Weight::from_parts(81_062_000, 4187)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(4_u64))
    }
    fn cancel() -> Weight {
        Weight::from_parts(153_367_000, 3730)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(8_u64))
    }
    fn request() -> Weight {
        Weight::from_parts(78_808_000, 3730)
            .saturating_add(T::DbWeight::get().reads(1_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    fn acknowledge() -> Weight {
        Weight::from_parts(223_659_000, 4187)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    fn claim() -> Weight {
        Weight::from_parts(627_627_464, 85454)
            .saturating_add(T::DbWeight::get().reads(43_u64))
            .saturating_add(T::DbWeight::get().writes(77_u64))
    }
    fn dispute() -> Weight {
        Weight::from_parts(627_627_464, 85454)
            .saturating_add(T::DbWeight::get().reads(43_u64))
            .saturating_add(T::DbWeight::get().writes(77_u64))
    }
    fn settle() -> Weight {
        Weight::from_parts(705_544_464, 85454)
            .saturating_add(T::DbWeight::get().reads(43_u64))
            .saturating_add(T::DbWeight::get().writes(77_u64))
    }
    fn agenda() -> Weight {
        Weight::from_parts(17_463_000, 3493)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn propose() -> Weight {
        Weight::from_parts(158_668_000, 4187)
            .saturating_add(RocksDbWeight::get().reads_writes(6, 9))
    }
    fn accept() -> Weight {
        Weight::from_parts(81_062_000, 4187).saturating_add(RocksDbWeight::get().reads_writes(3, 4))
    }
    fn cancel() -> Weight {
        Weight::from_parts(153_367_000, 3730)
            .saturating_add(RocksDbWeight::get().reads_writes(5, 8))
    }
    fn request() -> Weight {
        Weight::from_parts(78_808_000, 3730).saturating_add(RocksDbWeight::get().reads_writes(1, 3))
    }
    fn acknowledge() -> Weight {
        Weight::from_parts(223_659_000, 4187)
            .saturating_add(RocksDbWeight::get().reads_writes(3, 3))
    }
    fn claim() -> Weight {
        Weight::from_parts(627_627_464, 85454)
            .saturating_add(RocksDbWeight::get().reads_writes(43, 77))
    }
    fn dispute() -> Weight {
        Weight::from_parts(627_627_464, 85454)
            .saturating_add(RocksDbWeight::get().reads_writes(43, 77))
    }
    fn settle() -> Weight {
        Weight::from_parts(705_544_464, 85454)
            .saturating_add(RocksDbWeight::get().reads_writes(43, 77))
    }
    fn agenda() -> Weight {
        Weight::from_parts(17_463_000, 3493).saturating_add(RocksDbWeight::get().reads_writes(2, 1))
    }
}
