//! What comes on chain of the request: asked for, acknowledged, or not answered.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::{Acknowledgement, AgreementState};

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
        assert_eq!(
            get(id).state,
            AgreementState::Requested { since: 1, request_hash: HASH, until }
        );
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
        let until = ANSWER + 21 + ANSWER;
        let acknowledged =
            Event::Acknowledged { agreement: id, request_hash: HASH, anchor: ANSWER, until };
        assert_eq!(events(), vec![acknowledged]);
        assert_eq!(get(id).state, AgreementState::Working { anchor: ANSWER, until });
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
        let other = Acknowledgement { request_hash: [6; 32], ..acknowledgement(id, 1) };
        assert_noop!(acknowledge_as(WORKER, other, WORKER), Error::<Test>::BadAcknowledgement);
        assert_ok!(acknowledge(id));
    });
}

#[test]
fn after_an_acknowledgement_silence_is_a_failure() {
    test(|| {
        let id = accepted();
        // The payer shows what it got off chain.
        run_to(5);
        assert_ok!(acknowledge_as(PAYER, acknowledgement(id, 2), WORKER));
        let until = 2 + 21 + ANSWER;
        run_to(until - 1);
        assert!(!is_over(id));
        run_to(until);
        assert!(is_over(id));
        assert_eq!((change_of(PAYER), change_of(WORKER)), (0, -(FORFEIT as i128)));
    });
}

#[test]
fn the_anchor_is_between_the_acceptance_and_now_and_within_the_time_for_requests() {
    test(|| {
        run_to(3);
        let id = accepted();
        let show = |anchor| acknowledge_as(PAYER, acknowledgement(id, anchor), WORKER);
        assert_noop!(show(2), Error::<Test>::BadAcknowledgement);
        assert_noop!(show(4), Error::<Test>::BadAcknowledgement);
        Now::set(20);
        assert_noop!(show(14), Error::<Test>::BadAcknowledgement);
        assert_ok!(show(13));
        // The answer to a request may be as late as it is allowed to be.
        Now::set(3);
        let id = accepted();
        Now::set(13);
        assert_ok!(request(id));
        Now::set(13 + ANSWER - 1);
        assert_ok!(acknowledge(id));
        Now::set(3);
    });
}

/// A payer cannot keep an acknowledgement back until its worker has no time left to claim or to
/// dispute.
#[test]
fn an_acknowledgement_is_shown_while_the_time_for_the_work_runs() {
    test(|| {
        let id = accepted();
        Now::set(23);
        let show = || acknowledge_as(PAYER, acknowledgement(id, 1), WORKER);
        assert_noop!(show(), Error::<Test>::TooLate);
        Now::set(22);
        assert_ok!(show());
        assert_eq!(get(id).state.until(), 22 + ANSWER);
    });
}

#[test]
fn bad_acknowledgements_are_refused() {
    test(|| {
        let id = proposed();
        assert_noop!(acknowledge(id), Error::<Test>::WrongState);
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), id));
        let good = acknowledgement(id, 1);
        for wrong in [PAYER, STRANGER, OTHER_WORKER] {
            assert_noop!(acknowledge_as(PAYER, good, wrong), Error::<Test>::BadSignature);
        }
        assert_noop!(acknowledge(99), Error::<Test>::NoAgreement);
        assert_noop!(acknowledge_as(STRANGER, good, WORKER), Error::<Test>::NotParty);
        let signature = sign(WORKER, &good.signing_bytes(&[9; 32]));
        assert_noop!(
            Sla::acknowledge(RuntimeOrigin::signed(PAYER), good, signature),
            Error::<Test>::BadSignature
        );
        let signature = sign(WORKER, &good.signing_bytes(&genesis()));
        let changed = Acknowledgement { request_hash: [6; 32], ..good };
        assert_noop!(
            Sla::acknowledge(RuntimeOrigin::signed(PAYER), changed, signature),
            Error::<Test>::BadSignature
        );
        let record = Registered::mutate(|workers| workers.remove(&WORKER)).expect("registered");
        assert_noop!(acknowledge(id), Error::<Test>::NotServed);
        Registered::mutate(|workers| workers.insert(WORKER, record));
        Now::set(LIFE);
        assert_noop!(acknowledge(id), Error::<Test>::TooLate);
    });
}
