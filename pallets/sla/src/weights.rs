//! Weights of `pallet_mica_sla`, measured by `make weights`. Do not edit.
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
    fn propose() -> Weight;
    fn accept() -> Weight;
    fn cancel() -> Weight;
    fn complete() -> Weight;
    fn claim() -> Weight;
    fn object() -> Weight;
    fn acknowledge() -> Weight;
    fn settle() -> Weight;
    fn agenda() -> Weight;
}

/// The measured weights, with the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// Storage: `Registry::Workers` (r:1 w:0) Proof: `Registry::Workers` (`max_values`: None,
    /// `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Sla::NextId` (r:1 w:1)
    /// Proof: `Sla::NextId` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode:
    /// `MaxEncodedLen`) Storage: `Sla::PayerLoad` (r:1 w:1) Proof: `Sla::PayerLoad` (`max_values`:
    /// None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `System::Account`
    /// (r:1 w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603,
    /// mode: `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(157), added: 2632, mode: `MaxEncodedLen`) Storage:
    /// `Sla::Agenda` (r:0 w:1) Proof: `Sla::Agenda` (`max_values`: None, `max_size`: Some(28),
    /// added: 2503, mode: `MaxEncodedLen`) Storage: `Sla::ByAccount` (r:0 w:2) Proof:
    /// `Sla::ByAccount` (`max_values`: None, `max_size`: Some(64), added: 2539, mode:
    /// `MaxEncodedLen`) Storage: `Sla::Agreements` (r:0 w:1) Proof: `Sla::Agreements`
    /// (`max_values`: None, `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`)
    fn propose() -> Weight {
        // Minimum execution time: 144_741_000 picoseconds.
        Weight::from_parts(158_668_000, 4187)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(8_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`) Storage: `Registry::Workers` (r:1
    /// w:0) Proof: `Registry::Workers` (`max_values`: None, `max_size`: Some(722), added: 3197,
    /// mode: `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1 w:1) Proof: `Sla::WorkerLoads`
    /// (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`) Storage:
    /// `Sla::Agenda` (r:0 w:2) Proof: `Sla::Agenda` (`max_values`: None, `max_size`: Some(28),
    /// added: 2503, mode: `MaxEncodedLen`)
    fn accept() -> Weight {
        // Minimum execution time: 74_630_000 picoseconds.
        Weight::from_parts(81_062_000, 4187)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(4_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`) Storage: `System::Account` (r:1
    /// w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(157), added: 2632, mode: `MaxEncodedLen`) Storage:
    /// `Sla::PayerLoad` (r:1 w:1) Proof: `Sla::PayerLoad` (`max_values`: None, `max_size`:
    /// Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:1) Proof:
    /// `Sla::Agenda` (`max_values`: None, `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`)
    /// Storage: `Sla::ByAccount` (r:0 w:2) Proof: `Sla::ByAccount` (`max_values`: None, `max_size`:
    /// Some(64), added: 2539, mode: `MaxEncodedLen`)
    fn cancel() -> Weight {
        // Minimum execution time: 134_933_000 picoseconds.
        Weight::from_parts(153_367_000, 3730)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(7_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`) Storage: `Registry::Workers` (r:1
    /// w:1) Proof: `Registry::Workers` (`max_values`: None, `max_size`: Some(722), added: 3197,
    /// mode: `MaxEncodedLen`) Storage: `System::BlockHash` (r:1 w:0) Proof: `System::BlockHash`
    /// (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`) Storage:
    /// `System::Account` (r:2 w:2) Proof: `System::Account` (`max_values`: None, `max_size`:
    /// Some(128), added: 2603, mode: `MaxEncodedLen`) Storage: `Balances::Holds` (r:2 w:2) Proof:
    /// `Balances::Holds` (`max_values`: None, `max_size`: Some(157), added: 2632, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Offences` (r:1 w:1) Proof: `Registry::Offences`
    /// (`max_values`: None, `max_size`: Some(2098), added: 4573, mode: `MaxEncodedLen`) Storage:
    /// `Sla::PayerLoad` (r:1 w:1) Proof: `Sla::PayerLoad` (`max_values`: None, `max_size`:
    /// Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1 w:1) Proof:
    /// `Sla::WorkerLoads` (`max_values`: None, `max_size`: Some(68), added: 2543, mode:
    /// `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:1) Proof: `Sla::Agenda` (`max_values`: None,
    /// `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`) Storage: `Sla::ByAccount` (r:0
    /// w:2) Proof: `Sla::ByAccount` (`max_values`: None, `max_size`: Some(64), added: 2539, mode:
    /// `MaxEncodedLen`)
    fn complete() -> Weight {
        // Minimum execution time: 393_629_000 picoseconds.
        Weight::from_parts(438_953_000, 6254)
            .saturating_add(T::DbWeight::get().reads(10_u64))
            .saturating_add(T::DbWeight::get().writes(12_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`) Storage: `System::BlockHash` (r:1
    /// w:0) Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519,
    /// mode: `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:2) Proof: `Sla::Agenda` (`max_values`:
    /// None, `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`)
    fn claim() -> Weight {
        // Minimum execution time: 138_660_000 picoseconds.
        Weight::from_parts(223_659_000, 3730)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:2)
    /// Proof: `Sla::Agenda` (`max_values`: None, `max_size`: Some(28), added: 2503, mode:
    /// `MaxEncodedLen`)
    fn object() -> Weight {
        // Minimum execution time: 51_587_000 picoseconds.
        Weight::from_parts(78_808_000, 3730)
            .saturating_add(T::DbWeight::get().reads(1_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`) Storage: `System::BlockHash` (r:1
    /// w:0) Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519,
    /// mode: `MaxEncodedLen`) Storage: `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers`
    /// (`max_values`: None, `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage:
    /// `System::Account` (r:2 w:2) Proof: `System::Account` (`max_values`: None, `max_size`:
    /// Some(128), added: 2603, mode: `MaxEncodedLen`) Storage: `Balances::Holds` (r:2 w:2) Proof:
    /// `Balances::Holds` (`max_values`: None, `max_size`: Some(157), added: 2632, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Offences` (r:1 w:1) Proof: `Registry::Offences`
    /// (`max_values`: None, `max_size`: Some(2098), added: 4573, mode: `MaxEncodedLen`) Storage:
    /// `Sla::PayerLoad` (r:1 w:1) Proof: `Sla::PayerLoad` (`max_values`: None, `max_size`:
    /// Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1 w:1) Proof:
    /// `Sla::WorkerLoads` (`max_values`: None, `max_size`: Some(68), added: 2543, mode:
    /// `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:1) Proof: `Sla::Agenda` (`max_values`: None,
    /// `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`) Storage: `Sla::ByAccount` (r:0
    /// w:2) Proof: `Sla::ByAccount` (`max_values`: None, `max_size`: Some(64), added: 2539, mode:
    /// `MaxEncodedLen`)
    fn acknowledge() -> Weight {
        // Minimum execution time: 392_256_000 picoseconds.
        Weight::from_parts(645_681_000, 6254)
            .saturating_add(T::DbWeight::get().reads(10_u64))
            .saturating_add(T::DbWeight::get().writes(12_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(265), added: 2740, mode: `MaxEncodedLen`) Storage: `System::Account` (r:2
    /// w:2) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:2 w:2) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(157), added: 2632, mode: `MaxEncodedLen`) Storage:
    /// `System::BlockHash` (r:1 w:0) Proof: `System::BlockHash` (`max_values`: None, `max_size`:
    /// Some(44), added: 2519, mode: `MaxEncodedLen`) Storage: `Registry::Workers` (r:1 w:1) Proof:
    /// `Registry::Workers` (`max_values`: None, `max_size`: Some(722), added: 3197, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Offences` (r:1 w:1) Proof: `Registry::Offences`
    /// (`max_values`: None, `max_size`: Some(2098), added: 4573, mode: `MaxEncodedLen`) Storage:
    /// `Sla::PayerLoad` (r:1 w:1) Proof: `Sla::PayerLoad` (`max_values`: None, `max_size`:
    /// Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1 w:1) Proof:
    /// `Sla::WorkerLoads` (`max_values`: None, `max_size`: Some(68), added: 2543, mode:
    /// `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:1) Proof: `Sla::Agenda` (`max_values`: None,
    /// `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`) Storage: `Sla::ByAccount` (r:0
    /// w:2) Proof: `Sla::ByAccount` (`max_values`: None, `max_size`: Some(64), added: 2539, mode:
    /// `MaxEncodedLen`)
    fn settle() -> Weight {
        // Minimum execution time: 310_412_000 picoseconds.
        Weight::from_parts(516_870_000, 6254)
            .saturating_add(T::DbWeight::get().reads(10_u64))
            .saturating_add(T::DbWeight::get().writes(12_u64))
    }
    /// Storage: `Sla::NextDue` (r:1 w:1) Proof: `Sla::NextDue` (`max_values`: Some(1), `max_size`:
    /// Some(4), added: 499, mode: `MaxEncodedLen`) Storage: `Sla::Agenda` (r:1 w:0) Proof:
    /// `Sla::Agenda` (`max_values`: None, `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`)
    fn agenda() -> Weight {
        // Minimum execution time: 15_639_000 picoseconds.
        Weight::from_parts(17_463_000, 3493)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn propose() -> Weight {
        Weight::from_parts(158_668_000, 4187)
            .saturating_add(RocksDbWeight::get().reads_writes(5, 8))
    }
    fn accept() -> Weight {
        Weight::from_parts(81_062_000, 4187).saturating_add(RocksDbWeight::get().reads_writes(3, 4))
    }
    fn cancel() -> Weight {
        Weight::from_parts(153_367_000, 3730)
            .saturating_add(RocksDbWeight::get().reads_writes(4, 7))
    }
    fn complete() -> Weight {
        Weight::from_parts(438_953_000, 6254)
            .saturating_add(RocksDbWeight::get().reads_writes(10, 12))
    }
    fn claim() -> Weight {
        Weight::from_parts(223_659_000, 3730)
            .saturating_add(RocksDbWeight::get().reads_writes(2, 3))
    }
    fn object() -> Weight {
        Weight::from_parts(78_808_000, 3730).saturating_add(RocksDbWeight::get().reads_writes(1, 3))
    }
    fn acknowledge() -> Weight {
        Weight::from_parts(645_681_000, 6254)
            .saturating_add(RocksDbWeight::get().reads_writes(10, 12))
    }
    fn settle() -> Weight {
        Weight::from_parts(516_870_000, 6254)
            .saturating_add(RocksDbWeight::get().reads_writes(10, 12))
    }
    fn agenda() -> Weight {
        Weight::from_parts(17_463_000, 3493).saturating_add(RocksDbWeight::get().reads_writes(2, 1))
    }
}
