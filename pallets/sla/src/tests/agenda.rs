//! Everything ends by itself, a bounded number in each block.

use frame_support::{assert_noop, assert_ok, traits::Hooks, weights::Weight};

use crate::{Agenda, Agreements, Error, Event, NextDue, WeightInfo, mock::*};

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
fn work_that_is_not_done_is_refunded_after_the_deadline() {
    test(|| {
        let id = accepted();
        run_to(21);
        assert!(!is_over(id));
        run_to(22);
        assert!(is_over(id));
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
        System::set_block_number(2);
        Sla::on_initialize(2);
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
            Sla::do_try_state().expect("invariants hold while the agenda lags");
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
        System::set_block_number(21);
        assert_noop!(Sla::settle(RuntimeOrigin::signed(PAYER), id), Error::<Test>::NotDue);
        System::set_block_number(22);
        assert_ok!(Sla::settle(RuntimeOrigin::signed(PAYER), id));
        assert_noop!(Sla::settle(RuntimeOrigin::none(), id), sp_runtime::DispatchError::BadOrigin);
    });
}

#[test]
fn an_early_end_leaves_the_agenda() {
    test(|| {
        let id = accepted();
        assert_eq!(Agenda::<Test>::iter().count(), 1);
        assert_ok!(complete(WORKER, measured(id, 100, 1, PAYER)));
        assert_eq!(Agenda::<Test>::iter().count(), 0);
        run_to(30);
        assert_eq!(free(WORKER), FUNDS + ESCROW, "paid once");
    });
}

#[test]
fn a_settlement_that_fails_blocks_nobody_and_can_be_tried_again() {
    use frame_support::traits::fungible::{MutateHold, UnbalancedHold};
    test(|| {
        let (stuck, other) = (proposed(), proposed());
        // Something outside took half of the money on hold.
        let reason = crate::HoldReason::Escrow.into();
        assert_ok!(Balances::set_balance_on_hold(&reason, &PAYER, ESCROW));
        run_to(1 + PROPOSAL);
        let (failed, settled) = if is_over(other) { (stuck, other) } else { (other, stuck) };
        assert!(is_over(settled) && !is_over(failed));
        assert!(events().contains(&Event::SettlementFailed { agreement: failed }));
        assert_eq!(Agenda::<Test>::iter().count(), 0);
        assert_ok!(Balances::hold(&reason, &PAYER, ESCROW));
        assert_ok!(Sla::settle(RuntimeOrigin::signed(PAYER), failed));
        assert_eq!(held(PAYER), 0);
    });
}

#[test]
fn the_weight_of_a_block_is_bounded() {
    test(|| {
        (0..12).for_each(|_| {
            proposed();
        });
        let most: Weight = <() as WeightInfo>::agenda()
            .saturating_mul(PER_BLOCK.into())
            .saturating_add(<() as WeightInfo>::settle().saturating_mul(PER_BLOCK.into()));
        for block in 2..30 {
            System::set_block_number(block);
            let used = Sla::on_initialize(block);
            assert!(used.all_lte(most), "block {block} used {used:?}");
            assert!(used.all_gte(<() as WeightInfo>::agenda()));
        }
    });
}

#[test]
fn a_jump_of_the_clock_is_caught_up_with_in_bounded_steps() {
    test(|| {
        let id = proposed();
        System::set_block_number(500);
        let mut blocks = 0;
        while !is_over(id) {
            Sla::on_initialize(500);
            blocks += 1;
            assert!(blocks < 10, "the agenda does not move");
        }
        assert!(blocks > 1, "one block looked at more than it may");
    });
}
