//! Proposing, accepting, declining, taking back.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::{
    AgreementState, LayerRange, ModelId, Terms, WorkerStatus, hooks::OpenAgreements,
};
use sp_runtime::TokenError;

use crate::{Error, Event, WorkerLoad, WorkerLoads, mock::*};

fn propose(terms: Terms) -> frame_support::pallet_prelude::DispatchResult {
    Sla::propose(RuntimeOrigin::signed(PAYER), WORKER, terms)
}

fn accept(id: u64) -> frame_support::pallet_prelude::DispatchResult {
    Sla::accept(RuntimeOrigin::signed(WORKER), id)
}

#[test]
fn a_proposal_holds_the_escrow() {
    test(|| {
        let id = proposed();
        assert_eq!((held(PAYER), free(PAYER)), (ESCROW, FUNDS - ESCROW));
        assert_eq!(get(id).state, AgreementState::Proposed { until: 1 + PROPOSAL });
        let event = Event::Proposed {
            agreement: id,
            payer: PAYER,
            worker: WORKER,
            escrow: ESCROW,
            until: 1 + PROPOSAL,
        };
        assert_eq!(events(), vec![event]);
        assert_eq!(Sla::agreements_of(&PAYER, None, 10), Sla::agreements_of(&WORKER, None, 10));
        assert_eq!(Sla::agreements_of(&WORKER, Some(id), 10), vec![]);
        assert_eq!(Sla::agreement(id).map(|agreement| agreement.escrow), Some(ESCROW));
    });
}

#[test]
fn bad_proposals_are_refused() {
    test(|| {
        let empty = LayerRange { first: 6, end: 6 };
        let reversed = LayerRange { first: 6, end: 2 };
        for bad in [
            Terms { tokens: 0, ..terms() },
            Terms { range: empty, ..terms() },
            Terms { range: reversed, ..terms() },
            Terms { work_blocks: 0, ..terms() },
            Terms { work_blocks: 88, ..terms() },
            Terms { first_blocks: 71, ..terms() },
            Terms { first_blocks: u32::MAX, ..terms() },
            Terms { start_blocks: PROPOSAL + 1, ..terms() },
            Terms { start_blocks: u32::MAX, ..terms() },
            Terms { window: 1, ..terms() },
            Terms { tokens: 7, ..terms() },
        ] {
            assert_noop!(propose(bad), Error::<Test>::BadTerms);
        }
        assert_noop!(
            propose(Terms { price_per_layer_token: 0, ..terms() }),
            Error::<Test>::BadEscrow
        );
        assert_noop!(
            propose(Terms { price_per_layer_token: u128::MAX, ..terms() }),
            Error::<Test>::BadEscrow
        );
        assert_noop!(
            propose(Terms { price_per_layer_token: FUNDS, ..terms() }),
            TokenError::FundsUnavailable
        );
        assert_noop!(
            propose(Terms { model: ModelId([8; 32]), ..terms() }),
            Error::<Test>::NotServed
        );
        assert_noop!(
            propose(Terms { range: LayerRange { first: 6, end: 9 }, ..terms() }),
            Error::<Test>::NotServed
        );
        assert_noop!(
            Sla::propose(RuntimeOrigin::signed(PAYER), STRANGER, terms()),
            Error::<Test>::NotServed
        );
        assert_noop!(
            Sla::propose(RuntimeOrigin::signed(WORKER), WORKER, terms()),
            Error::<Test>::SelfAgreement
        );
        assert_noop!(
            Sla::propose(RuntimeOrigin::none(), WORKER, terms()),
            sp_runtime::DispatchError::BadOrigin
        );
        assert_eq!(held(PAYER), 0);
    });
}

#[test]
fn a_jailed_worker_neither_gets_nor_takes_agreements() {
    test(|| {
        let id = proposed();
        change(WORKER, |record| record.status = WorkerStatus::Jailed);
        assert_noop!(propose(terms()), Error::<Test>::NotServed);
        assert_noop!(accept(id), Error::<Test>::NotServed);
    });
}

#[test]
fn acceptance_binds_the_worker() {
    test(|| {
        let id = proposed();
        assert!(!Sla::has_open_agreements(&WORKER), "a proposal alone keeps nobody from leaving");
        run_to(4);
        assert_ok!(accept(id));
        assert!(Sla::has_open_agreements(&WORKER));
        assert_eq!(get(id).state, AgreementState::Active { until: 3 + LIFE });
        assert_eq!(WorkerLoads::<Test>::get(WORKER), WorkerLoad { open: 1, at_risk: FORFEIT });
        assert!(events().contains(&Event::Accepted { agreement: id, until: 3 + LIFE }));
        assert_noop!(accept(id), Error::<Test>::WrongState);
    });
}

#[test]
fn only_the_worker_accepts_and_only_in_time() {
    test(|| {
        let id = proposed();
        for who in [PAYER, STRANGER, OTHER_WORKER] {
            assert_noop!(Sla::accept(RuntimeOrigin::signed(who), id), Error::<Test>::NotWorker);
        }
        assert_noop!(accept(99), Error::<Test>::NoAgreement);
        // The agenda has not run in this block: the right is over all the same.
        Now::set(1 + PROPOSAL);
        assert_noop!(accept(id), Error::<Test>::TooLate);
        Now::set(PROPOSAL);
        assert_ok!(accept(id));
    });
}

#[test]
fn the_stake_must_cover_what_is_promised() {
    test(|| {
        // Half of the stake may be at risk.
        let priced = |price| Terms { price_per_layer_token: price, ..terms() };
        change(WORKER, |record| record.stake = 2 * FORFEIT + 1);
        let exact = proposed_with(priced(5));
        let more = proposed_with(priced(6));
        assert_noop!(accept(more), Error::<Test>::StakeTooLow);
        assert_ok!(accept(exact));
        let small = proposed_with(priced(1));
        assert_noop!(accept(small), Error::<Test>::StakeTooLow);
        assert_ok!(claim(received(exact, 100)));
        assert_ok!(accept(small));
    });
}

#[test]
fn both_sides_have_a_bounded_number() {
    test(|| {
        let ids: Vec<_> = (0..12).map(|_| proposed()).collect();
        assert_noop!(propose(terms()), Error::<Test>::TooManyOfPayer);
        assert_ok!(Sla::propose(RuntimeOrigin::signed(STRANGER), WORKER, terms()));
        for id in &ids[..10] {
            assert_ok!(accept(*id));
        }
        assert_noop!(accept(ids[10]), Error::<Test>::TooManyOfWorker);
        assert_ok!(Sla::cancel(RuntimeOrigin::signed(PAYER), ids[11]));
        assert_ok!(propose(terms()));
    });
}

#[test]
fn a_proposal_is_taken_back_or_declined_before_it_is_accepted() {
    test(|| {
        for who in [PAYER, WORKER] {
            let id = proposed();
            assert_noop!(Sla::cancel(RuntimeOrigin::signed(STRANGER), id), Error::<Test>::NotParty);
            events();
            assert_ok!(Sla::cancel(RuntimeOrigin::signed(who), id));
            assert_eq!(events(), vec![Event::Cancelled { agreement: id, refunded: ESCROW }]);
            assert!(is_over(id));
            assert_eq!((held(PAYER), free(PAYER)), (0, FUNDS));
            assert_noop!(Sla::cancel(RuntimeOrigin::signed(who), id), Error::<Test>::NoAgreement);
        }
        let id = accepted();
        assert_noop!(Sla::cancel(RuntimeOrigin::signed(PAYER), id), Error::<Test>::WrongState);
    });
}

#[test]
fn numbers_are_not_given_out_again() {
    test(|| {
        let first = proposed();
        assert_ok!(Sla::cancel(RuntimeOrigin::signed(PAYER), first));
        assert_eq!(proposed(), first + 1);
    });
}
