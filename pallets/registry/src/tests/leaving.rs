//! Leaving: unregister, unbond, withdraw.

use frame_support::{
    assert_noop, assert_ok,
    traits::fungible::{Inspect, InspectHold},
};
use mica_primitives::{
    ChannelId, WorkerStatus,
    hooks::{OnRedeem, Payees, PeerKeys, Redeemed},
    settlement::Submitter,
};
use sp_runtime::transaction_validity::InvalidTransaction;

use crate::{Error, Event, HoldReason, PeerOwner, Workers, mock::*};

#[test]
fn the_stake_comes_back_in_the_block_that_was_named_and_not_before() {
    run(|| {
        join(ALICE, 0, 4);
        System::set_block_number(3);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        let until = 3 + UNBONDING;
        assert_eq!(last_event(), Event::Unregistered { worker: ALICE, until });
        assert_eq!(record(ALICE).status, WorkerStatus::Unbonding { until });
        System::set_block_number(until - 1);
        assert_noop!(Registry::withdraw(RuntimeOrigin::signed(ALICE)), Error::<Test>::StillBonded);
        System::set_block_number(until);
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
        assert_eq!(last_event(), Event::Withdrawn { worker: ALICE, amount: 4 * MIN_STAKE });
        assert_eq!(Balances::balance(&ALICE), FUNDS);
        assert_eq!(Balances::balance_on_hold(&HoldReason::Stake.into(), &ALICE), 0);
    });
}

#[test]
fn nothing_is_left_of_a_worker_that_withdrew() {
    run(|| {
        join(ALICE, 0, 40);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        System::set_block_number(1 + UNBONDING);
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
        assert_eq!(Workers::<Test>::iter().count(), 0);
        assert_eq!(PeerOwner::<Test>::iter().count(), 0);
        assert_eq!(Registry::worker(&ALICE), None);
        assert_noop!(
            Registry::withdraw(RuntimeOrigin::signed(ALICE)),
            Error::<Test>::NotRegistered
        );
        join(ALICE, 0, 1);
    });
}

#[test]
fn leaving_may_uncover_a_layer() {
    run(|| {
        join(ALICE, 0, 40);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        assert_eq!(Registry::coverage(model()), vec![0; 40]);
        assert!(Registry::workers(model(), None, None, 10).is_empty());
    });
}

#[test]
fn who_leaves_can_do_nothing_but_withdraw() {
    run(|| {
        join(ALICE, 0, 4);
        let origin = || RuntimeOrigin::signed(ALICE);
        assert_noop!(Registry::withdraw(origin()), Error::<Test>::NotLeaving);
        assert_ok!(Registry::unregister(origin()));
        System::set_block_number(20);
        assert_noop!(Registry::set_price(origin(), 1), Error::<Test>::Leaving);
        assert_noop!(Registry::set_cost(origin(), 1), Error::<Test>::Leaving);
        assert_noop!(Registry::set_range(origin(), layers(0, 1)), Error::<Test>::Leaving);
        assert_noop!(Registry::set_addresses(origin(), address("/dns/a")), Error::<Test>::Leaving);
        assert_noop!(Registry::unjail(origin()), Error::<Test>::Leaving);
        assert_noop!(Registry::top_up_stake(origin(), 1), Error::<Test>::Leaving);
        assert_noop!(Registry::unregister(origin()), Error::<Test>::Leaving);
        assert_eq!(check_beat(ALICE), Err(InvalidTransaction::BadSigner.into()));
    });
}

#[test]
fn an_agreement_keeps_the_worker_and_then_its_stake() {
    run(|| {
        join(ALICE, 0, 4);
        let origin = || RuntimeOrigin::signed(ALICE);
        Bound::set(vec![ALICE]);
        assert_noop!(Registry::unregister(origin()), Error::<Test>::BoundByAgreement);
        Bound::set(vec![]);
        assert_ok!(Registry::unregister(origin()));
        System::set_block_number(1 + UNBONDING);
        Bound::set(vec![ALICE]);
        assert_noop!(Registry::withdraw(origin()), Error::<Test>::BoundByAgreement);
        Bound::set(vec![]);
        assert_ok!(Registry::withdraw(origin()));
    });
}

fn redeemed(payee: AccountId) -> Redeemed<AccountId> {
    Redeemed {
        payer: BOB,
        payee,
        channel: ChannelId([1; 32]),
        lane: 0,
        seq: 1,
        receipts_root: [1; 32],
        receipts: 1,
        by: Submitter::Other,
    }
}

/// Attack: leave, wait for the stake, and fix false receipts with nothing behind them.
#[test]
fn the_stake_stays_while_a_voucher_can_still_fix_receipts() {
    run(|| {
        join(ALICE, 0, 4);
        let origin = || RuntimeOrigin::signed(ALICE);
        Paid::set(vec![ALICE]);
        assert!(<Registry as Payees<_>>::takes_channels(&ALICE));
        assert_ok!(Registry::unregister(origin()));
        assert!(!<Registry as Payees<_>>::takes_channels(&ALICE));
        System::set_block_number(5 * UNBONDING);
        assert_noop!(Registry::withdraw(origin()), Error::<Test>::PaidByChannel);
        Paid::set(vec![]);
        assert_ok!(Registry::withdraw(origin()));
        assert!(<Registry as Payees<_>>::takes_channels(&ALICE));
    });
}

#[test]
fn receipts_fixed_while_leaving_keep_the_stake_until_they_are_judged() {
    run(|| {
        join(ALICE, 0, 4);
        assert_eq!(Registry::on_redeem(&redeemed(ALICE)).writes, 1);
        assert_eq!(record(ALICE).status, WorkerStatus::Active);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        // Early ones are judged before the stake comes free anyway.
        Registry::on_redeem(&redeemed(ALICE));
        assert_eq!(record(ALICE).status, WorkerStatus::Unbonding { until: 1 + UNBONDING });
        System::set_block_number(UNBONDING);
        assert_eq!(Registry::on_redeem(&redeemed(ALICE)).writes, 0, "it is written");
        let until = UNBONDING + DISPUTE + 1;
        assert_eq!(record(ALICE).status, WorkerStatus::Unbonding { until });
        System::set_block_number(until - 1);
        let early = Registry::withdraw(RuntimeOrigin::signed(ALICE));
        assert_eq!(early, Err(Error::<Test>::StillBonded.into()));
        System::set_block_number(until);
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
        Registry::on_redeem(&redeemed(ALICE));
        assert!(!Workers::<Test>::contains_key(ALICE));
    });
}

#[test]
fn the_peer_key_stays_known_until_the_withdrawal() {
    run(|| {
        join(ALICE, 0, 4);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        System::set_block_number(1 + UNBONDING);
        assert_eq!(<Registry as PeerKeys<_>>::peer_key(&ALICE), Some(peer(ALICE)));
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
        assert_eq!(<Registry as PeerKeys<_>>::peer_key(&ALICE), None);
    });
}

#[test]
fn a_jailed_worker_may_leave() {
    run(|| {
        join(ALICE, 0, 4);
        go_to(1 + JAIL);
        assert_eq!(record(ALICE).status, WorkerStatus::Jailed);
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        go_to(1 + JAIL + UNBONDING);
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
    });
}
