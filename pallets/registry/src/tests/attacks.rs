//! What somebody would try who wants a service without stake, layers without workers, or a chain
//! without room.

use codec::{Decode, Encode};
use frame_support::{
    assert_noop, assert_ok,
    traits::fungible::{Inspect, InspectHold, Mutate},
};
use mica_primitives::{
    LayerRange, WorkerAddresses,
    hooks::{Offence, PeerKeys, SlashWorker},
};

use sp_runtime::transaction_validity::InvalidTransaction;

use crate::{Call, Error, HoldReason, Workers, coverage::shards_of, mock::*};

#[test]
fn a_flood_of_registrations_needs_a_stake_for_each() {
    run(|| {
        let money = 10 * (MIN_STAKE + ExistentialDeposit::get());
        Balances::set_balance(&500, money);
        let mut registered = 0;
        for sybil in 501..600 {
            let given = Balances::transfer(
                &500,
                &sybil,
                MIN_STAKE + ExistentialDeposit::get(),
                frame_support::traits::tokens::Preservation::Expendable,
            );
            if given.is_ok() && join_with(sybil, 0, 1, MIN_STAKE).is_ok() {
                registered += 1;
            }
        }
        assert_eq!(registered, 10);
        // Registering more from the same money means leaving first, and that takes the unbonding
        // period.
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(501)));
        assert_noop!(Registry::withdraw(RuntimeOrigin::signed(501)), Error::<Test>::StillBonded);
    });
}

#[test]
fn stake_on_hold_cannot_be_spent_twice() {
    run(|| {
        assert_ok!(join_with(ALICE, 0, 4, FUNDS - 100));
        let moved = Balances::transfer(
            &ALICE,
            &BOB,
            200,
            frame_support::traits::tokens::Preservation::Expendable,
        );
        assert!(moved.is_err());
        assert!(join_with(ALICE, 0, 4, 400).is_err());
        assert_eq!(Balances::balance_on_hold(&HoldReason::Stake.into(), &ALICE), FUNDS - 100);
    });
}

#[test]
fn nobody_takes_over_the_peer_key_of_another() {
    run(|| {
        join(ALICE, 0, 4);
        let model = model();
        let steal = || {
            let origin = RuntimeOrigin::signed(BOB);
            Registry::register(
                origin,
                model,
                layers(0, 4),
                1,
                1,
                peer(ALICE),
                claim(BOB, ALICE),
                address("/dns/b"),
                4 * MIN_STAKE,
            )
        };
        assert_eq!(steal(), Err(Error::<Test>::PeerKeyTaken.into()));
        // Not while the first may still be judged by its signatures …
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        assert_eq!(steal(), Err(Error::<Test>::PeerKeyTaken.into()));
        System::set_block_number(1 + UNBONDING);
        assert_eq!(steal(), Err(Error::<Test>::PeerKeyTaken.into()));
        // … and afterwards the key is known for nobody, until somebody puts a stake behind it.
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
        assert_eq!(<Registry as PeerKeys<_>>::peer_key(&ALICE), None);
        assert_ok!(steal());
        assert_eq!(<Registry as PeerKeys<_>>::peer_key(&BOB), Some(peer(ALICE)));
    });
}

#[test]
fn two_that_move_in_one_block_cannot_uncover_a_layer_together() {
    run(|| {
        join(ALICE, 0, 4);
        join(BOB, 0, 4);
        assert_ok!(Registry::set_range(RuntimeOrigin::signed(ALICE), layers(4, 8)));
        assert_noop!(
            Registry::set_range(RuntimeOrigin::signed(BOB), layers(4, 8)),
            Error::<Test>::WouldUncover
        );
    });
}

#[test]
fn a_chain_of_small_moves_cannot_uncover_what_one_move_may_not() {
    run(|| {
        assert_ok!(join_with(ALICE, 0, 4, 40 * MIN_STAKE));
        for (first, end) in [(0, 40), (0, 4), (0, 8)] {
            let _ = Registry::set_range(RuntimeOrigin::signed(ALICE), layers(first, end));
            assert!(Registry::coverage(model())[..4].iter().all(|count| *count > 0));
        }
        assert_noop!(
            Registry::set_range(RuntimeOrigin::signed(ALICE), layers(1, 40)),
            Error::<Test>::WouldUncover
        );
    });
}

#[test]
fn leaving_does_not_outrun_a_slash() {
    run(|| {
        join(ALICE, 0, 4);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        System::set_block_number(UNBONDING);
        assert_noop!(Registry::withdraw(RuntimeOrigin::signed(ALICE)), Error::<Test>::StillBonded);
        let slashed = <Registry as SlashWorker<_>>::slash(
            &ALICE,
            4 * MIN_STAKE,
            Offence([1; 32]),
            Some(&BOB),
        );
        assert_eq!(slashed.total(), 4 * MIN_STAKE);
        System::set_block_number(1 + UNBONDING);
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
        assert_eq!(Balances::total_balance(&ALICE), FUNDS - 4 * MIN_STAKE);
    });
}

#[test]
fn reporting_ones_own_sybil_costs_at_least_half() {
    run(|| {
        assert_ok!(join_with(ALICE, 0, 4, 10_000));
        let before = Balances::total_balance(&ALICE) + Balances::total_balance(&BOB);
        <Registry as SlashWorker<_>>::slash(&ALICE, 10_000, Offence([1; 32]), Some(&BOB));
        let after = Balances::total_balance(&ALICE) + Balances::total_balance(&BOB);
        assert!(before - after >= 5_000);
    });
}

#[test]
fn more_addresses_or_longer_ones_do_not_decode() {
    let fits = vec![vec![b'/'; 128]; 4].encode();
    assert!(WorkerAddresses::decode(&mut &fits[..]).is_ok());
    for too_much in [vec![vec![b'/'; 129]; 1].encode(), vec![vec![b'/'; 1]; 5].encode()] {
        assert!(WorkerAddresses::decode(&mut &too_much[..]).is_err());
    }
}

#[test]
fn a_range_from_outside_never_weighs_less_than_what_it_touches() {
    assert_eq!(shards_of(LayerRange { first: 0, end: u16::MAX }), 4096);
    assert_eq!(shards_of(LayerRange { first: u16::MAX, end: 0 }), 0);
    assert_eq!(shards_of(LayerRange { first: 15, end: 17 }), 2);
}

#[test]
fn a_worker_cannot_beat_twice_in_one_interval() {
    run(|| {
        join(ALICE, 0, 4);
        System::set_block_number(1 + INTERVAL);
        assert_ok!(beat(ALICE));
        for block in 1 + INTERVAL..1 + 2 * INTERVAL {
            System::set_block_number(block);
            assert_eq!(check_beat(ALICE), Err(InvalidTransaction::Future.into()));
        }
        System::set_block_number(1 + 2 * INTERVAL);
        assert_ok!(beat(ALICE));
    });
}

/// A pool holds one transaction of each tag.
#[test]
#[allow(deprecated, reason = "see the pallet: clients cannot make general transactions")]
fn all_heartbeats_of_a_worker_in_an_interval_have_one_tag() {
    run(|| {
        join(ALICE, 0, 4);
        join(BOB, 0, 4);
        System::set_block_number(3 + INTERVAL);
        let tags = |worker, at| {
            let call = beat_by(worker, worker, at);
            check(&call).expect("it is due").provides
        };
        let first = tags(ALICE, 1 + INTERVAL);
        assert_eq!(first.len(), 1);
        assert_eq!(first, tags(ALICE, 3 + INTERVAL));
        assert_ne!(first, tags(BOB, 1 + INTERVAL));
        assert_ok!(beat(ALICE));
        System::set_block_number(3 + 2 * INTERVAL);
        assert_ne!(first, tags(ALICE, 3 + 2 * INTERVAL));
    });
}

#[test]
#[allow(deprecated, reason = "see the pallet: clients cannot make general transactions")]
fn a_heartbeat_is_signed_by_the_workers_own_key_for_a_block_that_was() {
    run(|| {
        join(ALICE, 0, 4);
        join(BOB, 0, 4);
        System::set_block_number(1 + INTERVAL);
        assert_eq!(
            check(&beat_by(BOB, ALICE, 1 + INTERVAL)),
            Err(InvalidTransaction::BadProof.into())
        );
        assert_eq!(
            check(&beat_by(ALICE, ALICE, 2 + INTERVAL)),
            Err(InvalidTransaction::Future.into())
        );
        let other = Call::set_cost { cost_us: 1 };
        assert_eq!(check(&other), Err(InvalidTransaction::Call.into()));
        // Held back, it makes nobody look alive who is not.
        let held_back = beat_by(ALICE, ALICE, 1 + INTERVAL);
        System::set_block_number(2 * INTERVAL);
        assert_ok!(send(held_back.clone()));
        assert_eq!(record(ALICE).last_heartbeat, 1 + INTERVAL);
        assert_eq!(check(&held_back), Err(InvalidTransaction::Future.into()));
        System::set_block_number(1 + 2 * INTERVAL);
        assert_eq!(check(&beat_by(BOB, BOB, 1 + INTERVAL)), Err(InvalidTransaction::Stale.into()));
        System::set_block_number(1 + INTERVAL + OFFLINE);
        assert!(!Registry::worker(&ALICE).expect("registered").1);
    });
}

/// Attack: save heartbeats up, and send those of a few workers one after the other while others
/// are about to go offline.
#[test]
fn a_silent_worker_has_one_heartbeat_like_any_other() {
    run(|| {
        join(ALICE, 0, 4);
        let now = 3 * INTERVAL;
        System::set_block_number(now);
        let taken = (1..=now).filter(|at| send(beat_by(ALICE, ALICE, *at)).is_ok()).count();
        assert_eq!(taken, 1);
        // It names the oldest block that it may, and is as silent as others that are not due yet.
        assert_eq!(now - record(ALICE).last_heartbeat, INTERVAL - 1);
    });
}

#[test]
fn dust_after_a_slash_leaves_nothing_behind() {
    run(|| {
        Balances::set_balance(&500, MIN_STAKE + ExistentialDeposit::get());
        join(500, 0, 1);
        <Registry as SlashWorker<_>>::slash(&500, MIN_STAKE - 1, Offence([1; 32]), None);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(500)));
        System::set_block_number(1 + UNBONDING);
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(500)));
        assert_eq!(Balances::total_balance(&500), ExistentialDeposit::get() + 1);
        assert!(!Workers::<Test>::contains_key(500));
    });
}
