//! What the worker is paid: what the payer signed, and nothing else.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::{Progress, Terms, WorkerStatus, domain::signing_bytes};

use crate::{Error, Event, mock::*};

#[test]
fn all_tokens_in_time_are_paid_at_once() {
    test(|| {
        let id = working();
        events();
        let progress = Progress { elapsed_blocks: WORK, ..received(id, 100) };
        assert_ok!(claim(progress));
        assert!(is_over(id));
        assert_eq!((change_of(PAYER), held(PAYER), change_of(WORKER)), (-2_000, 0, 2_000));
        assert_eq!(
            events(),
            vec![Event::Paid { agreement: id, progress, paid: 2_000, refunded: DEPOSIT }]
        );
        assert!(Punished::get().is_empty());
    });
}

/// An end token, or a payer that wants no more: the payer signs that the generation ended, and pays
/// for what was generated.
#[test]
fn a_generation_that_ends_early_is_complete() {
    test(|| {
        // A long prompt is read before the first token: that time is not in proportion.
        for (tokens, elapsed_blocks) in [(0, 4), (1, 5), (10, 6), (30, 10), (99, WORK)] {
            let id = working();
            let before = change_of(WORKER);
            events();
            let progress = Progress { ended: true, elapsed_blocks, ..received(id, tokens) };
            assert_ok!(claim(progress));
            let paid = u128::from(tokens) * TOKEN;
            assert_eq!(change_of(WORKER) - before, paid as i128);
            let refunded = ESCROW - paid;
            assert_eq!(events(), vec![Event::Paid { agreement: id, progress, paid, refunded }]);
        }
        assert!(Punished::get().is_empty());
    });
}

#[test]
fn short_or_late_work_is_paid_as_far_as_it_was_signed_and_is_a_failure() {
    test(|| {
        for (tokens, ended, elapsed_blocks) in
            [(99, false, 0), (0, false, 0), (100, false, WORK + 1), (10, true, 7)]
        {
            let id = working();
            let (payer, worker) = (change_of(PAYER), change_of(WORKER));
            events();
            let progress = Progress { ended, elapsed_blocks, ..received(id, tokens) };
            assert_ok!(claim(progress));
            let paid = u128::from(tokens) * TOKEN;
            assert_eq!(change_of(PAYER) - payer, -(paid as i128), "{progress:?}");
            assert_eq!(change_of(WORKER) - worker, paid as i128 - FORFEIT as i128);
            assert_eq!(
                events(),
                vec![Event::Failed {
                    agreement: id,
                    progress: Some(progress),
                    paid,
                    refunded: ESCROW - paid,
                    forfeited: FORFEIT
                }]
            );
        }
        assert_eq!(Punished::get().len(), 4, "each agreement is an offence of its own");
    });
}

#[test]
fn only_the_bound_worker_claims_in_time_and_not_too_much() {
    test(|| {
        let id = proposed();
        assert_noop!(claim(received(id, 100)), Error::<Test>::WrongState);
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), id));
        assert_noop!(claim(received(id, 101)), Error::<Test>::TooManyTokens);
        assert_noop!(claim(received(99, 100)), Error::<Test>::NoAgreement);
        let (progress, signature) = signed_by(PAYER, received(id, 100));
        for who in [PAYER, OTHER_WORKER, STRANGER] {
            assert_noop!(
                Sla::claim(RuntimeOrigin::signed(who), progress, signature),
                Error::<Test>::NotWorker
            );
        }
        Now::set(LIFE);
        assert_noop!(claim(progress), Error::<Test>::TooLate);
        Now::set(LIFE - 1);
        assert_ok!(claim(progress));
        assert_noop!(claim(progress), Error::<Test>::NoAgreement);
        let again = accepted();
        assert_ne!(again, id);
        assert_noop!(claim(progress), Error::<Test>::NoAgreement);
    });
}

/// The time for the work is in what the payer signed; the claim has `AnswerPeriod` blocks more.
#[test]
fn work_that_was_done_in_time_may_be_claimed_later() {
    test(|| {
        let id = working();
        run_to(1 + WORK + ANSWER - 1);
        assert_ok!(claim(Progress { elapsed_blocks: WORK, ..received(id, 100) }));
        assert_eq!(change_of(WORKER), 2_000);
    });
}

#[test]
fn progress_is_signed_by_the_payers_key_over_these_bytes() {
    test(|| {
        let (id, other) = (accepted(), accepted());
        let (progress, signature) = signed_by(PAYER, received(id, 60));
        let submit =
            |progress, signature| Sla::claim(RuntimeOrigin::signed(WORKER), progress, signature);
        for changed in [
            Progress { tokens: 61, ..progress },
            Progress { agreement: other, ..progress },
            Progress { ended: true, ..progress },
            Progress { elapsed_blocks: 1, ..progress },
            Progress { receipts: 8, ..progress },
            Progress { receipts_root: [4; 32], ..progress },
        ] {
            assert_noop!(submit(changed, signature), Error::<Test>::BadSignature);
        }
        let (_, forged) = signed_by(WORKER, progress);
        assert_noop!(submit(progress, forged), Error::<Test>::BadSignature);
        let foreign = sign(PAYER, &progress.signing_bytes(&[9; 32]));
        assert_noop!(submit(progress, foreign), Error::<Test>::BadSignature);
        for tag in ["voucher", "close", "peer", "receipt"] {
            let confused = sign(PAYER, &signing_bytes(tag, &genesis(), &progress));
            assert_noop!(submit(progress, confused), Error::<Test>::BadSignature);
        }
        assert_ok!(submit(progress, signature));
    });
}

#[test]
fn a_forfeit_takes_no_more_than_the_stake_and_a_slash_below_the_least_jails() {
    test(|| {
        let id = accepted();
        change(WORKER, |record| record.stake = MIN_STAKE);
        assert_ok!(claim(received(id, 50)));
        let jailed = || Registered::get()[&WORKER].status == WorkerStatus::Jailed;
        assert!(jailed());
        assert_eq!(change_of(WORKER), 1_000 - FORFEIT as i128);
        change(WORKER, |record| record.status = WorkerStatus::Active);
        let id = accepted();
        change(WORKER, |record| record.stake = 100);
        events();
        assert_ok!(claim(received(id, 50)));
        assert!(jailed());
        assert!(matches!(events()[..], [Event::Failed { forfeited: 100, .. }]));
    });
}

#[test]
fn a_freeze_on_the_payer_does_not_stop_the_payment() {
    use frame_support::traits::{LockableCurrency, WithdrawReasons};
    test(|| {
        let id = accepted();
        Balances::set_lock(*b"later___", &PAYER, u128::MAX, WithdrawReasons::all());
        assert_ok!(claim(received(id, 100)));
        assert_eq!(free(WORKER), FUNDS + 2_000);
    });
}

/// A worker that expects to be slashed sends its stake to itself as somebody's payer: what leaves
/// the stake is burned.
#[test]
fn stake_does_not_leave_through_an_agreement_with_oneself() {
    test(|| {
        let costly = Terms { price_per_layer_token: 1_000, ..terms() };
        let id = accepted_with(costly);
        let before = change_of(PAYER) + change_of(WORKER);
        assert_ok!(claim(received(id, 0)));
        let lost = before - change_of(PAYER) - change_of(WORKER);
        assert_eq!(lost, costly.forfeit().expect("small") as i128);
        assert_eq!(change_of(PAYER), 0);
    });
}
