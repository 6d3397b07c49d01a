//! Benchmarks, at the bound of hints.

use alloc::collections::BTreeMap;

use frame_benchmarking::v2::*;
use frame_support::traits::Get;
use frame_system::RawOrigin;
use mica_primitives::BlockNumber;

use crate::{Call, Config, Final, Hints, Now, Pallet};

/// Hints of `count` authors that all say `number`.
fn hint<T: Config>(count: u32, number: BlockNumber) {
    let hints: BTreeMap<T::AccountId, BlockNumber> =
        (0..count).map(|seed| (account("author", seed, 0), number)).collect();
    Hints::<T>::put(
        frame_support::BoundedBTreeMap::try_from(hints).expect("count is within the bound"),
    );
    Final::<T>::put((number, count));
}

/// First block in which `number` is too long ago for `hints` hints.
fn stalled_block<T: Config>(number: BlockNumber, hints: u32) -> BlockNumber {
    number + T::StallBound::get() + hints + 2
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn advance() {
        hint::<T>(1, 1);
        let block = stalled_block::<T>(1, 1);
        let before = Now::<T>::get();
        #[block]
        {
            Pallet::<T>::advance(block);
        }
        assert_eq!(Now::<T>::get(), before);
    }

    #[benchmark]
    fn note_final(a: Linear<1, { T::MaxAuthors::get() }>) {
        hint::<T>(a, 1);
        frame_system::Pallet::<T>::set_block_number(9u32.into());
        // The author of a benchmark's block is unknown, so what follows it is called by itself.
        #[block]
        {
            Pallet::<T>::note_final(RawOrigin::None.into(), 8).expect("the first of its block");
            Pallet::<T>::record(account("author", 0, 0), 8);
        }
        assert!(Hints::<T>::get().values().any(|number| *number == 8));
    }

    #[benchmark]
    fn recover_finality() {
        hint::<T>(1, 1);
        frame_system::Pallet::<T>::set_block_number(stalled_block::<T>(1, 1).into());
        #[extrinsic_call]
        _(RawOrigin::Root, 1_000, 1);
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
