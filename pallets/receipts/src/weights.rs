//! Weights of `pallet_mica_receipts`, measured by `make weights`. Do not edit.
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
    fn on_idle_base() -> Weight;
    fn remove_root() -> Weight;
}

/// The measured weights, with the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// Storage: `Receipts::Head` (r:1 w:1) Proof: `Receipts::Head` (`max_values`: Some(1),
    /// `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`) Storage: `Receipts::Tail` (r:1 w:0)
    /// Proof: `Receipts::Tail` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode:
    /// `MaxEncodedLen`)
    fn on_idle_base() -> Weight {
        // Minimum execution time: 3_765_000 picoseconds.
        Weight::from_parts(4_166_000, 1493)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Receipts::Head` (r:1 w:1) Proof: `Receipts::Head` (`max_values`: Some(1),
    /// `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`) Storage: `Receipts::Tail` (r:1 w:0)
    /// Proof: `Receipts::Tail` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode:
    /// `MaxEncodedLen`) Storage: `Receipts::Queue` (r:1 w:1) Proof: `Receipts::Queue`
    /// (`max_values`: None, `max_size`: Some(55), added: 2530, mode: `MaxEncodedLen`) Storage:
    /// `Clock::Now` (r:1 w:0) Proof: `Clock::Now` (`max_values`: Some(1), `max_size`: Some(4),
    /// added: 499, mode: `MaxEncodedLen`) Storage: `Timing::Chosen` (r:1 w:0) Proof:
    /// `Timing::Chosen` (`max_values`: Some(1), `max_size`: Some(1), added: 496, mode:
    /// `MaxEncodedLen`) Storage: `Receipts::Roots` (r:1 w:1) Proof: `Receipts::Roots`
    /// (`max_values`: None, `max_size`: Some(176), added: 2651, mode: `MaxEncodedLen`)
    fn remove_root() -> Weight {
        // Minimum execution time: 24_747_000 picoseconds.
        Weight::from_parts(26_389_000, 3641)
            .saturating_add(T::DbWeight::get().reads(6_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn on_idle_base() -> Weight {
        Weight::from_parts(4_166_000, 1493).saturating_add(RocksDbWeight::get().reads_writes(2, 1))
    }
    fn remove_root() -> Weight {
        Weight::from_parts(26_389_000, 3641).saturating_add(RocksDbWeight::get().reads_writes(6, 3))
    }
}
