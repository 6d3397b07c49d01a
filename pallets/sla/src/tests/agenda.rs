//! Everything ends by itself, a bounded number in each block.

use frame_support::{assert_noop, assert_ok, traits::tokens::Precision};
use mica_primitives::hooks::OpenAgreements;

use crate::{Agenda, Agreements, Error, Event, NextDue, mock::*};

fn left() -> usize {
    Agreements::<Test>::iter().count()
}

#[test]
fn a_proposal_that_nobody_accepts_is_refunded() {
    test(|| {
        let id = proposed();
        run_to(PROPOSAL);
        assert!(!is_over(id));
        run_to(1 + PROPOSAL);
        assert!(is_over(id));
        assert_eq!((held(PAYER), free(PAYER)), (0, FUNDS));
        assert!(events().contains(&Event::Expired { agreement: id, refunded: ESCROW }));
    });
}

#[test]
fn an_agreement_of_which_nothing_comes_on_chain_is_refunded() {
    test(|| {
        let id = accepted();
        run_to(LIFE - 1);
        assert!(!is_over(id));
        run_to(LIFE);
        assert!(is_over(id));
        assert!(
            !Sla::has_open_agreements(&WORKER),
            "it is bound no longer than a request may take"
        );
        assert_eq!((free(PAYER), free(WORKER)), (FUNDS, FUNDS));
    });
}

#[test]
fn what_does_not_fit_into_a_block_is_settled_in_the_next_ones() {
    test(|| {
        (0..12).for_each(|_| {
            proposed();
        });
        // One more that is due a block later: it waits for its turn.
        run_to(2);
        assert_ok!(Sla::propose(RuntimeOrigin::signed(STRANGER), WORKER, terms()));
        for (block, expected) in [
            (PROPOSAL, 13),
            (1 + PROPOSAL, 9),
            (2 + PROPOSAL, 5),
            (3 + PROPOSAL, 1),
            (4 + PROPOSAL, 0),
        ] {
            run_to(block);
            assert_eq!(left(), expected, "block {block}");
        }
        assert_eq!(Agenda::<Test>::iter().count(), 0);
        run_to(6 + PROPOSAL);
        assert_eq!(NextDue::<Test>::get(), Some(7 + PROPOSAL));
    });
}

#[test]
fn an_agreement_that_waits_for_its_turn_has_no_rights_left_and_anybody_may_settle_it() {
    test(|| {
        let ids: Vec<_> = (0..6).map(|_| proposed()).collect();
        run_to(1 + PROPOSAL);
        let waiting = ids.into_iter().find(|id| !is_over(*id)).expect("two wait");
        assert_noop!(Sla::accept(RuntimeOrigin::signed(WORKER), waiting), Error::<Test>::TooLate);
        assert_ok!(Sla::settle(RuntimeOrigin::signed(STRANGER), waiting));
        assert!(is_over(waiting));
        assert_noop!(
            Sla::settle(RuntimeOrigin::signed(STRANGER), waiting),
            Error::<Test>::NoAgreement
        );
    });
}

#[test]
fn nothing_is_settled_before_it_is_due() {
    test(|| {
        let id = accepted();
        Now::set(LIFE - 1);
        assert_noop!(Sla::settle(RuntimeOrigin::signed(PAYER), id), Error::<Test>::NotDue);
        Now::set(LIFE);
        assert_ok!(Sla::settle(RuntimeOrigin::signed(PAYER), id));
        assert_noop!(Sla::settle(RuntimeOrigin::none(), id), sp_runtime::DispatchError::BadOrigin);
    });
}

#[test]
fn while_the_clock_stands_still_nothing_ends() {
    test(|| {
        let (proposal, asked) = (proposed(), accepted());
        assert_ok!(request(asked));
        run_to(PROPOSAL.min(ANSWER));
        (0..100).for_each(|_| {
            make_block(0);
        });
        assert!(!is_over(proposal) && !is_over(asked));
        assert_ok!(acknowledge(asked));
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), proposal));
    });
}

#[test]
fn an_early_end_leaves_the_agenda() {
    test(|| {
        let id = accepted();
        assert_eq!(Agenda::<Test>::iter().count(), 1);
        assert_ok!(claim(received(id, 100)));
        assert_eq!(Agenda::<Test>::iter().count(), 0);
        run_to(LIFE + 1);
        assert_eq!(free(WORKER), FUNDS + 2_000, "paid once");
    });
}

#[test]
fn a_settlement_that_fails_blocks_nobody_and_can_be_tried_again() {
    use frame_support::traits::fungible::{MutateHold, UnbalancedHold};
    test(|| {
        let (stuck, other) = (proposed(), proposed());
        // Something outside took half of the money on hold.
        let reason = crate::HoldReason::Escrow.into();
        run_to(PROPOSAL);
        assert_ok!(Balances::set_balance_on_hold(&reason, &PAYER, ESCROW));
        assert!(Sla::do_try_state().is_err(), "an escrow is missing");
        Now::set(1 + PROPOSAL);
        Sla::settle_due();
        let (failed, settled) = if is_over(other) { (stuck, other) } else { (other, stuck) };
        assert!(is_over(settled) && !is_over(failed));
        assert!(events().contains(&Event::SettlementFailed { agreement: failed }));
        assert_eq!(Agenda::<Test>::iter().count(), 0);
        assert_ok!(Balances::hold(&reason, &PAYER, ESCROW));
        assert_ok!(Sla::settle(RuntimeOrigin::signed(PAYER), failed));
        assert_eq!(held(PAYER), 0);
    });
}

/// An escrow whose agreement is gone is found, whoever holds it.
#[test]
fn an_orphaned_escrow_and_books_that_do_not_balance_are_found() {
    use frame_support::traits::fungible::MutateHold;
    test(|| {
        let reason = crate::HoldReason::Escrow.into();
        assert_ok!(Balances::hold(&reason, &STRANGER, 50));
        assert_eq!(Sla::do_try_state(), Err("an escrow has no agreement".into()));
        assert_ok!(Balances::release(&reason, &STRANGER, 50, Precision::Exact));
        let before = crate::Books::<Test>::get();
        crate::Books::<Test>::mutate(|books| books.paid += 1);
        assert_eq!(Sla::do_try_state(), Err("the books do not balance".into()));
        crate::Books::<Test>::put(before);
    });
}

#[test]
fn a_block_weighs_what_it_looks_at_and_what_it_settles() {
    test(|| {
        (0..10).for_each(|_| {
            proposed();
        });
        run_to(PROPOSAL);
        // One look at block 11, four settlements: twice; then two settlements, and looks at blocks
        // 11, 12 and 13.
        let used = [1, 1, 1, 1].map(|ticks| make_block(ticks).ref_time());
        assert_eq!(left(), 0);
        assert_eq!(used, [4_003, 4_003, 2_009, 3]);
        // A jump: no more blocks are looked at than may be settled.
        assert_eq!(make_block(50).ref_time(), 12);
        assert_eq!(make_block(0).ref_time(), 12);
    });
}

#[test]
fn a_jump_of_the_clock_is_caught_up_with_in_bounded_steps() {
    test(|| {
        let id = proposed();
        let mut blocks = 1;
        make_block(500);
        while !is_over(id) {
            make_block(0);
            blocks += 1;
            assert!(blocks < 10, "the agenda does not move");
        }
        assert!(blocks > 1, "one block looked at more than it may");
    });
}
