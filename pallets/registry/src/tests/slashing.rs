//! Taking stake: how much, from whom, for whom, how often.

use frame_support::{
    assert_noop, assert_ok,
    traits::fungible::{Inspect, InspectHold},
};
use mica_primitives::{
    WorkerStatus,
    hooks::{Offence, SlashWorker, Slashed},
};

use sp_runtime::transaction_validity::InvalidTransaction;

use crate::{Error, Event, HoldReason, OffenceQueue, Offences, mock::*};

fn slash(worker: AccountId, amount: u128, offence: u8, reporter: Option<AccountId>) -> Slashed {
    <Registry as SlashWorker<AccountId>>::slash(
        &worker,
        amount,
        Offence([offence; 32]),
        reporter.as_ref(),
    )
}

fn held(account: AccountId) -> u128 {
    Balances::balance_on_hold(&HoldReason::Stake.into(), &account)
}

#[test]
fn part_goes_to_the_reporter_and_the_rest_is_burned() {
    run(|| {
        assert_ok!(join_with(ALICE, 0, 4, 1_000));
        let issued = Balances::total_issuance();
        assert_eq!(slash(ALICE, 101, 1, Some(BOB)), Slashed { burned: 61, reward: 40 });
        assert_eq!(
            last_event(),
            Event::Slashed {
                worker: ALICE,
                amount: 101,
                burned: 61,
                reward: 40,
                reporter: Some(BOB)
            }
        );
        assert_eq!((held(ALICE), record(ALICE).stake), (899, 899));
        assert_eq!(Balances::balance(&BOB), FUNDS + 40);
        assert_eq!(Balances::total_issuance(), issued - 61);
    });
}

#[test]
fn without_a_reporter_all_is_burned() {
    run(|| {
        join(ALICE, 0, 4);
        assert_eq!(slash(ALICE, 100, 1, None), Slashed { burned: 100, reward: 0 });
    });
}

#[test]
fn who_reports_itself_is_not_rewarded() {
    run(|| {
        join(ALICE, 0, 4);
        assert_eq!(slash(ALICE, 100, 1, Some(ALICE)), Slashed { burned: 100, reward: 0 });
        assert_eq!(Balances::balance(&ALICE), FUNDS - 4 * MIN_STAKE);
    });
}

#[test]
fn a_reward_that_cannot_be_paid_is_burned() {
    run(|| {
        join(ALICE, 0, 4);
        // 40 % of 20 is below the existential deposit that would make the account.
        assert_eq!(slash(ALICE, 20, 1, Some(GHOST)), Slashed { burned: 20, reward: 0 });
        assert_eq!(slash(ALICE, 30, 2, Some(GHOST)), Slashed { burned: 18, reward: 12 });
        assert_eq!(Balances::balance(&GHOST), 12);
    });
}

#[test]
fn no_more_than_the_stake_is_taken() {
    run(|| {
        join(ALICE, 0, 4);
        assert_eq!(slash(ALICE, u128::MAX, 1, None).total(), 4 * MIN_STAKE);
        assert_eq!((held(ALICE), record(ALICE).stake), (0, 0));
        assert_eq!(Balances::balance(&ALICE), FUNDS - 4 * MIN_STAKE);
        assert_eq!(slash(ALICE, 1, 2, None), Slashed::default());
        // An empty stake can still be withdrawn, so that the record goes.
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        System::set_block_number(1 + UNBONDING);
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
    });
}

#[test]
fn an_offence_is_punished_once() {
    run(|| {
        join(ALICE, 0, 4);
        assert_eq!(slash(ALICE, 10, 1, None).total(), 10);
        assert_eq!(slash(ALICE, 10, 1, None), Slashed::default());
        assert_eq!(slash(ALICE, 10, 2, None).total(), 10);
        assert_eq!(record(ALICE).stake, 4 * MIN_STAKE - 20);
    });
}

/// Attack: report a false receipt anew under each new root of its lane, or after so many others
/// that a list with a bound would have forgotten it.
#[test]
fn an_offence_is_remembered_for_as_long_as_its_worker_is_there() {
    run(|| {
        assert_ok!(join_with(ALICE, 0, 4, 4 * MIN_STAKE + 500));
        (0..200).for_each(|offence| assert_eq!(slash(ALICE, 1, offence, None).total(), 1));
        for block in [1 + DISPUTE, 2 + DISPUTE, 100 * UNBONDING] {
            System::set_block_number(block);
            for offence in 0..200 {
                assert_eq!(slash(ALICE, 1, offence, None), Slashed::default(), "{offence}");
            }
        }
    });
}

#[test]
fn offences_are_remembered_whether_the_worker_is_still_there() {
    run(|| {
        join(ALICE, 0, 4);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        System::set_block_number(UNBONDING);
        assert_eq!(slash(ALICE, 10, 1, None).total(), 10);
        System::set_block_number(1 + UNBONDING);
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
        join(ALICE, 0, 4);
        assert_eq!(slash(ALICE, 10, 1, None), Slashed::default());
    });
}

#[test]
fn what_need_not_be_known_any_more_is_forgotten_as_offences_come() {
    run(|| {
        join(ALICE, 0, 40);
        join(BOB, 0, 4);
        slash(BOB, 1, 0, None);
        for offence in 0..99 {
            slash(ALICE, 1, offence, None);
        }
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        System::set_block_number(1 + UNBONDING);
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
        // Each takes two of those of the worker that is gone with it, and nothing of the other's.
        for offence in 100..150 {
            slash(BOB, 1, offence, None);
        }
        assert_eq!(Offences::<Test>::iter_prefix(ALICE).count(), 0);
        assert_eq!(Offences::<Test>::iter_prefix(BOB).count(), 51);
        assert_eq!(OffenceQueue::<Test>::iter().count(), 51);
        assert_eq!(slash(BOB, 1, 0, None), Slashed::default());
    });
}

#[test]
fn a_slash_of_nothing_or_of_nobody_does_nothing() {
    run(|| {
        join(ALICE, 0, 4);
        let events = System::event_count();
        assert_eq!(slash(ALICE, 0, 1, Some(BOB)), Slashed::default());
        assert_eq!(slash(BOB, 50, 1, None), Slashed::default());
        assert_eq!(System::event_count(), events);
        assert_eq!(Offences::<Test>::iter().count(), 0);
    });
}

#[test]
fn a_worker_at_the_minimum_serves_and_below_it_is_jailed() {
    run(|| {
        assert_ok!(join_with(ALICE, 0, 4, 4 * MIN_STAKE + 7));
        slash(ALICE, 7, 1, None);
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
        slash(ALICE, 1, 2, None);
        assert_eq!(record(ALICE).status, WorkerStatus::Jailed);
        assert_eq!(last_event(), Event::Jailed { worker: ALICE });
        assert_eq!(Registry::coverage(model())[..4], [0; 4]);
    });
}

#[test]
fn jailed_for_its_stake_it_needs_the_stake_and_not_only_a_beat() {
    run(|| {
        join(ALICE, 0, 4);
        slash(ALICE, 50, 1, None);
        System::set_block_number(1 + INTERVAL);
        assert_eq!(check_beat(ALICE), Err(InvalidTransaction::BadSigner.into()));
        assert_noop!(Registry::unjail(RuntimeOrigin::signed(ALICE)), Error::<Test>::StakeTooLow);
        assert_ok!(Registry::top_up_stake(RuntimeOrigin::signed(ALICE), 49));
        assert_eq!(record(ALICE).status, WorkerStatus::Jailed);
        assert_ok!(Registry::top_up_stake(RuntimeOrigin::signed(ALICE), 1));
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
        assert_eq!(last_event(), Event::Unjailed { worker: ALICE });
    });
}

#[test]
fn jailed_for_its_stake_it_may_serve_fewer_layers_instead() {
    run(|| {
        join(ALICE, 0, 4);
        slash(ALICE, 50, 1, None);
        assert_ok!(Registry::set_range(RuntimeOrigin::signed(ALICE), layers(0, 3)));
        assert_ok!(Registry::unjail(RuntimeOrigin::signed(ALICE)));
        assert_eq!(Registry::coverage(model())[..4], [1, 1, 1, 0]);
    });
}

#[test]
fn a_worker_that_leaves_can_still_be_slashed_until_it_has_withdrawn() {
    run(|| {
        join(ALICE, 0, 4);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        System::set_block_number(1 + UNBONDING);
        assert_eq!(slash(ALICE, 150, 1, Some(BOB)).total(), 150);
        assert!(matches!(record(ALICE).status, WorkerStatus::Unbonding { .. }));
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
        assert_eq!(last_event(), Event::Withdrawn { worker: ALICE, amount: 250 });
        assert_eq!(slash(ALICE, 150, 2, Some(BOB)), Slashed::default());
    });
}
