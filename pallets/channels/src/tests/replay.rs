//! Attack: show a signature where or when it was not meant. Attack: show an old promise.

use codec::Encode;
use frame_support::{assert_noop, assert_ok};
use mica_primitives::{ChannelId, CooperativeClose, Redeem, Voucher, domain};

use crate::{Error, mock::*};

#[test]
fn a_voucher_pays_once() {
    test(|| {
        let id = open(500);
        let promise = signed(voucher(id, 1, 100));
        assert_ok!(redeem(PAYEE, promise.clone()));
        for who in [PAYEE, PAYER, STRANGER] {
            assert_noop!(redeem(who, promise.clone()), Error::<Test>::NothingToPay);
        }
    });
}

#[test]
fn a_tick_pays_once() {
    test(|| {
        let id = open(500);
        let ticks = ticking(voucher(id, 1, 100), 10, 20);
        let five = signed_with_tick(ticks.clone(), 5);
        assert_ok!(redeem(PAYEE, five.clone()));
        assert_noop!(redeem(PAYEE, five), Error::<Test>::NothingToPay);
        let earlier = signed_with_tick(ticks, 4);
        assert_noop!(redeem(PAYEE, earlier.clone()), Error::<Test>::NothingToPay);
        assert_noop!(redeem(STRANGER, earlier), Error::<Test>::AmountFell);
        // The next voucher counts what the ticks paid; the old chain's preimage does not lie on the
        // new one.
        let next =
            Voucher { tick: ticking(voucher(id, 2, 150), 10, 19).tick, ..voucher(id, 2, 150) };
        let old = signed_with_tick(ticking(voucher(id, 2, 150), 10, 20), 5).tick;
        assert_noop!(redeem(PAYEE, Redeem { tick: old, ..signed(next) }), Error::<Test>::BadTick);
    });
}

#[test]
fn a_voucher_fits_one_channel_and_one_lane() {
    test(|| {
        let (first, second) = (open(500), open(500));
        let promise = signed(voucher(first, 1, 100));
        let moved = |voucher| Redeem { voucher, ..promise.clone() };
        assert_noop!(redeem(PAYEE, moved(voucher(second, 1, 100))), Error::<Test>::BadSignature);
        assert_noop!(
            redeem(PAYEE, moved(on_lane(1, voucher(first, 1, 100)))),
            Error::<Test>::BadSignature
        );
        assert_noop!(redeem(PAYEE, moved(voucher(first, 2, 100))), Error::<Test>::BadSignature);
        assert_noop!(redeem(PAYEE, moved(voucher(first, 1, 101))), Error::<Test>::BadSignature);
        assert_noop!(
            redeem(PAYEE, moved(voucher(ChannelId([9; 32]), 1, 100))),
            Error::<Test>::NoChannel
        );
    });
}

#[test]
fn a_voucher_of_another_chain_is_refused() {
    test(|| {
        let id = open(500);
        let voucher = voucher(id, 1, 100);
        let signature = sign(PAYER, &voucher.signing_bytes(&[8; 32]));
        assert_noop!(
            redeem(PAYEE, Redeem { voucher, signature, tick: None, preimage: None }),
            Error::<Test>::BadSignature
        );
    });
}

#[test]
fn a_signature_over_another_type_is_refused() {
    test(|| {
        let id = open(500);
        let voucher = voucher(id, 1, 100);
        for tag in ["close", "receipt", "completion", "channel"] {
            let mut bytes = domain(tag, &genesis()).to_vec();
            voucher.encode_to(&mut bytes);
            let forged = Redeem { signature: sign(PAYER, &bytes), ..signed(voucher.clone()) };
            assert_noop!(redeem(PAYEE, forged), Error::<Test>::BadSignature);
        }
        let bare = Redeem { signature: sign(PAYER, &voucher.encode()), ..signed(voucher.clone()) };
        assert_noop!(redeem(PAYEE, bare), Error::<Test>::BadSignature);
        let close = CooperativeClose { channel: id, total: 100, expires: NEVER };
        let as_close = sign(PAYER, &voucher.signing_bytes(&genesis()));
        assert_noop!(
            Channels::close_cooperatively(RuntimeOrigin::signed(PAYEE), close, as_close),
            Error::<Test>::BadSignature
        );
    });
}

#[test]
fn only_the_signer_signs() {
    test(|| {
        let id = open(500);
        for wrong in [PAYEE, STRANGER] {
            let voucher = voucher(id, 1, 100);
            let signature = sign(wrong, &voucher.signing_bytes(&genesis()));
            assert_noop!(
                redeem(PAYEE, Redeem { voucher, signature, tick: None, preimage: None }),
                Error::<Test>::BadSignature
            );
        }
        let zeros = Redeem { signature: [0; 64], ..signed(voucher(id, 1, 100)) };
        assert_noop!(redeem(PAYEE, zeros), Error::<Test>::BadSignature);
    });
}

#[test]
fn a_voucher_does_not_fit_the_channel_that_comes_after() {
    test(|| {
        let first = open(500);
        let promise = signed(voucher(first, 1, 100));
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYEE), first));
        assert_noop!(redeem(PAYEE, promise.clone()), Error::<Test>::NoChannel);
        let second = open(500);
        assert_noop!(redeem(PAYEE, promise.clone()), Error::<Test>::NoChannel);
        let moved = Redeem { voucher: voucher(second, 1, 100), ..promise };
        assert_noop!(redeem(PAYEE, moved), Error::<Test>::BadSignature);
    });
}

#[test]
fn stale_vouchers_are_refused() {
    test(|| {
        let id = open(500);
        assert_noop!(redeem(PAYEE, signed(voucher(id, 0, 100))), Error::<Test>::StaleVoucher);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 5, 100))));
        // Lower number, even for more money: the payee itself chose to redeem the newer one.
        assert_noop!(redeem(PAYEE, signed(voucher(id, 4, 200))), Error::<Test>::StaleVoucher);
        assert_noop!(redeem(STRANGER, signed(voucher(id, 4, 200))), Error::<Test>::StaleVoucher);
        // Higher number for less money: that is worth a fee to the payee alone, for its receipts.
        assert_noop!(redeem(STRANGER, signed(voucher(id, 6, 99))), Error::<Test>::AmountFell);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 6, 99))));
        assert_eq!((get(id).claimed, get(id).lanes[&0].receipts), (100, 6));
    });
}
