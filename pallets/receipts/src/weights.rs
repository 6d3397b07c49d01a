//! Weights of `pallet_mica_receipts`, measured by `make weights`. Do not edit.
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
        // Minimum execution time: 6_512_000 picoseconds.
        Weight::from_parts(11_943_000, 1493)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Receipts::Head` (r:1 w:1) Proof: `Receipts::Head` (`max_values`: Some(1),
    /// `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`) Storage: `Receipts::Tail` (r:1 w:0)
    /// Proof: `Receipts::Tail` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode:
    /// `MaxEncodedLen`) Storage: `Receipts::Queue` (r:1 w:1) Proof: `Receipts::Queue`
    /// (`max_values`: None, `max_size`: Some(54), added: 2529, mode: `MaxEncodedLen`) Storage:
    /// `Receipts::Roots` (r:1 w:1) Proof: `Receipts::Roots` (`max_values`: None, `max_size`:
    /// Some(174), added: 2649, mode: `MaxEncodedLen`)
    fn remove_root() -> Weight {
        // Minimum execution time: 32_000_000 picoseconds.
        Weight::from_parts(35_026_000, 3639)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn on_idle_base() -> Weight {
        Weight::from_parts(11_943_000, 1493).saturating_add(RocksDbWeight::get().reads_writes(2, 1))
    }
    fn remove_root() -> Weight {
        Weight::from_parts(35_026_000, 3639).saturating_add(RocksDbWeight::get().reads_writes(4, 3))
    }
}
