//! Heartbeats, being offline, jail and the way out of it.

use frame_support::{
    assert_ok,
    dispatch::{GetDispatchInfo, Pays},
    traits::Hooks,
    weights::Weight,
};
use mica_primitives::{WorkerStatus, hooks::Workers as WorkersLookup};

use crate::{Call, Event, MAX_SWEEP, SweepCursor, WeightInfo, mock::*};

fn beat(account: AccountId) -> Weight {
    let origin = RuntimeOrigin::signed(account);
    Registry::heartbeat(origin)
        .expect("a worker may beat")
        .actual_weight
        .expect("the call says what it used")
}

fn is_online(account: AccountId) -> bool {
    Registry::worker(&account).is_some_and(|(_, online)| online)
}

/// Whether the transaction extension would let the call through without a fee.
fn is_feeless(account: AccountId) -> bool {
    use frame_support::dispatch::CheckIfFeeless;
    let call = RuntimeCall::Registry(Call::heartbeat {});
    assert_eq!(call.get_dispatch_info().pays_fee, Pays::Yes);
    call.is_feeless(&RuntimeOrigin::signed(account))
}

#[test]
fn a_heartbeat_is_free_when_due_and_not_a_block_earlier() {
    run(|| {
        join(ALICE, 0, 4);
        assert!(!is_feeless(ALICE));
        System::set_block_number(INTERVAL);
        assert!(!is_feeless(ALICE));
        System::set_block_number(1 + INTERVAL);
        assert!(is_feeless(ALICE));
        beat(ALICE);
        assert!(!is_feeless(ALICE));
        assert_eq!(last_event(), Event::Heartbeat { worker: ALICE });
    });
}

#[test]
fn a_stranger_pays_for_its_heartbeat() {
    run(|| {
        System::set_block_number(100);
        assert!(!is_feeless(BOB));
        assert!(!is_feeless(GHOST));
    });
}

#[test]
fn a_worker_goes_offline_by_silence_and_comes_back_by_a_beat() {
    run(|| {
        join(ALICE, 0, 4);
        System::set_block_number(OFFLINE);
        assert!(is_online(ALICE));
        System::set_block_number(1 + OFFLINE);
        assert!(!is_online(ALICE));
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
        beat(ALICE);
        assert!(is_online(ALICE));
    });
}

#[test]
fn silence_ends_in_jail_in_the_block_that_the_rule_names() {
    run(|| {
        join(ALICE, 0, 4);
        go_to(JAIL);
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
        go_to(1 + JAIL);
        assert_eq!(record(ALICE).status, WorkerStatus::Jailed);
        assert_eq!(last_event(), Event::Jailed { worker: ALICE });
        assert_eq!(Registry::coverage(model())[..4], [0; 4]);
    });
}

#[test]
fn reads_know_of_the_jail_before_the_sweep_has_come_round() {
    run(|| {
        join(ALICE, 0, 4);
        System::set_block_number(1 + JAIL);
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
        let seen = <Registry as WorkersLookup<_>>::worker(&ALICE).expect("registered");
        assert_eq!(seen.status, WorkerStatus::Jailed);
        assert!(!is_online(ALICE));
    });
}

#[test]
fn a_beat_opens_the_jail_of_a_silent_worker_for_free() {
    run(|| {
        join(ALICE, 0, 20);
        go_to(1 + JAIL);
        assert!(is_feeless(ALICE));
        assert_eq!(beat(ALICE), <() as WeightInfo>::heartbeat(2));
        assert_eq!(last_event(), Event::Unjailed { worker: ALICE });
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
        assert_eq!(Registry::coverage(model())[..20], [1; 20]);
        assert_eq!(beat(ALICE), <() as WeightInfo>::heartbeat(0));
    });
}

#[test]
fn beating_in_time_keeps_a_worker_out_of_jail() {
    run(|| {
        join(ALICE, 0, 4);
        for round in 1..10 {
            go_to(1 + round * (JAIL - 1));
            beat(ALICE);
        }
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
    });
}

#[test]
fn a_jailed_worker_may_move_but_covers_nothing_until_it_beats() {
    run(|| {
        join(ALICE, 0, 4);
        go_to(1 + JAIL);
        assert_ok!(Registry::set_range(RuntimeOrigin::signed(ALICE), layers(30, 34)));
        assert_eq!(Registry::coverage(model()), vec![0; 40]);
        beat(ALICE);
        assert_eq!(Registry::coverage(model())[30..34], [1; 4]);
    });
}

#[test]
fn topping_up_does_not_replace_a_heartbeat() {
    run(|| {
        join(ALICE, 0, 4);
        go_to(1 + JAIL);
        assert_ok!(Registry::top_up_stake(RuntimeOrigin::signed(ALICE), 1_000));
        assert_eq!(record(ALICE).status, WorkerStatus::Jailed);
        beat(ALICE);
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
    });
}

/// Registers `count` workers on one layer, from accounts that are funded here.
fn crowd(count: u32) -> Vec<AccountId> {
    use frame_support::traits::fungible::Mutate;
    (0..count)
        .map(|number| {
            let account = 1_000 + AccountId::from(number);
            Balances::set_balance(&account, FUNDS);
            join(account, 0, 1);
            account
        })
        .collect()
}

fn jailed(crowd: &[AccountId]) -> u32 {
    crowd.iter().filter(|account| record(**account).status == WorkerStatus::Jailed).count() as u32
}

#[test]
fn one_block_looks_at_no_more_workers_than_its_bound() {
    run(|| {
        let crowd = crowd(2 * MAX_SWEEP + 3);
        System::set_block_number(1 + JAIL);
        for expected in [MAX_SWEEP, 2 * MAX_SWEEP, 2 * MAX_SWEEP + 3] {
            Registry::on_idle(System::block_number(), Weight::MAX);
            assert_eq!(jailed(&crowd), expected);
        }
        assert_eq!(SweepCursor::<Test>::get(), None);
    });
}

#[test]
fn a_sweep_uses_no_weight_that_it_was_not_given_and_goes_on_where_it_stopped() {
    run(|| {
        let crowd = crowd(6);
        System::set_block_number(1 + JAIL);
        let (base, look) = (<() as WeightInfo>::sweep_base(), <() as WeightInfo>::sweep_look());
        let jail = <() as WeightInfo>::jail(1);
        let sweep = |limit: Weight| {
            let used = Registry::on_idle(System::block_number(), limit);
            assert!(used.all_lte(limit), "{used:?} of {limit:?}");
            jailed(&crowd)
        };
        assert_eq!(sweep(Weight::zero()), 0);
        assert_eq!(sweep(base), 0);
        assert_eq!(sweep(base + look * 2), 0);
        assert_eq!(sweep(base + look * u64::from(MAX_SWEEP) + jail), 1);
        for expected in 2..=6 {
            assert_eq!(sweep(base + look * u64::from(MAX_SWEEP) + jail), expected);
        }
    });
}
