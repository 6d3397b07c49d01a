//! Registering a worker, and what it may say about itself.

use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use mica_primitives::{ModelId, WorkerStatus, hooks::PeerKeys};
use sp_runtime::{DispatchError, TokenError, transaction_validity::InvalidTransaction};

use crate::{Error, Event, HoldReason, mock::*};

fn stake(account: AccountId) -> u128 {
    Balances::balance_on_hold(&HoldReason::Stake.into(), &account)
}

#[test]
fn a_worker_is_registered_with_its_stake_on_hold() {
    run(|| {
        System::set_block_number(7);
        assert_ok!(join_with(ALICE, 4, 8, 4 * MIN_STAKE + 5));
        assert_eq!(
            last_event(),
            Event::WorkerRegistered { worker: ALICE, model: model(), range: layers(4, 8) }
        );
        let record = record(ALICE);
        assert_eq!((record.account, record.model, record.range), (ALICE, model(), layers(4, 8)));
        assert_eq!((record.cost_us_per_layer_token, record.list_price_per_layer_token), (20, 900));
        assert_eq!((record.since, record.last_heartbeat, record.last_price_change), (7, 7, 7));
        assert_eq!((record.status, record.stake), (WorkerStatus::Active, 4 * MIN_STAKE + 5));
        assert_eq!(stake(ALICE), 4 * MIN_STAKE + 5);
        assert_eq!(<Registry as PeerKeys<_>>::peer_key(&ALICE), Some(peer(ALICE)));
    });
}

#[test]
fn the_minimum_stake_counts_layers_and_is_enough() {
    run(|| {
        model();
        assert_noop!(join_with(ALICE, 0, 8, 8 * MIN_STAKE - 1), Error::<Test>::StakeTooLow);
        assert_ok!(join_with(ALICE, 0, 8, 8 * MIN_STAKE));
    });
}

#[test]
fn a_range_must_lie_within_the_model() {
    run(|| {
        model();
        for (first, end) in [(3, 3), (4, 3), (0, LAYERS + 1), (LAYERS, LAYERS + 1), (u16::MAX, 0)] {
            assert_noop!(join_with(ALICE, first, end, FUNDS / 2), Error::<Test>::BadRange);
        }
        assert_ok!(join_with(ALICE, 0, LAYERS, FUNDS / 2));
    });
}

#[test]
fn an_unknown_model_is_refused() {
    run(|| {
        let origin = RuntimeOrigin::signed(ALICE);
        let call = Registry::register(
            origin,
            ModelId([9; 32]),
            layers(0, 1),
            1,
            1,
            peer(ALICE),
            claim(ALICE, ALICE),
            address("/dns/a"),
            FUNDS / 2,
        );
        assert_eq!(call, Err(Error::<Test>::UnknownModel.into()));
    });
}

#[test]
fn who_does_not_hold_the_secret_of_a_peer_key_cannot_register_it() {
    run(|| {
        let model = model();
        let register = |proof| {
            let (origin, here) = (RuntimeOrigin::signed(BOB), address("/dns/b"));
            let stake = 4 * MIN_STAKE;
            Registry::register(origin, model, layers(0, 4), 1, 1, peer(ALICE), proof, here, stake)
        };
        // By a key of its own, and the proof with which the owner registered itself.
        for proof in [claim(BOB, BOB), claim(ALICE, ALICE), [0; 64]] {
            assert_noop!(register(proof), Error::<Test>::BadPeerProof);
        }
        assert_ok!(register(claim(BOB, ALICE)));
    });
}

#[test]
fn one_range_per_account_even_while_it_leaves() {
    run(|| {
        join(ALICE, 0, 4);
        assert_noop!(join_with(ALICE, 4, 8, FUNDS / 2), Error::<Test>::AlreadyRegistered);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        assert_noop!(join_with(ALICE, 4, 8, FUNDS / 2), Error::<Test>::AlreadyRegistered);
    });
}

#[test]
fn a_cost_of_zero_is_refused_at_once_and_later() {
    run(|| {
        let model = model();
        let origin = || RuntimeOrigin::signed(ALICE);
        assert_noop!(
            Registry::register(
                origin(),
                model,
                layers(0, 1),
                0,
                1,
                peer(ALICE),
                claim(ALICE, ALICE),
                address("/dns/a"),
                FUNDS / 2
            ),
            Error::<Test>::ZeroCost
        );
        join(ALICE, 0, 4);
        assert_noop!(Registry::set_cost(origin(), 0), Error::<Test>::ZeroCost);
        assert_ok!(Registry::set_cost(origin(), 1));
        assert_eq!(last_event(), Event::CostChanged { worker: ALICE, cost_us: 1 });
        assert_eq!(record(ALICE).cost_us_per_layer_token, 1);
    });
}

#[test]
fn an_address_is_text_that_begins_with_a_slash() {
    run(|| {
        let model = model();
        let origin = || RuntimeOrigin::signed(ALICE);
        assert_noop!(
            Registry::register(
                origin(),
                model,
                layers(0, 1),
                1,
                1,
                peer(ALICE),
                claim(ALICE, ALICE),
                address("example.org:1"),
                FUNDS / 2
            ),
            Error::<Test>::BadAddress
        );
        join(ALICE, 0, 4);
        assert_noop!(Registry::set_addresses(origin(), address("")), Error::<Test>::BadAddress);
        let not_text =
            vec![vec![b'/', 0xff].try_into().expect("short")].try_into().expect("one fits");
        assert_noop!(Registry::set_addresses(origin(), not_text), Error::<Test>::BadAddress);
        assert_ok!(Registry::set_addresses(origin(), address("/ip6/::1/tcp/4001")));
        assert_eq!(record(ALICE).addresses, address("/ip6/::1/tcp/4001"));
        assert_eq!(last_event(), Event::AddressesChanged { worker: ALICE });
        // To be found by its peer key alone.
        assert_ok!(Registry::set_addresses(origin(), Default::default()));
    });
}

#[test]
fn a_price_may_change_when_the_interval_is_over_and_not_a_block_earlier() {
    run(|| {
        join(ALICE, 0, 4);
        let set = |price| Registry::set_price(RuntimeOrigin::signed(ALICE), price);
        System::set_block_number(PRICE_INTERVAL);
        assert_noop!(set(5), Error::<Test>::PriceTooSoon);
        System::set_block_number(1 + PRICE_INTERVAL);
        assert_ok!(set(5));
        assert_eq!(last_event(), Event::PriceChanged { worker: ALICE, price: 5 });
        assert_noop!(set(6), Error::<Test>::PriceTooSoon);
        System::set_block_number(1 + 2 * PRICE_INTERVAL);
        assert_ok!(set(u128::MAX));
        assert_eq!(record(ALICE).list_price_per_layer_token, u128::MAX);
    });
}

#[test]
fn who_is_no_worker_can_change_nothing() {
    run(|| {
        model();
        let origin = || RuntimeOrigin::signed(BOB);
        assert_noop!(Registry::set_price(origin(), 1), Error::<Test>::NotRegistered);
        assert_noop!(Registry::set_cost(origin(), 1), Error::<Test>::NotRegistered);
        assert_noop!(Registry::set_range(origin(), layers(0, 1)), Error::<Test>::NotRegistered);
        assert_noop!(
            Registry::set_addresses(origin(), address("/dns/a")),
            Error::<Test>::NotRegistered
        );
        assert_eq!(check_beat(BOB), Err(InvalidTransaction::BadSigner.into()));
        assert_noop!(Registry::unjail(origin()), Error::<Test>::NotRegistered);
        assert_noop!(Registry::top_up_stake(origin(), 1), Error::<Test>::NotRegistered);
        assert_noop!(Registry::unregister(origin()), Error::<Test>::NotRegistered);
        assert_noop!(Registry::withdraw(origin()), Error::<Test>::NotRegistered);
    });
}

#[test]
fn unsigned_calls_are_refused() {
    run(|| {
        let none = RuntimeOrigin::none;
        assert_noop!(Registry::remove_model(none(), ModelId([0; 32])), DispatchError::BadOrigin);
        assert_noop!(Registry::set_price(none(), 1), DispatchError::BadOrigin);
        assert_noop!(Registry::set_cost(none(), 1), DispatchError::BadOrigin);
        assert_noop!(Registry::set_range(none(), layers(0, 1)), DispatchError::BadOrigin);
        assert_noop!(Registry::set_addresses(none(), address("/dns/a")), DispatchError::BadOrigin);
        assert_noop!(Registry::unjail(none()), DispatchError::BadOrigin);
        assert_noop!(Registry::top_up_stake(none(), 1), DispatchError::BadOrigin);
        assert_noop!(Registry::unregister(none()), DispatchError::BadOrigin);
        assert_noop!(Registry::withdraw(none()), DispatchError::BadOrigin);
    });
}

#[test]
fn stake_must_be_there() {
    run(|| {
        model();
        assert_noop!(join_with(ALICE, 0, 4, FUNDS + 1), TokenError::FundsUnavailable);
        // What is left must keep the account alive.
        assert_noop!(join_with(ALICE, 0, 4, FUNDS), TokenError::FundsUnavailable);
        assert_ok!(join_with(ALICE, 0, 4, FUNDS - ExistentialDeposit::get()));
    });
}

#[test]
fn an_owner_may_work_too_and_its_holds_stay_apart() {
    run(|| {
        join(OWNER, 0, 4);
        assert_eq!(stake(OWNER), 4 * MIN_STAKE);
        assert_eq!(Balances::balance_on_hold(&HoldReason::ModelDeposit.into(), &OWNER), DEPOSIT);
    });
}

#[test]
fn a_top_up_is_held_and_counted() {
    run(|| {
        join(ALICE, 0, 4);
        let origin = || RuntimeOrigin::signed(ALICE);
        assert_noop!(Registry::top_up_stake(origin(), 0), Error::<Test>::ZeroAmount);
        assert_noop!(Registry::top_up_stake(origin(), FUNDS), TokenError::FundsUnavailable);
        assert_noop!(
            Registry::top_up_stake(origin(), u128::MAX),
            sp_runtime::ArithmeticError::Overflow
        );
        assert_ok!(Registry::top_up_stake(origin(), 70));
        assert_eq!(last_event(), Event::StakeToppedUp { worker: ALICE, stake: 4 * MIN_STAKE + 70 });
        assert_eq!(stake(ALICE), 4 * MIN_STAKE + 70);
    });
}
