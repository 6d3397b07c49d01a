//! What a redeem pays, fixes, and says.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::{Lane, TickProof, hooks::Redeemed, settlement::Submitter};

use crate::{Error, Event, mock::*};

#[test]
fn a_redeem_pays_the_payee_and_fixes_the_receipts() {
    test(|| {
        let id = open(500);
        events();
        assert_ok!(redeem(PAYEE, signed(voucher(id, 3, 120))));
        assert_eq!((free(PAYEE), held(PAYER), get(id).claimed), (FUNDS + 120, 380, 120));
        let lane = Lane {
            seq: 3,
            cumulative: 120,
            claimed: 120,
            receipts_root: [3; 32],
            receipts: 3,
            shown: 3,
        };
        assert_eq!(get(id).lanes.get(&0), Some(&lane));
        let redeemed = Event::Redeemed {
            channel: id,
            lane: 0,
            seq: 3,
            paid: 120,
            receipts_root: [3; 32],
            receipts: 3,
        };
        assert_eq!(events(), vec![redeemed]);
        let heard = Redeemed {
            payer: PAYER,
            payee: PAYEE,
            channel: id,
            lane: 0,
            seq: 3,
            receipts_root: [3; 32],
            receipts: 3,
            by: Submitter::Payee,
        };
        assert_eq!(Heard::get(), vec![heard]);
    });
}

#[test]
fn vouchers_are_cumulative() {
    test(|| {
        let id = open(500);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, 100))));
        assert_ok!(redeem(PAYEE, signed(voucher(id, 2, 150))));
        assert_ok!(redeem(PAYEE, signed(on_lane(5, voucher(id, 1, 40)))));
        assert_eq!((free(PAYEE), get(id).claimed), (FUNDS + 190, 190));
    });
}

#[test]
fn ticks_pay_their_unit_each() {
    test(|| {
        let id = open(50_000);
        assert_ok!(redeem(PAYEE, signed_with_tick(ticking(voucher(id, 1, 100), 3, 1024), 1024)));
        assert_eq!(get(id).claimed, 100 + 3 * 1024);
        // Zero ticks show the anchor itself and pay nothing on top.
        assert_ok!(redeem(PAYEE, signed_with_tick(ticking(voucher(id, 2, 4_000), 3, 10), 0)));
        assert_eq!(get(id).claimed, 4_000);
    });
}

#[test]
fn a_voucher_with_ticks_may_be_redeemed_without_showing_one_and_again_with_more() {
    test(|| {
        let id = open(500);
        let ticking = ticking(voucher(id, 1, 100), 10, 20);
        assert_ok!(redeem(PAYEE, signed(ticking.clone())));
        assert_eq!(get(id).claimed, 100);
        assert_ok!(redeem(PAYEE, signed_with_tick(ticking.clone(), 5)));
        assert_eq!(get(id).claimed, 150);
        assert_ok!(redeem(PAYEE, signed_with_tick(ticking, 20)));
        assert_eq!(get(id).claimed, 300);
        assert_eq!(Heard::get().len(), 1, "one voucher fixes its receipts once");
    });
}

#[test]
fn bad_ticks_are_refused() {
    test(|| {
        let id = open(50_000);
        let ticks = ticking(voucher(id, 1, 100), 1, 10);
        let proof = |n, preimage| mica_primitives::Redeem {
            tick: Some(TickProof { n, preimage }),
            ..signed(ticks.clone())
        };
        assert_noop!(redeem(PAYEE, proof(5, [0; 32])), Error::<Test>::BadTick);
        assert_noop!(redeem(PAYEE, proof(6, hashed(SECRET, 5))), Error::<Test>::BadTick);
        // A chain cannot be walked past its secret.
        assert_noop!(redeem(PAYEE, proof(11, SECRET)), Error::<Test>::BadTick);
        let without = mica_primitives::Redeem {
            tick: Some(TickProof { n: 1, preimage: hashed(SECRET, 9) }),
            ..signed(voucher(id, 1, 100))
        };
        assert_noop!(redeem(PAYEE, without), Error::<Test>::BadTick);
        let long = ticking(voucher(id, 1, 100), 1, 1025);
        assert_noop!(redeem(PAYEE, signed_with_tick(long, 1)), Error::<Test>::BadTick);
    });
}

#[test]
fn an_expired_voucher_is_refused_and_its_last_block_counts() {
    test(|| {
        let id = open(500);
        let short = signed(mica_primitives::Voucher { expires: 10, ..voucher(id, 1, 100) });
        System::set_block_number(11);
        assert_noop!(redeem(PAYEE, short.clone()), Error::<Test>::Expired);
        System::set_block_number(10);
        assert_ok!(redeem(PAYEE, short));
    });
}

#[test]
fn lanes_past_the_last_are_refused() {
    test(|| {
        let id = open(500);
        assert_noop!(
            redeem(PAYEE, signed(on_lane(16, voucher(id, 1, 10)))),
            Error::<Test>::LaneOutOfRange
        );
        assert_noop!(
            redeem(PAYEE, signed(on_lane(u16::MAX, voucher(id, 1, 10)))),
            Error::<Test>::LaneOutOfRange
        );
        for lane in 0..16 {
            assert_ok!(redeem(PAYEE, signed(on_lane(lane, voucher(id, 1, 10)))));
        }
        assert_eq!(get(id).claimed, 160);
    });
}

#[test]
fn a_shortfall_is_an_event_and_is_paid_after_a_top_up() {
    test(|| {
        let id = open(500);
        events();
        let promise = signed(voucher(id, 1, 700));
        assert_ok!(redeem(PAYEE, promise.clone()));
        assert_eq!(get(id).claimed, 500);
        assert!(events().contains(&Event::Shortfall { channel: id, lane: 0, missing: 200 }));
        assert_noop!(redeem(PAYEE, promise.clone()), Error::<Test>::NothingToPay);
        assert_ok!(Channels::top_up_to(RuntimeOrigin::signed(PAYER), id, 600));
        assert_ok!(redeem(PAYEE, promise.clone()));
        assert!(events().contains(&Event::Shortfall { channel: id, lane: 0, missing: 100 }));
        assert_ok!(Channels::top_up_to(RuntimeOrigin::signed(PAYER), id, 900));
        assert_ok!(redeem(STRANGER, promise));
        assert_eq!((get(id).claimed, free(PAYEE)), (700, FUNDS + 700));
    });
}

#[test]
fn the_payee_may_fix_newer_receipts_of_an_amount_already_paid() {
    test(|| {
        let id = open(500);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, 100))));
        let newer = signed(voucher(id, 2, 100));
        assert_noop!(redeem(STRANGER, newer.clone()), Error::<Test>::NothingToPay);
        assert_ok!(redeem(PAYEE, newer));
        assert_eq!((get(id).claimed, get(id).lanes[&0].receipts), (100, 2));
        assert_eq!(Heard::get().len(), 2);
    });
}

#[test]
fn a_payee_without_an_account_is_paid_from_the_existential_deposit_on() {
    test(|| {
        let id = open_to(77, 500);
        assert_noop!(
            redeem(STRANGER, signed(voucher(id, 1, ED - 1))),
            sp_runtime::TokenError::CannotCreate
        );
        assert_ok!(redeem(STRANGER, signed(voucher(id, 2, ED))));
        assert_eq!(free(77), ED);
    });
}

#[test]
fn the_weight_grows_with_the_ticks_shown() {
    use frame_support::dispatch::GetDispatchInfo;
    test(|| {
        let id = open(500);
        let weight = |n: u16| {
            let tick = Some(TickProof { n, preimage: [0; 32] });
            let redeem = mica_primitives::Redeem { tick, ..signed(voucher(id, 1, 10)) };
            crate::Call::<Test>::redeem { redeem }.get_dispatch_info().call_weight.ref_time()
        };
        assert!(
            weight(0) < weight(1) && weight(1) < weight(1024) && weight(1024) < weight(u16::MAX)
        );
    });
}

#[test]
fn weight_that_was_not_needed_is_given_back() {
    use frame_support::dispatch::GetDispatchInfo;
    test(|| {
        let id = open(500);
        let tell = |who, seq, receipts| {
            let voucher = voucher(id, seq, 10 * u128::from(seq));
            let redeem = signed(mica_primitives::Voucher { receipts, ..voucher });
            let call = crate::Call::<Test>::redeem { redeem: redeem.clone() };
            let most = call.get_dispatch_info().call_weight;
            let done = crate::Pallet::<Test>::redeem(RuntimeOrigin::signed(who), redeem);
            let taken = done.expect("a good voucher").actual_weight.expect("it is told");
            (most.ref_time(), taken.ref_time())
        };
        let saved = <Test as frame_system::Config>::DbWeight::get().reads_writes(1, 2).ref_time();
        // What the listeners say that they did not need, whoever submits.
        let (most, by_another) = tell(STRANGER, 1, 1);
        assert_eq!(most - by_another, saved);
        // And a bounty and another account, if it is the payee.
        let (most, by_payee) = tell(PAYEE, 2, 2);
        assert!(most - by_payee >= saved && by_payee <= by_another);
    });
}

#[test]
fn a_redeem_is_small() {
    use codec::MaxEncodedLen;
    assert!(
        // A voucher with both a tick chain and a lock is refused: the longer of the two counts.
        mica_primitives::Redeem::max_encoded_len()
            - (mica_primitives::Tick::max_encoded_len() + TickProof::max_encoded_len())
            <= 285,
        "a signed extrinsic adds about 110 bytes; 400 is the limit"
    );
}
