//! Benchmarks of the hooks' parts, at the bounds of the runtime.

use alloc::{collections::BTreeSet, vec::Vec};

use frame_benchmarking::v2::*;
use frame_support::traits::Get;

use crate::{
    Config, Pallet, Record, Records,
    rules::{self, Winner},
};

/// Votes of a nominator.
const VOTES: u32 = 16;

fn names<T: Config>(count: u32) -> Vec<T::AccountId> {
    (0..count).map(|seed| account("validator", seed, 0)).collect()
}

fn record<T: Config>(validators: &[T::AccountId], missed: u32) {
    for validator in validators {
        Records::<T>::insert(validator, Record { proven: true, missed });
    }
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn count_block(m: Linear<0, { T::MaxGap::get() }>) {
        let validators = names::<T>(T::MaxValidators::get());
        record::<T>(&validators, 0);
        #[block]
        {
            // What a block does for its author and for each slot before it.
            Pallet::<T>::count_block();
            for validator in validators.iter().take(m as usize) {
                Records::<T>::mutate(validator, |record| record.missed += 1);
            }
        }
        let missed = validators.iter().filter(|who| Records::<T>::get(who).missed > 0).count();
        assert_eq!(missed, (m as usize).min(validators.len()));
    }

    #[benchmark]
    fn end_session(i: Linear<0, { T::MaxValidators::get() / 3 }>) {
        let validators = names::<T>(T::MaxValidators::get());
        record::<T>(&validators, T::IdleAfter::get());
        let idle = &validators[..i as usize];
        #[block]
        {
            let missed = validators.iter().filter(|who| Records::<T>::get(who).missed > 0).count();
            assert_eq!(missed, validators.len());
            Pallet::<T>::report(0, validators.len() as u32, idle);
        }
        let reported = idle.iter().filter(|who| !Records::<T>::contains_key(who)).count();
        assert_eq!(reported, idle.len().min(T::MaxReports::get() as usize));
    }

    #[benchmark]
    fn candidates(v: Linear<1, 2_000>) {
        let all = names::<T>(v * VOTES);
        let voters: Vec<(T::AccountId, u64, Vec<T::AccountId>)> = all
            .chunks(VOTES as usize)
            .map(|votes| (votes[0].clone(), 1_000, votes.to_vec()))
            .collect();
        let limit = T::MaxValidators::get();
        let chosen;
        #[block]
        {
            chosen = rules::candidates(&voters, limit, limit, |_| false, |_| true);
        }
        assert!(!chosen.is_empty());
    }

    #[benchmark]
    fn seated(w: Linear<1, { T::MaxValidators::get() }>) {
        let winners = names::<T>(w)
            .into_iter()
            .map(|account| Winner { account, backing: 1_000, proven: true })
            .collect();
        let chosen: Vec<T::AccountId>;
        #[block]
        {
            chosen = rules::seated(winners);
            Pallet::<T>::elected(w as usize, &chosen);
        }
        assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), w as usize);
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
