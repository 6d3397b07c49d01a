//! The worker says that the payer kept it from finishing: both lose, and neither gets what the
//! other lost.

use frame_support::{assert_noop, assert_ok, pallet_prelude::DispatchResult};
use mica_primitives::{Progress, Terms, WorkerStatus};

use crate::{Error, Event, mock::*};

#[test]
fn a_dispute_pays_what_was_signed_and_burns_from_both() {
    test(|| {
        let id = working();
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
        let id = working();
        assert_ok!(dispute(id, None));
        assert_noop!(dispute(id, None), Error::<Test>::NoAgreement);
        assert_noop!(claim(received(id, 100)), Error::<Test>::NoAgreement);
        assert_noop!(request(id), Error::<Test>::NoAgreement);
        assert_eq!((change_of(PAYER), change_of(WORKER)), (-(DEPOSIT as i128), -(FORFEIT as i128)));
    });
}

/// Before the request is on chain the payer can keep nothing from the worker, which has computed
/// nothing: neither can cost the other anything.
#[test]
fn nothing_is_disputed_before_the_request_is_on_chain() {
    test(|| {
        let id = accepted();
        assert_noop!(dispute(id, None), Error::<Test>::WrongState);
        assert_noop!(dispute(id, Some(received(id, 8))), Error::<Test>::WrongState);
        run_to(LIFE);
        assert_eq!((change_of(PAYER), change_of(WORKER)), (0, 0));
    });
}

/// Whatever a worker says of a bad end, and if it says nothing, its stake loses the same: it has no
/// reason to say what is not so.
#[test]
fn every_bad_end_costs_the_worker_its_forfeit() {
    let acknowledged: [fn(u64) -> DispatchResult; 3] =
        [|id| dispute(id, Some(received(id, 60))), |id| claim(received(id, 60)), |_| Ok(())];
    for (end, paid) in acknowledged.into_iter().zip([1_200, 1_200, 0]) {
        test(|| {
            let id = working();
            assert_ok!(end(id));
            run_to(1 + WORK + ANSWER);
            assert!(is_over(id));
            assert_eq!(change_of(WORKER), paid - FORFEIT as i128);
        });
    }
    let asked: [fn(u64) -> DispatchResult; 3] =
        [|id| dispute(id, None), |id| claim(received(id, 0)), |_| Ok(())];
    for end in asked {
        test(|| {
            let id = accepted();
            assert_ok!(request(id));
            assert_ok!(end(id));
            run_to(1 + ANSWER);
            assert!(is_over(id));
            assert_eq!(change_of(WORKER), -(FORFEIT as i128));
        });
    }
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
        assert_noop!(dispute(id, None), Error::<Test>::WrongState);
        assert_ok!(acknowledge(id));
        Now::set(1 + WORK + ANSWER);
        assert_noop!(dispute(id, None), Error::<Test>::TooLate);
        Now::set(WORK + ANSWER);
        assert_ok!(dispute(id, None));
    });
}

#[test]
fn the_progress_of_a_dispute_is_checked_like_that_of_a_claim() {
    test(|| {
        let (id, other) = (working(), working());
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
            let id = working();
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
        assert_ok!(acknowledge(id));
        assert_ok!(dispute(id, None));
        assert_eq!((change_of(PAYER), change_of(WORKER)), (-2 * TOKEN as i128, -(TOKEN as i128)));
    });
}
