//! Weights of the registry's calls, in the shape that the benchmark command writes.
//!
//! `b` counts the shards that a call writes, 0 to 32. `sweep_base`, `sweep_look` and `jail` are the parts of the sweep in `on_idle`.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(unused_parens)]
#![allow(unused_imports)]
#![allow(missing_docs)]

use frame_support::{traits::Get, weights::{Weight, constants::RocksDbWeight}};
use core::marker::PhantomData;

/// Weight functions needed for `pallet_mica_registry`.
pub trait WeightInfo {
    fn register_model() -> Weight;
    fn remove_model() -> Weight;
    fn register(b: u32, ) -> Weight;
    fn set_price() -> Weight;
    fn set_cost() -> Weight;
    fn set_range(b: u32, ) -> Weight;
    fn set_addresses() -> Weight;
    fn heartbeat(b: u32, ) -> Weight;
    fn top_up_stake(b: u32, ) -> Weight;
    fn unregister(b: u32, ) -> Weight;
    fn withdraw() -> Weight;
    fn sweep_base() -> Weight;
    fn sweep_look() -> Weight;
    fn jail(b: u32, ) -> Weight;
}

/// Weights for `pallet_mica_registry` on the runtime's own database.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn register_model() -> Weight {
        Weight::from_parts(35_000_000, 2_000)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(4_u64))
    }
    fn remove_model() -> Weight {
        Weight::from_parts(38_000_000, 4_000)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// The range of component `b` is `[0, 32]`.
    fn register(b: u32, ) -> Weight {
        Weight::from_parts(60_000_000, 6_000)
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(5_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
    fn set_price() -> Weight {
        Weight::from_parts(18_000_000, 3_900)
            .saturating_add(T::DbWeight::get().reads(1_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    fn set_cost() -> Weight {
        Weight::from_parts(16_000_000, 3_900)
            .saturating_add(T::DbWeight::get().reads(1_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// The range of component `b` is `[0, 32]`.
    fn set_range(b: u32, ) -> Weight {
        Weight::from_parts(32_000_000, 5_400)
            .saturating_add(Weight::from_parts(10_000_000, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(1_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
    fn set_addresses() -> Weight {
        Weight::from_parts(20_000_000, 3_900)
            .saturating_add(T::DbWeight::get().reads(1_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// The range of component `b` is `[0, 32]`.
    fn heartbeat(b: u32, ) -> Weight {
        Weight::from_parts(18_000_000, 3_900)
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(1_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(1_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
    /// The range of component `b` is `[0, 32]`.
    fn top_up_stake(b: u32, ) -> Weight {
        Weight::from_parts(42_000_000, 4_000)
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(2_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
    /// The range of component `b` is `[0, 32]`.
    fn unregister(b: u32, ) -> Weight {
        Weight::from_parts(24_000_000, 4_000)
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(1_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(2_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
    fn withdraw() -> Weight {
        Weight::from_parts(48_000_000, 4_000)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(5_u64))
    }
    fn sweep_base() -> Weight {
        Weight::from_parts(4_000_000, 1_600)
            .saturating_add(T::DbWeight::get().reads(1_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    fn sweep_look() -> Weight {
        Weight::from_parts(8_000_000, 3_900)
            .saturating_add(T::DbWeight::get().reads(2_u64))
    }
    /// The range of component `b` is `[0, 32]`.
    fn jail(b: u32, ) -> Weight {
        Weight::from_parts(12_000_000, 0)
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(1_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
}

// For tests.
impl WeightInfo for () {
    fn register_model() -> Weight {
        Weight::from_parts(35_000_000, 2_000)
            .saturating_add(RocksDbWeight::get().reads(2_u64))
            .saturating_add(RocksDbWeight::get().writes(4_u64))
    }
    fn remove_model() -> Weight {
        Weight::from_parts(38_000_000, 4_000)
            .saturating_add(RocksDbWeight::get().reads(3_u64))
            .saturating_add(RocksDbWeight::get().writes(3_u64))
    }
    /// The range of component `b` is `[0, 32]`.
    fn register(b: u32, ) -> Weight {
        Weight::from_parts(60_000_000, 6_000)
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads(4_u64))
            .saturating_add(RocksDbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(RocksDbWeight::get().writes(5_u64))
            .saturating_add(RocksDbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
    fn set_price() -> Weight {
        Weight::from_parts(18_000_000, 3_900)
            .saturating_add(RocksDbWeight::get().reads(1_u64))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
    }
    fn set_cost() -> Weight {
        Weight::from_parts(16_000_000, 3_900)
            .saturating_add(RocksDbWeight::get().reads(1_u64))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
    }
    /// The range of component `b` is `[0, 32]`.
    fn set_range(b: u32, ) -> Weight {
        Weight::from_parts(32_000_000, 5_400)
            .saturating_add(Weight::from_parts(10_000_000, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads(2_u64))
            .saturating_add(RocksDbWeight::get().reads((2_u64).saturating_mul(b.into())))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
            .saturating_add(RocksDbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
    fn set_addresses() -> Weight {
        Weight::from_parts(20_000_000, 3_900)
            .saturating_add(RocksDbWeight::get().reads(1_u64))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
    }
    /// The range of component `b` is `[0, 32]`.
    fn heartbeat(b: u32, ) -> Weight {
        Weight::from_parts(18_000_000, 3_900)
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads(1_u64))
            .saturating_add(RocksDbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
            .saturating_add(RocksDbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
    /// The range of component `b` is `[0, 32]`.
    fn top_up_stake(b: u32, ) -> Weight {
        Weight::from_parts(42_000_000, 4_000)
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads(2_u64))
            .saturating_add(RocksDbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(RocksDbWeight::get().writes(2_u64))
            .saturating_add(RocksDbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
    /// The range of component `b` is `[0, 32]`.
    fn unregister(b: u32, ) -> Weight {
        Weight::from_parts(24_000_000, 4_000)
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads(1_u64))
            .saturating_add(RocksDbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(RocksDbWeight::get().writes(2_u64))
            .saturating_add(RocksDbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
    fn withdraw() -> Weight {
        Weight::from_parts(48_000_000, 4_000)
            .saturating_add(RocksDbWeight::get().reads(2_u64))
            .saturating_add(RocksDbWeight::get().writes(5_u64))
    }
    fn sweep_base() -> Weight {
        Weight::from_parts(4_000_000, 1_600)
            .saturating_add(RocksDbWeight::get().reads(1_u64))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
    }
    fn sweep_look() -> Weight {
        Weight::from_parts(8_000_000, 3_900)
            .saturating_add(RocksDbWeight::get().reads(2_u64))
    }
    /// The range of component `b` is `[0, 32]`.
    fn jail(b: u32, ) -> Weight {
        Weight::from_parts(12_000_000, 0)
            .saturating_add(Weight::from_parts(9_000_000, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
            .saturating_add(RocksDbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2_600).saturating_mul(b.into()))
    }
}
