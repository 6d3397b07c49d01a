//! Weights of `pallet_mica_channels`, measured by `make weights`. Do not edit.
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
    fn open() -> Weight;
    fn open_many(k: u32) -> Weight;
    fn top_up_to() -> Weight;
    fn redeem(n: u32) -> Weight;
    fn redeem_by_payee(n: u32) -> Weight;
    fn close() -> Weight;
    fn close_cooperatively() -> Weight;
    fn finish() -> Weight;
}

/// The measured weights, with the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// Storage: `Timing::Chosen` (r:1 w:0) Proof: `Timing::Chosen` (`max_values`: Some(1),
    /// `max_size`: Some(1), added: 496, mode: `MaxEncodedLen`) Storage: `Registry::Workers` (r:1
    /// w:0) Proof: `Registry::Workers` (`max_values`: None, `max_size`: Some(722), added: 3197,
    /// mode: `MaxEncodedLen`) Storage: `Channels::Payers` (r:1 w:1) Proof: `Channels::Payers`
    /// (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`) Storage:
    /// `Channels::NextChannel` (r:1 w:1) Proof: `Channels::NextChannel` (`max_values`: Some(1),
    /// `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`) Storage: `System::BlockHash` (r:1
    /// w:0) Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519,
    /// mode: `MaxEncodedLen`) Storage: `System::Account` (r:1 w:1) Proof: `System::Account`
    /// (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(211), added: 2686, mode: `MaxEncodedLen`) Storage: `Channels::ByPayee` (r:0 w:1) Proof:
    /// `Channels::ByPayee` (`max_values`: None, `max_size`: Some(80), added: 2555, mode:
    /// `MaxEncodedLen`) Storage: `Channels::Channels` (r:0 w:1) Proof: `Channels::Channels`
    /// (`max_values`: None, `max_size`: Some(1615), added: 4090, mode: `MaxEncodedLen`) Storage:
    /// `Channels::ByPayer` (r:0 w:1) Proof: `Channels::ByPayer` (`max_values`: None, `max_size`:
    /// Some(80), added: 2555, mode: `MaxEncodedLen`)
    fn open() -> Weight {
        // Minimum execution time: 144_075_000 picoseconds.
        Weight::from_parts(149_984_000, 4187)
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().writes(7_u64))
    }
    /// Storage: `Timing::Chosen` (r:1 w:0) Proof: `Timing::Chosen` (`max_values`: Some(1),
    /// `max_size`: Some(1), added: 496, mode: `MaxEncodedLen`) Storage: `Registry::Workers` (r:32
    /// w:0) Proof: `Registry::Workers` (`max_values`: None, `max_size`: Some(722), added: 3197,
    /// mode: `MaxEncodedLen`) Storage: `Channels::Payers` (r:1 w:1) Proof: `Channels::Payers`
    /// (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`) Storage:
    /// `Channels::NextChannel` (r:1 w:1) Proof: `Channels::NextChannel` (`max_values`: Some(1),
    /// `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`) Storage: `System::BlockHash` (r:1
    /// w:0) Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519,
    /// mode: `MaxEncodedLen`) Storage: `System::Account` (r:1 w:1) Proof: `System::Account`
    /// (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(211), added: 2686, mode: `MaxEncodedLen`) Storage: `Channels::ByPayee` (r:0 w:32)
    /// Proof: `Channels::ByPayee` (`max_values`: None, `max_size`: Some(80), added: 2555, mode:
    /// `MaxEncodedLen`) Storage: `Channels::Channels` (r:0 w:32) Proof: `Channels::Channels`
    /// (`max_values`: None, `max_size`: Some(1615), added: 4090, mode: `MaxEncodedLen`) Storage:
    /// `Channels::ByPayer` (r:0 w:32) Proof: `Channels::ByPayer` (`max_values`: None, `max_size`:
    /// Some(80), added: 2555, mode: `MaxEncodedLen`) The range of component `k` is `[1, 32]`.
    fn open_many(k: u32) -> Weight {
        // Minimum execution time: 147_971_000 picoseconds.
        Weight::from_parts(22_229_747, 3676)
            .saturating_add(Weight::from_parts(130_298_423, 0).saturating_mul(k.into()))
            .saturating_add(T::DbWeight::get().reads(6_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(k.into())))
            .saturating_add(T::DbWeight::get().writes(4_u64))
            .saturating_add(T::DbWeight::get().writes((3_u64).saturating_mul(k.into())))
            .saturating_add(Weight::from_parts(0, 3197).saturating_mul(k.into()))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1615), added: 4090, mode: `MaxEncodedLen`) Storage: `System::Account` (r:1
    /// w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(211), added: 2686, mode: `MaxEncodedLen`)
    fn top_up_to() -> Weight {
        // Minimum execution time: 99_098_000 picoseconds.
        Weight::from_parts(107_891_000, 5080)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1615), added: 4090, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `System::BlockHash` (r:1 w:0) Proof: `System::BlockHash`
    /// (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(211), added: 2686, mode: `MaxEncodedLen`) Storage: `System::Account` (r:3 w:3) Proof:
    /// `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Receipts::Roots` (r:1 w:1) Proof: `Receipts::Roots`
    /// (`max_values`: None, `max_size`: Some(176), added: 2651, mode: `MaxEncodedLen`) Storage:
    /// `Receipts::Tail` (r:1 w:1) Proof: `Receipts::Tail` (`max_values`: Some(1), `max_size`:
    /// Some(8), added: 503, mode: `MaxEncodedLen`) Storage: `Registry::Workers` (r:1 w:0) Proof:
    /// `Registry::Workers` (`max_values`: None, `max_size`: Some(722), added: 3197, mode:
    /// `MaxEncodedLen`) Storage: `Receipts::Queue` (r:0 w:1) Proof: `Receipts::Queue`
    /// (`max_values`: None, `max_size`: Some(55), added: 2530, mode: `MaxEncodedLen`) The range of
    /// component `n` is `[0, 1024]`.
    fn redeem(n: u32) -> Weight {
        // Minimum execution time: 234_099_000 picoseconds.
        Weight::from_parts(247_206_094, 8799)
            .saturating_add(Weight::from_parts(399_856, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(10_u64))
            .saturating_add(T::DbWeight::get().writes(8_u64))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1615), added: 4090, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `System::BlockHash` (r:1 w:0) Proof: `System::BlockHash`
    /// (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(211), added: 2686, mode: `MaxEncodedLen`) Storage: `System::Account` (r:2 w:2) Proof:
    /// `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Receipts::Roots` (r:1 w:1) Proof: `Receipts::Roots`
    /// (`max_values`: None, `max_size`: Some(176), added: 2651, mode: `MaxEncodedLen`) Storage:
    /// `Receipts::Tail` (r:1 w:1) Proof: `Receipts::Tail` (`max_values`: Some(1), `max_size`:
    /// Some(8), added: 503, mode: `MaxEncodedLen`) Storage: `Registry::Workers` (r:1 w:0) Proof:
    /// `Registry::Workers` (`max_values`: None, `max_size`: Some(722), added: 3197, mode:
    /// `MaxEncodedLen`) Storage: `Receipts::Queue` (r:0 w:1) Proof: `Receipts::Queue`
    /// (`max_values`: None, `max_size`: Some(55), added: 2530, mode: `MaxEncodedLen`) The range of
    /// component `n` is `[0, 1024]`.
    fn redeem_by_payee(n: u32) -> Weight {
        // Minimum execution time: 184_565_000 picoseconds.
        Weight::from_parts(201_848_261, 6196)
            .saturating_add(Weight::from_parts(389_260, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(9_u64))
            .saturating_add(T::DbWeight::get().writes(7_u64))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1615), added: 4090, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `System::Account` (r:1 w:1) Proof: `System::Account`
    /// (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(211), added: 2686, mode: `MaxEncodedLen`) Storage: `Channels::Payers` (r:1 w:1) Proof:
    /// `Channels::Payers` (`max_values`: None, `max_size`: Some(68), added: 2543, mode:
    /// `MaxEncodedLen`) Storage: `Channels::ByPayee` (r:0 w:1) Proof: `Channels::ByPayee`
    /// (`max_values`: None, `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`) Storage:
    /// `Channels::ByPayer` (r:0 w:1) Proof: `Channels::ByPayer` (`max_values`: None, `max_size`:
    /// Some(80), added: 2555, mode: `MaxEncodedLen`)
    fn close() -> Weight {
        // Minimum execution time: 148_481_000 picoseconds.
        Weight::from_parts(158_567_000, 5080)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(6_u64))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1615), added: 4090, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `System::BlockHash` (r:1 w:0) Proof: `System::BlockHash`
    /// (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(211), added: 2686, mode: `MaxEncodedLen`) Storage: `System::Account` (r:2 w:2) Proof:
    /// `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Channels::Payers` (r:1 w:1) Proof: `Channels::Payers`
    /// (`max_values`: None, `max_size`: Some(68), added: 2543, mode: `MaxEncodedLen`) Storage:
    /// `Channels::ByPayee` (r:0 w:1) Proof: `Channels::ByPayee` (`max_values`: None, `max_size`:
    /// Some(80), added: 2555, mode: `MaxEncodedLen`) Storage: `Channels::ByPayer` (r:0 w:1) Proof:
    /// `Channels::ByPayer` (`max_values`: None, `max_size`: Some(80), added: 2555, mode:
    /// `MaxEncodedLen`)
    fn close_cooperatively() -> Weight {
        // Minimum execution time: 199_187_000 picoseconds.
        Weight::from_parts(211_315_000, 6196)
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().writes(7_u64))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1615), added: 4090, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0)
    /// Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode:
    /// `MaxEncodedLen`) Storage: `System::Account` (r:1 w:1) Proof: `System::Account`
    /// (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(211), added: 2686, mode: `MaxEncodedLen`) Storage: `Channels::Payers` (r:1 w:1) Proof:
    /// `Channels::Payers` (`max_values`: None, `max_size`: Some(68), added: 2543, mode:
    /// `MaxEncodedLen`) Storage: `Channels::ByPayee` (r:0 w:1) Proof: `Channels::ByPayee`
    /// (`max_values`: None, `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`) Storage:
    /// `Channels::ByPayer` (r:0 w:1) Proof: `Channels::ByPayer` (`max_values`: None, `max_size`:
    /// Some(80), added: 2555, mode: `MaxEncodedLen`)
    fn finish() -> Weight {
        // Minimum execution time: 145_657_000 picoseconds.
        Weight::from_parts(157_545_000, 5080)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(6_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn open() -> Weight {
        Weight::from_parts(149_984_000, 4187)
            .saturating_add(RocksDbWeight::get().reads_writes(7, 7))
    }
    fn open_many(k: u32) -> Weight {
        Weight::from_parts(22_229_747, 3676)
            .saturating_add(Weight::from_parts(130_298_423, 0).saturating_mul(k.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(6, 4))
    }
    fn top_up_to() -> Weight {
        Weight::from_parts(107_891_000, 5080)
            .saturating_add(RocksDbWeight::get().reads_writes(3, 3))
    }
    fn redeem(n: u32) -> Weight {
        Weight::from_parts(247_206_094, 8799)
            .saturating_add(Weight::from_parts(399_856, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(10, 8))
    }
    fn redeem_by_payee(n: u32) -> Weight {
        Weight::from_parts(201_848_261, 6196)
            .saturating_add(Weight::from_parts(389_260, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(9, 7))
    }
    fn close() -> Weight {
        Weight::from_parts(158_567_000, 5080)
            .saturating_add(RocksDbWeight::get().reads_writes(5, 6))
    }
    fn close_cooperatively() -> Weight {
        Weight::from_parts(211_315_000, 6196)
            .saturating_add(RocksDbWeight::get().reads_writes(7, 7))
    }
    fn finish() -> Weight {
        Weight::from_parts(157_545_000, 5080)
            .saturating_add(RocksDbWeight::get().reads_writes(5, 6))
    }
}
