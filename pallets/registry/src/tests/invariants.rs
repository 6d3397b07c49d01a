//! The guards themselves: each broken invariant is noticed, each wrong order of constants stops the
//! build of a runtime.

use frame_support::{
    BoundedVec, assert_ok,
    storage::child,
    traits::{Hooks, fungible::MutateHold, tokens::Precision},
};
use mica_primitives::{
    ModelId, Shard, WorkerRecord,
    shard::{COVERAGE_KEY, SHARD_LAYERS, member_key},
};
use sp_runtime::Perbill;

use crate::{
    Beats, Counts, HoldReason, Models, OffenceEnds, Offences, PeerOwner, Places, Shelves, Workers,
    coverage, mock::*,
};

fn change(account: AccountId, change: impl FnOnce(&mut WorkerRecord<AccountId>)) {
    Workers::<Test>::mutate(account, |record| change(record.as_mut().expect("registered")));
}

fn first_shard() -> child::ChildInfo {
    coverage::trie(Shard { model: model(), bucket: 0 })
}

#[test]
fn every_broken_invariant_is_noticed() {
    let breaks: [(&str, fn()); 22] = [
        ("stake of the record", || change(ALICE, |record| record.stake += 1)),
        ("stake on hold", || {
            assert_ok!(Balances::release(&HoldReason::Stake.into(), &ALICE, 1, Precision::Exact));
        }),
        ("deposit", || {
            Models::<Test>::mutate(model(), |model| {
                model.as_mut().expect("registered").deposit += 1
            })
        }),
        ("manifest", || {
            Models::<Test>::mutate(model(), |model| {
                model.as_mut().expect("registered").manifest.hidden += 1
            })
        }),
        ("minimum stake", || change(ALICE, |record| record.range.end = 40)),
        ("range within the model", || change(ALICE, |record| record.range.end = 41)),
        ("account", || change(ALICE, |record| record.account = BOB)),
        ("peer key of nobody", || PeerOwner::<Test>::insert([0; 32], ALICE)),
        ("peer key lost", || PeerOwner::<Test>::remove(peer(ALICE))),
        ("place lost", || Places::<Test>::remove(ALICE)),
        ("place of nobody", || Places::<Test>::insert(BOB, 0)),
        ("count", || Counts::<Test>::insert(model(), 2)),
        ("shelf lost", || Shelves::<Test>::remove(model(), 0)),
        ("record on the shelf", || {
            Shelves::<Test>::mutate(model(), 0, |shelf| shelf[0].cost_us_per_layer_token += 1)
        }),
        ("heartbeat beside the shelf", || Beats::<Test>::mutate(model(), 0, |beats| beats[0] += 1)),
        ("empty shelf", || Shelves::<Test>::insert(model(), 7, BoundedVec::default())),
        ("offence outside the queue", || Offences::<Test>::insert(BOB, [1; 32], ())),
        ("stake of nobody", || {
            assert_ok!(Balances::hold(&HoldReason::Stake.into(), &BOB, 1));
        }),
        ("deposit of nobody", || {
            assert_ok!(Balances::hold(&HoldReason::ModelDeposit.into(), &BOB, 1));
        }),
        ("a gap in the queue of offences", || OffenceEnds::<Test>::put((0, 1))),
        ("shard's counts", || {
            child::put(&first_shard(), COVERAGE_KEY, &[1u32; SHARD_LAYERS as usize])
        }),
        ("shard's members", || child::kill(&first_shard(), &member_key(&ALICE))),
    ];
    for (name, break_it) in breaks {
        new_test_ext().execute_with(|| {
            join(ALICE, 0, 4);
            assert_ok!(Registry::do_try_state());
            break_it();
            assert!(Registry::do_try_state().is_err(), "nobody noticed: {name}");
        });
    }
}

#[test]
fn bytes_that_do_not_belong_into_a_shard_are_noticed() {
    new_test_ext().execute_with(|| {
        join(ALICE, 0, 4);
        child::put(&first_shard(), b"x", &1u8);
        assert!(Registry::do_try_state().is_err());
        child::kill(&first_shard(), b"x");
        assert_ok!(Registry::do_try_state());
        // A shard of a layer that nobody serves.
        child::put(
            &coverage::trie(Shard { model: model(), bucket: 2 }),
            &member_key(&ALICE),
            &layers(0, 4),
        );
        assert!(Registry::do_try_state().is_err());
    });
}

/// The state of a block that was written to the disk.
#[test]
fn a_shard_of_a_model_that_was_removed_is_noticed() {
    let mut chain = new_test_ext();
    chain.execute_with(|| {
        join(ALICE, 0, 4);
        assert_ok!(Registry::do_try_state());
    });
    chain.commit_all().expect("the state is sound");
    chain.execute_with(|| {
        assert_ok!(Registry::do_try_state());
        let shard = Shard { model: ModelId([9; 32]), bucket: 3 };
        child::put(&coverage::trie(shard), &member_key(&ALICE), &layers(48, 49));
    });
    chain.commit_all().expect("the state is sound");
    chain.execute_with(|| assert!(Registry::do_try_state().is_err()));
}

#[test]
fn constants_in_the_wrong_order_do_not_make_a_runtime() {
    let wrong: [(&str, fn()); 8] = [
        ("a free heartbeat in every block", || HeartbeatInterval::set(0)),
        ("offline before the heartbeat is due", || OfflineAfter::set(INTERVAL)),
        ("jailed before offline", || JailAfter::set(OFFLINE)),
        ("a voucher and its dispute as long as the unbonding", || LongestDispute::set(DISPUTE + 1)),
        ("a window as long as the unbonding", || LongestClose::set(UNBONDING - DISPUTE)),
        ("more than half to the reporter", || SlashReward::set(Perbill::from_parts(500_000_001))),
        ("no stake", || MinStakePerLayer::set(0)),
        ("no deposit", || ModelDeposit::set(0)),
    ];
    Registry::integrity_test();
    for (name, set) in wrong {
        let checked = std::thread::spawn(move || {
            set();
            Registry::integrity_test();
        })
        .join();
        assert!(checked.is_err(), "accepted: {name}");
    }
    std::thread::spawn(|| {
        SlashReward::set(Perbill::from_percent(50));
        Registry::integrity_test();
    })
    .join()
    .expect("exactly half is allowed");
}
