//! Weights of `pallet_mica_sla`, measured by `make weights`. Do not edit.
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
    /// Storage: `Timing::Chosen` (r:1 w:0) Proof: `Timing::Chosen` (`max_values`: Some(1),
    /// `max_size`: Some(1), added: 496, mode: `MaxEncodedLen`) Storage: `Registry::Workers` (r:1
    /// w:0) Proof: `Registry::Workers` (`max_values`: None, `max_size`: Some(722), added: 3197,
    /// mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0) Proof: `Clock::Now` (`max_values`:
    /// Some(1), `max_size`: Some(4), added: 499, mode: `MaxEncodedLen`) Storage: `Sla::NextId` (r:1
    /// w:1) Proof: `Sla::NextId` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode:
    /// `MaxEncodedLen`) Storage: `Sla::PayerLoad` (r:1 w:1) Proof: `Sla::PayerLoad` (`max_values`:
    /// None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `System::Account`
    /// (r:1 w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603,
    /// mode: `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(211), added: 2686, mode: `MaxEncodedLen`) Storage:
    /// `Sla::Books` (r:1 w:1) Proof: `Sla::Books` (`max_values`: Some(1), `max_size`: Some(64),
    /// added: 559, mode: `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:1) Proof: `Sla::Agenda`
    /// (`max_values`: None, `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`) Storage:
    /// `Sla::ByAccount` (r:0 w:2) Proof: `Sla::ByAccount` (`max_values`: None, `max_size`:
    /// Some(64), added: 2539, mode: `MaxEncodedLen`) Storage: `Sla::Agreements` (r:0 w:1) Proof:
    /// `Sla::Agreements` (`max_values`: None, `max_size`: Some(241), added: 2716, mode:
    /// `MaxEncodedLen`)
    fn propose() -> Weight {
        // Minimum execution time: 101_551_000 picoseconds.
        Weight::from_parts(110_094_000, 4187)
            .saturating_add(T::DbWeight::get().reads(8_u64))
            .saturating_add(T::DbWeight::get().writes(9_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(241), added: 2716, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Workers` (r:1 w:0) Proof: `Registry::Workers`
    /// (`max_values`: None, `max_size`: Some(722), added: 3197, mode: `MaxEncodedLen`) Storage:
    /// `Sla::WorkerLoads` (r:1 w:1) Proof: `Sla::WorkerLoads` (`max_values`: None, `max_size`:
    /// Some(68), added: 2543, mode: `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:2) Proof:
    /// `Sla::Agenda` (`max_values`: None, `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`)
    fn accept() -> Weight {
        // Minimum execution time: 37_546_000 picoseconds.
        Weight::from_parts(41_211_000, 4187)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(4_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(241), added: 2716, mode: `MaxEncodedLen`) Storage: `System::Account` (r:1
    /// w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(211), added: 2686, mode: `MaxEncodedLen`) Storage:
    /// `Sla::Books` (r:1 w:1) Proof: `Sla::Books` (`max_values`: Some(1), `max_size`: Some(64),
    /// added: 559, mode: `MaxEncodedLen`) Storage: `Sla::PayerLoad` (r:1 w:1) Proof:
    /// `Sla::PayerLoad` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:1) Proof: `Sla::Agenda` (`max_values`: None,
    /// `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`) Storage: `Sla::ByAccount` (r:0
    /// w:2) Proof: `Sla::ByAccount` (`max_values`: None, `max_size`: Some(64), added: 2539, mode:
    /// `MaxEncodedLen`)
    fn cancel() -> Weight {
        // Minimum execution time: 84_155_000 picoseconds.
        Weight::from_parts(89_473_000, 3706)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(8_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(241), added: 2716, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `Timing::Chosen` (r:1 w:0) Proof: `Timing::Chosen` (`max_values`:
    /// Some(1), `max_size`: Some(1), added: 496, mode: `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0
    /// w:2) Proof: `Sla::Agenda` (`max_values`: None, `max_size`: Some(28), added: 2503, mode:
    /// `MaxEncodedLen`)
    fn request() -> Weight {
        // Minimum execution time: 26_609_000 picoseconds.
        Weight::from_parts(29_504_000, 3706)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(241), added: 2716, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `Timing::Chosen` (r:1 w:0) Proof: `Timing::Chosen` (`max_values`:
    /// Some(1), `max_size`: Some(1), added: 496, mode: `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0
    /// w:2) Proof: `Sla::Agenda` (`max_values`: None, `max_size`: Some(28), added: 2503, mode:
    /// `MaxEncodedLen`)
    fn acknowledge() -> Weight {
        // Minimum execution time: 26_310_000 picoseconds.
        Weight::from_parts(29_133_000, 3706)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(241), added: 2716, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `System::BlockHash` (r:1 w:0) Proof: `System::BlockHash`
    /// (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:2 w:2) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(211), added: 2686, mode: `MaxEncodedLen`) Storage: `System::Account` (r:2 w:2) Proof:
    /// `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Sla::Books` (r:1 w:1) Proof: `Sla::Books` (`max_values`: Some(1),
    /// `max_size`: Some(64), added: 559, mode: `MaxEncodedLen`) Storage: `Sla::PayerLoad` (r:1 w:1)
    /// Proof: `Sla::PayerLoad` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1 w:1) Proof: `Sla::WorkerLoads`
    /// (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None, `max_size`:
    /// Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Registry::Offences` (r:1 w:1)
    /// Proof: `Registry::Offences` (`max_values`: None, `max_size`: Some(96), added: 2571, mode:
    /// `MaxEncodedLen`) Storage: `Registry::OffenceEnds` (r:1 w:1) Proof: `Registry::OffenceEnds`
    /// (`max_values`: Some(1), `max_size`: Some(16), added: 511, mode: `MaxEncodedLen`) Storage:
    /// `Registry::OffenceQueue` (r:1 w:1) Proof: `Registry::OffenceQueue` (`max_values`: None,
    /// `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`) Storage: `Registry::Places` (r:1
    /// w:0) Proof: `Registry::Places` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Shelves` (r:1 w:1) Proof: `Registry::Shelves`
    /// (`max_values`: None, `max_size`: Some(10845), added: 13320, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Beats` (r:1 w:1) Proof: `Registry::Beats` (`max_values`: None, `max_size`:
    /// Some(125), added: 2600, mode: `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:1) Proof:
    /// `Sla::Agenda` (`max_values`: None, `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`)
    /// Storage: `Sla::ByAccount` (r:0 w:2) Proof: `Sla::ByAccount` (`max_values`: None, `max_size`:
    /// Some(64), added: 2539, mode: `MaxEncodedLen`) Storage: UNKNOWN KEY `0x63` (r:32 w:32) Proof:
    /// UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d3992130637ec95715a57db2ebf0892280a602833f57303ccb60e5be1db2305` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d3992130637ec95715a57db2ebf0892280a602833f57303ccb60e5be1db2305` (r:0 w:32)
    fn claim() -> Weight {
        // Minimum execution time: 396_811_000 picoseconds.
        Weight::from_parts(428_669_000, 86105)
            .saturating_add(T::DbWeight::get().reads(49_u64))
            .saturating_add(T::DbWeight::get().writes(81_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(241), added: 2716, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `System::BlockHash` (r:1 w:0) Proof: `System::BlockHash`
    /// (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None, `max_size`:
    /// Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Registry::Offences` (r:1 w:1)
    /// Proof: `Registry::Offences` (`max_values`: None, `max_size`: Some(96), added: 2571, mode:
    /// `MaxEncodedLen`) Storage: `Registry::OffenceEnds` (r:1 w:1) Proof: `Registry::OffenceEnds`
    /// (`max_values`: Some(1), `max_size`: Some(16), added: 511, mode: `MaxEncodedLen`) Storage:
    /// `Registry::OffenceQueue` (r:1 w:1) Proof: `Registry::OffenceQueue` (`max_values`: None,
    /// `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`) Storage: `System::Account` (r:2
    /// w:2) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:2 w:2) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(211), added: 2686, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Places` (r:1 w:0) Proof: `Registry::Places` (`max_values`: None, `max_size`:
    /// Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `Registry::Shelves` (r:1 w:1) Proof:
    /// `Registry::Shelves` (`max_values`: None, `max_size`: Some(10845), added: 13320, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Beats` (r:1 w:1) Proof: `Registry::Beats`
    /// (`max_values`: None, `max_size`: Some(125), added: 2600, mode: `MaxEncodedLen`) Storage:
    /// `Sla::Books` (r:1 w:1) Proof: `Sla::Books` (`max_values`: Some(1), `max_size`: Some(64),
    /// added: 559, mode: `MaxEncodedLen`) Storage: `Sla::PayerLoad` (r:1 w:1) Proof:
    /// `Sla::PayerLoad` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `Sla::WorkerLoads` (r:1 w:1) Proof: `Sla::WorkerLoads`
    /// (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`) Storage:
    /// `Sla::Agenda` (r:0 w:1) Proof: `Sla::Agenda` (`max_values`: None, `max_size`: Some(28),
    /// added: 2503, mode: `MaxEncodedLen`) Storage: `Sla::ByAccount` (r:0 w:2) Proof:
    /// `Sla::ByAccount` (`max_values`: None, `max_size`: Some(64), added: 2539, mode:
    /// `MaxEncodedLen`) Storage: UNKNOWN KEY `0x63` (r:32 w:32) Proof: UNKNOWN KEY `0x63` (r:32
    /// w:32) Storage: UNKNOWN KEY
    /// `0x6d3992130637ec95715a57db2ebf0892280a602833f57303ccb60e5be1db2305` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d3992130637ec95715a57db2ebf0892280a602833f57303ccb60e5be1db2305` (r:0 w:32)
    fn dispute() -> Weight {
        // Minimum execution time: 378_975_000 picoseconds.
        Weight::from_parts(411_633_000, 86105)
            .saturating_add(T::DbWeight::get().reads(49_u64))
            .saturating_add(T::DbWeight::get().writes(81_u64))
    }
    /// Storage: `Sla::Agreements` (r:1 w:1) Proof: `Sla::Agreements` (`max_values`: None,
    /// `max_size`: Some(241), added: 2716, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `System::Account` (r:2 w:2) Proof: `System::Account`
    /// (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:2 w:2) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(211), added: 2686, mode: `MaxEncodedLen`) Storage: `Sla::Books` (r:1 w:1) Proof:
    /// `Sla::Books` (`max_values`: Some(1), `max_size`: Some(64), added: 559, mode:
    /// `MaxEncodedLen`) Storage: `Sla::PayerLoad` (r:1 w:1) Proof: `Sla::PayerLoad` (`max_values`:
    /// None, `max_size`: Some(52), added: 2527, mode: `MaxEncodedLen`) Storage: `Sla::WorkerLoads`
    /// (r:1 w:1) Proof: `Sla::WorkerLoads` (`max_values`: None, `max_size`: Some(68), added: 2543,
    /// mode: `MaxEncodedLen`) Storage: `System::BlockHash` (r:1 w:0) Proof: `System::BlockHash`
    /// (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Workers` (r:1 w:1) Proof: `Registry::Workers` (`max_values`: None, `max_size`:
    /// Some(722), added: 3197, mode: `MaxEncodedLen`) Storage: `Registry::Offences` (r:1 w:1)
    /// Proof: `Registry::Offences` (`max_values`: None, `max_size`: Some(96), added: 2571, mode:
    /// `MaxEncodedLen`) Storage: `Registry::OffenceEnds` (r:1 w:1) Proof: `Registry::OffenceEnds`
    /// (`max_values`: Some(1), `max_size`: Some(16), added: 511, mode: `MaxEncodedLen`) Storage:
    /// `Registry::OffenceQueue` (r:1 w:1) Proof: `Registry::OffenceQueue` (`max_values`: None,
    /// `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`) Storage: `Registry::Places` (r:1
    /// w:0) Proof: `Registry::Places` (`max_values`: None, `max_size`: Some(52), added: 2527, mode:
    /// `MaxEncodedLen`) Storage: `Registry::Shelves` (r:1 w:1) Proof: `Registry::Shelves`
    /// (`max_values`: None, `max_size`: Some(10845), added: 13320, mode: `MaxEncodedLen`) Storage:
    /// `Registry::Beats` (r:1 w:1) Proof: `Registry::Beats` (`max_values`: None, `max_size`:
    /// Some(125), added: 2600, mode: `MaxEncodedLen`) Storage: `Sla::Agenda` (r:0 w:1) Proof:
    /// `Sla::Agenda` (`max_values`: None, `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`)
    /// Storage: `Sla::ByAccount` (r:0 w:2) Proof: `Sla::ByAccount` (`max_values`: None, `max_size`:
    /// Some(64), added: 2539, mode: `MaxEncodedLen`) Storage: UNKNOWN KEY `0x63` (r:32 w:32) Proof:
    /// UNKNOWN KEY `0x63` (r:32 w:32) Storage: UNKNOWN KEY
    /// `0x6d3992130637ec95715a57db2ebf0892280a602833f57303ccb60e5be1db2305` (r:0 w:32) Proof:
    /// UNKNOWN KEY `0x6d3992130637ec95715a57db2ebf0892280a602833f57303ccb60e5be1db2305` (r:0 w:32)
    fn settle() -> Weight {
        // Minimum execution time: 310_633_000 picoseconds.
        Weight::from_parts(328_840_000, 86105)
            .saturating_add(T::DbWeight::get().reads(49_u64))
            .saturating_add(T::DbWeight::get().writes(81_u64))
    }
    /// Storage: `Clock::Now` (r:1 w:0) Proof: `Clock::Now` (`max_values`: Some(1), `max_size`:
    /// Some(4), added: 499, mode: `MaxEncodedLen`) Storage: `Sla::NextDue` (r:1 w:1) Proof:
    /// `Sla::NextDue` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `Sla::Agenda` (r:1 w:0) Proof: `Sla::Agenda` (`max_values`: None,
    /// `max_size`: Some(28), added: 2503, mode: `MaxEncodedLen`)
    fn agenda() -> Weight {
        // Minimum execution time: 8_162_000 picoseconds.
        Weight::from_parts(8_753_000, 3493)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn propose() -> Weight {
        Weight::from_parts(110_094_000, 4187)
            .saturating_add(RocksDbWeight::get().reads_writes(8, 9))
    }
    fn accept() -> Weight {
        Weight::from_parts(41_211_000, 4187).saturating_add(RocksDbWeight::get().reads_writes(4, 4))
    }
    fn cancel() -> Weight {
        Weight::from_parts(89_473_000, 3706).saturating_add(RocksDbWeight::get().reads_writes(5, 8))
    }
    fn request() -> Weight {
        Weight::from_parts(29_504_000, 3706).saturating_add(RocksDbWeight::get().reads_writes(3, 3))
    }
    fn acknowledge() -> Weight {
        Weight::from_parts(29_133_000, 3706).saturating_add(RocksDbWeight::get().reads_writes(3, 3))
    }
    fn claim() -> Weight {
        Weight::from_parts(428_669_000, 86105)
            .saturating_add(RocksDbWeight::get().reads_writes(49, 81))
    }
    fn dispute() -> Weight {
        Weight::from_parts(411_633_000, 86105)
            .saturating_add(RocksDbWeight::get().reads_writes(49, 81))
    }
    fn settle() -> Weight {
        Weight::from_parts(328_840_000, 86105)
            .saturating_add(RocksDbWeight::get().reads_writes(49, 81))
    }
    fn agenda() -> Weight {
        Weight::from_parts(8_753_000, 3493).saturating_add(RocksDbWeight::get().reads_writes(3, 1))
    }
}
