//! Every way to end a channel, every boundary block, and who may not.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::{ChannelState, Closing};

use crate::{Channels as Stored, Error, Event, mock::*};

fn close(
    who: u64,
    id: mica_primitives::ChannelId,
) -> frame_support::pallet_prelude::DispatchResult {
    Channels::close(RuntimeOrigin::signed(who), id)
}

fn finish(id: mica_primitives::ChannelId) -> frame_support::pallet_prelude::DispatchResult {
    Channels::finish(RuntimeOrigin::signed(STRANGER), id)
}

fn ends(id: mica_primitives::ChannelId) -> u32 {
    let ChannelState::Closing(closing) = get(id).state else { panic!("channel is open") };
    closing.ends
}

#[test]
fn the_payee_closes_at_once_and_nothing_is_left() {
    test(|| {
        let id = open(500);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, 100))));
        events();
        assert_ok!(close(PAYEE, id));
        assert_eq!((free(PAYER), held(PAYER), free(PAYEE)), (FUNDS - 100, 0, FUNDS + 100));
        assert_eq!(events(), vec![Event::Closed { channel: id, claimed: 100, released: 400 }]);
        assert!(Stored::<Test>::get(id).is_none());
        assert_eq!(
            crate::ByPayer::<Test>::iter().count() + crate::ByPayee::<Test>::iter().count(),
            0
        );
        assert_noop!(close(PAYEE, id), Error::<Test>::NoChannel);
        assert_noop!(close(PAYER, id), Error::<Test>::NoChannel);
    });
}

#[test]
fn the_payer_waits_for_the_window() {
    test(|| {
        let id = open(500);
        assert_noop!(finish(id), Error::<Test>::NotClosing);
        events();
        assert_ok!(close(PAYER, id));
        assert_eq!(
            get(id).state,
            ChannelState::Closing(Closing { at: 1, ends: 1 + WINDOW, extended: 0 })
        );
        assert_eq!(events(), vec![Event::CloseRequested { channel: id, ends: 1 + WINDOW }]);
        assert_noop!(close(PAYER, id), Error::<Test>::AlreadyClosing);
        System::set_block_number(WINDOW);
        assert_noop!(finish(id), Error::<Test>::WindowRuns);
        System::set_block_number(1 + WINDOW);
        assert_ok!(finish(id));
        assert_eq!((free(PAYER), held(PAYER)), (FUNDS, 0));
        assert_noop!(finish(id), Error::<Test>::NoChannel);
    });
}

#[test]
fn no_block_allows_both_a_redeem_and_a_finish() {
    test(|| {
        let id = open(500);
        assert_ok!(close(PAYER, id));
        for block in 1..=2 * WINDOW {
            System::set_block_number(block);
            let may_finish = frame_support::storage::with_transaction(|| {
                sp_runtime::TransactionOutcome::Rollback(Ok::<_, sp_runtime::DispatchError>(
                    finish(id).is_ok(),
                ))
            });
            let may_redeem = frame_support::storage::with_transaction(|| {
                let paid = redeem(PAYEE, signed(voucher(id, 1, 100))).is_ok();
                sp_runtime::TransactionOutcome::Rollback(Ok::<_, sp_runtime::DispatchError>(paid))
            });
            assert_ne!(may_finish, may_redeem, "block {block}");
            assert_eq!(may_finish, Ok(block > WINDOW));
        }
        assert_noop!(redeem(PAYEE, signed(voucher(id, 1, 100))), Error::<Test>::WindowOver);
    });
}

#[test]
fn a_redeem_in_the_last_tenth_extends_three_times() {
    test(|| {
        let id = open(500);
        assert_ok!(close(PAYER, id));
        let tenth = WINDOW / 10;
        // Just before the last tenth: nothing moves.
        System::set_block_number(ends(id) - tenth);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, 10))));
        assert_eq!(ends(id), 1 + WINDOW);
        for round in 1..=3u8 {
            System::set_block_number(ends(id) - 1);
            let before = ends(id);
            assert_ok!(redeem(
                PAYEE,
                signed(voucher(id, 1 + u64::from(round), 10 + u128::from(round)))
            ));
            assert_eq!(ends(id), before - 1 + tenth);
            assert!(events().contains(&Event::Extended { channel: id, ends: ends(id) }));
        }
        let last = ends(id);
        System::set_block_number(last - 1);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 9, 100))));
        assert_eq!(ends(id), last, "a fourth extension");
        System::set_block_number(last);
        assert_ok!(finish(id));
    });
}

/// Attack: the payer uses all extensions up for three units in the first blocks of the last tenth.
#[test]
fn dust_from_somebody_else_uses_no_extension_up() {
    test(|| {
        let id = open(50_000);
        assert_ok!(close(PAYER, id));
        let first = ends(id);
        for (who, seq) in [(PAYER, 1), (STRANGER, 2), (PAYER, 3)] {
            System::set_block_number(first - 1);
            assert_ok!(redeem(who, signed(voucher(id, seq, seq.into()))));
            assert_eq!(ends(id), first, "one unit by {who} moved the end");
        }
        // A watcher that saves a good part of the rest is not shut out either.
        assert_ok!(redeem(STRANGER, signed(voucher(id, 4, 5_000))));
        assert_eq!(ends(id), first - 1 + WINDOW / 10);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 5, 5_001))));
    });
}

#[test]
fn a_redeem_that_pays_nothing_does_not_extend() {
    test(|| {
        let id = open(500);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, 100))));
        assert_ok!(close(PAYER, id));
        System::set_block_number(WINDOW);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 2, 100))));
        assert_eq!(ends(id), 1 + WINDOW);
    });
}

#[test]
fn strangers_close_nothing() {
    test(|| {
        let id = open(500);
        assert_noop!(close(STRANGER, id), Error::<Test>::NotParty);
        let (agreement, signature) = agreed(id, 100, NEVER, PAYER);
        assert_noop!(
            Channels::close_cooperatively(RuntimeOrigin::signed(STRANGER), agreement, signature),
            Error::<Test>::NotParty
        );
    });
}

#[test]
fn both_close_in_one_block() {
    test(|| {
        let id = open(500);
        assert_ok!(close(PAYER, id));
        assert_ok!(close(PAYEE, id));
        assert_eq!(held(PAYER), 0);
        let id = open(500);
        assert_ok!(close(PAYEE, id));
        assert_noop!(close(PAYER, id), Error::<Test>::NoChannel);
    });
}

#[test]
fn the_payee_redeems_after_a_stale_close_by_the_payer() {
    test(|| {
        let id = open(500);
        assert_ok!(redeem(PAYER, signed(voucher(id, 1, 10))));
        assert_ok!(close(PAYER, id));
        assert_ok!(redeem(PAYEE, signed(voucher(id, 7, 450))));
        assert_eq!(free(PAYEE), FUNDS + 450);
    });
}

#[test]
fn while_the_clock_stands_still_so_does_the_window() {
    test(|| {
        let id = open(500);
        assert_ok!(close(PAYER, id));
        System::set_block_number(1 + WINDOW);
        HaltedBlocks::set(5);
        assert_noop!(finish(id), Error::<Test>::WindowRuns);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, 100))));
        System::set_block_number(1 + WINDOW + 5);
        assert_ok!(finish(id));
    });
}

#[test]
fn both_agree_and_close_at_once() {
    test(|| {
        // Submitted by the payee with the hot key's signature, then by the payer with the peer
        // key's.
        for (submitter, signer) in [(PAYEE, PAYER), (PAYER, PAYEE)] {
            let id = open(500);
            let before = free(PAYEE);
            assert_ok!(redeem(PAYEE, signed(voucher(id, 1, 100))));
            events();
            let (close, signature) = agreed(id, 130, NEVER, signer);
            assert_ok!(Channels::close_cooperatively(
                RuntimeOrigin::signed(submitter),
                close,
                signature
            ));
            assert_eq!((free(PAYEE) - before, held(PAYER)), (130, 0));
            assert_eq!(events(), vec![Event::Closed { channel: id, claimed: 130, released: 370 }]);
        }
    });
}

#[test]
fn an_agreement_is_refused_unless_the_other_side_signed_it_in_time() {
    test(|| {
        let id = open(500);
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, 100))));
        let submit = |who, (close, signature)| {
            Channels::close_cooperatively(RuntimeOrigin::signed(who), close, signature)
        };
        assert_noop!(submit(PAYEE, agreed(id, 130, NEVER, PAYEE)), Error::<Test>::BadSignature);
        assert_noop!(submit(PAYER, agreed(id, 130, NEVER, PAYER)), Error::<Test>::BadSignature);
        assert_noop!(submit(PAYER, agreed(id, 130, NEVER, STRANGER)), Error::<Test>::BadSignature);
        let (mut close, signature) = agreed(id, 130, NEVER, PAYER);
        close.total = 500;
        assert_noop!(submit(PAYEE, (close, signature)), Error::<Test>::BadSignature);
        assert_noop!(submit(PAYEE, agreed(id, 99, NEVER, PAYER)), Error::<Test>::TotalOutOfRange);
        assert_noop!(submit(PAYEE, agreed(id, 501, NEVER, PAYER)), Error::<Test>::TotalOutOfRange);
        System::set_block_number(11);
        assert_noop!(submit(PAYEE, agreed(id, 130, 10, PAYER)), Error::<Test>::Expired);
        KnowsPeerKeys::set(false);
        assert_noop!(submit(PAYER, agreed(id, 130, NEVER, PAYEE)), Error::<Test>::NoPeerKey);
        let ghost = mica_primitives::ChannelId([9; 32]);
        assert_noop!(submit(PAYER, agreed(ghost, 130, NEVER, PAYEE)), Error::<Test>::NoChannel);
    });
}
