//! Weights of `pallet_mica_seats`, measured by `make weights`. Do not edit.
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
    fn count_block(m: u32) -> Weight;
    fn end_session(i: u32) -> Weight;
    fn note_votes(v: u32) -> Weight;
    fn candidates(v: u32) -> Weight;
    fn seated(w: u32) -> Weight;
}

/// The measured weights, with the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// Storage: `Seats::Records` (r:8 w:8) Proof: `Seats::Records` (`max_values`: None, `max_size`:
    /// Some(53), added: 2528, mode: `MaxEncodedLen`) The range of component `m` is `[0, 8]`.
    fn count_block(m: u32) -> Weight {
        // Minimum execution time: 831_000 picoseconds.
        Weight::from_parts(2_866_716, 990)
            .saturating_add(Weight::from_parts(6_259_720, 0).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(m.into())))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(m.into())))
            .saturating_add(Weight::from_parts(0, 2528).saturating_mul(m.into()))
    }
    /// Storage: `Seats::Records` (r:100 w:33) Proof: `Seats::Records` (`max_values`: None,
    /// `max_size`: Some(53), added: 2528, mode: `MaxEncodedLen`) Storage: `Staking::Validators`
    /// (r:33 w:0) Proof: `Staking::Validators` (`max_values`: None, `max_size`: Some(45), added:
    /// 2520, mode: `MaxEncodedLen`) Storage: `Session::Validators` (r:1 w:0) Proof:
    /// `Session::Validators` (`max_values`: Some(1), `max_size`: None, mode: `Measured`) Storage:
    /// `Offences::ConcurrentReportsIndex` (r:1 w:0) Proof: `Offences::ConcurrentReportsIndex`
    /// (`max_values`: None, `max_size`: None, mode: `Measured`) The range of component `i` is `[0,
    /// 33]`.
    fn end_session(i: u32) -> Weight {
        // Minimum execution time: 409_391_000 picoseconds.
        Weight::from_parts(441_913_632, 253790)
            .saturating_add(Weight::from_parts(5_743_288, 0).saturating_mul(i.into()))
            .saturating_add(T::DbWeight::get().reads(102_u64))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(i.into())))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(i.into())))
            .saturating_add(Weight::from_parts(0, 2520).saturating_mul(i.into()))
    }
    /// Storage: `Session::Validators` (r:1 w:0) Storage: `Seats::Ballots` (r:1 w:1) Storage:
    /// `Seats::LastVotes` (r:1 w:1). Not measured yet: 80 µs for a signature, and the rest of
    /// `end_session`'s kind.
    fn note_votes(v: u32) -> Weight {
        Weight::from_parts(50_000_000, 6046)
            .saturating_add(Weight::from_parts(80_000_000, 0).saturating_mul(v.into()))
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(2_u64))
    }
    /// The range of component `v` is `[1, 2000]`.
    fn candidates(v: u32) -> Weight {
        // Minimum execution time: 3_786_000 picoseconds.
        Weight::from_parts(3_936_000, 0)
            .saturating_add(Weight::from_parts(4_521_554, 0).saturating_mul(v.into()))
    }
    /// Storage: `Session::Validators` (r:1 w:0) Proof: `Session::Validators` (`max_values`:
    /// Some(1), `max_size`: None, mode: `Measured`) Storage: `Seats::Records` (r:2 w:0) Proof:
    /// `Seats::Records` (`max_values`: None, `max_size`: Some(53), added: 2528, mode:
    /// `MaxEncodedLen`) The range of component `w` is `[1, 100]`.
    fn seated(w: u32) -> Weight {
        // Minimum execution time: 8_122_000 picoseconds.
        Weight::from_parts(9_429_411, 6046)
            .saturating_add(Weight::from_parts(96_350, 0).saturating_mul(w.into()))
            .saturating_add(T::DbWeight::get().reads(3_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn count_block(m: u32) -> Weight {
        Weight::from_parts(2_866_716, 990)
            .saturating_add(Weight::from_parts(6_259_720, 0).saturating_mul(m.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(0, 0))
    }
    fn end_session(i: u32) -> Weight {
        Weight::from_parts(441_913_632, 253790)
            .saturating_add(Weight::from_parts(5_743_288, 0).saturating_mul(i.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(102, 0))
    }
    fn note_votes(v: u32) -> Weight {
        Weight::from_parts(50_000_000, 6046)
            .saturating_add(Weight::from_parts(80_000_000, 0).saturating_mul(v.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(3, 2))
    }
    fn candidates(v: u32) -> Weight {
        Weight::from_parts(3_936_000, 0)
            .saturating_add(Weight::from_parts(4_521_554, 0).saturating_mul(v.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(0, 0))
    }
    fn seated(w: u32) -> Weight {
        Weight::from_parts(9_429_411, 6046)
            .saturating_add(Weight::from_parts(96_350, 0).saturating_mul(w.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(3, 0))
    }
}
