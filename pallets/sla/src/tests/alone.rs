//! What one side may do alone: claim, object, acknowledge.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::{Acknowledgement, AgreementState, Claim};

use crate::{Error, Event, mock::*};

const CLAIM: Claim = Claim { tokens: 100, signed: 60, receipts_root: [3; 32], receipts: 7 };

#[test]
fn an_unopposed_claim_is_paid_after_the_challenge_period() {
    test(|| {
        let id = accepted();
        events();
        assert_ok!(claim(id, 100, 60));
        assert_eq!(get(id).state, AgreementState::Claimed { until: 1 + CHALLENGE, claim: CLAIM });
        assert_eq!(
            events(),
            vec![Event::Claimed { agreement: id, claim: CLAIM, until: 1 + CHALLENGE }]
        );
        run_to(CHALLENGE);
        assert!(!is_over(id));
        run_to(1 + CHALLENGE);
        assert!(is_over(id));
        assert_eq!((free(WORKER), held(PAYER)), (FUNDS + ESCROW, 0));
    });
}

#[test]
fn a_claim_of_less_is_paid_for_less() {
    test(|| {
        let id = accepted();
        assert_ok!(claim(id, 40, 0));
        run_to(1 + CHALLENGE);
        assert_eq!((free(WORKER), free(PAYER)), (FUNDS + 800, FUNDS - 800));
        assert!(events().contains(&Event::Paid { agreement: id, paid: 800, refunded: 1_200 }));
    });
}

#[test]
fn only_the_bound_worker_claims_in_time_and_not_too_much() {
    test(|| {
        let id = proposed();
        assert_noop!(claim(id, 100, 60), Error::<Test>::WrongState);
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), id));
        assert_noop!(claim(id, 101, 60), Error::<Test>::TooManyTokens);
        assert_noop!(claim(99, 100, 60), Error::<Test>::NoAgreement);
        for who in [PAYER, OTHER_WORKER] {
            assert_noop!(
                Sla::claim(RuntimeOrigin::signed(who), id, 40, [3; 32], 7, None),
                Error::<Test>::NotWorker
            );
        }
        System::set_block_number(22);
        assert_noop!(claim(id, 100, 60), Error::<Test>::TooLate);
        System::set_block_number(21);
        assert_ok!(claim(id, 100, 60));
        assert_noop!(claim(id, 100, 60), Error::<Test>::WrongState);
    });
}

#[test]
fn a_dispute_that_is_not_settled_pays_what_was_signed_and_costs_both_the_rest() {
    test(|| {
        let id = accepted();
        assert_ok!(claim(id, 90, 60));
        let issuance = Balances::total_issuance();
        events();
        assert_ok!(object(id));
        assert_eq!(events(), vec![Event::Objected { agreement: id, until: 1 + DISPUTE }]);
        run_to(1 + DISPUTE);
        assert!(is_over(id));
        assert_eq!(
            (free(PAYER), held(PAYER), free(WORKER)),
            (FUNDS - 1_800, 0, FUNDS + 1_200 - 600)
        );
        assert_eq!(Balances::total_issuance(), issuance - 1_200);
        assert!(events().contains(&Event::Burned {
            agreement: id,
            paid: 1_200,
            escrow: 600,
            stake: 600,
            refunded: 200
        }));
        assert_eq!(Punished::get()[0].3, None, "nobody is rewarded");
    });
}

#[test]
fn a_claim_goes_one_window_beyond_what_the_payer_signed() {
    test(|| {
        let id = accepted();
        assert_noop!(claim(id, 49, 0), Error::<Test>::TooManyUnsigned);
        assert_noop!(claim(id, 100, 51), Error::<Test>::TooManyUnsigned);
        assert_noop!(claim(id, 60, 61), Error::<Test>::TooManyTokens);
        assert_ok!(claim(id, 100, 52));
    });
}

#[test]
fn progress_is_signed_by_the_payers_key_for_this_agreement_and_number() {
    test(|| {
        let (id, other) = (accepted(), accepted());
        let claim = |signature| {
            Sla::claim(RuntimeOrigin::signed(WORKER), id, 100, [3; 32], 7, Some((60, signature)))
        };
        assert_noop!(claim(progress(id, 60, WORKER)), Error::<Test>::BadSignature);
        assert_noop!(claim(progress(id, 59, PAYER)), Error::<Test>::BadSignature);
        assert_noop!(claim(progress(other, 60, PAYER)), Error::<Test>::BadSignature);
        let foreign =
            mica_primitives::Progress { agreement: id, tokens: 60 }.signing_bytes(&[9; 32]);
        assert_noop!(claim(sign(PAYER, &foreign)), Error::<Test>::BadSignature);
        assert_ok!(claim(progress(id, 60, PAYER)));
    });
}

#[test]
fn what_the_payer_signed_for_cannot_be_objected_to() {
    test(|| {
        let id = accepted();
        assert_ok!(claim(id, 60, 60));
        assert_noop!(object(id), Error::<Test>::NothingToObject);
        run_to(1 + CHALLENGE);
        assert_eq!(free(WORKER), FUNDS + 1_200);
    });
}

#[test]
fn the_two_may_settle_a_dispute_until_it_ends() {
    test(|| {
        let id = accepted();
        assert_ok!(claim(id, 100, 60));
        assert_ok!(object(id));
        System::set_block_number(1 + DISPUTE);
        assert_noop!(complete(WORKER, measured(id, 100, 1, PAYER)), Error::<Test>::TooLate);
        System::set_block_number(DISPUTE);
        assert_ok!(complete(WORKER, measured(id, 100, 1, PAYER)));
        assert_eq!(free(WORKER), FUNDS + ESCROW);
    });
}

#[test]
fn only_the_payer_objects_once_and_in_time() {
    test(|| {
        let id = accepted();
        assert_noop!(object(id), Error::<Test>::WrongState);
        assert_noop!(object(99), Error::<Test>::NoAgreement);
        assert_ok!(claim(id, 100, 60));
        for who in [WORKER, STRANGER] {
            assert_noop!(Sla::object(RuntimeOrigin::signed(who), id), Error::<Test>::NotPayer);
        }
        System::set_block_number(1 + CHALLENGE);
        assert_noop!(object(id), Error::<Test>::TooLate);
        System::set_block_number(CHALLENGE);
        assert_ok!(object(id));
        assert_noop!(object(id), Error::<Test>::WrongState);
    });
}

#[test]
fn an_acknowledged_request_makes_a_missed_deadline_a_breach() {
    test(|| {
        let id = accepted();
        events();
        assert_ok!(acknowledge(id, WORKER));
        assert_eq!(events(), vec![Event::Acknowledged { agreement: id, request_hash: [5; 32] }]);
        assert_noop!(acknowledge(id, WORKER), Error::<Test>::WrongState);
        assert_noop!(claim(id, 47, 0), Error::<Test>::ShortClaim);
        run_to(21);
        assert!(!is_over(id));
        run_to(22);
        assert!(is_over(id));
        assert_eq!((free(PAYER), free(WORKER)), (FUNDS + 150, FUNDS - 300));
    });
}

#[test]
fn after_an_acknowledgement_the_whole_work_is_still_paid() {
    test(|| {
        let id = accepted();
        assert_ok!(acknowledge(id, WORKER));
        assert_ok!(claim(id, 100, 60));
        assert_noop!(acknowledge(id, WORKER), Error::<Test>::WrongState);
        run_to(1 + CHALLENGE);
        assert_eq!(free(WORKER), FUNDS + ESCROW);
    });
}

#[test]
fn an_acknowledgement_answers_a_short_claim_and_a_dispute_about_one() {
    test(|| {
        for disputed in [false, true] {
            let id = accepted();
            assert_ok!(claim(id, 40, 0));
            if disputed {
                assert_ok!(object(id));
            }
            events();
            assert_ok!(acknowledge(id, WORKER));
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
    });
}

#[test]
fn bad_acknowledgements_are_refused() {
    test(|| {
        let id = proposed();
        assert_noop!(acknowledge(id, WORKER), Error::<Test>::WrongState);
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), id));
        for wrong in [PAYER, STRANGER, OTHER_WORKER] {
            assert_noop!(acknowledge(id, wrong), Error::<Test>::BadSignature);
        }
        assert_noop!(acknowledge(99, WORKER), Error::<Test>::NoAgreement);
        let future = Acknowledgement {
            agreement: id,
            request_hash: [5; 32],
            anchor: System::block_number() + 1,
        };
        let signature = sign(WORKER, &future.signing_bytes(&genesis()));
        let submit =
            |who, what, signature| Sla::acknowledge(RuntimeOrigin::signed(who), what, signature);
        assert_noop!(submit(PAYER, future, signature), Error::<Test>::BadAcknowledgement);
        let now = Acknowledgement { anchor: 1, ..future };
        assert_noop!(submit(PAYER, now, signature), Error::<Test>::BadSignature);
        assert_noop!(
            submit(STRANGER, now, sign(WORKER, &now.signing_bytes(&genesis()))),
            Error::<Test>::NotPayer
        );
        assert_noop!(
            submit(PAYER, now, sign(WORKER, &now.signing_bytes(&[9; 32]))),
            Error::<Test>::BadSignature
        );
        System::set_block_number(22);
        assert_noop!(acknowledge(id, WORKER), Error::<Test>::TooLate);
        Registered::mutate(|workers| workers.remove(&WORKER));
        System::set_block_number(21);
        assert_noop!(acknowledge(id, WORKER), Error::<Test>::NotServed);
    });
}
