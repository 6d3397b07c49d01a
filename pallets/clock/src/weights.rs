//! Weights of `pallet_mica_clock`, measured by `make weights`. Do not edit.
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
    fn advance() -> Weight;
    fn note_final(a: u32) -> Weight;
    fn recover_finality() -> Weight;
}

/// The measured weights, with the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// Storage: `SafeMode::EnteredUntil` (r:1 w:0) Proof: `SafeMode::EnteredUntil` (`max_values`:
    /// Some(1), `max_size`: Some(4), added: 499, mode: `MaxEncodedLen`) Storage: `Clock::Final`
    /// (r:1 w:0) Proof: `Clock::Final` (`max_values`: Some(1), `max_size`: Some(8), added: 503,
    /// mode: `MaxEncodedLen`) Storage: `Timing::Chosen` (r:1 w:0) Proof: `Timing::Chosen`
    /// (`max_values`: Some(1), `max_size`: Some(1), added: 496, mode: `MaxEncodedLen`) Storage:
    /// `Clock::Stands` (r:1 w:1) Proof: `Clock::Stands` (`max_values`: Some(1), `max_size`:
    /// Some(1), added: 496, mode: `MaxEncodedLen`) Storage: `Clock::Now` (r:1 w:0) Proof:
    /// `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode: `MaxEncodedLen`)
    fn advance() -> Weight {
        // Minimum execution time: 11_748_000 picoseconds.
        Weight::from_parts(12_949_000, 1493)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Clock::Hints` (r:1 w:1) Proof: `Clock::Hints` (`max_values`: Some(1), `max_size`:
    /// Some(3602), added: 4097, mode: `MaxEncodedLen`) Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Proof: `Session::CurrentIndex` (`max_values`: Some(1), `max_size`: None, mode: `Measured`)
    /// Storage: `Clock::HintsSession` (r:1 w:0) Proof: `Clock::HintsSession` (`max_values`:
    /// Some(1), `max_size`: Some(4), added: 499, mode: `MaxEncodedLen`) Storage: `Clock::Final`
    /// (r:0 w:1) Proof: `Clock::Final` (`max_values`: Some(1), `max_size`: Some(8), added: 503,
    /// mode: `MaxEncodedLen`) The range of component `a` is `[1, 100]`.
    fn note_final(a: u32) -> Weight {
        // Minimum execution time: 12_339_000 picoseconds.
        Weight::from_parts(13_898_298, 5087)
            .saturating_add(Weight::from_parts(91_446, 0).saturating_mul(a.into()))
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(2_u64))
            .saturating_add(Weight::from_parts(0, 36).saturating_mul(a.into()))
    }
    /// Storage: `Clock::Final` (r:1 w:0) Proof: `Clock::Final` (`max_values`: Some(1), `max_size`:
    /// Some(8), added: 503, mode: `MaxEncodedLen`) Storage: `Timing::Chosen` (r:1 w:0) Proof:
    /// `Timing::Chosen` (`max_values`: Some(1), `max_size`: Some(1), added: 496, mode:
    /// `MaxEncodedLen`) Storage: `Clock::Hints` (r:1 w:0) Proof: `Clock::Hints` (`max_values`:
    /// Some(1), `max_size`: Some(3602), added: 4097, mode: `MaxEncodedLen`) Storage:
    /// `Session::QueuedKeys` (r:1 w:0) Proof: `Session::QueuedKeys` (`max_values`: Some(1),
    /// `max_size`: None, mode: `Measured`) Storage: `Session::Validators` (r:1 w:0) Proof:
    /// `Session::Validators` (`max_values`: Some(1), `max_size`: None, mode: `Measured`) Storage:
    /// `Seats::Records` (r:1 w:0) Proof: `Seats::Records` (`max_values`: None, `max_size`:
    /// Some(53), added: 2528, mode: `MaxEncodedLen`) Storage: `Grandpa::Stalled` (r:0 w:1) Proof:
    /// `Grandpa::Stalled` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode:
    /// `MaxEncodedLen`)
    fn recover_finality() -> Weight {
        // Minimum execution time: 30_675_000 picoseconds.
        Weight::from_parts(33_670_000, 5087)
            .saturating_add(T::DbWeight::get().reads(6_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn advance() -> Weight {
        Weight::from_parts(12_949_000, 1493).saturating_add(RocksDbWeight::get().reads_writes(5, 1))
    }
    fn note_final(a: u32) -> Weight {
        Weight::from_parts(13_898_298, 5087)
            .saturating_add(Weight::from_parts(91_446, 0).saturating_mul(a.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(3, 2))
    }
    fn recover_finality() -> Weight {
        Weight::from_parts(33_670_000, 5087).saturating_add(RocksDbWeight::get().reads_writes(6, 1))
    }
}
