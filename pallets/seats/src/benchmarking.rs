//! Benchmarks of the parts of hooks and of the inherent, at the bounds of the runtime.

use alloc::{collections::BTreeSet, vec::Vec};

use finality_grandpa::{Message, Precommit};
use frame_benchmarking::v2::*;
use frame_support::traits::Get;
use sp_consensus_grandpa::{
    AuthorityId, AuthoritySignature, KEY_TYPE, check_message_signature, localized_payload,
};

use crate::{
    Ballot, Ballots, Config, Pallet, Record, Records,
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

/// All of `validators` have handed in votes; each was silent before for `silent` windows.
fn ballots<T: Config>(validators: &[T::AccountId], silent: u32) {
    let ballot = Ballot { handed_in: true, silent, ..Ballot::default() };
    let ballots: alloc::collections::BTreeMap<_, _> =
        validators.iter().map(|validator| (validator.clone(), ballot)).collect();
    Ballots::<T>::put(
        frame_support::BoundedBTreeMap::try_from(ballots).expect("they are within the bound"),
    );
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn count_block(m: Linear<0, { T::MaxGap::get() }>) {
        let validators = names::<T>(T::MaxValidators::get());
        record::<T>(&validators, 0);
        ballots::<T>(&validators, 0);
        #[block]
        {
            // What a block does for its author and for each slot before it.
            Pallet::<T>::count_block();
            Pallet::<T>::note_author(&validators[0]);
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
        ballots::<T>(&validators, T::SilentAfter::get());
        let idle = &validators[..i as usize];
        #[block]
        {
            let missed = validators.iter().filter(|who| Records::<T>::get(who).missed > 0).count();
            assert_eq!(missed, validators.len());
            // A benchmark has no set, which all would be in: it judges with everybody in it.
            assert_eq!(Pallet::<T>::end_window(&validators).len(), validators.len());
            Pallet::<T>::report(0, validators.len() as u32, idle);
        }
        let reported = idle.iter().filter(|who| !Records::<T>::contains_key(who)).count();
        assert_eq!(reported, idle.len().min(T::MaxReports::get() as usize));
    }

    #[benchmark]
    fn note_votes(v: Linear<1, { T::MaxValidators::get() }>) {
        let validators = names::<T>(v);
        ballots::<T>(&validators, 1);
        // The voters of a benchmark's block hold no keys, so what each vote costs is done here.
        let message = Message::Precommit(Precommit {
            target_hash: T::Hash::default(),
            target_number: frame_system::Pallet::<T>::block_number(),
        });
        let key = sp_io::crypto::ed25519_generate(KEY_TYPE, None);
        let payload = localized_payload(1, 1, &message);
        let signature = sp_io::crypto::ed25519_sign(KEY_TYPE, &key, &payload)
            .expect("the key was generated here");
        let (key, signature) = (AuthorityId::from(key), AuthoritySignature::from(signature));
        let mut valid = 0;
        #[block]
        {
            for _ in &validators {
                let result = check_message_signature(&message, &key, &signature, 1, 1);
                valid += u32::from(result.is_valid());
            }
            Pallet::<T>::record_votes(&validators[0], &validators);
        }
        assert_eq!(valid, v);
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
