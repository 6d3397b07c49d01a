//! Weights of `pallet_mica_registry`, measured by `make weights`. Do not edit.
//!
//! Substrate benchmark CLI 64.0.0, 2026-11-30, CPU: AMD EPYC, steps: 10, repeat: 5, compiled Wasm.

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
    /// (`max_values`: None, `max_size`: Some(211), added: 2686, mode: `MaxEncodedLen`)
    fn register_model() -> Weight {
        // Minimum execution time: 70_145_000 picoseconds.
        Weight::from_parts(73_720_000, 3807)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Registry::Models` (r:1 w:1) Proof: `Registry::Models` (`max_values`: None,
    /// `max_size`: Some(342), added: 2817, mode: `MaxEncodedLen`) Storage: `Registry::Counts` (r:1
    /// w:0) Proof: `Registry::Counts` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `System::Account` (r:1 w:1) Proof: `System::Account`
    /// (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(211), added: 2686, mode: `MaxEncodedLen`)
    fn remove_model() -> Weight {
        // Minimum execution time: 62_563_000 picoseconds.
        Weight::from_parts(67_030_000, 3807)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `System::BlockHash` (r:1 w:0) Proof: `System::BlockHash` (`max_values`: None,
    /// `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`) Storage: `Registry::Workers` (r:1
    /// w:1) Proof: `Registry::Workers` (`max_values`: None, `max_size`: Some(722), added: 3197,
    /// mode: `MaxEncodedLen`) Storage: `Registry::Models` (r:1 w:0) Proof: `Registry::Models`
    /// (`max_values`: None, `max_size`: Some(342), added: 2817, mode: `MaxEncodedLen`) Storage:
    /// `Registry::PeerOwner` (r:1 w:1) Proof: `Registry::PeerOwner` (`max_values`: None,
    /// `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`) Storage: `System::Account` (r:1
    /// w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(211), added: 2686, mode: `MaxEncodedLen`) Storage:
    /// `Clock::Now` (r:1 w:0) Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4),
    /// added: 499, mode: `MaxEncodedLen`) Storage: `Registry::Counts` (r:1 w:1) Proof:
    /// `Registry::Counts` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Shelves` (r:1 w:1) Proof: `Registry::Shelves`
    /// (`max_values`: None, `max_size`: Some(10845), added: 13320, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Beats` (r:1 w:1) Proof: `Registry::Beats` (`max_values`: None, `max_size`:
    /// Some(125), added: 2600, mode: `MaxEncodedLen`) Storage: `Registry::Places` (r:0 w:1) Proof:
    /// `Registry::Places` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: UNKNOWN KEY `0x63` (r:32 w:32) Proof: UNKNOWN KEY `0x63` (r:32
    /// w:32) Storage: UNKNOWN KEY
    /// `0x6d53708d2f8a40c1612785fc5a473677e686824f695ea7c5b5f93c17f7e29819` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d53708d2f8a40c1612785fc5a473677e686824f695ea7c5b5f93c17f7e29819` (r:0 w:32)
    /// The range of component `b` is `[1, 32]`.
    fn register(b: u32) -> Weight {
        // Minimum execution time: 180_339_000 picoseconds.
        Weight::from_parts(186_391_410, 14310)
            .saturating_add(Weight::from_parts(4_262_417, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(10_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(8_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2475).saturating_mul(b.into()))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Places` (r:1 w:0) Proof: `Registry::Places`
    /// (`max_values`: None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Shelves` (r:1 w:1) Proof: `Registry::Shelves` (`max_values`: None, `max_size`:
    /// Some(10845), added: 13320, mode: `MaxEncodedLen`) Storage: `Registry::Beats` (r:1 w:1)
    /// Proof: `Registry::Beats` (`max_values`: None, `max_size`: Some(125), added: 2600, mode:
    /// `MaxEncodedLen`)
    fn set_price() -> Weight {
        // Minimum execution time: 38_948_000 picoseconds.
        Weight::from_parts(41_842_000, 14310)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Registry::Places` (r:1
    /// w:0) Proof: `Registry::Places` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Shelves` (r:1 w:1) Proof: `Registry::Shelves`
    /// (`max_values`: None, `max_size`: Some(10845), added: 13320, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Beats` (r:1 w:1) Proof: `Registry::Beats` (`max_values`: None, `max_size`:
    /// Some(125), added: 2600, mode: `MaxEncodedLen`)
    fn set_cost() -> Weight {
        // Minimum execution time: 37_786_000 picoseconds.
        Weight::from_parts(40_681_000, 14310)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Registry::Models` (r:1
    /// w:0) Proof: `Registry::Models` (`max_values`: None, `max_size`: Some(342), added: 2817,
    /// mode: `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1 w:0) Proof: `Sla::WorkerLoads`
    /// (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`) Storage:
    /// `Clock::Now` (r:1 w:0) Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4),
    /// added: 499, mode: `MaxEncodedLen`) Storage: `Registry::Places` (r:1 w:0) Proof:
    /// `Registry::Places` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Shelves` (r:1 w:1) Proof: `Registry::Shelves`
    /// (`max_values`: None, `max_size`: Some(10845), added: 13320, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Beats` (r:1 w:1) Proof: `Registry::Beats` (`max_values`: None, `max_size`:
    /// Some(125), added: 2600, mode: `MaxEncodedLen`) Storage: UNKNOWN KEY `0x63` (r:32 w:32)
    /// Proof: UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d53708d2f8a40c1612785fc5a473677e686824f695ea7c5b5f93c17f7e29819` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d53708d2f8a40c1612785fc5a473677e686824f695ea7c5b5f93c17f7e29819` (r:0 w:32)
    /// The range of component `b` is `[2, 32]`.
    fn set_range(b: u32) -> Weight {
        // Minimum execution time: 81_772_000 picoseconds.
        Weight::from_parts(75_627_348, 14310)
            .saturating_add(Weight::from_parts(5_007_754, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(3_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2550).saturating_mul(b.into()))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Registry::Places` (r:1
    /// w:0) Proof: `Registry::Places` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Shelves` (r:1 w:1) Proof: `Registry::Shelves`
    /// (`max_values`: None, `max_size`: Some(10845), added: 13320, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Beats` (r:1 w:1) Proof: `Registry::Beats` (`max_values`: None, `max_size`:
    /// Some(125), added: 2600, mode: `MaxEncodedLen`)
    fn set_addresses() -> Weight {
        // Minimum execution time: 38_637_000 picoseconds.
        Weight::from_parts(41_923_000, 14310)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `System::BlockHash` (r:1 w:0) Proof: `System::BlockHash`
    /// (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Places` (r:1 w:0) Proof: `Registry::Places` (`max_values`: None, `max_size`:
    /// Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `Registry::Beats` (r:1 w:1) Proof:
    /// `Registry::Beats` (`max_values`: None, `max_size`: Some(125), added: 2600, mode:
    /// `MaxEncodedLen`)
    fn heartbeat() -> Weight {
        // Minimum execution time: 71_387_000 picoseconds.
        Weight::from_parts(77_846_000, 4187)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(2_u64))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Places` (r:1 w:0) Proof: `Registry::Places`
    /// (`max_values`: None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Shelves` (r:1 w:1) Proof: `Registry::Shelves` (`max_values`: None, `max_size`:
    /// Some(10845), added: 13320, mode: `MaxEncodedLen`) Storage: `Registry::Beats` (r:1 w:1)
    /// Proof: `Registry::Beats` (`max_values`: None, `max_size`: Some(125), added: 2600, mode:
    /// `MaxEncodedLen`) Storage: UNKNOWN KEY `0x63` (r:32 w:32) Proof: UNKNOWN KEY `0x63` (r:32
    /// w:32) Storage: UNKNOWN KEY
    /// `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32)
    /// The range of component `b` is `[1, 32]`.
    fn unjail(b: u32) -> Weight {
        // Minimum execution time: 50_315_000 picoseconds.
        Weight::from_parts(51_020_184, 14310)
            .saturating_add(Weight::from_parts(3_590_932, 0).saturating_mul(b.into()))
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
    /// (`max_values`: None, `max_size`: Some(211), added: 2686, mode: `MaxEncodedLen`) Storage:
    /// `Clock::Now` (r:1 w:0) Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4),
    /// added: 499, mode: `MaxEncodedLen`) Storage: `Registry::Places` (r:1 w:0) Proof:
    /// `Registry::Places` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Shelves` (r:1 w:1) Proof: `Registry::Shelves`
    /// (`max_values`: None, `max_size`: Some(10845), added: 13320, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Beats` (r:1 w:1) Proof: `Registry::Beats` (`max_values`: None, `max_size`:
    /// Some(125), added: 2600, mode: `MaxEncodedLen`) Storage: UNKNOWN KEY `0x63` (r:32 w:32)
    /// Proof: UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32)
    /// The range of component `b` is `[1, 32]`.
    fn top_up_stake(b: u32) -> Weight {
        // Minimum execution time: 109_724_000 picoseconds.
        Weight::from_parts(111_819_789, 14310)
            .saturating_add(Weight::from_parts(3_637_904, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(5_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2475).saturating_mul(b.into()))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1
    /// w:0) Proof: `Sla::WorkerLoads` (`max_values`: None, `max_size`: Some(68), added: 2543, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Places` (r:1 w:1) Proof: `Registry::Places`
    /// (`max_values`: None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Counts` (r:1 w:1) Proof: `Registry::Counts` (`max_values`: None, `max_size`:
    /// Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `Registry::Shelves` (r:1 w:1) Proof:
    /// `Registry::Shelves` (`max_values`: None, `max_size`: Some(10845), added: 13320, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Beats` (r:1 w:1) Proof: `Registry::Beats`
    /// (`max_values`: None, `max_size`: Some(125), added: 2600, mode: `MaxEncodedLen`) Storage:
    /// `Clock::Now` (r:1 w:0) Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4),
    /// added: 499, mode: `MaxEncodedLen`) Storage: `Timing::Chosen` (r:1 w:0) Proof:
    /// `Timing::Chosen` (`max_values`: Some(1), `max_size`: Some(1), added: 496, mode:
    /// `MaxEncodedLen`) Storage: UNKNOWN KEY `0x63` (r:32 w:32) Proof: UNKNOWN KEY `0x63` (r:32
    /// w:32) Storage: UNKNOWN KEY
    /// `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32)
    /// The range of component `b` is `[1, 32]`.
    fn unregister(b: u32) -> Weight {
        // Minimum execution time: 62_373_000 picoseconds.
        Weight::from_parts(64_627_357, 14310)
            .saturating_add(Weight::from_parts(3_819_003, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(8_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(5_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2573).saturating_mul(b.into()))
    }
    /// Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1 w:0) Proof: `Sla::WorkerLoads`
    /// (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`) Storage:
    /// `Channels::ByPayee` (r:1 w:0) Proof: `Channels::ByPayee` (`max_values`: None, `max_size`:
    /// Some(80), added: 2555, mode: `MaxEncodedLen`) Storage: `System::Account` (r:1 w:1) Proof:
    /// `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(211), added: 2686, mode: `MaxEncodedLen`) Storage:
    /// `Registry::PeerOwner` (r:0 w:1) Proof: `Registry::PeerOwner` (`max_values`: None,
    /// `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`)
    fn withdraw() -> Weight {
        // Minimum execution time: 76_885_000 picoseconds.
        Weight::from_parts(81_521_000, 4187)
            .saturating_add(T::DbWeight::get().reads(6_u64))
            .saturating_add(T::DbWeight::get().writes(4_u64))
    }
    /// Storage: `Registry::SweepCursor` (r:1 w:1) Proof: `Registry::SweepCursor` (`max_values`:
    /// Some(1), `max_size`: Some(32), added: 527, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1
    /// w:0) Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`)
    fn sweep_base() -> Weight {
        // Minimum execution time: 9_274_000 picoseconds.
        Weight::from_parts(10_075_000, 1517)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Registry::SweepCursor` (r:1 w:1) Proof: `Registry::SweepCursor` (`max_values`:
    /// Some(1), `max_size`: Some(32), added: 527, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Workers` (r:2 w:0) Proof: `Registry::Workers` (`max_values`: None, `max_size`:
    /// Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0) Proof:
    /// `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode: `MaxEncodedLen`)
    fn sweep_look() -> Weight {
        // Minimum execution time: 14_231_000 picoseconds.
        Weight::from_parts(15_473_000, 7384)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Registry::SweepCursor` (r:1 w:1) Proof: `Registry::SweepCursor` (`max_values`:
    /// Some(1), `max_size`: Some(32), added: 527, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Workers` (r:2 w:1) Proof: `Registry::Workers` (`max_values`: None, `max_size`:
    /// Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0) Proof:
    /// `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode: `MaxEncodedLen`)
    /// Storage: `Registry::Places` (r:1 w:0) Proof: `Registry::Places` (`max_values`: None,
    /// `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `Registry::Shelves` (r:1
    /// w:1) Proof: `Registry::Shelves` (`max_values`: None, `max_size`: Some(10845), added: 13320,
    /// mode: `MaxEncodedLen`) Storage: `Registry::Beats` (r:1 w:1) Proof: `Registry::Beats`
    /// (`max_values`: None, `max_size`: Some(125), added: 2600, mode: `MaxEncodedLen`) Storage:
    /// UNKNOWN KEY `0x63` (r:32 w:32) Proof: UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d9e1220b6f0f5623e599e85c349d3d72972ab1f7356f647abd85760fb704bdf` (r:0 w:32)
    /// The range of component `b` is `[1, 32]`.
    fn jail(b: u32) -> Weight {
        // Minimum execution time: 52_628_000 picoseconds.
        Weight::from_parts(55_778_321, 14310)
            .saturating_add(Weight::from_parts(3_560_407, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
            .saturating_add(T::DbWeight::get().writes(4_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(b.into())))
            .saturating_add(Weight::from_parts(0, 2573).saturating_mul(b.into()))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn register_model() -> Weight {
        Weight::from_parts(73_720_000, 3807).saturating_add(RocksDbWeight::get().reads_writes(3, 3))
    }
    fn remove_model() -> Weight {
        Weight::from_parts(67_030_000, 3807).saturating_add(RocksDbWeight::get().reads_writes(4, 3))
    }
    fn register(b: u32) -> Weight {
        Weight::from_parts(186_391_410, 14310)
            .saturating_add(Weight::from_parts(4_262_417, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(10, 8))
    }
    fn set_price() -> Weight {
        Weight::from_parts(41_842_000, 14310)
            .saturating_add(RocksDbWeight::get().reads_writes(5, 3))
    }
    fn set_cost() -> Weight {
        Weight::from_parts(40_681_000, 14310)
            .saturating_add(RocksDbWeight::get().reads_writes(4, 3))
    }
    fn set_range(b: u32) -> Weight {
        Weight::from_parts(75_627_348, 14310)
            .saturating_add(Weight::from_parts(5_007_754, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(7, 3))
    }
    fn set_addresses() -> Weight {
        Weight::from_parts(41_923_000, 14310)
            .saturating_add(RocksDbWeight::get().reads_writes(4, 3))
    }
    fn heartbeat() -> Weight {
        Weight::from_parts(77_846_000, 4187).saturating_add(RocksDbWeight::get().reads_writes(5, 2))
    }
    fn unjail(b: u32) -> Weight {
        Weight::from_parts(51_020_184, 14310)
            .saturating_add(Weight::from_parts(3_590_932, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(5, 3))
    }
    fn top_up_stake(b: u32) -> Weight {
        Weight::from_parts(111_819_789, 14310)
            .saturating_add(Weight::from_parts(3_637_904, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(7, 5))
    }
    fn unregister(b: u32) -> Weight {
        Weight::from_parts(64_627_357, 14310)
            .saturating_add(Weight::from_parts(3_819_003, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(8, 5))
    }
    fn withdraw() -> Weight {
        Weight::from_parts(81_521_000, 4187).saturating_add(RocksDbWeight::get().reads_writes(6, 4))
    }
    fn sweep_base() -> Weight {
        Weight::from_parts(10_075_000, 1517).saturating_add(RocksDbWeight::get().reads_writes(2, 1))
    }
    fn sweep_look() -> Weight {
        Weight::from_parts(15_473_000, 7384).saturating_add(RocksDbWeight::get().reads_writes(4, 1))
    }
    fn jail(b: u32) -> Weight {
        Weight::from_parts(55_778_321, 14310)
            .saturating_add(Weight::from_parts(3_560_407, 0).saturating_mul(b.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(7, 4))
    }
}
