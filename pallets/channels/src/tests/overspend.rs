//! Attack: make the chain pay more than was put in, or pay from somebody else's money.

use frame_support::{assert_noop, assert_ok, traits::LockableCurrency, traits::WithdrawReasons};
use mica_primitives::Redeem;

use crate::{Error, Event, mock::*};

#[test]
fn a_channel_never_pays_more_than_its_deposit() {
    test(|| {
        let (id, other) = (open(500), open(300));
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, u128::MAX))));
        assert_eq!((get(id).claimed, get(other).claimed, held(PAYER)), (500, 0, 300));
        assert_ok!(redeem(PAYEE, signed(voucher(other, 1, 300))));
    });
}

#[test]
fn lanes_together_never_pay_more_than_the_deposit() {
    test(|| {
        let id = open(500);
        events();
        for lane in 0..16 {
            let _ = redeem(PAYEE, signed(on_lane(lane, voucher(id, 1, 60))));
        }
        assert_eq!((get(id).claimed, free(PAYEE), held(PAYER)), (500, FUNDS + 500, 0));
        let missing: u128 = events()
            .iter()
            .map(|event| if let Event::Shortfall { missing, .. } = event { *missing } else { 0 })
            .sum();
        assert_eq!(missing, 16 * 60 - 500);
    });
}

#[test]
fn ticks_that_overflow_are_refused() {
    test(|| {
        let id = open(500);
        let product = signed_with_tick(ticking(voucher(id, 1, 0), u128::MAX / 2, 4), 3);
        assert_noop!(redeem(PAYEE, product), Error::<Test>::AmountOverflow);
        let sum = signed_with_tick(ticking(voucher(id, 1, u128::MAX), 1, 4), 1);
        assert_noop!(redeem(PAYEE, sum), Error::<Test>::AmountOverflow);
    });
}

#[test]
fn a_promise_of_everything_does_not_stop_later_redeems_of_the_lane_from_being_checked() {
    test(|| {
        let id = open(500);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, u128::MAX))));
        assert_ok!(Channels::top_up_to(RuntimeOrigin::signed(PAYER), id, 600));
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, u128::MAX))));
        assert_eq!(get(id).claimed, 600);
        assert_noop!(redeem(STRANGER, signed(voucher(id, 2, 700))), Error::<Test>::AmountFell);
        // To the payee a newer voucher is worth its receipts, and no money that is not there.
        assert_ok!(redeem(PAYEE, signed(voucher(id, 2, 700))));
        assert_eq!((get(id).claimed, get(id).lanes[&0].seq), (600, 2));
    });
}

#[test]
fn a_freeze_on_the_payer_does_not_stop_a_payment() {
    test(|| {
        let id = open(500);
        Balances::set_lock(*b"later___", &PAYER, u128::MAX, WithdrawReasons::all());
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, 400))));
        assert_eq!(free(PAYEE), FUNDS + 400);
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYEE), id));
        assert_eq!(held(PAYER), 0);
    });
}

#[test]
fn a_payer_cannot_spend_what_is_on_hold() {
    test(|| {
        let id = open(FUNDS - ED - STORAGE);
        assert!(
            Balances::transfer_allow_death(RuntimeOrigin::signed(PAYER), STRANGER, ED).is_err()
        );
        assert!(
            Channels::open(RuntimeOrigin::signed(PAYER), OTHER_PAYEE, [9; 32], MIN_DEPOSIT, WINDOW)
                .is_err()
        );
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, FUNDS - ED - STORAGE))));
    });
}

/// The payer holds the signing key, so it can always sign a newer voucher for less. It must not be
/// able to make an older and better one worthless with it.
#[test]
fn a_payer_cannot_shut_out_the_payees_voucher_with_a_newer_and_poorer_one() {
    test(|| {
        let id = open(500);
        let earned = signed(voucher(id, 5, 400));
        for who in [PAYER, STRANGER] {
            assert_noop!(redeem(who, signed(voucher(id, 9, 0))), Error::<Test>::NothingToPay);
        }
        assert_ok!(redeem(PAYER, signed(voucher(id, u64::MAX, 1))));
        assert_ok!(redeem(PAYEE, earned));
        assert_eq!(free(PAYEE), FUNDS + 400);
    });
}

/// Whoever sees a redeem on its way to a block can strip its tick and send the rest first.
#[test]
fn nobody_can_shut_out_ticks_by_redeeming_their_voucher_without_them() {
    test(|| {
        let id = open(500);
        let whole = signed_with_tick(ticking(voucher(id, 1, 100), 10, 20), 20);
        assert_ok!(redeem(STRANGER, Redeem { tick: None, ..whole.clone() }));
        assert_ok!(redeem(PAYEE, whole));
        assert_eq!(free(PAYEE), FUNDS + 300);
    });
}
