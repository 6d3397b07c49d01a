//! Ends that both signed.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::{Completion, Terms, domain::signing_bytes};

use crate::{Error, Event, mock::*};

#[test]
fn good_work_is_paid_whoever_submits() {
    test(|| {
        for (submitter, signer) in [(WORKER, PAYER), (PAYER, WORKER)] {
            let id = accepted();
            let before = free(WORKER);
            events();
            assert_ok!(complete(submitter, measured(id, 100, 20_000, signer)));
            assert_eq!((free(WORKER) - before, held(PAYER)), (ESCROW, 0));
            assert_eq!(events(), vec![Event::Paid { agreement: id, paid: ESCROW, refunded: 0 }]);
            assert!(is_over(id));
        }
        assert!(Punished::get().is_empty());
    });
}

#[test]
fn slow_or_short_work_is_a_breach() {
    test(|| {
        for (tokens, elapsed_ms) in [(100, 20_001), (99, 1_000), (0, 0)] {
            let id = accepted();
            let (payer, worker) = (free(PAYER), free(WORKER));
            events();
            assert_ok!(complete(WORKER, measured(id, tokens, elapsed_ms, PAYER)));
            // Half of the penalty is burned, the payer has the escrow and the other half.
            assert_eq!(
                (free(PAYER) - payer, worker - free(WORKER), held(PAYER)),
                (ESCROW + 150, 300, 0)
            );
            assert_eq!(
                events(),
                vec![Event::Breached {
                    agreement: id,
                    refunded: ESCROW,
                    penalty: 300,
                    reward: 150
                }]
            );
        }
        assert_eq!(Punished::get().len(), 3, "each agreement is an offence of its own");
    });
}

#[test]
fn a_penalty_takes_no_more_than_the_stake() {
    test(|| {
        let id = proposed_with(Terms { penalty: 40_000, ..terms() });
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), id));
        change(WORKER, |record| record.stake = 100);
        events();
        assert_ok!(complete(PAYER, measured(id, 1, 1, WORKER)));
        assert_eq!(
            events(),
            vec![Event::Breached { agreement: id, refunded: ESCROW, penalty: 100, reward: 50 }]
        );
    });
}

#[test]
fn a_completion_needs_the_other_sides_signature_over_these_bytes() {
    test(|| {
        let id = accepted();
        let other = accepted();
        assert_noop!(complete(WORKER, measured(id, 100, 1, WORKER)), Error::<Test>::BadSignature);
        assert_noop!(complete(PAYER, measured(id, 100, 1, PAYER)), Error::<Test>::BadSignature);
        assert_noop!(complete(STRANGER, measured(id, 100, 1, PAYER)), Error::<Test>::NotParty);
        let (completion, signature) = measured(id, 100, 1, PAYER);
        assert_noop!(
            complete(WORKER, (Completion { agreement: other, ..completion }, signature)),
            Error::<Test>::BadSignature
        );
        assert_noop!(
            complete(WORKER, (Completion { elapsed_ms: 2, ..completion }, signature)),
            Error::<Test>::BadSignature
        );
        assert_noop!(
            complete(WORKER, (Completion { agreement: 99, ..completion }, signature)),
            Error::<Test>::NoAgreement
        );
        let foreign = sign(PAYER, &completion.signing_bytes(&[9; 32]));
        assert_noop!(complete(WORKER, (completion, foreign)), Error::<Test>::BadSignature);
        for tag in ["voucher", "close", "acknowledgement", "receipt"] {
            let confused = sign(PAYER, &signing_bytes(tag, &genesis(), &completion));
            assert_noop!(complete(WORKER, (completion, confused)), Error::<Test>::BadSignature);
        }
    });
}

#[test]
fn a_completion_settles_once() {
    test(|| {
        let id = accepted();
        let signed = measured(id, 100, 1, PAYER);
        assert_ok!(complete(WORKER, signed));
        assert_noop!(complete(WORKER, signed), Error::<Test>::NoAgreement);
        let again = accepted();
        assert_ne!(again, id);
        assert_noop!(complete(WORKER, signed), Error::<Test>::NoAgreement);
    });
}

#[test]
fn nothing_is_completed_before_acceptance_or_after_the_deadline() {
    test(|| {
        let id = proposed();
        assert_noop!(complete(WORKER, measured(id, 100, 1, PAYER)), Error::<Test>::WrongState);
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), id));
        assert_noop!(complete(WORKER, measured(id, 101, 1, PAYER)), Error::<Test>::TooManyTokens);
        // Deadline is block 21; the agenda of block 22 has not run.
        System::set_block_number(22);
        assert_noop!(complete(WORKER, measured(id, 100, 1, PAYER)), Error::<Test>::TooLate);
        System::set_block_number(21);
        assert_ok!(complete(WORKER, measured(id, 100, 1, PAYER)));
    });
}

#[test]
fn a_freeze_on_the_payer_does_not_stop_the_payment() {
    use frame_support::traits::{LockableCurrency, WithdrawReasons};
    test(|| {
        let id = accepted();
        Balances::set_lock(*b"later___", &PAYER, u128::MAX, WithdrawReasons::all());
        assert_ok!(complete(WORKER, measured(id, 100, 1, PAYER)));
        assert_eq!(free(WORKER), FUNDS + ESCROW);
    });
}
