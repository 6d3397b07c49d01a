//! Changing a range: only where no layer loses its last worker.

use frame_support::{assert_noop, assert_ok};

use crate::{Error, Event, mock::*};

fn move_to(
    account: AccountId,
    first: u16,
    end: u16,
) -> frame_support::dispatch::DispatchResultWithPostInfo {
    Registry::set_range(RuntimeOrigin::signed(account), layers(first, end))
}

#[test]
fn a_worker_moves_where_another_covers_its_layers() {
    run(|| {
        join(ALICE, 0, 20);
        join(BOB, 0, 20);
        System::set_block_number(9);
        assert_ok!(move_to(BOB, 20, 40));
        assert_eq!(
            last_event(),
            Event::RangeChanged { worker: BOB, from: layers(0, 20), to: layers(20, 40) }
        );
        assert_eq!((record(BOB).range, record(BOB).since), (layers(20, 40), 9));
        assert_eq!(Registry::coverage(model()), vec![1; 40]);
    });
}

#[test]
fn the_last_worker_of_a_layer_may_not_move_away() {
    run(|| {
        join(ALICE, 0, 20);
        join(BOB, 0, 19);
        // Layer 19 has Alice alone.
        assert_noop!(move_to(ALICE, 0, 19), Error::<Test>::WouldUncover);
        assert_noop!(move_to(ALICE, 20, 40), Error::<Test>::WouldUncover);
        assert_ok!(move_to(ALICE, 19, 38));
        assert_noop!(move_to(BOB, 1, 19), Error::<Test>::WouldUncover);
    });
}

#[test]
fn a_layer_that_stays_in_the_range_is_not_uncovered() {
    run(|| {
        assert_ok!(join_with(ALICE, 10, 14, 20 * MIN_STAKE));
        assert_ok!(move_to(ALICE, 8, 16));
        assert_ok!(move_to(ALICE, 8, 28));
        assert_noop!(move_to(ALICE, 9, 28), Error::<Test>::WouldUncover);
    });
}

#[test]
fn a_wider_range_needs_more_stake() {
    run(|| {
        join(ALICE, 0, 4);
        assert_noop!(move_to(ALICE, 0, 5), Error::<Test>::StakeTooLow);
        assert_ok!(Registry::top_up_stake(RuntimeOrigin::signed(ALICE), MIN_STAKE));
        assert_ok!(move_to(ALICE, 0, 5));
    });
}

#[test]
fn the_same_or_an_impossible_range_is_refused() {
    run(|| {
        join(ALICE, 0, 4);
        assert_noop!(move_to(ALICE, 0, 4), Error::<Test>::RangeUnchanged);
        for (first, end) in [(2, 2), (4, 0), (39, 41), (0, u16::MAX)] {
            assert_noop!(move_to(ALICE, first, end), Error::<Test>::BadRange);
        }
    });
}

#[test]
fn an_agreement_binds_a_worker_to_its_range() {
    run(|| {
        join(ALICE, 0, 4);
        join(BOB, 0, 4);
        Bound::set(vec![ALICE]);
        assert_noop!(move_to(ALICE, 4, 8), Error::<Test>::BoundByAgreement);
        assert_ok!(move_to(BOB, 0, 3));
        Bound::set(vec![]);
        assert_noop!(move_to(ALICE, 4, 8), Error::<Test>::WouldUncover);
        assert_ok!(move_to(ALICE, 3, 4));
    });
}

#[test]
fn a_move_is_charged_for_the_shards_that_it_wrote() {
    run(|| {
        join(ALICE, 0, 16);
        join(BOB, 0, 16);
        let used = |first, end| move_to(BOB, first, end).expect("moves").actual_weight;
        let weight = |shards| Some(<() as crate::WeightInfo>::set_range(shards));
        assert_eq!(used(0, 8), weight(1));
        assert_eq!(used(24, 32), weight(2));
    });
}
