//! Redeems by others than the payee: they pay it, and move no number of its own.

use frame_support::assert_ok;
use mica_primitives::settlement::Submitter;

use crate::{Error, Event, mock::*};

#[test]
fn a_stranger_makes_the_chain_pay_the_payee_and_earns_nothing() {
    test(|| {
        let id = open(500);
        assert_ok!(redeem(STRANGER, signed(voucher(id, 1, 120))));
        assert_eq!((free(PAYEE), free(STRANGER)), (FUNDS + 120, FUNDS));
    });
}

/// A worker would not answer for its receipts if a redeem through a second account fixed none.
#[test]
fn a_redeem_through_a_second_account_fixes_the_receipts_too() {
    test(|| {
        let id = open(500);
        assert_ok!(redeem(STRANGER, signed(voucher(id, 4, 200))));
        let heard = Heard::take();
        assert_eq!(heard.len(), 1);
        assert_eq!((heard[0].seq, heard[0].receipts_root), (4, [4; 32]));
        assert_eq!(heard[0].by, Submitter::Other);
        // A further tick of the same voucher, or an older voucher, fixes nothing again.
        assert_ok!(redeem(STRANGER, signed(voucher(id, 3, 210))));
        assert!(Heard::take().is_empty());
    });
}

#[test]
fn a_root_that_the_payer_made_up_keeps_nobody_from_fixing_the_true_one() {
    test(|| {
        let id = open(500);
        let forged = mica_primitives::Voucher {
            receipts_root: [0xbd; 32],
            receipts: 99,
            ..voucher(id, u64::MAX, 201)
        };
        assert_ok!(redeem(PAYER, signed(forged)));
        let lane = get(id).lanes[&0];
        assert_eq!(
            (lane.seq, lane.receipts, lane.receipts_root, lane.claimed, lane.shown),
            (0, 0, [0; 32], 201, u64::MAX)
        );
        assert_eq!(Heard::take()[0].by, Submitter::Other);
        // The payer paid one unit more than the payee's voucher says: it pays nothing, and fixes.
        let own = signed(voucher(id, 4, 200));
        assert_ok!(redeem(PAYEE, own.clone()));
        let lane = get(id).lanes[&0];
        assert_eq!(
            (lane.seq, lane.receipts, lane.receipts_root, lane.claimed),
            (4, 4, [4; 32], 201)
        );
        assert_eq!(Heard::take()[0].by, Submitter::Payee);
        assert_eq!(redeem(PAYEE, own), Err(Error::<Test>::NothingToPay.into()));
    });
}

#[test]
fn a_bounty_is_paid_to_who_redeems_late_for_an_absent_payee_and_to_nobody_else() {
    test(|| {
        let bounty = |id, seq, cumulative, bounty| {
            signed(mica_primitives::Voucher { bounty, ..voucher(id, seq, cumulative) })
        };
        let id = open(50_000);
        // The channel is open, then the payee has half of the window for itself.
        assert_ok!(redeem(STRANGER, bounty(id, 1, 1_600, 90)));
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYER), id));
        System::set_block_number(1 + WINDOW / 2 - 1);
        assert_ok!(redeem(STRANGER, bounty(id, 2, 3_200, 90)));
        assert_eq!((free(STRANGER), free(PAYEE)), (FUNDS, FUNDS + 3_200));
        System::set_block_number(1 + WINDOW / 2);
        events();
        assert_ok!(redeem(STRANGER, bounty(id, 3, 4_800, 90)));
        assert_eq!((free(STRANGER), free(PAYEE)), (FUNDS + 90, FUNDS + 4_710));
        assert!(events().contains(&Event::BountyPaid { channel: id, to: STRANGER, amount: 90 }));
        // A sixteenth at most, whatever the payer signs.
        assert_ok!(redeem(PAYER, bounty(id, 4, 6_400, u128::MAX)));
        assert_eq!(free(PAYEE), FUNDS + 4_710 + 1_500);
        // The payee itself gets everything.
        assert_ok!(redeem(PAYEE, bounty(id, 5, 8_000, 90)));
        assert_eq!(free(PAYEE), FUNDS + 6_210 + 1_600);
        assert_eq!((get(id).claimed, held(PAYER)), (8_000, 42_000));
    });
}

/// A submitter whose account cannot take the bounty must not keep the payee from its money.
#[test]
fn a_bounty_that_cannot_be_paid_is_the_payees() {
    test(|| {
        let id = open(50_000);
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYER), id));
        System::set_block_number(1 + WINDOW / 2);
        let dust = mica_primitives::Voucher { bounty: ED - 1, ..voucher(id, 1, 1_600) };
        assert_ok!(redeem(777, signed(dust)));
        assert_eq!((free(777), free(PAYEE)), (0, FUNDS + 1_600));
    });
}

#[test]
fn a_watcher_saves_an_offline_payee_while_the_payer_closes() {
    test(|| {
        let id = open(500);
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYER), id));
        System::set_block_number(1 + WINDOW - 1);
        assert_ok!(redeem(STRANGER, signed(voucher(id, 1, 450))));
        assert_eq!(free(PAYEE), FUNDS + 450);
    });
}
