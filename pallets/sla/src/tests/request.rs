//! How work begins: by an acknowledgement on chain, which the payer may ask for.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::AgreementState;

use crate::{Error, Event, mock::*};

#[test]
fn a_worker_that_answers_no_request_loses_its_forfeit_and_the_payer_nothing() {
    test(|| {
        let id = accepted();
        run_to(3);
        events();
        assert_ok!(request(id));
        let until = 3 + ANSWER;
        assert_eq!(events(), vec![Event::Requested { agreement: id, request_hash: HASH, until }]);
        assert_eq!(get(id).state, AgreementState::Requested { request_hash: HASH, until });
        run_to(until - 1);
        assert!(!is_over(id));
        let issuance = Balances::total_issuance();
        run_to(until);
        assert!(is_over(id));
        assert_eq!((change_of(PAYER), change_of(WORKER)), (0, -(FORFEIT as i128)));
        assert_eq!(Balances::total_issuance(), issuance - FORFEIT);
        let failed = Event::Failed {
            agreement: id,
            progress: None,
            paid: 0,
            refunded: ESCROW,
            forfeited: FORFEIT,
        };
        assert!(events().contains(&failed));
        assert_eq!(Punished::get()[0].3, None, "nobody is rewarded");
    });
}

#[test]
fn only_the_payer_asks_once_and_while_requests_may_come() {
    test(|| {
        let id = proposed();
        assert_noop!(request(id), Error::<Test>::WrongState);
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), id));
        assert_noop!(request(99), Error::<Test>::NoAgreement);
        for who in [WORKER, STRANGER] {
            assert_noop!(
                Sla::request(RuntimeOrigin::signed(who), id, HASH),
                Error::<Test>::NotPayer
            );
        }
        assert_noop!(
            Sla::request(RuntimeOrigin::none(), id, HASH),
            sp_runtime::DispatchError::BadOrigin
        );
        Now::set(12);
        assert_noop!(request(id), Error::<Test>::TooLate);
        Now::set(11);
        assert_ok!(request(id));
        assert_noop!(request(id), Error::<Test>::WrongState);
        let other = accepted();
        assert_ok!(acknowledge(other));
        assert_noop!(request(other), Error::<Test>::WrongState);
    });
}

#[test]
fn a_worker_answers_with_its_acknowledgement_in_the_last_block_and_not_later() {
    test(|| {
        let id = accepted();
        assert_ok!(request(id));
        events();
        Now::set(1 + ANSWER);
        assert_noop!(acknowledge(id), Error::<Test>::TooLate);
        Now::set(ANSWER);
        assert_ok!(acknowledge(id));
        let until = ANSWER + WORK + ANSWER;
        let acknowledged =
            Event::Acknowledged { agreement: id, request_hash: HASH, anchor: ANSWER, until };
        assert_eq!(events(), vec![acknowledged]);
        let working = AgreementState::Working { request_hash: HASH, anchor: ANSWER, until };
        assert_eq!(get(id).state, working);
        assert_noop!(acknowledge(id), Error::<Test>::WrongState);
    });
}

#[test]
fn a_request_is_also_answered_by_a_claim_or_a_dispute() {
    test(|| {
        let id = accepted();
        assert_ok!(request(id));
        assert_ok!(claim(received(id, 100)));
        assert_eq!(change_of(WORKER), 2_000);
        let id = accepted();
        assert_ok!(request(id));
        assert_ok!(dispute(id, None));
        assert!(is_over(id));
    });
}

#[test]
fn an_answer_is_of_the_request_that_was_asked_for() {
    test(|| {
        let id = accepted();
        assert_ok!(request(id));
        assert_noop!(
            Sla::acknowledge(RuntimeOrigin::signed(WORKER), id, [6; 32]),
            Error::<Test>::WrongRequest
        );
        assert_ok!(acknowledge(id));
    });
}

#[test]
fn after_an_acknowledgement_silence_is_a_failure() {
    test(|| {
        let id = accepted();
        run_to(5);
        events();
        assert_ok!(acknowledge(id));
        let until = 5 + WORK + ANSWER;
        let acknowledged =
            Event::Acknowledged { agreement: id, request_hash: HASH, anchor: 5, until };
        assert_eq!(events(), vec![acknowledged]);
        run_to(until - 1);
        assert!(!is_over(id));
        run_to(until);
        assert!(is_over(id));
        assert_eq!((change_of(PAYER), change_of(WORKER)), (0, -(FORFEIT as i128)));
    });
}

#[test]
fn only_the_bound_worker_acknowledges_and_while_requests_may_come() {
    test(|| {
        let id = proposed();
        assert_noop!(acknowledge(id), Error::<Test>::WrongState);
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), id));
        assert_noop!(acknowledge(99), Error::<Test>::NoAgreement);
        for who in [PAYER, STRANGER, OTHER_WORKER] {
            assert_noop!(
                Sla::acknowledge(RuntimeOrigin::signed(who), id, HASH),
                Error::<Test>::NotWorker
            );
        }
        assert_noop!(
            Sla::acknowledge(RuntimeOrigin::none(), id, HASH),
            sp_runtime::DispatchError::BadOrigin
        );
        Now::set(LIFE);
        assert_noop!(acknowledge(id), Error::<Test>::TooLate);
        Now::set(LIFE - 1);
        assert_ok!(acknowledge(id));
        assert_noop!(acknowledge(id), Error::<Test>::WrongState);
    });
}

/// The latest of everything: asked for in the last block, answered in the last block.
#[test]
fn a_worker_is_bound_for_no_longer_than_the_manual_says() {
    test(|| {
        let id = accepted();
        run_to(LIFE - 1);
        assert_ok!(request(id));
        run_to(LIFE - 1 + ANSWER - 1);
        assert_ok!(acknowledge(id));
        assert_eq!(get(id).state.until(), 1 + 10 + 3 + 20 + 2 * ANSWER);
    });
}
