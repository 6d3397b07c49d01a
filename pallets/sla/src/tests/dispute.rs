//! The worker says that the payer kept it from finishing: both lose, and neither gets what the
//! other lost.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::{Progress, Terms, WorkerStatus};

use crate::{Error, Event, mock::*};

#[test]
fn a_dispute_pays_what_was_signed_and_burns_from_both() {
    test(|| {
        let id = accepted();
        let issuance = Balances::total_issuance();
        events();
        let progress = received(id, 60);
        assert_ok!(dispute(id, Some(progress)));
        assert!(is_over(id));
        assert_eq!(change_of(PAYER), -1_200 - DEPOSIT as i128);
        assert_eq!(change_of(WORKER), 1_200 - FORFEIT as i128);
        assert_eq!(Balances::total_issuance(), issuance - DEPOSIT - FORFEIT);
        assert_eq!(
            events(),
            vec![Event::Disputed {
                agreement: id,
                progress: Some(progress),
                paid: 1_200,
                refunded: 800,
                burned: DEPOSIT,
                forfeited: FORFEIT
            }]
        );
        assert_eq!(Punished::get()[0].3, None, "nobody is rewarded");
    });
}

/// Nothing that the payer does afterwards changes it, so that a worker cannot press for a signature
/// with a dispute that it would take back.
#[test]
fn a_dispute_is_final() {
    test(|| {
        let id = accepted();
        assert_ok!(dispute(id, None));
        assert_noop!(dispute(id, None), Error::<Test>::NoAgreement);
        assert_noop!(claim(received(id, 100)), Error::<Test>::NoAgreement);
        assert_noop!(request(id), Error::<Test>::NoAgreement);
        assert_eq!((change_of(PAYER), change_of(WORKER)), (-(DEPOSIT as i128), -(FORFEIT as i128)));
    });
}

#[test]
fn only_the_bound_worker_disputes_and_in_time() {
    test(|| {
        let id = proposed();
        assert_noop!(dispute(id, None), Error::<Test>::WrongState);
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), id));
        for who in [PAYER, STRANGER, OTHER_WORKER] {
            assert_noop!(
                Sla::dispute(RuntimeOrigin::signed(who), id, None),
                Error::<Test>::NotWorker
            );
        }
        assert_noop!(dispute(99, None), Error::<Test>::NoAgreement);
        Now::set(LIFE);
        assert_noop!(dispute(id, None), Error::<Test>::TooLate);
        Now::set(LIFE - 1);
        assert_ok!(dispute(id, None));
    });
}

#[test]
fn the_progress_of_a_dispute_is_checked_like_that_of_a_claim() {
    test(|| {
        let (id, other) = (accepted(), accepted());
        assert_noop!(dispute(id, Some(received(other, 60))), Error::<Test>::BadProgress);
        assert_noop!(dispute(id, Some(received(id, 101))), Error::<Test>::TooManyTokens);
        let forged = Some(signed_by(WORKER, received(id, 60)));
        assert_noop!(
            Sla::dispute(RuntimeOrigin::signed(WORKER), id, forged),
            Error::<Test>::BadSignature
        );
        // One that the payer signed with too many blocks pays all the same.
        let late = Progress { elapsed_blocks: 50, ..received(id, 100) };
        assert_ok!(dispute(id, Some(late)));
        assert_eq!(change_of(WORKER), 2_000 - FORFEIT as i128);
    });
}

#[test]
fn a_worker_burns_no_more_of_a_deposit_than_twice_what_it_loses() {
    test(|| {
        for (stake, burned) in [(100, 200), (1, 2), (0, 0)] {
            let id = accepted();
            change(WORKER, |record| record.stake = stake);
            events();
            assert_ok!(dispute(id, None));
            assert!(matches!(events()[..], [Event::Disputed { burned: b, forfeited, .. }]
                    if b == burned && forfeited == stake));
            change(WORKER, |record| (record.stake, record.status) = (STAKE, WorkerStatus::Active));
        }
    });
}

#[test]
fn what_half_of_an_odd_window_leaves_over_does_not_burn() {
    test(|| {
        let id = accepted_with(Terms { window: 3, ..terms() });
        assert_ok!(dispute(id, None));
        assert_eq!((change_of(PAYER), change_of(WORKER)), (-2 * TOKEN as i128, -(TOKEN as i128)));
    });
}
