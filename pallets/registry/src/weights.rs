//! Weights of `pallet_mica_registry`, measured by `make weights`. Do not edit.
//!
//! Substrate benchmark CLI 64.0.0, 2026-11-25, CPU: AMD EPYC, steps: 20, repeat: 10, compiled Wasm.

#![allow(unused_parens, unused_imports, missing_docs, clippy::unnecessary_cast)]

use core::marker::PhantomData;
use frame_support::{
    traits::Get,
    weights::{Weight, constants::RocksDbWeight},
};

/// What each call costs.
pub trait WeightInfo {
    fn register_model() -> Weight;
    fn remove_model() -> Weight;
    fn register(b: u32) -> Weight;
    fn set_price() -> Weight;
    fn set_cost() -> Weight;
    fn set_range(b: u32) -> Weight;
    fn set_addresses() -> Weight;
    fn heartbeat() -> Weight;
    fn unjail(b: u32) -> Weight;
    fn top_up_stake(b: u32) -> Weight;
    fn unregister(b: u32) -> Weight;
    fn withdraw() -> Weight;
    fn sweep_base() -> Weight;
    fn sweep_look() -> Weight;
    fn jail(b: u32) -> Weight;
}

/// The measured weights, with the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// Storage: `Registry::Models` (r:1 w:1) Proof: `Registry::Models` (`max_values`: None,
    /// `max_size`: Some(342), added: 2817, mode: `MaxEncodedLen`) Storage: `System::Account` (r:1
    /// w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(157), added: 2632, mode: `MaxEncodedLen`)
    fn register_model() -> Weight {
        // Minimum execution time: 94_427_000 picoseconds.
        Weight::from_parts(162_425_000, 3807)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Registry::Models` (r:1 w:1) Proof: `Registry::Models` (`max_values`: None,
    /// `max_size`: Some(342), added: 2817, mode: `MaxEncodedLen`) Storage: `Registry::Members` (r:1
    /// w:0) Proof: `Registry::Members` (`max_values`: None, `max_size`: Some(96), added: 2571,
    /// mode: `MaxEncodedLen`) Storage: `System::Account` (r:1 w:1) Proof: `System::Account`
    /// (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(157), added: 2632, mode: `MaxEncodedLen`)
    fn remove_model() -> Weight {
        // Minimum execution time: 96_862_000 picoseconds.
        Weight::from_parts(172_764_000, 3807)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Registry::Models` (r:1
    /// w:0) Proof: `Registry::Models` (`max_values`: None, `max_size`: Some(342), added: 2817,
    /// mode: `MaxEncodedLen`) Storage: `Registry::PeerOwner` (r:1 w:1) Proof: `Registry::PeerOwner`
    /// (`max_values`: None, `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`) Storage:
    /// `System::Account` (r:1 w:1) Proof: `System::Account` (`max_values`: None, `max_size`:
    /// Some(128), added: 2603, mode: `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof:
    /// `Balances::Holds` (`max_values`: None, `max_size`: Some(157), added: 2632, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Members` (r:0 w:1) Proof: `Registry::Members`
    /// (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`) Storage:
    /// UNKNOWN KEY `0x63` (r:32 w:32) Proof: UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d53708d2f8a40c1612785fc5a473677e686824f695ea7c5b5f93c17f7e29819` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d53708d2f8a40c1612785fc5a473677e686824f695ea7c5b5f93c17f7e29819` (r:0 w:32)
    /// The range of component `b` is `[1, 32]`.
    fn register(b: u32) -> Weight {
        // Minimum execution time: 159_499_000 picoseconds.
        Weight::from_parts(173_826_626, 4855)
            .saturating_add(Weight::from_parts(5_834_778, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(8_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(8_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2475).saturating_mul(b.into()))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`)
    fn set_price() -> Weight {
        // Minimum execution time: 30_587_000 picoseconds.
        Weight::from_parts(34_846_000, 4187)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`)
    fn set_cost() -> Weight {
        // Minimum execution time: 29_385_000 picoseconds.
        Weight::from_parts(32_721_000, 4187)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Registry::Models` (r:1
    /// w:0) Proof: `Registry::Models` (`max_values`: None, `max_size`: Some(342), added: 2817,
    /// mode: `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1 w:0) Proof: `Sla::WorkerLoads`
    /// (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`) Storage:
    /// UNKNOWN KEY `0x63` (r:32 w:32) Proof: UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d53708d2f8a40c1612785fc5a473677e686824f695ea7c5b5f93c17f7e29819` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d53708d2f8a40c1612785fc5a473677e686824f695ea7c5b5f93c17f7e29819` (r:0 w:32)
    /// The range of component `b` is `[2, 32]`.
    fn set_range(b: u32) -> Weight {
        // Minimum execution time: 92_243_000 picoseconds.
        Weight::from_parts(86_191_356, 4187)
            .saturating_add(Weight::from_parts(7_178_687, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(3_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2553).saturating_mul(b.into()))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`)
    fn set_addresses() -> Weight {
        // Minimum execution time: 31_409_000 picoseconds.
        Weight::from_parts(35_156_000, 4187)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`)
    fn heartbeat() -> Weight {
        // Minimum execution time: 30_587_000 picoseconds.
        Weight::from_parts(110_000_000, 4187)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(2_u64))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: UNKNOWN KEY `0x63` (r:32
    /// w:32) Proof: UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32)
    /// The range of component `b` is `[1, 32]`.
    fn unjail(b: u32) -> Weight {
        // Minimum execution time: 46_146_000 picoseconds.
        Weight::from_parts(59_752_335, 4187)
            .saturating_add(Weight::from_parts(5_896_077, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(3_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2475).saturating_mul(b.into()))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `System::Account` (r:1
    /// w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(157), added: 2632, mode: `MaxEncodedLen`) Storage:
    /// UNKNOWN KEY `0x63` (r:32 w:32) Proof: UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32)
    /// The range of component `b` is `[1, 32]`.
    fn top_up_stake(b: u32) -> Weight {
        // Minimum execution time: 118_642_000 picoseconds.
        Weight::from_parts(150_873_433, 4187)
            .saturating_add(Weight::from_parts(5_125_359, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(5_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2475).saturating_mul(b.into()))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1
    /// w:0) Proof: `Sla::WorkerLoads` (`max_values`: None, `max_size`: Some(68), added: 2543, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Members` (r:0 w:1) Proof: `Registry::Members`
    /// (`max_values`: None, `max_size`: Some(96), added: 2571, mode: `MaxEncodedLen`) Storage:
    /// UNKNOWN KEY `0x63` (r:32 w:32) Proof: UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32)
    /// The range of component `b` is `[1, 32]`.
    fn unregister(b: u32) -> Weight {
        // Minimum execution time: 61_776_000 picoseconds.
        Weight::from_parts(74_306_073, 4187)
            .saturating_add(Weight::from_parts(5_545_969, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(8_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(8_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2576).saturating_mul(b.into()))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1
    /// w:0) Proof: `Sla::WorkerLoads` (`max_values`: None, `max_size`: Some(68), added: 2543, mode:
    /// `MaxEncodedLen`) Storage: `System::Account` (r:1 w:1) Proof: `System::Account`
    /// (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(157), added: 2632, mode: `MaxEncodedLen`) Storage: `Registry::Offences` (r:0 w:1)
    /// Proof: `Registry::Offences` (`max_values`: None, `max_size`: Some(2098), added: 4573, mode:
    /// `MaxEncodedLen`) Storage: `Registry::PeerOwner` (r:0 w:1) Proof: `Registry::PeerOwner`
    /// (`max_values`: None, `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`)
    fn withdraw() -> Weight {
        // Minimum execution time: 98_635_000 picoseconds.
        Weight::from_parts(111_238_000, 4187)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(5_u64))
    }
    /// Storage: `Registry::SweepCursor` (r:1 w:1) Proof: `Registry::SweepCursor` (`max_values`:
    /// Some(1), `max_size`: Some(32), added: 527, mode: `MaxEncodedLen`)
    fn sweep_base() -> Weight {
        // Minimum execution time: 12_633_000 picoseconds.
        Weight::from_parts(14_347_000, 1517)
            .saturating_add(T::DbWeight::get().reads(1_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Registry::SweepCursor` (r:1 w:1) Proof: `Registry::SweepCursor` (`max_values`:
    /// Some(1), `max_size`: Some(32), added: 527, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Workers` (r:2 w:0) Proof: `Registry::Workers` (`max_values`: None, `max_size`:
    /// Some(722), added: 3197, mode: `MaxEncodedLen`)
    fn sweep_look() -> Weight {
        // Minimum execution time: 23_664_000 picoseconds.
        Weight::from_parts(27_582_000, 7384)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Registry::SweepCursor` (r:1 w:1) Proof: `Registry::SweepCursor` (`max_values`:
    /// Some(1), `max_size`: Some(32), added: 527, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Workers` (r:2 w:1) Proof: `Registry::Workers` (`max_values`: None, `max_size`:
    /// Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: UNKNOWN KEY `0x63` (r:32 w:32)
    /// Proof: UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32)
    /// The range of component `b` is `[1, 32]`.
    fn jail(b: u32) -> Weight {
        // Minimum execution time: 53_982_000 picoseconds.
        Weight::from_parts(61_543_277, 7384)
            .saturating_add(Weight::from_parts(5_650_345, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(4_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2576).saturating_mul(b.into()))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn register_model() -> Weight {
        Weight::from_parts(162_425_000, 3807)
            .saturating_add(RocksDbWeight::get().reads_writes(3, 3))
    }
    fn remove_model() -> Weight {
        Weight::from_parts(172_764_000, 3807)
            .saturating_add(RocksDbWeight::get().reads_writes(4, 3))
    }
    fn register(b: u32) -> Weight {
        Weight::from_parts(173_826_626, 4855)
            .saturating_add(Weight::from_parts(5_834_778, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(8, 8))
    }
    fn set_price() -> Weight {
        Weight::from_parts(34_846_000, 4187).saturating_add(RocksDbWeight::get().reads_writes(5, 3))
    }
    fn set_cost() -> Weight {
        Weight::from_parts(32_721_000, 4187).saturating_add(RocksDbWeight::get().reads_writes(5, 3))
    }
    fn set_range(b: u32) -> Weight {
        Weight::from_parts(86_191_356, 4187)
            .saturating_add(Weight::from_parts(7_178_687, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(7, 3))
    }
    fn set_addresses() -> Weight {
        Weight::from_parts(35_156_000, 4187).saturating_add(RocksDbWeight::get().reads_writes(5, 3))
    }
    fn heartbeat() -> Weight {
        Weight::from_parts(110_000_000, 4187)
            .saturating_add(RocksDbWeight::get().reads_writes(3, 2))
    }
    fn unjail(b: u32) -> Weight {
        Weight::from_parts(59_752_335, 4187)
            .saturating_add(Weight::from_parts(5_896_077, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(5, 3))
    }
    fn top_up_stake(b: u32) -> Weight {
        Weight::from_parts(150_873_433, 4187)
            .saturating_add(Weight::from_parts(5_125_359, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(7, 5))
    }
    fn unregister(b: u32) -> Weight {
        Weight::from_parts(74_306_073, 4187)
            .saturating_add(Weight::from_parts(5_545_969, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(8, 8))
    }
    fn withdraw() -> Weight {
        Weight::from_parts(111_238_000, 4187)
            .saturating_add(RocksDbWeight::get().reads_writes(4, 5))
    }
    fn sweep_base() -> Weight {
        Weight::from_parts(14_347_000, 1517).saturating_add(RocksDbWeight::get().reads_writes(1, 1))
    }
    fn sweep_look() -> Weight {
        Weight::from_parts(27_582_000, 7384).saturating_add(RocksDbWeight::get().reads_writes(3, 1))
    }
    fn jail(b: u32) -> Weight {
        Weight::from_parts(61_543_277, 7384)
            .saturating_add(Weight::from_parts(5_650_345, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(7, 4))
    }
}
