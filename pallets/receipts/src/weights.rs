//! Weights of the receipts pallet, in the shape that the benchmark command writes.
//!
//! `on_idle_base` and `remove_root` are the parts of `on_idle`; what a redeem costs here is measured with the redeem.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(unused_parens)]
#![allow(unused_imports)]
#![allow(missing_docs)]

use frame_support::{traits::Get, weights::{Weight, constants::RocksDbWeight}};
use core::marker::PhantomData;

/// Weight functions needed for `pallet_mica_receipts`.
pub trait WeightInfo {
    fn on_idle_base() -> Weight;
    fn remove_root() -> Weight;
}

/// Weights for `pallet_mica_receipts` on the runtime's own database.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn on_idle_base() -> Weight {
        Weight::from_parts(4_000_000, 1_600)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    fn remove_root() -> Weight {
        Weight::from_parts(16_000_000, 3_700)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
}

// For tests.
impl WeightInfo for () {
    fn on_idle_base() -> Weight {
        Weight::from_parts(4_000_000, 1_600)
            .saturating_add(RocksDbWeight::get().reads(2_u64))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
    }
    fn remove_root() -> Weight {
        Weight::from_parts(16_000_000, 3_700)
            .saturating_add(RocksDbWeight::get().reads(3_u64))
            .saturating_add(RocksDbWeight::get().writes(3_u64))
    }
}
