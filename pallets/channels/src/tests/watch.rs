//! Redeems by others than the payee: they pay it, and bind it to nothing.

use frame_support::assert_ok;

use crate::mock::*;

#[test]
fn a_stranger_makes_the_chain_pay_the_payee_and_earns_nothing() {
    test(|| {
        let id = open(500);
        assert_ok!(redeem(STRANGER, signed(voucher(id, 1, 120))));
        assert_eq!((free(PAYEE), free(STRANGER)), (FUNDS + 120, FUNDS));
    });
}

#[test]
fn receipts_are_fixed_by_the_payee_alone() {
    test(|| {
        let id = open(500);
        // The payer could pin a root over receipts that the payee never signed.
        let forged = mica_primitives::Voucher {
            receipts_root: [0xbd; 32],
            receipts: 99,
            ..voucher(id, 9, 120)
        };
        assert_ok!(redeem(PAYER, signed(forged)));
        let lane = get(id).lanes[&0];
        assert_eq!(
            (lane.seq, lane.receipts, lane.receipts_root, lane.claimed),
            (0, 0, [0; 32], 120)
        );
        assert!(Heard::get().is_empty());
        // The payee's own submission of what it accepted fixes it, also when it was paid meanwhile.
        assert_ok!(redeem(STRANGER, signed(voucher(id, 4, 200))));
        assert_ok!(redeem(PAYEE, signed(voucher(id, 4, 200))));
        let lane = get(id).lanes[&0];
        assert_eq!(
            (lane.seq, lane.receipts, lane.receipts_root, lane.claimed),
            (4, 4, [4; 32], 200)
        );
        assert_eq!(Heard::get().len(), 1);
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
