//! Heartbeats, being offline, jail and the way out of it.

use frame_support::{
    assert_ok,
    dispatch::{DispatchClass, GetDispatchInfo},
    traits::Hooks,
    weights::Weight,
};
use mica_primitives::{WorkerStatus, hooks::Workers as WorkersLookup};
use sp_runtime::transaction_validity::InvalidTransaction;

use crate::{Event, HEARTBEAT_PRIORITY, MAX_SWEEP, SweepCursor, WeightInfo, mock::*};

fn is_online(account: AccountId) -> bool {
    Registry::worker(&account).is_some_and(|(_, online)| online)
}

#[test]
fn a_heartbeat_is_taken_when_due_and_not_a_block_earlier() {
    run(|| {
        join(ALICE, 0, 4);
        for block in [1, INTERVAL] {
            System::set_block_number(block);
            assert_eq!(check_beat(ALICE), Err(InvalidTransaction::Future.into()));
        }
        System::set_block_number(1 + INTERVAL);
        assert_ok!(beat(ALICE));
        assert_eq!(record(ALICE).last_heartbeat, 1 + INTERVAL);
        assert_eq!(last_event(), Event::Heartbeat { worker: ALICE });
    });
}

#[test]
fn a_stranger_has_no_heartbeat() {
    run(|| {
        System::set_block_number(100);
        for stranger in [BOB, GHOST] {
            assert_eq!(check_beat(stranger), Err(InvalidTransaction::BadSigner.into()));
        }
    });
}

/// What must not be crowded out is in the class for which every block keeps room, weighs the same
/// for every range, and goes first.
#[test]
fn a_heartbeat_is_operational_light_and_first() {
    run(|| {
        join(ALICE, 0, 40);
        System::set_block_number(1 + INTERVAL);
        let dispatch = beat_by(ALICE, ALICE, 1 + INTERVAL).get_dispatch_info();
        assert_eq!(dispatch.class, DispatchClass::Operational);
        assert_eq!(dispatch.call_weight, <() as WeightInfo>::heartbeat());
        assert!(dispatch.call_weight.ref_time() < <() as WeightInfo>::unjail(32).ref_time());
        let priority = |account| check_beat(account).expect("it is due").priority;
        assert_eq!(priority(ALICE), HEARTBEAT_PRIORITY + u64::from(INTERVAL));
        // Who was silent for longer comes before.
        join(BOB, 0, 40);
        System::set_block_number(1 + 2 * INTERVAL);
        assert!(priority(ALICE) > priority(BOB));
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
        assert_ok!(beat(ALICE));
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
fn a_silent_worker_leaves_its_jail_when_it_asks() {
    run(|| {
        let unjail = || {
            Registry::unjail(RuntimeOrigin::signed(ALICE))
                .expect("a worker may ask")
                .actual_weight
                .expect("the call says what it used")
        };
        join(ALICE, 0, 20);
        go_to(1 + JAIL);
        assert_eq!(check_beat(ALICE), Err(InvalidTransaction::BadSigner.into()));
        assert_eq!(unjail(), <() as WeightInfo>::unjail(2));
        assert_eq!(last_event(), Event::Unjailed { worker: ALICE });
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
        assert_eq!(Registry::coverage(model())[..20], [1; 20]);
        assert!(is_online(ALICE));
        assert_eq!(unjail(), <() as WeightInfo>::unjail(0));
    });
}

#[test]
fn beating_in_time_keeps_a_worker_out_of_jail() {
    run(|| {
        join(ALICE, 0, 4);
        for round in 1..10 {
            go_to(1 + round * (JAIL - 1));
            assert_ok!(beat(ALICE));
        }
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
    });
}

#[test]
fn a_jailed_worker_may_move_but_covers_nothing_until_it_asks() {
    run(|| {
        join(ALICE, 0, 4);
        go_to(1 + JAIL);
        assert_ok!(Registry::set_range(RuntimeOrigin::signed(ALICE), layers(30, 34)));
        assert_eq!(Registry::coverage(model()), vec![0; 40]);
        assert_ok!(Registry::unjail(RuntimeOrigin::signed(ALICE)));
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
        assert_ok!(Registry::unjail(RuntimeOrigin::signed(ALICE)));
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
