//! Weights of `pallet_mica_channels`, measured by `make weights`. Do not edit.
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
    /// Storage: `Channels::Payers` (r:1 w:1) Proof: `Channels::Payers` (`max_values`: None,
    /// `max_size`: Some(60), added: 2535, mode: `MaxEncodedLen`) Storage: `System::BlockHash` (r:1
    /// w:0) Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519,
    /// mode: `MaxEncodedLen`) Storage: `System::Account` (r:1 w:1) Proof: `System::Account`
    /// (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(157), added: 2632, mode: `MaxEncodedLen`) Storage: `Channels::ByPayee` (r:0 w:1) Proof:
    /// `Channels::ByPayee` (`max_values`: None, `max_size`: Some(80), added: 2555, mode:
    /// `MaxEncodedLen`) Storage: `Channels::Channels` (r:0 w:1) Proof: `Channels::Channels`
    /// (`max_values`: None, `max_size`: Some(1487), added: 3962, mode: `MaxEncodedLen`) Storage:
    /// `Channels::ByPayer` (r:0 w:1) Proof: `Channels::ByPayer` (`max_values`: None, `max_size`:
    /// Some(80), added: 2555, mode: `MaxEncodedLen`)
    fn open() -> Weight {
        // Minimum execution time: 109_746_000 picoseconds.
        Weight::from_parts(123_412_000, 3622)
            .saturating_add(T::DbWeight::get().reads(6_u64))
            .saturating_add(T::DbWeight::get().writes(7_u64))
    }
    /// Storage: `Channels::Payers` (r:1 w:1) Proof: `Channels::Payers` (`max_values`: None,
    /// `max_size`: Some(60), added: 2535, mode: `MaxEncodedLen`) Storage: `System::BlockHash` (r:1
    /// w:0) Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519,
    /// mode: `MaxEncodedLen`) Storage: `System::Account` (r:1 w:1) Proof: `System::Account`
    /// (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`) Storage:
    /// `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds` (`max_values`: None, `max_size`:
    /// Some(157), added: 2632, mode: `MaxEncodedLen`) Storage: `Channels::ByPayee` (r:0 w:32)
    /// Proof: `Channels::ByPayee` (`max_values`: None, `max_size`: Some(80), added: 2555, mode:
    /// `MaxEncodedLen`) Storage: `Channels::Channels` (r:0 w:32) Proof: `Channels::Channels`
    /// (`max_values`: None, `max_size`: Some(1487), added: 3962, mode: `MaxEncodedLen`) Storage:
    /// `Channels::ByPayer` (r:0 w:32) Proof: `Channels::ByPayer` (`max_values`: None, `max_size`:
    /// Some(80), added: 2555, mode: `MaxEncodedLen`) The range of component `k` is `[1, 32]`.
    fn open_many(k: u32) -> Weight {
        // Minimum execution time: 116_419_000 picoseconds.
        Weight::from_parts(47_071_612, 3622)
            .saturating_add(Weight::from_parts(135_991_351, 0).saturating_mul(k.into()))
            .saturating_add(T::DbWeight::get().reads(37_u64))
            .saturating_add(T::DbWeight::get().writes(4_u64))
            .saturating_add(T::DbWeight::get().writes((3_u64).saturating_mul(k.into())))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1487), added: 3962, mode: `MaxEncodedLen`) Storage: `System::Account` (r:1
    /// w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(157), added: 2632, mode: `MaxEncodedLen`)
    fn top_up_to() -> Weight {
        // Minimum execution time: 152_556_000 picoseconds.
        Weight::from_parts(241_382_000, 4952)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1487), added: 3962, mode: `MaxEncodedLen`) Storage: `System::BlockHash`
    /// (r:1 w:0) Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519,
    /// mode: `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(157), added: 2632, mode: `MaxEncodedLen`) Storage:
    /// `System::Account` (r:2 w:2) Proof: `System::Account` (`max_values`: None, `max_size`:
    /// Some(128), added: 2603, mode: `MaxEncodedLen`) Storage: `Receipts::Roots` (r:1 w:1) Proof:
    /// `Receipts::Roots` (`max_values`: None, `max_size`: Some(174), added: 2649, mode:
    /// `MaxEncodedLen`) Storage: `Receipts::Tail` (r:1 w:1) Proof: `Receipts::Tail` (`max_values`:
    /// Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`) Storage: `Receipts::Queue`
    /// (r:0 w:1) Proof: `Receipts::Queue` (`max_values`: None, `max_size`: Some(54), added: 2529,
    /// mode: `MaxEncodedLen`) The range of component `n` is `[0, 1024]`.
    fn redeem(n: u32) -> Weight {
        // Minimum execution time: 329_247_000 picoseconds.
        Weight::from_parts(371_726_640, 6196)
            .saturating_add(Weight::from_parts(596_819, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(9_u64))
            .saturating_add(T::DbWeight::get().writes(8_u64))
    }
    /// The same as `redeem`, without the payee's account, which the benchmark does not count: the
    /// transaction's fee has read and written it.
    fn redeem_by_payee(n: u32) -> Weight {
        // Minimum execution time: 329_247_000 picoseconds.
        Weight::from_parts(371_726_640, 6196)
            .saturating_add(Weight::from_parts(596_819, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().writes(6_u64))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1487), added: 3962, mode: `MaxEncodedLen`) Storage: `System::Account` (r:1
    /// w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(157), added: 2632, mode: `MaxEncodedLen`) Storage:
    /// `Channels::Payers` (r:1 w:1) Proof: `Channels::Payers` (`max_values`: None, `max_size`:
    /// Some(60), added: 2535, mode: `MaxEncodedLen`) Storage: `Channels::ByPayee` (r:0 w:1) Proof:
    /// `Channels::ByPayee` (`max_values`: None, `max_size`: Some(80), added: 2555, mode:
    /// `MaxEncodedLen`) Storage: `Channels::ByPayer` (r:0 w:1) Proof: `Channels::ByPayer`
    /// (`max_values`: None, `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`)
    fn close() -> Weight {
        // Minimum execution time: 162_896_000 picoseconds.
        Weight::from_parts(229_340_000, 4952)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(6_u64))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1487), added: 3962, mode: `MaxEncodedLen`) Storage: `System::BlockHash`
    /// (r:1 w:0) Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519,
    /// mode: `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(157), added: 2632, mode: `MaxEncodedLen`) Storage:
    /// `System::Account` (r:2 w:2) Proof: `System::Account` (`max_values`: None, `max_size`:
    /// Some(128), added: 2603, mode: `MaxEncodedLen`) Storage: `Channels::Payers` (r:1 w:1) Proof:
    /// `Channels::Payers` (`max_values`: None, `max_size`: Some(60), added: 2535, mode:
    /// `MaxEncodedLen`) Storage: `Channels::ByPayee` (r:0 w:1) Proof: `Channels::ByPayee`
    /// (`max_values`: None, `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`) Storage:
    /// `Channels::ByPayer` (r:0 w:1) Proof: `Channels::ByPayer` (`max_values`: None, `max_size`:
    /// Some(80), added: 2555, mode: `MaxEncodedLen`)
    fn close_cooperatively() -> Weight {
        // Minimum execution time: 263_875_000 picoseconds.
        Weight::from_parts(421_440_000, 6196)
            .saturating_add(T::DbWeight::get().reads(6_u64))
            .saturating_add(T::DbWeight::get().writes(7_u64))
    }
    /// Storage: `Channels::Channels` (r:1 w:1) Proof: `Channels::Channels` (`max_values`: None,
    /// `max_size`: Some(1487), added: 3962, mode: `MaxEncodedLen`) Storage: `System::Account` (r:1
    /// w:1) Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode:
    /// `MaxEncodedLen`) Storage: `Balances::Holds` (r:1 w:1) Proof: `Balances::Holds`
    /// (`max_values`: None, `max_size`: Some(157), added: 2632, mode: `MaxEncodedLen`) Storage:
    /// `Channels::Payers` (r:1 w:1) Proof: `Channels::Payers` (`max_values`: None, `max_size`:
    /// Some(60), added: 2535, mode: `MaxEncodedLen`) Storage: `Channels::ByPayee` (r:0 w:1) Proof:
    /// `Channels::ByPayee` (`max_values`: None, `max_size`: Some(80), added: 2555, mode:
    /// `MaxEncodedLen`) Storage: `Channels::ByPayer` (r:0 w:1) Proof: `Channels::ByPayer`
    /// (`max_values`: None, `max_size`: Some(80), added: 2555, mode: `MaxEncodedLen`)
    fn finish() -> Weight {
        // Minimum execution time: 145_012_000 picoseconds.
        Weight::from_parts(259_977_000, 4952)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(6_u64))
    }
}

/// The same for mock runtimes.
impl WeightInfo for () {
    fn open() -> Weight {
        Weight::from_parts(123_412_000, 3622)
            .saturating_add(RocksDbWeight::get().reads_writes(6, 7))
    }
    fn open_many(k: u32) -> Weight {
        Weight::from_parts(47_071_612, 3622)
            .saturating_add(Weight::from_parts(135_991_351, 0).saturating_mul(k.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(37, 4))
    }
    fn top_up_to() -> Weight {
        Weight::from_parts(241_382_000, 4952)
            .saturating_add(RocksDbWeight::get().reads_writes(3, 3))
    }
    fn redeem(n: u32) -> Weight {
        Weight::from_parts(371_726_640, 6196)
            .saturating_add(Weight::from_parts(596_819, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(9, 8))
    }
    fn redeem_by_payee(n: u32) -> Weight {
        Weight::from_parts(371_726_640, 6196)
            .saturating_add(Weight::from_parts(596_819, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads_writes(7, 6))
    }
    fn close() -> Weight {
        Weight::from_parts(229_340_000, 4952)
            .saturating_add(RocksDbWeight::get().reads_writes(4, 6))
    }
    fn close_cooperatively() -> Weight {
        Weight::from_parts(421_440_000, 6196)
            .saturating_add(RocksDbWeight::get().reads_writes(6, 7))
    }
    fn finish() -> Weight {
        Weight::from_parts(259_977_000, 4952)
            .saturating_add(RocksDbWeight::get().reads_writes(4, 6))
    }
}
